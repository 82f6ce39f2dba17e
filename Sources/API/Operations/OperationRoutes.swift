import Application
import Domain
import EventLog
import HTTP
import JSON
import Postgres
import ProjectionRuntime
import ReadModels

/// For those who operate it: alive, ready, and in numbers.
enum OperationRoutes {
  static let all = [
    Operation(
      "GET", "/livez", .open, "Whether the process answers", answers: [.ok(.map(.anything))],
      handler: live),
    Operation(
      "GET", "/readyz", .open, "Whether commands are taken and reads are answered",
      details: """
        503 without Postgres: commands still work then. 503 while the disk is full or fails: reading goes on. `hold` is
        there after a restore, until somebody has released what waits.
        """,
      answers: [.ok(.map(.anything)), AnswerDefinition(503, "Not quite.", .map(.anything))],
      handler: ready),
    Operation(
      "GET", "/metrics", .open, "Figures in Prometheus text format",
      answers: [.text("text/plain", "The figures.")], handler: metrics),
    Operation(
      "POST", "/api/operator/release", .operation, "Let go out what a restore holds back",
      details: """
        After a restore nothing is sent: no message, no webhook, no step of a workflow or campaign. What may have been
        sent before is looked up at the provider first. Again: nothing happens.
        """,
      parameters: [.dryRun], answers: [.ok(.map(.anything))], idempotency: .refused,
      handler: release),
    OperatorChecks.operation,
  ]

  /// The process answers.
  private static func live(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    exchange.respond(200, ["status": "ok"])
  }

  /// Commands are taken and reads are answered. Without Postgres commands still work: the answer is
  /// 503 then and says what is missing.
  private static func ready(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var checks = JSONObject([("log", "ok"), ("head", .int(Int64(try head(exchange))))])
    var isWritable = true
    if case .readOnly(let reason, let sinceMicros) = exchange.engine.log.health {
      isWritable = false
      checks["log"] = .string(reason.code)
      checks["read_only_since"] = .string(Timestamp.text(sinceMicros))
    }
    if let held = try hold(exchange) { checks["hold"] = held }
    do {
      // Fails until the projector has made the read models' tables.
      let applied = try await ReadModels.appliedPosition(
        of: ReadModels.all.map { $0.name }, exchange.services.pool)
      checks["postgres"] = "ok"
      checks["read_models"] = .int(Int64(applied))
      return exchange.respond(
        isWritable ? 200 : 503,
        ["status": isWritable ? "ok" : "degraded", "checks": .object(checks)])
    } catch {
      checks["postgres"] = "unavailable"
      return exchange.respond(503, ["status": "degraded", "checks": .object(checks)])
    }
  }

  /// nil unless sending is on hold.
  private static func hold(_ exchange: Exchange) throws(APIError) -> JSON? {
    do {
      let record = try exchange.services.settings.hold?.record()
      return record?.isHeld == true ? record?.json : nil
    } catch {
      throw unreadableHold
    }
  }

  private static let unreadableHold = APIError(
    500, "internal", "internal", "The record of the restore cannot be read. Nothing is sent.")

  private static func release(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    if exchange.isDryRun {
      return exchange.respond(
        200, ["dry_run": true, "released": .bool(try hold(exchange) != nil)])
    }
    do {
      let isReleased = try exchange.services.settings.hold?.release() ?? false
      return exchange.respond(200, ["released": .bool(isReleased)])
    } catch {
      throw unreadableHold
    }
  }

  private static func head(_ exchange: Exchange) throws(APIError) -> UInt64 {
    do {
      return try exchange.engine.log.head()
    } catch {
      throw APIError(.log(error))
    }
  }

  /// Prometheus text format.
  private static func metrics(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var lines = [
      "# HELP daybook_log_head_position Position of the last durable event.",
      "# TYPE daybook_log_head_position gauge",
      "daybook_log_head_position \(try head(exchange))",
      "# HELP daybook_orgs Accounts that exist.", "# TYPE daybook_orgs gauge",
      "daybook_orgs \(exchange.engine.allExecutors.count)",
    ]
    lines += [
      "# HELP daybook_access_refused_total Requests refused for want of a right, since the start.",
      "# TYPE daybook_access_refused_total counter",
    ]
    lines += exchange.services.refusals.all.map {
      "daybook_access_refused_total{code=\"\($0.code)\"} \($0.count)"
    }
    lines += exchange.services.requestMetrics.lines
    lines += WorkMetrics.lines(exchange.engine)
    lines += await queueLines(exchange)
    lines += await ProjectionMetrics.lines(exchange)
    var response = HTTPResponse.text(200, lines.joined(separator: "\n") + "\n")
    response.headers.set("content-type", "text/plain; version=0.0.4; charset=utf-8")
    return response
  }

  private static func queueLines(_ exchange: Exchange) async -> [String] {
    var waiting = 0
    var unanswered = 0
    var timers = 0
    for executor in exchange.engine.allExecutors {
      guard let counts = await executor.queueCounts() else { continue }
      waiting += counts.waiting
      unanswered += counts.unanswered
      timers += counts.timers
    }
    return [
      "# HELP daybook_messages_waiting Messages that are queued or held.",
      "# TYPE daybook_messages_waiting gauge", "daybook_messages_waiting \(waiting)",
      "# HELP daybook_messages_unanswered Provider calls without a recorded answer.",
      "# TYPE daybook_messages_unanswered gauge", "daybook_messages_unanswered \(unanswered)",
      "# HELP daybook_timers_pending Timers that have not fired.",
      "# TYPE daybook_timers_pending gauge", "daybook_timers_pending \(timers)",
    ]
  }
}

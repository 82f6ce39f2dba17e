import Application
import Domain
import EventLog
import HTTP
import JSON
import Postgres
import ProjectionRuntime
import ReadModels

/// The read models, for administrators: where each is, a rebuild, and what is parked. A read model is the whole
/// installation's: who orders anything of it has to reach all accounts, and of parked events everybody sees those of the
/// accounts that they reach.
enum ProjectionRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/projections", "projections:read", "List the read models",
      details: "Where each of them is, how far behind the log, and its last rebuild.",
      of: ProjectionSchemas.projection, sorts: ["name"],
      refuses: [503: ["read_model_unavailable"]], rows: list),
    Operation(
      "POST", "/api/projections/{name}/rebuild", .scope("projections:write"),
      "Rebuild a read model",
      details: """
        For accounts that reach all others. Folds the whole log anew beside the live rows, which serve all the while, and \
        swaps them at the end. Begins within about a second of the answer; the list says how far it is.
        """,
      parameters: [.dryRun],
      answers: [AnswerDefinition(202, "It will be done.", ProjectionSchemas.projection), .tried],
      refuses: [
        403: ["operator_only"], 409: ["rebuild_running"], 503: unavailable,
      ],
      idempotency: .refused, handler: rebuild),
    Operation(
      "DELETE", "/api/projections/{name}/rebuild", .scope("projections:write"),
      "Cancel a rebuild",
      details: "For accounts that reach all others. The live rows stay as they are.",
      parameters: [.dryRun],
      answers: [AnswerDefinition(202, "It will stop.", ProjectionSchemas.projection), .tried],
      refuses: [
        403: ["operator_only"], 409: ["no_rebuild"], 503: unavailable,
      ],
      idempotency: .refused, handler: cancel),
    Operation.list(
      "/api/projections/{name}/parked", "projections:read",
      "List what a read model could not apply",
      details: "Events of the accounts that the caller reaches, in the log's order: each that "
        + "cannot be applied, and what waits behind it.",
      of: ProjectionSchemas.parked, sorts: ["position"],
      refuses: [503: ["read_model_unavailable"]], rows: parked),
    Operation(
      "POST", "/api/projections/{name}/drain", .scope("projections:write"),
      "Apply what is parked, in order, once it can be",
      details: "For accounts that reach all others. What still cannot be applied stays parked.",
      parameters: [.dryRun],
      answers: [AnswerDefinition.ok(ProjectionSchemas.drained).or(.dryRun)],
      refuses: [403: ["operator_only"], 503: unavailable],
      idempotency: .refused, handler: drain),
  ]

  /// The read models, or the log in which each order is put on record.
  private static let unavailable = [
    "read_model_unavailable", "log_overloaded", "log_full", "log_read_only", "outcome_unknown",
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let data = try await exchange.onReadModels { connection in
      try views(connection, exchange)
    }
    return try await .of(data.map(\.json), list, exchange) { $0["name"]?.string ?? "" }
  }

  private static func rebuild(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let projection = try exchange.projection()
    try exchange.requireWholeInstallation()
    try await exchange.onReadModels { connection in
      guard try !isRebuilt(projection, connection) else {
        throw ProjectionError.rebuildRunning(projection: projection.name)
      }
    }
    try await exchange.record(.rebuild, of: projection)
    return try await exchange.onReadModels { connection in
      try RebuildRecord.request(projection, connection)
      return exchange.respond(202, try view(projection, connection, exchange))
    }
  }

  private static func cancel(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let projection = try exchange.projection()
    try exchange.requireWholeInstallation()
    let none = APIError(409, "conflict", "no_rebuild", "\(projection.name) is not being rebuilt.")
    try await exchange.onReadModels { connection in
      guard try isRebuilt(projection, connection) else { throw none }
    }
    try await exchange.record(.cancelRebuild, of: projection)
    return try await exchange.onReadModels { connection in
      guard try RebuildRecord.cancel(projection, connection) else { throw none }
      return exchange.respond(202, try view(projection, connection, exchange))
    }
  }

  private static func isRebuilt(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> Bool {
    try ProjectionAdmin.list(connection).contains {
      $0.name == projection.name && $0.version == projection.version
        && $0.rebuild?.isOpen == true
    }
  }

  @Sendable
  private static func parked(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let projection = try exchange.projection()
    let home = exchange.caller.home
    let directory = exchange.engine.directory
    let data = try await exchange.onReadModels { connection in
      try ProjectionAdmin.parked(connection)
        .filter { $0.projection == projection.name && directory.reaches($0.org, from: home) }
        .map { parkedView($0) }
    }
    return try await .of(data, list, exchange) { $0["account"]?.string ?? "" }
  }

  private static func drain(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let projection = try exchange.projection()
    try exchange.requireWholeInstallation()
    try await exchange.record(.drain, of: projection)
    let reader = exchange.engine.log
    let report = try await exchange.onReadModels { try Drain.run(projection, reader, $0) }
    return exchange.respond(
      200,
      [
        "object": "drained_projection", "projection": .string(report.projection),
        "applied": JSON(report.appliedCount), "remaining": JSON(report.remainingCount),
      ])
  }
}

// MARK: - Views

extension ProjectionRoutes {
  private struct View: Sendable {
    let name: String
    let json: JSON
  }

  /// What is served now; what a rebuild replaced is left out.
  private static func views(
    _ connection: PostgresConnection, _ exchange: Exchange
  ) throws -> [View] {
    let reader = exchange.engine.log
    let head = try reader.head()
    // What failed may be in anybody's book.
    let isWhole = exchange.engine.directory.reachesAll(from: exchange.caller.home)
    let nowMicros = exchange.engine.tools.clock.nowMicros()
    return try ReadModels.present(ProjectionAdmin.list(connection)).map { status in
      let lagMicros = try status.lagMicros(reader, nowMicros: nowMicros)
      return View(
        name: status.name, json: view(status, head: head, lagMicros: lagMicros, tellsWhy: isWhole))
    }
  }

  private static func view(
    _ projection: any Projection.Type, _ connection: PostgresConnection, _ exchange: Exchange
  ) throws -> JSON {
    guard let found = try views(connection, exchange).first(where: { $0.name == projection.name })
    else { throw APIError.notFound("read model") }
    return found.json
  }

  private static func view(
    _ status: ProjectionStatus, head: UInt64, lagMicros: Micros, tellsWhy: Bool
  ) -> JSON {
    [
      "object": "projection", "name": .string(status.name), "version": JSON(status.version),
      "state": .string(status.state.rawValue), "position": .int(Int64(status.position)),
      "lag_events": .int(Int64(status.lagEvents(head: head))),
      "lag_seconds": .double(Double(lagMicros) / 1e6), "rate": .double(status.rate),
      "bytes": .int(status.byteCount), "parked": JSON(status.parkedCount),
      "failed_reason": tellsWhy ? JSON(status.failedReason) : .null,
      "built_at": .string(Timestamp.text(status.builtAtMicros)),
      "checked_at": JSON(status.check.map { Timestamp.text($0.atMicros) }),
      "checked_equal": (status.check?.isEqual).map(JSON.bool) ?? .null,
      "rebuild": status.rebuild.map { rebuildView($0, tellsWhy: tellsWhy) } ?? .null,
    ]
  }

  private static func rebuildView(_ rebuild: ProjectionStatus.Rebuild, tellsWhy: Bool) -> JSON {
    let left = Double(rebuild.head) - Double(rebuild.position)
    let isFolding = rebuild.isOpen && rebuild.phase == .folding && rebuild.rate > 0
    return [
      "state": .string(rebuild.state.rawValue), "phase": JSON(rebuild.phase?.rawValue),
      "position": .int(Int64(rebuild.position)), "head": .int(Int64(rebuild.head)),
      "rate": .double(rebuild.rate),
      "remaining_seconds": isFolding ? .double(max(0, left / rebuild.rate)) : .null,
      "reason": tellsWhy ? JSON(rebuild.reason) : .null,
      "requested_at": .string(Timestamp.text(rebuild.requestedAtMicros)),
      "updated_at": .string(Timestamp.text(rebuild.updatedAtMicros)),
    ]
  }

  private static func parkedView(_ event: ParkedStatus) -> JSON {
    [
      "object": "parked_event", "projection": .string(event.projection),
      "position": .int(Int64(event.position)), "type": .string(event.type),
      "account": .string(event.org.text), "code": JSON(event.code), "reason": JSON(event.reason),
      "parked_at": .string(Timestamp.text(event.parkedAtMicros)),
    ]
  }
}

extension Exchange {
  /// Refuses whoever does not act for every account there is: in an installation of one account its own people do, in an
  /// agency's those of the agency; else it is the operator's (`daybook rebuild`).
  fileprivate func requireWholeInstallation() throws(APIError) {
    guard engine.directory.reachesAll(from: caller.home) else {
      throw APIError(
        403, "permission", "operator_only",
        "A read model is of all accounts, and this one does not reach all. The operator can: daybook rebuild."
      )
    }
  }

  /// Puts on record who orders what, in the book of the caller's own account, before it is done. With `dry_run` nothing
  /// more is done than telling so.
  fileprivate func record(
    _ order: Org.ReadModelOrder, of projection: any Projection.Type
  ) async throws(APIError) {
    let name = projection.name
    _ = try await write(to: try executor(for: caller.home), try call()) {
      workspace throws(CommandError) in
      try workspace.recordOrder(order, ofReadModel: name)
    }
  }

  /// The read model that the path names.
  fileprivate func projection() throws(APIError) -> any Projection.Type {
    guard let found = ReadModels.all.first(where: { $0.name == path["name"] }) else {
      throw .notFound("read model")
    }
    return found
  }

  /// Calls `body` with a connection of the read models' owner.
  fileprivate func onReadModels<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection) throws -> Value
  ) async throws(APIError) -> Value {
    do {
      return try await services.owners.with(body)
    } catch let error as APIError {
      throw error
    } catch ProjectionError.rebuildRunning(let name) {
      throw APIError(409, "conflict", "rebuild_running", "\(name) is being rebuilt already.")
    } catch {
      services.report("read models: \(error)", requestID)
      throw APIError(
        503, "unavailable", "read_model_unavailable",
        "The read models cannot be asked at the moment. Commands still work.", isRetryable: true)
    }
  }
}

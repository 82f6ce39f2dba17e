import Application
import Domain
import EventLog
import HTTP
import JSON
import Postgres
import ProjectionRuntime
import ReadModels

/// The read models, for administrators: where each is, a rebuild, and what is parked. A read model is
/// the whole installation's; of parked events everybody sees those of the accounts that they reach.
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
        Folds the whole log anew beside the live rows, which serve all the while, and swaps them at the end. Begins within
        about a second of the answer; the list says how far it is.
        """,
      parameters: [.dryRun],
      answers: [AnswerDefinition(202, "It will be done.", ProjectionSchemas.projection), .tried],
      refuses: [409: ["rebuild_running"], 503: ["read_model_unavailable"]],
      idempotency: .refused, handler: rebuild),
    Operation(
      "DELETE", "/api/projections/{name}/rebuild", .scope("projections:write"),
      "Cancel a rebuild", details: "The live rows stay as they are.", parameters: [.dryRun],
      answers: [AnswerDefinition(202, "It will stop.", ProjectionSchemas.projection), .tried],
      refuses: [409: ["no_rebuild"], 503: ["read_model_unavailable"]],
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
      details: "What still cannot be applied stays parked.", parameters: [.dryRun],
      answers: [AnswerDefinition.ok(ProjectionSchemas.drained).or(.dryRun)],
      refuses: [503: ["read_model_unavailable"]], idempotency: .refused, handler: drain),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let data = try await exchange.onReadModels { connection in
      try views(connection, exchange)
    }
    return try .of(data.map(\.json), list, exchange) { $0["name"]?.string ?? "" }
  }

  private static func rebuild(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let projection = try exchange.projection()
    return try await exchange.onReadModels { connection in
      if exchange.isDryRun {
        guard try !isRebuilt(projection, connection) else {
          throw ProjectionError.rebuildRunning(projection: projection.name)
        }
        throw APIError.tried([])
      }
      try RebuildRecord.request(projection, connection)
      return exchange.respond(202, try view(projection, connection, exchange))
    }
  }

  private static func cancel(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let projection = try exchange.projection()
    return try await exchange.onReadModels { connection in
      let isThere =
        exchange.isDryRun
        ? try isRebuilt(projection, connection) : try RebuildRecord.cancel(projection, connection)
      guard isThere else {
        throw APIError(
          409, "conflict", "no_rebuild", "\(projection.name) is not being rebuilt.")
      }
      if exchange.isDryRun { throw APIError.tried([]) }
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
    return try .of(data, list, exchange) { $0["account"]?.string ?? "" }
  }

  private static func drain(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let projection = try exchange.projection()
    if exchange.isDryRun { throw .tried([]) }
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
    let nowMicros = exchange.engine.tools.clock.nowMicros()
    return try ReadModels.present(ProjectionAdmin.list(connection)).map { status in
      let lagMicros = try status.lagMicros(reader, nowMicros: nowMicros)
      return View(name: status.name, json: view(status, head: head, lagMicros: lagMicros))
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
    _ status: ProjectionStatus, head: UInt64, lagMicros: Micros
  ) -> JSON {
    [
      "object": "projection", "name": .string(status.name), "version": JSON(status.version),
      "state": .string(status.state.rawValue), "position": .int(Int64(status.position)),
      "lag_events": .int(Int64(status.lagEvents(head: head))),
      "lag_seconds": .double(Double(lagMicros) / 1e6), "rate": .double(status.rate),
      "bytes": .int(status.byteCount), "parked": JSON(status.parkedCount),
      "failed_reason": JSON(status.failedReason),
      "built_at": .string(Timestamp.text(status.builtAtMicros)),
      "checked_at": JSON(status.check.map { Timestamp.text($0.atMicros) }),
      "checked_equal": (status.check?.isEqual).map(JSON.bool) ?? .null,
      "rebuild": status.rebuild.map(rebuildView) ?? .null,
    ]
  }

  private static func rebuildView(_ rebuild: ProjectionStatus.Rebuild) -> JSON {
    let left = Double(rebuild.head) - Double(rebuild.position)
    let isFolding = rebuild.isOpen && rebuild.phase == .folding && rebuild.rate > 0
    return [
      "state": .string(rebuild.state.rawValue), "phase": JSON(rebuild.phase?.rawValue),
      "position": .int(Int64(rebuild.position)), "head": .int(Int64(rebuild.head)),
      "rate": .double(rebuild.rate),
      "remaining_seconds": isFolding ? .double(max(0, left / rebuild.rate)) : .null,
      "reason": JSON(rebuild.reason),
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

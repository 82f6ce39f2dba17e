import Application
import Domain
import HTTP
import JSON

/// Files of contacts that were taken in.
enum ImportReads {
  static let all: [Operation] = [
    Operation.list(
      "/api/imports", "contacts:read", "List imports of contacts, newest first",
      of: ContactSchemas.importJob, rows: list),
    Operation(
      "GET", "/api/imports/{id}", .scope("contacts:read"), "Read what an import came to",
      details: "Which rows were refused, and why, was in the answer to the import alone: rows are "
        + "personal.", answers: [.ok(ContactSchemas.importJob)],
      handler: { exchange throws(APIError) in
        exchange.respond(200, try view(try exchange.id("id", .importJob), exchange))
      }),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    try await .of({ $0.imports }, list, exchange) { id throws(APIError) in
      try view(id, exchange)
    }
  }

  static func view(
    _ id: Identifier, version: UInt64 = .max, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    let snapshot: Snapshot<ImportJob.State>
    do {
      snapshot = try exchange.engine.importJob(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    let state = snapshot.state
    guard state.isStarted else { throw .notFound("import") }
    let outcome = state.outcome
    return [
      "id": .string(id.text), "object": "import_job",
      // One that was cut off goes on when the same request is sent again.
      "status": outcome == nil ? "started" : "completed", "rows": JSON(state.rowCount),
      "created": JSON(outcome?.createdCount ?? 0), "updated": JSON(outcome?.updatedCount ?? 0),
      "unchanged": JSON(outcome?.unchangedCount ?? 0), "failed": JSON(outcome?.failedCount ?? 0),
      "version": .int(Int64(snapshot.version)), "account": .string(exchange.org.text),
      "created_at": .string(Timestamp.text(snapshot.createdAtMicros)),
      "updated_at": .string(Timestamp.text(snapshot.updatedAtMicros)),
    ]
  }
}

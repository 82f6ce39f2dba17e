package import Domain
package import Postgres
package import ProjectionRuntime

/// Messages as `GET /api/messages` asks for them, newest first.
package enum MessageQueries {
  package struct Request: Sendable {
    package var contact: Identifier?
    package var campaign: Identifier?
    package var run: Identifier?
    package var status: Message.Status?
    package var channel: Channel?
    /// `outbound` or `inbound`.
    package var direction: String?
    package var page: PageRequest

    package init(page: PageRequest = PageRequest()) { self.page = page }
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<MessageRow> {
    let before = try position(request.page.after)
    return try await Reading.read(pool, org: org) { connection in
      var conditions = conditions(of: request, org)
      conditions.addIfPresent("m.position < ?", before.map(PostgresValue.int))
      let rows = try MessageRow.rows(
        connection.query(
          """
          SELECT \(MessageRow.columnList("m")) FROM \(TimelineProjection.schema).messages m
          \(conditions.sql) ORDER BY m.position DESC LIMIT \(request.page.limit + 1)
          """, conditions.parameters))
      return QueryPage(rows, limit: request.page.limit) {
        Cursor("messages", [String($0.position)])
      }
    }
  }

  /// nil where the org has no such message.
  package static func item(
    _ pool: PostgresPool, org: Identifier, message: Identifier
  ) async throws -> MessageRow? {
    try await Reading.read(pool, org: org) { connection in
      try MessageRow.rows(
        connection.query(
          """
          SELECT \(MessageRow.columnList("m")) FROM \(TimelineProjection.schema).messages m
          WHERE m.org = $1 AND m.message = $2
          """, [.id(org), .id(message)])
      ).first
    }
  }

  /// Those of the messages that exist, in the order that was asked for.
  package static func items(
    _ pool: PostgresPool, org: Identifier, messages ids: [Identifier]
  ) async throws -> [MessageRow] {
    try await Reading.read(pool, org: org) { connection in
      let rows = try MessageRow.rows(
        connection.query(
          """
          SELECT \(MessageRow.columnList("m")) FROM \(TimelineProjection.schema).messages m
          WHERE m.org = $1 AND m.message = ANY($2::uuid[])
          """, [.id(org), .textArray(ids.map { UUIDText.encode($0.value) })]))
      let byID = Dictionary(uniqueKeysWithValues: rows.map { ($0.message, $0) })
      return ids.compactMap { byID[$0.value] }
    }
  }

  private static func position(_ cursor: String?) throws(InvalidCursor) -> Int64? {
    guard let parts = try Cursor.parts(of: cursor, "messages", count: 1) else { return nil }
    guard let position = Int64(parts[0]) else { throw InvalidCursor() }
    return position
  }

  private static func conditions(of request: Request, _ org: Identifier) -> Conditions {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.addIfPresent("m.contact = ?", request.contact.map(PostgresValue.id))
    conditions.addIfPresent("m.campaign = ?", request.campaign.map(PostgresValue.id))
    conditions.addIfPresent("m.run = ?", request.run.map(PostgresValue.id))
    conditions.addIfPresent("m.status = ?", request.status.map { .text($0.rawValue) })
    conditions.addIfPresent("m.channel = ?", request.channel.map { .text($0.rawValue) })
    conditions.addIfPresent("m.direction = ?", request.direction.map(PostgresValue.text))
    return conditions
  }
}

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
    /// In the order of their ids, in place of newest first.
    package var isByID = false
    package var page: PageRequest

    package init(page: PageRequest = PageRequest()) { self.page = page }
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<MessageRow> {
    try await Reading.read(pool, org: org) { connection in
      try (request.isByID ? byID : newestFirst)
        .page(conditions(of: request, org), request.page, connection)
    }
  }

  private static let newestFirst = ListQuery<MessageRow>(
    "messages", columns: MessageRow.columnList("m"), source: source,
    order: [.init("m.position", .bigint)], isDescending: true, row: MessageRow.row
  ) { [String($0.position)] }

  private static let byID = ListQuery<MessageRow>(
    "messages.id", columns: MessageRow.columnList("m"), source: source,
    order: [.init("m.message", .uuid)], isDescending: false, row: MessageRow.row
  ) { [UUIDText.encode($0.message)] }

  private static let source = "\(TimelineProjection.schema).messages m"

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

  private static func conditions(of request: Request, _ org: Identifier) -> Conditions {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.addPin(request.page, position: "m.position")
    conditions.addIfPresent("m.contact = ?", request.contact.map(PostgresValue.id))
    conditions.addIfPresent("m.campaign = ?", request.campaign.map(PostgresValue.id))
    conditions.addIfPresent("m.run = ?", request.run.map(PostgresValue.id))
    conditions.addIfPresent("m.status = ?", request.status.map { .text($0.rawValue) })
    conditions.addIfPresent("m.channel = ?", request.channel.map { .text($0.rawValue) })
    conditions.addIfPresent("m.direction = ?", request.direction.map(PostgresValue.text))
    return conditions
  }
}

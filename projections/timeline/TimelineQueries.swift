package import Domain
package import Postgres
package import ProjectionRuntime

/// An entry of a timeline with the message that it is about.
package struct TimelineEntry: Sendable, Equatable {
  package let event: Identifier
  package let contact: Identifier
  package let position: Int64
  package let kind: EntryRow.Kind
  /// The event's type; of a message, with its present state: `message.delivered`.
  package let type: String
  package let occurredAtMicros: Micros
  package let recordedAtMicros: Micros
  package let title: String
  package let campaign: Identifier?
  package let workflow: Identifier?
  package let run: Identifier?
  package let actor: String
  package let origin: String
  package let correlation: String
  /// Position of the event that this one reacts to.
  package let cause: Int64?
  /// The channel and our own address: `sms +12025550199`; nil for what is no message.
  package let conversation: String?
  package let message: MessageRow?
}

/// A contact's timeline as `GET /api/contacts/{id}/timeline` asks for it, newest first.
package enum TimelineQueries {
  package struct Request: Sendable {
    package var contact: Identifier
    /// Empty: all kinds.
    package var kinds: [EntryRow.Kind] = []
    package var conversation: String?
    package var page: PageRequest

    package init(contact: Identifier, page: PageRequest = PageRequest()) {
      self.contact = contact
      self.page = page
    }
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<TimelineEntry> {
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("e.org = ?", .id(org))
      conditions.add("e.contact = ?", .id(request.contact))
      conditions.addPin(request.page, position: "e.position")
      if !request.kinds.isEmpty {
        conditions.add("e.kind = ANY(?)", .textArray(request.kinds.map(\.rawValue)))
      }
      if let conversation = request.conversation {
        conditions.add(
          "e.conversation = ? AND e.conversation <> ''", .text(conversation))
      }
      return try query("timeline", isDescending: true).page(conditions, request.page, connection)
    }
  }

  /// What one event led to, in the order of the log: whatever reacts to it and is an entry of some
  /// timeline.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func effects(
    _ pool: PostgresPool, org: Identifier, of position: UInt64, _ page: PageRequest
  ) async throws -> QueryPage<TimelineEntry> {
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("e.org = ?", .id(org))
      conditions.add("e.cause = ?", .int(Int64(position)))
      conditions.addPin(page, position: "e.position")
      return try query("effects", isDescending: false).page(conditions, page, connection)
    }
  }

  /// The conversations of a contact with the number of their messages, the one with the latest first.
  package static func conversations(
    _ pool: PostgresPool, org: Identifier, contact: Identifier
  ) async throws -> [Conversation] {
    try await Reading.read(pool, org: org) { connection in
      try connection.query(
        """
        SELECT conversation, count(*), max(position), max(occurred_at)
        FROM \(TimelineProjection.schema).entries
        WHERE org = $1 AND contact = $2 AND conversation <> ''
        GROUP BY conversation ORDER BY max(position) DESC
        """, [.id(org), .id(contact)]
      ).map { row in
        Conversation(
          name: try row.text(0), messageCount: try row.int64(1),
          lastAtMicros: try row.timestampMicros(3))
      }
    }
  }

  package struct Conversation: Sendable, Equatable {
    /// `sms +12025550199`.
    package let name: String
    package let messageCount: Int64
    package let lastAtMicros: Micros
  }
}

extension TimelineQueries {
  private static let columns = """
    e.event, e.contact, e.position, e.kind, e.type, e.occurred_at, e.recorded_at, e.title,
    e.campaign, e.workflow, e.run, e.actor, e.origin, e.correlation, e.cause, e.conversation
    """
  private static let columnCount = 16

  private static func query(_ name: String, isDescending: Bool) -> ListQuery<TimelineEntry> {
    ListQuery(
      name, columns: "\(columns), \(MessageRow.columnList("m"))",
      source: """
        \(TimelineProjection.schema).entries e LEFT JOIN \(TimelineProjection.schema).messages m
          ON m.org = e.org AND m.message = e.message AND e.kind = 'message'
        """,
      order: [.init("e.position", .bigint)], isDescending: isDescending, row: { try entry($0) }
    ) { [String($0.position)] }
  }

  private static func entry(_ row: PostgresRow) throws -> TimelineEntry {
    let message = try message(row)
    var reader = RowReader(row, table: EntryRow.table)
    let event = Identifier(.event, try reader.uuid())
    let contact = Identifier(.contact, try reader.uuid())
    let position = try reader.bigint()
    guard let kind = EntryRow.Kind(rawValue: try reader.text()) else {
      throw RowError(table: EntryRow.table, reason: "kind")
    }
    let type = try reader.text()
    return TimelineEntry(
      event: event, contact: contact, position: position, kind: kind,
      type: message.map { "message.\($0.status)" } ?? type,
      occurredAtMicros: try reader.timestamp(), recordedAtMicros: try reader.timestamp(),
      title: try reader.text(),
      campaign: try reader.optionalUUID().map { Identifier(.campaign, $0) },
      workflow: try reader.optionalUUID().map { Identifier(.workflow, $0) },
      run: try reader.optionalUUID().map { Identifier(.run, $0) }, actor: try reader.text(),
      origin: try reader.text(), correlation: try reader.text(),
      cause: try reader.optionalBigint(), conversation: try reader.text().nonEmpty,
      message: message)
  }

  private static func message(_ row: PostgresRow) throws -> MessageRow? {
    guard try !row.isNull(columnCount) else { return nil }
    var reader = RowReader(row, table: MessageRow.table, from: columnCount)
    return try MessageRow(from: &reader)
  }
}

extension String {
  fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}

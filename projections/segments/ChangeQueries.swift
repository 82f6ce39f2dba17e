package import Domain
package import Postgres
package import ProjectionRuntime

/// Who came to a segment and who left it, newest first.
package enum SegmentChangeQueries {
  package struct Request: Sendable {
    package var segment: Identifier
    /// nil: everybody.
    package var contact: Identifier?
    /// On the org's clock.
    package var nowMicros: Micros
    package var page: PageRequest

    package init(segment: Identifier, nowMicros: Micros, page: PageRequest = PageRequest()) {
      self.segment = segment
      self.nowMicros = nowMicros
      self.page = page
    }
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<SegmentChange> {
    let place = try place(request.page.after)
    return try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      let sql = sql(request, org, after: place, &conditions)
      let rows = try connection.query(sql, conditions.parameters).map(change)
      return QueryPage(rows, limit: request.page.limit) { $0.cursor }
    }
  }

  /// What is noted, and what time has done since a contact's last event: that is in `members`.
  private static func sql(
    _ request: Request, _ org: Identifier, after place: [String]?, _ conditions: inout Conditions
  ) -> String {
    let schema = SegmentsProjection.schema
    let now = conditions.parameter(.timestampMicros(request.nowMicros))
    let sources = [
      Source("changes", "at", "position", "change", "by_time", "true"),
      Source(
        "members", "entered_at", "entered_position", "'entered'::text", "true",
        "NOT noted AND entered_at <= \(now)"),
      Source(
        "members", "leaves_at", "leaves_position", "'left'::text", "true",
        "leaves_at <= \(now) AND (NOT noted OR leaves_at IS NOT NULL)"),
    ]
    let orgID = conditions.parameter(.id(org))
    let segment = conditions.parameter(.id(request.segment))
    let contact = request.contact.map { conditions.parameter(.id($0)) }
    let after = place.map { place in
      [
        conditions.parameter(.timestampMicros(Int64(place[0]) ?? 0)),
        conditions.parameter(.int(Int64(place[1]) ?? 0)), conditions.parameter(.text(place[2])),
        conditions.parameter(.text(place[3])),
      ].joined(separator: ", ")
    }
    let order = "1 DESC, 2 DESC, 3 DESC, 4 DESC LIMIT \(request.page.limit + 1)"
    let parts = sources.map { source in
      """
      (SELECT \(source.at) AS at, \(source.position) AS position, contact, \(source.change) AS change,
        \(source.byTime) AS by_time FROM \(schema).\(source.table)
      WHERE org = \(orgID) AND segment = \(segment) AND \(source.condition)
        \(contact.map { "AND contact = \($0)" } ?? "")
        \(after.map { "AND (\(source.at), \(source.position), contact, \(source.change)) < (\($0))" }
          ?? "")
      ORDER BY \(order))
      """
    }
    return parts.joined(separator: " UNION ALL ") + " ORDER BY \(order)"
  }

  private struct Source {
    let table: String
    let at: String
    let position: String
    let change: String
    let byTime: String
    let condition: String

    init(
      _ table: String, _ at: String, _ position: String, _ change: String, _ byTime: String,
      _ condition: String
    ) {
      self.table = table
      self.at = at
      self.position = position
      self.change = change
      self.byTime = byTime
      self.condition = condition
    }
  }

  private static func change(_ row: PostgresRow) throws -> SegmentChange {
    var reader = RowReader(row, table: ChangeRow.table)
    let atMicros = try reader.timestamp()
    let position = try reader.bigint()
    return SegmentChange(
      contact: Identifier(.contact, try reader.uuid()),
      hasEntered: try reader.text() == ChangeRow.Change.entered.rawValue, atMicros: atMicros,
      position: position, isByTime: try reader.boolean())
  }

  private static func place(_ cursor: String?) throws(InvalidCursor) -> [String]? {
    guard let parts = try Cursor.parts(of: cursor, "changes", count: 4) else { return nil }
    guard Int64(parts[0]) != nil, Int64(parts[1]) != nil, UUIDText.decode(parts[2]) != nil else {
      throw InvalidCursor()
    }
    return parts
  }
}

extension SegmentChange {
  fileprivate var cursor: Cursor {
    Cursor(
      "changes",
      [
        String(atMicros), String(position), UUIDText.encode(contact.value),
        (hasEntered ? ChangeRow.Change.entered : .left).rawValue,
      ])
  }
}

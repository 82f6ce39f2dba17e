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

  /// - Throws: `InvalidCursor`; `SegmentRecomputing`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<SegmentChange> {
    try await Reading.read(pool, org: org) { connection in
      try SegmentsQueries.requireSettled(request.segment, org: org, asOf: nil, connection)
      var all = Conditions()
      let counted = query(of: try source(request, org, &all))
      let total = request.page.wantsTotal ? try counted.count(all, connection) : nil
      var conditions = Conditions()
      let stretch = try source(request, org, &conditions, isWhole: false)
      var page = request.page
      page.wantsTotal = false
      var found = try query(of: stretch).page(conditions, page, connection)
      found.total = total
      return found
    }
  }

  private static func query(of source: String) -> ListQuery<SegmentChange> {
    ListQuery(
      "changes", columns: "c.at, c.position, c.contact, c.change, c.by_time",
      source: "(\(source)) c",
      order: [
        .init("c.at", .timestamp), .init("c.position", .bigint), .init("c.contact", .uuid),
        .init("c.change", .text),
      ], isDescending: true, row: { try change($0) }
    ) { $0.place }
  }

  /// What is noted, and what time has done since a contact's last event: that is in `members`.
  /// Not `isWhole`: each of the three holds no more than the page needs, found in its own index.
  private static func source(
    _ request: Request, _ org: Identifier, _ conditions: inout Conditions, isWhole: Bool = true
  ) throws(InvalidCursor) -> String {
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
    let upTo = request.page.upTo.map { conditions.parameter(.int(Int64(clamping: $0))) }
    let place = isWhole ? nil : try place(request.page.after, &conditions)
    let goesDown = request.page.goesDown(true)
    let order = (1...4).map { "\($0)\(goesDown ? " DESC" : "")" }.joined(separator: ", ")
    return sources.map { source in
      """
      (SELECT \(source.at) AS at, \(source.position) AS position, contact, \(source.change) AS change,
        \(source.byTime) AS by_time FROM \(schema).\(source.table)
      WHERE org = \(orgID) AND segment = \(segment) AND \(source.condition)
        \(contact.map { "AND contact = \($0)" } ?? "")
        \(upTo.map { "AND \(source.position) <= \($0)" } ?? "")
        \(place.map {
          "AND (\(source.at), \(source.position), contact, \(source.change)) "
            + "\(goesDown ? "<" : ">") (\($0))"
        } ?? "")
      \(isWhole ? "" : "ORDER BY \(order) LIMIT \(request.page.limit + 1)"))
      """
    }.joined(separator: " UNION ALL ")
  }

  /// The parameters that stand for a cursor's parts.
  private static func place(
    _ cursor: String?, _ conditions: inout Conditions
  ) throws(InvalidCursor) -> String? {
    guard let parts = try Cursor.parts(of: cursor, "changes", count: 4) else { return nil }
    let at = try Cursor.micros(parts[0])
    guard let position = Int64(parts[1]), let contact = UUIDText.decode(parts[2]),
      !parts[3].utf8.contains(0)
    else { throw InvalidCursor() }
    return [
      conditions.parameter(.timestampMicros(at)), conditions.parameter(.int(position)),
      conditions.parameter(.uuid(contact)), conditions.parameter(.text(parts[3])),
    ].joined(separator: ", ")
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

}

extension SegmentChange {
  fileprivate var place: [String] {
    [
      String(atMicros), String(position), UUIDText.encode(contact.value),
      (hasEntered ? ChangeRow.Change.entered : .left).rawValue,
    ]
  }
}

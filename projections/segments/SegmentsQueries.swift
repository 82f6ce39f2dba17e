package import Domain
package import Postgres
package import ProjectionRuntime

/// A segment and how many contacts are in it at the moment of the question.
package struct SegmentOverview: Sendable, Equatable {
  package let segment: SegmentRow
  package let memberCount: Int64
}

/// A contact entered or left a segment.
package struct SegmentChange: Sendable, Equatable {
  package let contact: Identifier
  package let hasEntered: Bool
  package let atMicros: Micros
  /// Position of the event that decided it.
  package let position: Int64
  /// The moment had come; the event had decided it before.
  package let isByTime: Bool
}

/// Segments and who is in them, at a moment of the org's clock.
package enum SegmentsQueries {
  static var schema: String { SegmentsProjection.schema }

  /// In the order of their creation.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, atMicros nowMicros: Micros, _ page: PageRequest,
    asOf: UInt64? = nil
  ) async throws -> QueryPage<SegmentOverview> {
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("s.org = ?", .id(org))
      conditions.addPin(page, createdAt: "s.created_at")
      let now = conditions.parameter(.timestampMicros(nowMicros))
      return try query(now, asOf).page(conditions, page, connection)
    }
  }

  /// nil where the org has no such segment, or has it no more.
  package static func item(
    _ pool: PostgresPool, org: Identifier, atMicros nowMicros: Micros, segment: Identifier,
    asOf: UInt64? = nil
  ) async throws -> SegmentOverview? {
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("s.org = ?", .id(org))
      conditions.add("s.segment = ?", .id(segment))
      let now = conditions.parameter(.timestampMicros(nowMicros))
      return try query(now, asOf).page(conditions, PageRequest(limit: 1), connection).rows.first
    }
  }

  /// `now`: the parameter with the moment.
  private static func query(_ now: String, _ asOf: UInt64?) -> ListQuery<SegmentOverview> {
    ListQuery(
      "segments",
      columns: "\(SegmentRow.columnList("s")), s.settled_count + u.count",
      // Joined, so that a count of the segments uses the parameter too.
      source: """
        \(SegmentRow.source(schema, asOf: asOf)) s CROSS JOIN LATERAL (
          SELECT count(*) AS count FROM \(MemberRow.source(schema, asOf: asOf)) m
          WHERE m.org = s.org AND m.segment = s.segment
            AND (NOT m.noted OR m.leaves_at IS NOT NULL)
            AND m.entered_at <= \(now) AND (m.leaves_at IS NULL OR m.leaves_at > \(now))) u
        """, order: [.init("s.segment", .uuid)], isDescending: false,
      row: { row in
        var reader = RowReader(row, table: SegmentRow.table)
        return SegmentOverview(
          segment: try SegmentRow(from: &reader), memberCount: try reader.bigint())
      }
    ) { [UUIDText.encode($0.segment.key.id)] }
  }

  /// Who is in, in the order of the contacts' ids.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func members(
    _ pool: PostgresPool, org: Identifier, _ request: MembersRequest
  ) async throws -> QueryPage<MemberRow> {
    let walk = try Walk(request.page)
    return try await Reading.read(pool, org: org) { connection in
      let total = try request.page.wantsTotal ? memberCount(request, org, connection) : nil
      let rows =
        try request.asOf == nil
        ? present(request, org, walk, connection) : past(request, org, walk, connection)
      return QueryPage(rows, limit: request.page.limit, total: total) {
        Cursor("members", [UUIDText.encode($0.key.contact)])
      }
    }
  }

  /// From where, and which way, in the order of the contacts' ids.
  private struct Walk: Sendable {
    let place: String?
    let comparison: String
    let direction: String

    init(_ page: PageRequest) throws(InvalidCursor) {
      place = try Cursor.parts(of: page.after, "members", count: 1)?.first
      if let place, UUIDText.decode(place) == nil { throw InvalidCursor() }
      let goesDown = page.goesDown(false)
      comparison = goesDown ? "<" : ">"
      direction = goesDown ? " DESC" : ""
    }
  }

  private static func memberCount(
    _ request: MembersRequest, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> Int {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.add("m.segment = ?", .id(request.segment))
    conditions.addMoment(request.nowMicros, of: "m")
    let rows = try connection.query(
      """
      SELECT count(*) FROM \(MemberRow.source(schema, asOf: request.asOf)) m \(conditions.sql)
      """, conditions.parameters)
    return try rows.first.map { Int(try $0.int64(0)) } ?? 0
  }

  /// Found by the two indexes that leave out whom time has taken out.
  private static func present(
    _ request: MembersRequest, _ org: Identifier, _ walk: Walk,
    _ connection: PostgresConnection
  ) throws -> [MemberRow] {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.add("m.segment = ?", .id(request.segment))
    conditions.addIfPresent(
      "m.contact \(walk.comparison) ?", walk.place.map(PostgresValue.text))
    let now = conditions.parameter(.timestampMicros(request.nowMicros))
    conditions.add("m.entered_at <= \(now)")
    let limit = request.page.limit + 1
    let parts = [
      "m.noted AND m.leaves_at IS NULL",
      "(NOT m.noted OR m.leaves_at IS NOT NULL) AND m.leaves_at > \(now)",
      "(NOT m.noted OR m.leaves_at IS NOT NULL) AND m.leaves_at IS NULL",
    ].map { part in
      """
      (SELECT m.contact, m.span FROM \(schema).members m \(conditions.sql) AND \(part)
        ORDER BY m.contact\(walk.direction) LIMIT \(limit))
      """
    }
    return try MemberRow.rows(
      connection.query(
        """
        SELECT \(MemberRow.columnList("m")) FROM (\(parts.joined(separator: " UNION ALL "))) found
        JOIN \(schema).members m ON m.org = $1 AND m.segment = $2
          AND m.contact = found.contact AND m.span = found.span
        ORDER BY m.contact\(walk.direction) LIMIT \(limit)
        """, conditions.parameters))
  }

  private static func past(
    _ request: MembersRequest, _ org: Identifier, _ walk: Walk,
    _ connection: PostgresConnection
  ) throws -> [MemberRow] {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.add("m.segment = ?", .id(request.segment))
    conditions.addIfPresent(
      "m.contact \(walk.comparison) ?", walk.place.map(PostgresValue.text))
    conditions.addMoment(request.nowMicros, of: "m")
    return try MemberRow.rows(
      connection.query(
        """
        SELECT \(MemberRow.columnList("m")) FROM \(MemberRow.source(schema, asOf: request.asOf)) m
        \(conditions.sql) ORDER BY m.contact\(walk.direction)
        LIMIT \(request.page.limit + 1)
        """, conditions.parameters))
  }

  package struct MembersRequest: Sendable {
    package var segment: Identifier
    /// On the org's clock.
    package var nowMicros: Micros
    /// The members as they were after this position.
    package var asOf: UInt64?
    package var page: PageRequest

    package init(
      segment: Identifier, nowMicros: Micros, page: PageRequest = PageRequest()
    ) {
      self.segment = segment
      self.nowMicros = nowMicros
      self.page = page
    }
  }
}

extension Conditions {
  /// The members at a moment.
  package mutating func addMoment(_ micros: Micros, of alias: String) {
    let now = parameter(.timestampMicros(micros))
    add(
      """
      \(alias).entered_at <= \(now)
        AND (\(alias).leaves_at IS NULL OR \(alias).leaves_at > \(now))
      """)
  }
}

// MARK: - Facts

/// What filters look at beside the contact itself: for lists with a filter on what happened.
package enum FactsQueries {
  /// By contact. A contact that is missing here has only just come.
  package static func activities(
    of contacts: [UInt128], org: Identifier, _ connection: PostgresConnection
  ) throws -> [UInt128: Activity] {
    let rows = try FactsRow.rows(
      connection.query(
        """
        SELECT \(FactsRow.columnList("c")) FROM \(SegmentsProjection.schema).contacts c
        WHERE c.org = $1 AND c.contact = ANY($2::uuid[])
        """, [.id(org), .textArray(contacts.map(UUIDText.encode))]))
    return Dictionary(uniqueKeysWithValues: rows.map { ($0.key.id, $0.facts.activity) })
  }
}

package import Domain
package import Postgres
package import ProjectionRuntime

/// A segment and how many contacts are in it at the moment of the question.
package struct SegmentOverview: Sendable, Equatable {
  package let segment: SegmentRow
  /// nil while `isRecomputing`.
  package let memberCount: Int64?
  /// Its definition has changed and not all contacts were looked at yet: nobody can say who is in.
  package let isRecomputing: Bool
}

/// Who is in the segment is not known for the minutes in which a new definition looks at all contacts.
package struct SegmentRecomputing: Error, Equatable {
  package init() {}
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
      columns: """
        \(SegmentRow.columnList("s")), u.count,
        \(SegmentsProjection.isSweeping(org: "s.org", subject: "s.segment", asOf: asOf))
        """,
      // Joined, so that a count of the segments uses the parameter too.
      source: """
        \(SegmentRow.source(schema, asOf: asOf)) s CROSS JOIN LATERAL (
          \(asOf == nil ? presentCount(now) : pastCount(now, asOf))) u
        """, order: [.init("s.segment", .uuid)], isDescending: false,
      row: { row in
        var reader = RowReader(row, table: SegmentRow.table)
        let segment = try SegmentRow(from: &reader)
        let count = try reader.bigint()
        let isRecomputing = try reader.boolean()
        return SegmentOverview(
          segment: segment, memberCount: isRecomputing ? nil : count,
          isRecomputing: isRecomputing)
      }
    ) { [UUIDText.encode($0.segment.key.id)] }
  }

  /// Those who are in for good are counted already.
  private static func presentCount(_ now: String) -> String {
    """
    SELECT count(*) + coalesce((SELECT z.settled_count FROM \(schema).sizes z
      WHERE z.org = s.org AND z.segment = s.segment), 0) AS count
    FROM \(schema).members m
    WHERE m.org = s.org AND m.segment = s.segment AND (NOT m.noted OR m.leaves_at IS NOT NULL)
      AND m.entered_at <= \(now) AND (m.leaves_at IS NULL OR m.leaves_at > \(now))
    """
  }

  private static func pastCount(_ now: String, _ asOf: UInt64?) -> String {
    """
    SELECT count(*) AS count FROM \(MemberRow.source(schema, asOf: asOf)) m
    WHERE m.org = s.org AND m.segment = s.segment
      AND m.entered_at <= \(now) AND (m.leaves_at IS NULL OR m.leaves_at > \(now))
    """
  }

  /// Asked in the transaction that reads members, which sees one state of all tables.
  package static func requireSettled(
    _ segment: Identifier, org: Identifier, asOf: UInt64?, _ connection: PostgresConnection
  ) throws {
    let condition = SegmentsProjection.isSweeping(
      org: "$1::uuid", subject: "$2::uuid", asOf: asOf)
    let rows = try connection.query("SELECT \(condition)", [.id(org), .id(segment)])
    if try rows.first?.bool(0) == true { throw SegmentRecomputing() }
  }

  /// Who is in, in the order of the contacts' ids.
  ///
  /// - Throws: `InvalidCursor`; `SegmentRecomputing`; `PostgresError`.
  package static func members(
    _ pool: PostgresPool, org: Identifier, _ request: MembersRequest
  ) async throws -> QueryPage<MemberRow> {
    let walk = try Walk(request.page)
    return try await Reading.read(pool, org: org) { connection in
      try requireSettled(request.segment, org: org, asOf: request.asOf, connection)
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
    let place: UInt128?
    let comparison: String
    let direction: String

    init(_ page: PageRequest) throws(InvalidCursor) {
      let parts = try Cursor.parts(of: page.after, "members", count: 1)
      place = parts.flatMap { UUIDText.decode($0[0]) }
      if parts != nil, place == nil { throw InvalidCursor() }
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

  /// In three parts, each found in an index of its own in the order of the ids.
  private static func present(
    _ request: MembersRequest, _ org: Identifier, _ walk: Walk,
    _ connection: PostgresConnection
  ) throws -> [MemberRow] {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.add("m.segment = ?", .id(request.segment))
    conditions.addIfPresent(
      "m.contact \(walk.comparison) ?", walk.place.map(PostgresValue.uuid))
    let now = conditions.parameter(.timestampMicros(request.nowMicros))
    let today = conditions.parameter(.int(MemberRow.day(request.nowMicros)))
    conditions.add("m.entered_at <= \(now)")
    let limit = request.page.limit + 1
    func part(_ condition: String) -> String {
      """
      (SELECT m.contact, m.span FROM \(schema).members m \(conditions.sql) AND \(condition)
        ORDER BY m.contact\(walk.direction) LIMIT \(limit))
      """
    }
    let found = parts(
      settled: part("m.noted AND m.leaves_day IS NULL"),
      coming: part("NOT m.noted AND m.leaves_day IS NULL"),
      leaving: part("m.leaves_day = d.day AND m.leaves_at > \(now)"))
    return try MemberRow.rows(
      connection.query(
        """
        WITH RECURSIVE days(day) AS (\(days(from: today)))
        SELECT \(MemberRow.columnList("m")) FROM (
          SELECT p.contact, p.span FROM (\(found)) p
          ORDER BY p.contact\(walk.direction) LIMIT \(limit)) found
        CROSS JOIN LATERAL (SELECT * FROM \(schema).members m WHERE m.org = $1
          AND m.segment = $2 AND m.contact = found.contact AND m.span = found.span LIMIT 1) m
        ORDER BY m.contact\(walk.direction)
        """, conditions.parameters))
  }

  private static func parts(
    settled: String, coming: String, leaving: String
  ) -> String {
    """
    \(settled) UNION ALL \(coming) UNION ALL
    SELECT l.contact, l.span FROM days d CROSS JOIN LATERAL \(leaving) l
    """
  }

  /// The days from now on on which somebody leaves, one after the other: a look at the index for each.
  private static func days(from today: String) -> String {
    func next(_ comparison: String) -> String {
      """
      (SELECT m.leaves_day FROM \(schema).members m WHERE m.org = $1 AND m.segment = $2
        AND m.leaves_day \(comparison) ORDER BY m.leaves_day LIMIT 1)
      """
    }
    return """
      \(next(">= \(today)")) UNION ALL
      SELECT \(next("> d.day")) FROM days d WHERE d.day IS NOT NULL
      """
  }

  private static func past(
    _ request: MembersRequest, _ org: Identifier, _ walk: Walk,
    _ connection: PostgresConnection
  ) throws -> [MemberRow] {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.add("m.segment = ?", .id(request.segment))
    conditions.addIfPresent(
      "m.contact \(walk.comparison) ?", walk.place.map(PostgresValue.uuid))
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

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
    let after = try id(page.after, "segments")
    return try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("s.org = ?", .id(org))
      conditions.addIfPresent("s.segment > ?", after.map(PostgresValue.text))
      let rows = try overviews(
        conditions, atMicros: nowMicros, "ORDER BY s.segment LIMIT \(page.limit + 1)", asOf,
        connection)
      return QueryPage(rows, limit: page.limit) {
        Cursor("segments", [UUIDText.encode($0.segment.key.id)])
      }
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
      return try overviews(conditions, atMicros: nowMicros, "", asOf, connection).first
    }
  }

  private static func overviews(
    _ conditions: Conditions, atMicros nowMicros: Micros, _ order: String,
    _ asOf: UInt64?, _ connection: PostgresConnection
  ) throws -> [SegmentOverview] {
    var conditions = conditions
    let now = conditions.parameter(.timestampMicros(nowMicros))
    return try connection.query(
      """
      SELECT \(SegmentRow.columnList("s")), s.settled_count + (
        SELECT count(*) FROM \(MemberRow.source(schema, asOf: asOf)) m
        WHERE m.org = s.org AND m.segment = s.segment AND (NOT m.noted OR m.leaves_at IS NOT NULL)
          AND m.entered_at <= \(now) AND (m.leaves_at IS NULL OR m.leaves_at > \(now)))
      FROM \(SegmentRow.source(schema, asOf: asOf)) s \(conditions.sql) \(order)
      """, conditions.parameters
    ).map { row in
      var reader = RowReader(row, table: SegmentRow.table)
      return SegmentOverview(
        segment: try SegmentRow(from: &reader), memberCount: try reader.bigint())
    }
  }

  /// Who is in, in the order of the contacts' ids.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func members(
    _ pool: PostgresPool, org: Identifier, _ request: MembersRequest
  ) async throws -> QueryPage<MemberRow> {
    let after = try id(request.page.after, "members")
    return try await Reading.read(pool, org: org) { connection in
      let rows =
        try request.asOf == nil
        ? present(request, org, after: after, connection)
        : past(request, org, after: after, connection)
      return QueryPage(rows, limit: request.page.limit) {
        Cursor("members", [UUIDText.encode($0.key.contact)])
      }
    }
  }

  /// Found by the two indexes that leave out whom time has taken out.
  private static func present(
    _ request: MembersRequest, _ org: Identifier, after: String?,
    _ connection: PostgresConnection
  ) throws -> [MemberRow] {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.add("m.segment = ?", .id(request.segment))
    conditions.addIfPresent("m.contact > ?", after.map(PostgresValue.text))
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
        ORDER BY m.contact LIMIT \(limit))
      """
    }
    return try MemberRow.rows(
      connection.query(
        """
        SELECT \(MemberRow.columnList("m")) FROM (\(parts.joined(separator: " UNION ALL "))) found
        JOIN \(schema).members m ON m.org = $1 AND m.segment = $2
          AND m.contact = found.contact AND m.span = found.span
        ORDER BY m.contact LIMIT \(limit)
        """, conditions.parameters))
  }

  private static func past(
    _ request: MembersRequest, _ org: Identifier, after: String?,
    _ connection: PostgresConnection
  ) throws -> [MemberRow] {
    var conditions = Conditions()
    conditions.add("m.org = ?", .id(org))
    conditions.add("m.segment = ?", .id(request.segment))
    conditions.addIfPresent("m.contact > ?", after.map(PostgresValue.text))
    conditions.addMoment(request.nowMicros, of: "m")
    return try MemberRow.rows(
      connection.query(
        """
        SELECT \(MemberRow.columnList("m")) FROM \(MemberRow.source(schema, asOf: request.asOf)) m
        \(conditions.sql) ORDER BY m.contact LIMIT \(request.page.limit + 1)
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

  private static func id(
    _ cursor: String?, _ list: String
  ) throws(InvalidCursor) -> String? {
    guard let parts = try Cursor.parts(of: cursor, list, count: 1) else { return nil }
    guard UUIDText.decode(parts[0]) != nil else { throw InvalidCursor() }
    return parts[0]
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

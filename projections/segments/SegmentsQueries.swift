package import Domain
package import Postgres
package import ProjectionRuntime

/// Segments and who is in them.
package enum SegmentsQueries {
  /// In the order of their creation.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ page: PageRequest
  ) async throws -> QueryPage<SegmentRow> {
    let after = try id(page.after, "segments")
    return try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("s.org = ?", .id(org))
      conditions.addIfPresent("s.segment > ?", after.map(PostgresValue.text))
      let rows = try SegmentRow.rows(
        connection.query(
          """
          SELECT \(SegmentRow.columnList("s")) FROM \(SegmentsProjection.schema).segments s
          \(conditions.sql) ORDER BY s.segment LIMIT \(page.limit + 1)
          """, conditions.parameters))
      return QueryPage(rows, limit: page.limit) {
        Cursor("segments", [UUIDText.encode($0.key.id)])
      }
    }
  }

  /// nil where the org has no such segment, or has it no more.
  package static func item(
    _ pool: PostgresPool, org: Identifier, segment: Identifier
  ) async throws -> SegmentRow? {
    try await Reading.read(pool, org: org) { connection in
      try SegmentRow.rows(
        connection.query(
          """
          SELECT \(SegmentRow.columnList("s")) FROM \(SegmentsProjection.schema).segments s
          WHERE s.org = $1 AND s.segment = $2
          """, [.id(org), .id(segment)])
      ).first
    }
  }

  /// Who is in, in the order of the contacts' ids: `key.second` is the contact.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func members(
    _ pool: PostgresPool, org: Identifier, _ request: MembersRequest
  ) async throws -> QueryPage<MemberRow> {
    let after = try id(request.page.after, "members")
    return try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("m.org = ?", .id(org))
      conditions.add("m.segment = ?", .id(request.segment))
      conditions.addIfPresent("m.contact > ?", after.map(PostgresValue.text))
      let rows = try MemberRow.rows(
        connection.query(
          """
          SELECT \(MemberRow.columnList("m")) FROM \(SegmentsProjection.schema).members m
          \(conditions.sql) ORDER BY m.contact LIMIT \(request.page.limit + 1)
          """, conditions.parameters))
      return QueryPage(rows, limit: request.page.limit) {
        Cursor("members", [UUIDText.encode($0.key.second)])
      }
    }
  }

  package struct MembersRequest: Sendable {
    package var segment: Identifier
    package var page: PageRequest

    package init(segment: Identifier, page: PageRequest = PageRequest()) {
      self.segment = segment
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

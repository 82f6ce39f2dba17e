package import Domain
package import Postgres
package import ProjectionRuntime
internal import SegmentsProjection

/// The contacts of an org as `GET /api/contacts` asks for them.
package enum ContactsQueries {
  package enum Sort: String, Sendable, CaseIterable {
    case createdAt = "created_at"
    case newestFirst = "-created_at"
    case name
  }

  package struct Request: Sendable {
    /// Part of a name, email, phone or company, in any case.
    package var q: String?
    package var tag: String?
    package var segment: Identifier?
    package var email: String?
    /// E.164.
    package var phone: String?
    /// A condition of the segments' grammar; judged by the same predicate as they are.
    package var filter: Filter?
    package var sort = Sort.newestFirst
    /// The moment of the question on the org's clock: for segments and filters that depend on it.
    package var nowMicros: Micros
    /// The contacts as they were after this position; nil: as they are.
    package var asOf: UInt64?
    package var page: PageRequest

    package init(nowMicros: Micros, page: PageRequest = PageRequest()) {
      self.nowMicros = nowMicros
      self.page = page
    }
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<ContactRow> {
    let cursor = try request.sort.cursor(request.page.after)
    return try await Reading.read(pool, org: org) { connection in
      try page(of: request, org, after: cursor, connection)
    }
  }

  /// How many contacts the request's conditions hold for.
  package static func count(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> Int {
    try await Reading.read(pool, org: org) { connection in
      guard request.filter == nil else { return try countFiltered(request, org, connection) }
      let conditions = conditions(of: request, org)
      let rows = try connection.query(
        "SELECT count(*) FROM \(source(request.asOf)) c \(conditions.sql)", conditions.parameters)
      return try rows.first.map { Int(try $0.int64(0)) } ?? 0
    }
  }

  /// nil where the org has no such contact.
  package static func item(
    _ pool: PostgresPool, org: Identifier, contact: Identifier, asOf: UInt64? = nil
  ) async throws -> ContactRow? {
    try await items(pool, org: org, contacts: [contact], asOf: asOf).first
  }

  /// Those of the contacts that exist, in no particular order.
  package static func items(
    _ pool: PostgresPool, org: Identifier, contacts ids: [Identifier], asOf: UInt64? = nil
  ) async throws -> [ContactRow] {
    try await Reading.read(pool, org: org) { connection in
      try ContactRow.rows(
        connection.query(
          """
          SELECT \(ContactRow.columnList("c")) FROM \(source(asOf)) c
          WHERE c.org = $1 AND c.contact = ANY($2::uuid[])
          """, [.id(org), .textArray(ids.map { UUIDText.encode($0.value) })]))
    }
  }
}

// MARK: - Pages

extension ContactsQueries {
  private static func source(_ asOf: UInt64?) -> String {
    ContactRow.source(ContactsProjection.schema, asOf: asOf)
  }

  /// A filter is judged here and not in SQL, so that it means what it means everywhere: rows are read
  /// in order until enough of them match. A million contacts need it in SQL, or a segment.
  private static func page(
    of request: Request, _ org: Identifier, after cursor: [String]?,
    _ connection: PostgresConnection
  ) throws -> QueryPage<ContactRow> {
    let wanted = request.page.limit + 1
    var found: [ContactRow] = []
    var place = cursor
    while found.count < wanted {
      let limit = request.filter == nil ? wanted : max(wanted, filterChunk)
      let rows = try rows(of: request, org, after: place, limit: limit, connection)
      found += try matching(rows, request, org, connection)
      guard rows.count == limit, let last = rows.last else { break }
      place = request.sort.place(of: last)
    }
    return QueryPage(found, limit: request.page.limit) {
      Cursor(request.sort.rawValue, request.sort.place(of: $0))
    }
  }

  private static let filterChunk = 1_000

  private static func matching(
    _ rows: [ContactRow], _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> [ContactRow] {
    guard let filter = request.filter else { return rows }
    let activities =
      filter.dependsOnEvents
      ? try FactsQueries.activities(of: rows.map(\.contact), org: org, connection) : [:]
    return rows.filter { row in
      let facts = ContactFacts(
        row.state, createdAtMicros: row.createdAtMicros,
        activity: activities[row.contact] ?? Activity())
      return filter.matches(facts, atMicros: request.nowMicros)
    }
  }

  private static func rows(
    of request: Request, _ org: Identifier, after place: [String]?, limit: Int,
    _ connection: PostgresConnection
  ) throws -> [ContactRow] {
    var conditions = conditions(of: request, org)
    if let place { request.sort.add(place, to: &conditions) }
    return try ContactRow.rows(
      connection.query(
        """
        SELECT \(ContactRow.columnList("c")) FROM \(source(request.asOf)) c \(conditions.sql)
        ORDER BY \(request.sort.order) LIMIT \(limit)
        """, conditions.parameters))
  }

  private static func countFiltered(
    _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> Int {
    var count = 0
    var place: [String]?
    repeat {
      let rows = try rows(of: request, org, after: place, limit: filterChunk, connection)
      count += try matching(rows, request, org, connection).count
      place = rows.count == filterChunk ? rows.last.map(request.sort.place) : nil
    } while place != nil
    return count
  }

  private static func conditions(of request: Request, _ org: Identifier) -> Conditions {
    var conditions = Conditions()
    conditions.add("c.org = ?", .id(org))
    conditions.addIfPresent("c.phone = ?", request.phone.map(PostgresValue.text))
    conditions.addIfPresent(
      "c.email_key = ?", request.email.map { .text($0.lowercased()) })
    // A part of a text has no index under row-level security: this walks the org's contacts, half a
    // second for a million. Then terms need a table of their own, (org, term, contact).
    conditions.addIfPresent(
      "c.search LIKE ?", request.q.map { .text("%\(escaped($0.lowercased()))%") })
    conditions.addIfPresent(
      """
      EXISTS (SELECT 1
        FROM \(ContactTagRow.source(ContactsProjection.schema, asOf: request.asOf)) t
        WHERE t.org = c.org AND t.contact = c.contact AND t.tag = ?)
      """, request.tag.map(PostgresValue.text))
    if let segment = request.segment {
      let now = conditions.parameter(.timestampMicros(request.nowMicros))
      conditions.add(
        """
        EXISTS (SELECT 1
          FROM \(MemberRow.source(SegmentsProjection.schema, asOf: request.asOf)) m
          WHERE m.org = c.org AND m.contact = c.contact AND m.segment = ?
            AND m.entered_at <= \(now) AND (m.leaves_at IS NULL OR m.leaves_at > \(now)))
        """, .id(segment))
    }
    return conditions
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
  }
}

extension ContactsQueries.Sort {
  fileprivate var order: String {
    switch self {
    case .createdAt: "c.created_at, c.contact"
    case .newestFirst: "c.created_at DESC, c.contact DESC"
    case .name: "c.name_key COLLATE \"C\", c.contact"
    }
  }

  fileprivate func place(of row: ContactRow) -> [String] {
    let id = UUIDText.encode(row.contact)
    return switch self {
    case .createdAt, .newestFirst: [String(row.createdAtMicros), id]
    case .name: [row.nameKey, id]
    }
  }

  fileprivate func cursor(_ text: String?) throws(InvalidCursor) -> [String]? {
    guard let parts = try Cursor.parts(of: text, rawValue, count: 2) else { return nil }
    guard UUIDText.decode(parts[1]) != nil, self == .name || Int64(parts[0]) != nil else {
      throw InvalidCursor()
    }
    return parts
  }

  /// Rows behind `place`, which `cursor` has checked.
  fileprivate func add(_ place: [String], to conditions: inout Conditions) {
    switch self {
    case .createdAt:
      conditions.add("(c.created_at, c.contact) > (?, ?)", moment(place[0]), .text(place[1]))
    case .newestFirst:
      conditions.add("(c.created_at, c.contact) < (?, ?)", moment(place[0]), .text(place[1]))
    case .name:
      conditions.add(
        "(c.name_key COLLATE \"C\", c.contact) > (?, ?)", .text(place[0]), .text(place[1]))
    }
  }

  private func moment(_ text: String) -> PostgresValue {
    Int64(text).map(PostgresValue.timestampMicros) ?? .null
  }
}

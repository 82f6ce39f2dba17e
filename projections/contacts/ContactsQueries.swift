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
    case id
  }

  /// What decides among contacts of one name.
  package struct Tiebreak: Sendable, Equatable {
    package enum Field: Sendable {
      /// As it is shown: in whole milliseconds.
      case createdAt
      case id
    }

    package let field: Field
    /// It goes the other way than the names do.
    package let isTurned: Bool

    package init(_ field: Field, isTurned: Bool) {
      self.field = field
      self.isTurned = isTurned
    }
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
    /// Those that are archived, in place of those that are not.
    package var isArchived = false
    package var sort = Sort.newestFirst
    /// For the order by name alone; the id is the last, in the direction of the names where it is not named.
    package var tiebreaks: [Tiebreak] = []
    /// The moment of the question on the org's clock: for segments and filters that depend on it.
    package var nowMicros: Micros
    /// The contacts as they were after this position; nil: as they are.
    package var asOf: UInt64?
    package var page: PageRequest

    package init(nowMicros: Micros, page: PageRequest = PageRequest()) {
      self.nowMicros = nowMicros
      self.page = page
    }

    /// Whether nothing that happens to a contact can move it in the list or put it in or out: what came
    /// later is known by its position.
    package var isStable: Bool {
      sort != .name && [q, tag, email, phone].allSatisfy { $0 == nil } && segment == nil
        && filter == nil
    }
  }

  /// - Throws: `InvalidCursor`; `SegmentRecomputing`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<ContactRow> {
    try await Reading.read(pool, org: org) { connection in
      if let segment = request.segment {
        try SegmentsQueries.requireSettled(segment, org: org, asOf: request.asOf, connection)
      }
      return try page(of: request, org, connection)
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
    of request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> QueryPage<ContactRow> {
    guard request.filter != nil else {
      return try stretch(of: request, request.page, org, connection)
    }
    let total = request.page.wantsTotal ? try countFiltered(request, org, connection) : nil
    let wanted = request.page.limit + 1
    var found: [ContactRow] = []
    var chunk = request.page
    chunk.wantsTotal = false
    // Small at first: most filters find enough of them soon.
    chunk.limit = wanted * 2
    while found.count < wanted {
      chunk.limit = min(chunk.limit * 2, filterChunk)
      let page = try stretch(of: request, chunk, org, connection)
      found += try matching(page.rows, request, org, connection)
      guard page.hasMore else { break }
      chunk.after = page.cursors.last
    }
    return QueryPage(found, limit: request.page.limit, total: total) {
      query(request).cursor(of: $0)
    }
  }

  private static func stretch(
    of request: Request, _ page: PageRequest, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> QueryPage<ContactRow> {
    guard request.isTurned else {
      return try query(request).page(conditions(of: request, org), page, connection)
    }
    return try NameWalk(
      request: request, page: page, conditions: conditions(of: request, org),
      connection: connection
    ).found()
  }

  fileprivate static func query(_ request: Request) -> ListQuery<ContactRow> {
    query(request, by: request.keys)
  }

  fileprivate static func query(
    _ request: Request, by keys: [SortColumn]
  ) -> ListQuery<ContactRow> {
    ListQuery(
      "contacts." + keys.map(\.name).joined(separator: "."), columns: ContactRow.columnList("c"),
      source: "\(source(request.asOf)) c", order: keys.map(\.key),
      isDescending: request.sort == .newestFirst, row: ContactRow.row
    ) { row in keys.map { $0.place(row) } }
  }

  private static let filterChunk = 2_000

  private static func matching(
    _ rows: [ContactRow], _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> [ContactRow] {
    guard let filter = request.filter else { return rows }
    let activities =
      filter.dependsOnEvents
      ? try FactsQueries.activities(of: rows.map(\.contact), org: org, connection) : [:]
    return rows.filter { row in
      var state = row.state
      // Which of them are asked for is decided; a filter holds for none that is archived.
      state.isArchived = false
      let facts = ContactFacts(
        state, createdAtMicros: row.createdAtMicros,
        activity: activities[row.contact] ?? Activity())
      return filter.matches(facts, atMicros: request.nowMicros)
    }
  }

  private static func countFiltered(
    _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> Int {
    var count = 0
    var chunk = PageRequest(limit: filterChunk)
    chunk.upTo = request.page.upTo
    while true {
      let page = try stretch(of: request, chunk, org, connection)
      count += try matching(page.rows, request, org, connection).count
      guard page.hasMore else { return count }
      chunk.after = page.cursors.last
    }
  }

  private static func conditions(of request: Request, _ org: Identifier) -> Conditions {
    var conditions = Conditions()
    conditions.add("c.org = ?", .id(org))
    conditions.addPin(request.page, position: "c.created_position")
    conditions.addArchived(request)
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

extension Conditions {
  /// As it was at a pinned position: nobody leaves the list, or comes to it, between two of its pages. Whoever
  /// was archived and restored more than once since is taken as one who was not.
  fileprivate mutating func addArchived(_ request: ContactsQueries.Request) {
    let isWanted = request.isArchived ? "" : "NOT "
    guard let position = request.page.upTo, request.asOf == nil else {
      return add(isWanted + "c.archived")
    }
    let pin = parameter(.int(Int64(clamping: position)))
    add(
      """
      \(isWanted)CASE WHEN c.archived
        THEN c.archived_position <= \(pin) OR c.restored_position > \(pin)
        ELSE c.archived_position <= \(pin) AND c.restored_position > \(pin) END
      """)
  }
}

// MARK: - By name, the others the other way

/// Names in one direction and what decides among those who share one in the other: no index goes like that, and a name
/// may have a quarter of a million people. One name after the other, each in its own order, is a walk of an index.
private struct NameWalk {
  let request: ContactsQueries.Request
  let page: PageRequest
  let conditions: Conditions
  let connection: PostgresConnection

  private static let name = "c.name_key COLLATE \"C\""

  private var list: ListQuery<ContactRow> { ContactsQueries.query(request) }
  private var namesakes: ListQuery<ContactRow> {
    ContactsQueries.query(request, by: Array(request.keys.dropFirst()))
  }

  func found() throws -> QueryPage<ContactRow> {
    let total = page.wantsTotal ? try list.count(conditions, connection) : nil
    let wanted = page.limit + 1
    var rows: [ContactRow] = []
    var name: String?
    if let parts = try list.parts(of: page.after) {
      rows = try people(
        named: parts[0], behind: namesakes.cursor(at: Array(parts.dropFirst())), limit: wanted)
      name = parts[0]
    }
    while rows.count < wanted {
      let missing = wanted - rows.count
      let next = try names(behind: name, limit: missing)
      guard let last = next.last?.nameKey else { break }
      for group in Self.namesakes(in: next) where rows.count < wanted {
        // Whoever is alone with their name is there already; the others come once more, in their order.
        let mayGoOn = group.endIndex == next.endIndex && next.count == missing
        rows +=
          group.count == 1 && !mayGoOn
          ? Array(group)
          : try people(
            named: group[group.startIndex].nameKey, behind: nil, limit: wanted - rows.count)
      }
      name = last
    }
    return QueryPage(rows, limit: page.limit, total: total) { list.cursor(of: $0) }
  }

  /// Neighbours with the same name, byte for byte, as the database compares.
  private static func namesakes(in rows: [ContactRow]) -> [ArraySlice<ContactRow>] {
    var groups: [ArraySlice<ContactRow>] = []
    var start = rows.startIndex
    for index in rows.indices.dropFirst()
    where !rows[index].nameKey.utf8.elementsEqual(rows[index - 1].nameKey.utf8) {
      groups.append(rows[start..<index])
      start = index
    }
    return rows.isEmpty ? [] : groups + [rows[start...]]
  }

  private func people(
    named name: String, behind cursor: Cursor?, limit: Int
  ) throws -> [ContactRow] {
    var conditions = conditions
    conditions.add("\(Self.name) = ?", .text(name))
    return try namesakes.page(conditions, part(limit, after: cursor), connection).rows
  }

  /// In the order of the index on names and ids.
  private func names(behind name: String?, limit: Int) throws -> [ContactRow] {
    var conditions = conditions
    let sign = page.goesDown(false) ? "<" : ">"
    conditions.addIfPresent("\(Self.name) \(sign) ?", name.map(PostgresValue.text))
    return try ContactsQueries.query(request, by: [.name, .contact()])
      .page(conditions, part(limit, after: nil), connection).rows
  }

  private func part(_ limit: Int, after cursor: Cursor?) -> PageRequest {
    var part = page
    part.limit = limit
    part.after = cursor?.text
    part.wantsTotal = false
    return part
  }
}

// MARK: - Orders

extension ContactsQueries {
  /// A column that contacts are ordered by.
  fileprivate struct SortColumn: Sendable {
    let name: String
    let key: ListQuery<ContactRow>.Key
    let place: @Sendable (ContactRow) -> String
  }
}

extension ContactsQueries.Request {
  /// The columns of its order, the last one different for every contact.
  fileprivate var keys: [ContactsQueries.SortColumn] {
    switch sort {
    case .createdAt, .newestFirst: [.createdAt, .contact()]
    case .id: [.contact()]
    case .name: [.name] + tiebreaks.map(\.column) + (breaksByID ? [] : [.contact()])
    }
  }

  /// Whether namesakes go another way than names do.
  fileprivate var isTurned: Bool { sort == .name && tiebreaks.contains(where: \.isTurned) }

  private var breaksByID: Bool { tiebreaks.contains { $0.field == .id } }
}

extension ContactsQueries.Tiebreak {
  fileprivate var column: ContactsQueries.SortColumn {
    switch field {
    case .createdAt: .shownCreatedAt(isTurned: isTurned)
    case .id: .contact(isTurned: isTurned)
    }
  }
}

extension ContactsQueries.SortColumn {
  static let name = Self(
    name: "name", key: .init("c.name_key COLLATE \"C\"", .text), place: { $0.nameKey })
  static let createdAt = Self(
    name: "created_at", key: .init("c.created_at", .timestamp),
    place: { String($0.createdAtMicros) })

  static func shownCreatedAt(isTurned: Bool) -> Self {
    Self(
      name: "shown_created_at",
      key: .init("c.created_shown", .timestamp, isTurned: isTurned)
    ) { row in String(row.createdShownMicros) }
  }

  static func contact(isTurned: Bool = false) -> Self {
    Self(name: "contact", key: .init("c.contact", .uuid, isTurned: isTurned)) { row in
      UUIDText.encode(row.contact)
    }
  }
}

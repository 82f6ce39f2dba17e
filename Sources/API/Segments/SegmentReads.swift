import Application
import ContactsProjection
import Domain
import HTTP
import JSON
import ProjectionRuntime
import SegmentsProjection

/// Reading segments and their members.
enum SegmentRoutes {
  static let all: [Operation] =
    SegmentWrites.all + [
      Operation.list(
        "/api/segments", "segments:read", "List segments", of: SegmentSchemas.segment,
        sorts: ["created_at", "id"], order: .leading, keepsHistory: true, rows: list),
      Operation(
        "GET", "/api/segments/{id}", .scope("segments:read"), "Read a segment",
        parameters: [.asOf], answers: [.ok(SegmentSchemas.segment)], handler: show),
      Operation.list(
        "/api/segments/{id}/contacts", "segments:read", alsoNeeds: ["contacts:read"],
        "List the contacts of a segment",
        of: ContactSchemas.contact, sorts: ["created_at", "id"], order: .leading,
        keepsHistory: true,
        rows: contacts),
      Operation.list(
        "/api/segments/{id}/members", "segments:read",
        "Who is in a segment, since when and because of what", of: SegmentSchemas.member,
        sorts: ["contact"], order: .leading, keepsHistory: true, rows: members),
      Operation.list(
        "/api/segments/{id}/changes", "segments:read",
        "Who entered and left a segment, newest first",
        parameters: [.query("contact", .id(.contact))], of: SegmentSchemas.change,
        sorts: ["-at"], order: .leading, rows: changes),
    ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let org = exchange.org
    let now = list.nowMicros(exchange)
    let found = try await exchange.readPinned([.segments], list) { pool, asOf in
      try await SegmentsQueries.list(pool, org: org, atMicros: now, list.page, asOf: asOf)
    }
    return exchange.rows(found) { view($0, org).json }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let found = try await segment(exchange, try exchange.asOf())
    return exchange.respond(view(found.value, exchange.org).json, found)
  }

  private static func segment(
    _ exchange: Exchange, _ asOf: AsOf?
  ) async throws(APIError) -> Answered<SegmentOverview> {
    let id = try exchange.id("id", .segment)
    let org = exchange.org
    let now = asOf?.momentMicros ?? exchange.nowMicros
    let found = try await exchange.read([.segments], asOf: asOf) { pool in
      try await SegmentsQueries.item(
        pool, org: org, atMicros: now, segment: id, asOf: asOf?.position)
    }
    guard let overview = found.value else { throw .notFound("segment") }
    return Answered(value: overview, position: found.position)
  }

  private static func memberPage(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> Answered<QueryPage<MemberRow>> {
    let request = SegmentsQueries.MembersRequest(
      segment: try exchange.id("id", .segment), nowMicros: list.nowMicros(exchange),
      page: list.page)
    let org = exchange.org
    _ = try await segment(exchange, list.asOf)
    return try await exchange.readPinned([.segments], list) { pool, asOf in
      var request = request
      request.asOf = asOf
      return try await SegmentsQueries.members(pool, org: org, request)
    }
  }

  @Sendable
  private static func contacts(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let members = try await memberPage(exchange, list)
    let org = exchange.org
    let ids = members.value.rows.map { Identifier(.contact, $0.key.contact) }
    let found = try await exchange.readPinned([.contacts], list) { pool, asOf in
      try await ContactsQueries.items(pool, org: org, contacts: ids, asOf: asOf)
    }
    let contacts = Dictionary(found.value.map { ($0.contact, $0) }) { first, _ in first }
    let page = members.value.compactMap { contacts[$0.key.contact] }
    return exchange.rows(Answered(value: page, position: members.position)) {
      ContactRoutes.view($0, org).json
    }
  }

  @Sendable
  private static func members(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    exchange.rows(try await memberPage(exchange, list)) { row in
      [
        "object": "segment_member",
        "contact": .string(Identifier(.contact, row.key.contact).text),
        "entered_at": .string(Timestamp.text(row.enteredAtMicros)),
        "cause": .int(row.enteredPosition),
        "leaves_at": JSON(row.leavesAtMicros.map(Timestamp.text)),
      ]
    }
  }

  @Sendable
  private static func changes(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    var request = SegmentChangeQueries.Request(
      segment: try exchange.id("id", .segment), nowMicros: list.nowMicros(exchange),
      page: list.page)
    request.contact = try exchange.queryID("contact", .contact)
    _ = try await segment(exchange, nil)
    let org = exchange.org
    let found = try await exchange.read([.segments], list) { [request] pool in
      try await SegmentChangeQueries.list(pool, org: org, request)
    }
    return exchange.rows(found) { change in
      [
        "object": "segment_change", "contact": .string(change.contact.text),
        "change": change.hasEntered ? "entered" : "left",
        "at": .string(Timestamp.text(change.atMicros)), "cause": .int(change.position),
        "by_time": .bool(change.isByTime),
      ]
    }
  }

  private static func view(_ overview: SegmentOverview, _ org: Identifier) -> SegmentView {
    let row = overview.segment
    return SegmentView(
      id: Identifier(.segment, row.key.id), org: org, name: row.name, filter: row.filter,
      isDeleted: false, size: overview.memberCount, isRecomputing: overview.isRecomputing,
      version: UInt64(row.version),
      createdAtMicros: row.createdAtMicros, updatedAtMicros: row.updatedAtMicros)
  }
}

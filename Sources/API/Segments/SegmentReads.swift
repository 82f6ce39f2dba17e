import Application
import ContactsProjection
import Domain
import HTTP
import JSON
import ProjectionRuntime
import SegmentsProjection

/// Reading segments and their members.
enum SegmentRoutes {
  static let all =
    SegmentWrites.all + [
      Operation(
        "GET", "/api/segments", .scope("segments:read"), "List segments",
        parameters: [.asOf, .limit, .after], answers: [.list(SegmentSchemas.segment)],
        handler: list),
      Operation(
        "GET", "/api/segments/{id}", .scope("segments:read"), "Read a segment",
        parameters: [.asOf], answers: [.ok(SegmentSchemas.segment)], handler: show),
      Operation(
        "GET", "/api/segments/{id}/contacts", .scope("segments:read"),
        "List the contacts of a segment", parameters: [.asOf, .limit, .after],
        answers: [.list(ContactSchemas.contact)], handler: contacts),
      Operation(
        "GET", "/api/segments/{id}/members", .scope("segments:read"),
        "Who is in a segment, since when and because of what",
        parameters: [.asOf, .limit, .after],
        answers: [.list(SegmentSchemas.member)], handler: members),
      Operation(
        "GET", "/api/segments/{id}/changes", .scope("segments:read"),
        "Who entered and left a segment, newest first",
        parameters: [.query("contact", .id(.contact)), .limit, .after],
        answers: [.list(SegmentSchemas.change)], handler: changes),
    ]

  private static func list(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let page = try exchange.page()
    let org = exchange.org
    let asOf = try exchange.asOf()
    let now = asOf?.momentMicros ?? exchange.nowMicros
    let found = try await exchange.read([.segments], asOf: asOf) { pool in
      try await SegmentsQueries.list(
        pool, org: org, atMicros: now, page, asOf: asOf?.position)
    }
    return exchange.list(found) { view($0, org).json }
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
    _ exchange: Exchange, _ asOf: AsOf?
  ) async throws(APIError) -> Answered<QueryPage<MemberRow>> {
    var request = SegmentsQueries.MembersRequest(
      segment: try exchange.id("id", .segment),
      nowMicros: asOf?.momentMicros ?? exchange.nowMicros, page: try exchange.page())
    request.asOf = asOf?.position
    let org = exchange.org
    _ = try await segment(exchange, asOf)
    return try await exchange.read([.segments], asOf: asOf) { [request] pool in
      try await SegmentsQueries.members(pool, org: org, request)
    }
  }

  private static func contacts(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let asOf = try exchange.asOf()
    let members = try await memberPage(exchange, asOf)
    let org = exchange.org
    let ids = members.value.rows.map { Identifier(.contact, $0.key.contact) }
    let contacts = try await exchange.read([.contacts], asOf: asOf) { pool in
      try await ContactsQueries.items(pool, org: org, contacts: ids, asOf: asOf?.position)
    }
    let page = QueryPage(rows: contacts.value, next: members.value.next)
    return exchange.list(Answered(value: page, position: members.position)) {
      ContactRoutes.view($0, org).json
    }
  }

  private static func members(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    exchange.list(try await memberPage(exchange, try exchange.asOf())) { row in
      [
        "object": "segment_member",
        "contact": .string(Identifier(.contact, row.key.contact).text),
        "entered_at": .string(Timestamp.text(row.enteredAtMicros)),
        "cause": .int(row.enteredPosition),
        "leaves_at": JSON(row.leavesAtMicros.map(Timestamp.text)),
      ]
    }
  }

  private static func changes(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var request = SegmentChangeQueries.Request(
      segment: try exchange.id("id", .segment), nowMicros: exchange.nowMicros,
      page: try exchange.page())
    request.contact = try exchange.queryID("contact", .contact)
    _ = try await segment(exchange, nil)
    let org = exchange.org
    let found = try await exchange.read([.segments]) { [request] pool in
      try await SegmentChangeQueries.list(pool, org: org, request)
    }
    return exchange.list(found) { change in
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
      isDeleted: false, size: overview.memberCount, version: UInt64(row.version),
      createdAtMicros: row.createdAtMicros, updatedAtMicros: row.updatedAtMicros)
  }
}

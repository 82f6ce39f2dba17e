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
        parameters: [.limit, .after], answers: [.list(SegmentSchemas.segment)], handler: list),
      Operation(
        "GET", "/api/segments/{id}", .scope("segments:read"), "Read a segment",
        answers: [.ok(SegmentSchemas.segment)], handler: show),
      Operation(
        "GET", "/api/segments/{id}/contacts", .scope("segments:read"),
        "List the contacts of a segment", parameters: [.limit, .after],
        answers: [.list(ContactSchemas.contact)], handler: members),
    ]

  private static func list(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let page = try exchange.page()
    let org = exchange.org
    let found = try await exchange.read([.segments]) { pool in
      try await SegmentsQueries.list(pool, org: org, page)
    }
    return exchange.list(found) { view($0, org).json }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .segment)
    let org = exchange.org
    let found = try await exchange.read([.segments]) { pool in
      try await SegmentsQueries.item(pool, org: org, segment: id)
    }
    guard let row = found.value else { throw .notFound("segment") }
    return exchange.respond(view(row, org).json, found)
  }

  private static func members(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .segment)
    let org = exchange.org
    let request = SegmentsQueries.MembersRequest(segment: id, page: try exchange.page())
    let segment = try await exchange.read([.segments]) { pool in
      try await SegmentsQueries.item(pool, org: org, segment: id)
    }
    guard segment.value != nil else { throw .notFound("segment") }
    let members = try await exchange.read([.segments]) { pool in
      try await SegmentsQueries.members(pool, org: org, request)
    }
    let ids = members.value.rows.map { Identifier(.contact, $0.key.second) }
    let contacts = try await exchange.read([.contacts]) { pool in
      try await ContactsQueries.items(pool, org: org, contacts: ids)
    }
    let page = QueryPage(rows: contacts.value, next: members.value.next)
    return exchange.list(Answered(value: page, position: members.position)) {
      ContactRoutes.view($0, org).json
    }
  }

  private static func view(_ row: SegmentRow, _ org: Identifier) -> SegmentView {
    SegmentView(
      id: Identifier(.segment, row.key.id), org: org, name: row.name, filter: row.filter,
      isDeleted: false, size: row.memberCount, version: UInt64(row.version),
      createdAtMicros: row.createdAtMicros, updatedAtMicros: row.updatedAtMicros)
  }
}

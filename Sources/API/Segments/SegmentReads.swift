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
      Route(
        "GET", "/api/segments", .scope("segments:read"), parameters: ["limit", "after"],
        handler: list),
      Route("GET", "/api/segments/{id}", .scope("segments:read"), handler: show),
      Route(
        "GET", "/api/segments/{id}/contacts", .scope("segments:read"),
        parameters: ["limit", "after"], handler: members),
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
    let found = try await exchange.read([.segments, .contacts]) { pool in
      guard try await SegmentsQueries.item(pool, org: org, segment: id) != nil else {
        throw APIError.notFound("segment")
      }
      let members = try await SegmentsQueries.members(pool, org: org, request)
      let contacts = try await ContactsQueries.items(
        pool, org: org, contacts: members.rows.map { Identifier(.contact, $0.key.second) })
      return QueryPage(rows: contacts, next: members.next)
    }
    return exchange.list(found) { ContactRoutes.view($0, org).json }
  }

  private static func view(_ row: SegmentRow, _ org: Identifier) -> SegmentView {
    SegmentView(
      id: Identifier(.segment, row.key.id), org: org, name: row.name, filter: row.filter,
      isDeleted: false, size: row.memberCount, version: UInt64(row.version),
      createdAtMicros: row.createdAtMicros, updatedAtMicros: row.updatedAtMicros)
  }
}

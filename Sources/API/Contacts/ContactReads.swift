import Application
import ContactsProjection
import Domain
import EventCodec
import HTTP
import JSON
import Postgres
import TimelineProjection

/// Reading contacts and their timelines.
enum ContactRoutes {
  static let all =
    ContactWrites.all + [
      Operation(
        "GET", "/api/contacts", .scope("contacts:read"), "List contacts",
        parameters: [
          .query("q", .string(0...200), "Part of a name, an email, a phone or a company."),
          .query("tag", .string(1...200)), .query("segment", .id(.segment)),
          .query("email", .string(1...254)), .query("phone", .string(1...40)), .filter,
          .query(
            "sort", .choice(["created_at", "-created_at", "name"]), "Newest first where not given."),
          .count, .asOf, .limit, .after,
        ], answers: [.list(ContactSchemas.contact)], handler: list),
      Operation(
        "GET", "/api/contacts/{id}", .scope("contacts:read"), "Read a contact",
        parameters: [.asOf], answers: [.ok(ContactSchemas.contact)], handler: show),
      Operation(
        "GET", "/api/contacts/{id}/timeline", .scope("contacts:read"),
        "What happened with a contact, newest first",
        parameters: [
          .query(
            "kind", .array(.choice(EntryRow.Kind.self)), "Between commas.", style: .commas),
          .query("conversation", .string(1...200), "Such as `sms +12025550199`."), .limit, .after,
        ],
        answers: [.list(ContactSchemas.timelineEntry)], handler: TimelineRoutes.list),
      Operation(
        "GET", "/api/contacts/{id}/conversations", .scope("contacts:read"),
        "The conversations with a contact, the latest first",
        answers: [.list(ContactSchemas.conversation)], handler: TimelineRoutes.conversations),
      Operation(
        "GET", "/api/events/{id}/effects", .scope("contacts:read"),
        "What an event led to, in order", parameters: [.limit, .after],
        answers: [.list(ContactSchemas.timelineEntry)], handler: TimelineRoutes.effects),
    ]

  private static func list(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let asOf = try exchange.asOf()
    let request = try request(exchange, asOf: asOf)
    let wantsTotal = try wantsTotal(exchange)
    let org = exchange.org
    let usesSegments = request.segment != nil || request.filter?.dependsOnEvents == true
    let models: [ReadModel] = usesSegments ? [.contacts, .segments] : [.contacts]
    let found = try await exchange.read(models, asOf: asOf) { pool in
      let page = try await ContactsQueries.list(pool, org: org, request)
      let total = wantsTotal ? try await ContactsQueries.count(pool, org: org, request) : nil
      return (page, total)
    }
    return exchange.list(
      Answered(value: found.value.0, position: found.position), total: found.value.1
    ) { view($0, org).json }
  }

  private static func request(
    _ exchange: Exchange, asOf: AsOf?
  ) throws(APIError) -> ContactsQueries.Request {
    var request = ContactsQueries.Request(
      nowMicros: asOf?.momentMicros ?? exchange.nowMicros, page: try exchange.page())
    request.q = exchange.query("q").flatMap { $0.isEmpty ? nil : $0 }
    request.asOf = asOf?.position
    request.tag = exchange.query("tag")
    request.segment = try exchange.queryID("segment", .segment)
    request.email = exchange.query("email")
    if let phone = exchange.query("phone") {
      guard let number = exchange.engine.tools.numbers.e164(phone) else {
        throw .invalid("phone", "invalid_phone", "phone is no phone number.")
      }
      request.phone = number
    }
    if let text = exchange.query("filter") {
      do {
        request.filter = try FilterGrammar.parse(try JSON(parsing: text))
      } catch {
        throw .invalid("filter", "invalid_filter", "\(error)")
      }
    }
    switch exchange.query("sort") {
    case nil, "-created_at": request.sort = .newestFirst
    case "created_at": request.sort = .createdAt
    case "name": request.sort = .name
    default:
      throw .invalid(
        "sort", "invalid_value", "sort is one of: created_at, -created_at, name.")
    }
    return request
  }

  private static func wantsTotal(_ exchange: Exchange) throws(APIError) -> Bool {
    switch exchange.query("count") {
    case nil, "none": false
    case "exact": true
    default: throw .invalid("count", "invalid_value", "count is one of: exact, none.")
    }
  }

  static func view(_ row: ContactRow, _ org: Identifier) -> ContactView {
    ContactView(
      id: Identifier(.contact, row.contact), org: org, state: row.state,
      consentSinceMicros: row.consentSinceMicros, version: UInt64(row.version),
      createdAtMicros: row.createdAtMicros, updatedAtMicros: row.updatedAtMicros)
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    let org = exchange.org
    let asOf = try exchange.asOf()
    let found = try await exchange.read([.contacts], asOf: asOf) { pool in
      try await ContactsQueries.item(pool, org: org, contact: id, asOf: asOf?.position)
    }
    guard let row = found.value else {
      try await exchange.requireNotErased(id)
      throw .notFound("contact")
    }
    var response = exchange.respond(view(row, org).json, found)
    response.headers.set("etag", "\"v\(row.version)\"")
    return response
  }
}

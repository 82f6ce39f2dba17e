import Application
import ContactsProjection
import Domain
import EventCodec
import HTTP
import JSON
import Postgres
import ProjectionRuntime
import TimelineProjection

/// Reading contacts and their timelines.
enum ContactRoutes {
  private static let contacts = Operation.list(
    "/api/contacts", "contacts:read", "List contacts",
    parameters: [
      .query("q", .string(0...200), "Part of a name, an email, a phone or a company."),
      .query("tag", .string(1...200)), .query("segment", .id(.segment)),
      .query("email", .string(1...254)), .query("phone", .string(1...40)),
      .query("archived", .bool, "The archived ones in place of the others."),
    ], of: ContactSchemas.contact, sorts: ["-created_at", "name", "id"],
    order: .wholeBehind(["name", "id"]), keepsHistory: true, filtersItself: true,
    refuses: [400: ["invalid_phone"], 503: ["segment_recomputing"]], rows: list)

  static let all: [Operation] =
    ContactWrites.all + [
      contacts, ContactSearch.operation(over: contacts),
      Operation(
        "GET", "/api/contacts/{id}", .scope("contacts:read"), "Read a contact",
        parameters: [.asOf], answers: [.ok(ContactSchemas.contact)], refuses: [404: ["erased"]],
        handler: show),
      Operation.list(
        "/api/contacts/{id}/timeline", "contacts:read",
        "What happened with a contact, newest first", details: TimelineRoutes.ofMessages,
        parameters: [
          .query(
            "kind", .array(.choice(EntryRow.Kind.self)), "Between commas.", style: .commas),
          .query("conversation", .string(1...200), "Such as `sms +12025550199`."),
        ],
        of: ContactSchemas.timelineEntry, sorts: ["-position", "-id"], order: .leading,
        rows: TimelineRoutes.list),
      Operation.list(
        "/api/contacts/{id}/conversations", "contacts:read",
        "The conversations with a contact, the latest first", of: ContactSchemas.conversation,
        sorts: ["-last_at"], rows: TimelineRoutes.conversations),
      Operation.list(
        "/api/events/{id}/effects", "contacts:read", "What an event led to, in order",
        details: TimelineRoutes.ofMessages, of: ContactSchemas.timelineEntry,
        sorts: ["position", "id"], order: .leading,
        rows: TimelineRoutes.effects),
    ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let request = try request(exchange, list)
    let org = exchange.org
    let usesSegments = request.segment != nil || request.filter?.dependsOnEvents == true
    let models: [ReadModel] = usesSegments ? [.contacts, .segments] : [.contacts]
    let found: Answered<QueryPage<ContactRow>>
    // A name may change while somebody pages.
    let isByName = list.sort.keys.contains { $0.name == "name" }
    if list.asOf == nil, request.isStable, !isByName {
      found = try await exchange.read(models, atLeast: list.pin?.position ?? 0) { pool in
        try await ContactsQueries.list(pool, org: org, request)
      }
    } else {
      found = try await exchange.readPinned(models, list) { pool, asOf in
        var request = request
        request.asOf = asOf
        return try await ContactsQueries.list(pool, org: org, request)
      }
    }
    return exchange.rows(found) { view($0, org).json }
  }

  private static func request(
    _ exchange: Exchange, _ list: ListRequest
  ) throws(APIError) -> ContactsQueries.Request {
    var request = ContactsQueries.Request(nowMicros: list.nowMicros(exchange), page: list.page)
    request.q = exchange.query("q").flatMap { $0.isEmpty ? nil : $0 }
    request.tag = exchange.query("tag")
    request.segment = try exchange.queryID("segment", .segment)
    request.email = exchange.query("email")
    request.isArchived = exchange.query("archived") == "true"
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
    // The usual directions; `isReversed` says whether it goes the other way.
    switch list.sort.leading.name {
    case "name":
      request.sort = .name
      request.tiebreaks = list.sort.tiebreaks.map { key in
        .init(
          key.name == "id" ? .id : .createdAt,
          isTurned: key.isDescending != list.sort.leading.isDescending)
      }
    case "id": request.sort = .id
    default: request.sort = .newestFirst
    }
    return request
  }

  static func view(_ row: ContactRow, _ org: Identifier) -> ContactView {
    ContactView(
      id: Identifier(.contact, row.contact), org: org, state: row.state,
      consentSinceMicros: row.consentSinceMicros, version: UInt64(row.version),
      createdAtMicros: row.createdAtMicros, updatedAtMicros: row.updatedAtMicros)
  }

  /// As the log has it, which is never behind; a contact of the past as the read model remembers it.
  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    if let asOf = try exchange.asOf() { return try await show(id, asOf, exchange) }
    let (answer, position) = try await current(id, exchange)
    var response = HTTPResponse.json(200, answer.bytes)
    response.headers.set("read-position", String(position))
    response.headers.set("etag", "\"v\(answer.version)\"")
    return response
  }

  private static func current(
    _ id: Identifier, _ exchange: Exchange
  ) async throws(APIError) -> (RecentAnswers.Answer, position: UInt64) {
    let answers = exchange.engine.answers
    let wanted = try exchange.minPosition()
    let ticket: RecentAnswers.Ticket
    switch answers.find(id, of: exchange.org, atLeast: wanted) {
    case .known(let answer, let position): return (answer, position)
    case .unknown(let issued): ticket = issued
    }
    let head = try exchange.head()
    let view = try exchange.contactView(id)
    if view.state.isErased { try await exchange.requireNotErased(id) }
    var writer = JSONWriter(capacityBytes: 1_024)
    writer.beginObject()
    view.show(in: &writer)
    writer.endObject()
    let answer = RecentAnswers.Answer(bytes: writer.bytes, version: view.version)
    answers.keep(answer, position: head, for: ticket)
    return (answer, head)
  }

  private static func show(
    _ id: Identifier, _ asOf: AsOf, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let org = exchange.org
    let found = try await exchange.read([.contacts], asOf: asOf) { pool in
      try await ContactsQueries.item(pool, org: org, contact: id, asOf: asOf.position)
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

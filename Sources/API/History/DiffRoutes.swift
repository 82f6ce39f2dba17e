import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// What differs between two moments: of one object, or of all that changed between them.
enum DiffRoutes {
  static let all = [
    Operation(
      "GET", "/api/diff", .scope("events:read"), "What differs between two moments",
      details: """
        Each object that changed, in the order in which they first did, with the fields that differ. Whoever asks sees \
        the kinds of objects that they may read. A moment is a position of the log, an event (`evt_…`) or a time; with \
        `id` also a version of that object, `v3`. Version 0 is before it came to be.
        """,
      parameters: [
        .query("id", .string(1...64), "Only this object."),
        .query(
          "from", .pattern(TextPattern.momentOrVersion, 1...64), "The first moment.", required: true
        ),
        .query(
          "to", .pattern(TextPattern.momentOrVersion, 1...64),
          "The second one; now where not given."), .limit,
        .query("after", .pattern("^[0-9]{1,19}$", 1...20), "`next` of a page."),
      ], answers: [.list(HistoryRoutes.diffSchema)],
      refuses: [
        400: ["invalid_as_of", "invalid_position", "out_of_range", "invalid_cursor"],
        404: ["not_found"],
      ], handler: diff)
  ]

  /// Events that one answer looks at. Beyond them the next page goes on.
  private static let scanLimit = 10_000
  private static let pageSize = 500

  private static func diff(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    guard let text = exchange.query("id") else { return try ofAccount(exchange) }
    guard let id = Identifier(text),
      let subject = HistoryRoutes.subjects.first(where: { $0.kind == id.kind })
    else { throw .notFound("object with a history") }
    guard exchange.caller.allows(subject.scope, "read") else {
      throw APIError(
        403, "permission", "missing_scope", "This needs the right \(subject.scope).")
    }
    let newest: UInt64
    do {
      newest = try exchange.engine.version(of: id, in: exchange.org)
    } catch {
      throw APIError(error)
    }
    guard newest > 0 else { throw .notFound(id.kind.name) }
    let from = try version("from", of: id, newest, exchange) ?? 0
    let to = try version("to", of: id, newest, exchange) ?? newest
    let found = try HistoryRoutes.diff(id, subject, from: from, to: to, exchange)
    let isEmpty = found["changes"]?.array?.isEmpty ?? true
    return exchange.respond(200, page(isEmpty ? [] : [found], next: nil))
  }

  private static func page(_ data: [JSON], next: UInt64?) -> JSON {
    [
      "object": "list", "data": .array(data), "has_more": .bool(next != nil),
      "next": JSON(next.map { String($0) }),
    ]
  }

  /// nil where the parameter is not given.
  private static func version(
    _ name: String, of id: Identifier, _ newest: UInt64, _ exchange: Exchange
  ) throws(APIError) -> UInt64? {
    guard let text = exchange.query(name) else { return nil }
    if text.hasPrefix("v"), let version = UInt64(text.dropFirst()) {
      guard version <= newest else {
        throw .invalid(name, "out_of_range", "The object is at version \(newest).")
      }
      return version
    }
    guard let moment = try exchange.moment(name) else { return nil }
    return try exchange.version(of: id, at: moment.position, in: exchange.org) ?? 0
  }

  private static func ofAccount(_ exchange: Exchange) throws(APIError) -> HTTPResponse {
    guard let from = try exchange.moment("from")?.position else {
      preconditionFailure("from is required")
    }
    var to = try exchange.head()
    if let moment = try exchange.moment("to") { to = moment.position }
    var place = from
    if let text = exchange.query("after") {
      guard let position = UInt64(text), position >= from else {
        throw .invalid("after", "invalid_cursor", "after is the `next` of a page of this list.")
      }
      place = position
    }
    let limit = try exchange.limit()
    var data: [JSON] = []
    var seenCount = 0
    while place < to {
      let page = try read(after: place, exchange)
      for event in page.events where event.position <= to {
        guard data.count < limit, seenCount < scanLimit else {
          return exchange.respond(200, self.page(data, next: event.position - 1))
        }
        seenCount += 1
        if let found = try first(event, since: from, to: to, exchange) { data.append(found) }
      }
      guard page.scannedTo > place else { break }
      place = page.scannedTo
    }
    return exchange.respond(200, page(data, next: nil))
  }

  private static func read(
    after place: UInt64, _ exchange: Exchange
  ) throws(APIError) -> Page {
    do {
      return try exchange.engine.log.read(
        after: place, limit: pageSize, filter: EventFilter(org: OrgID(exchange.org.value)))
    } catch {
      throw APIError(.log(error))
    }
  }

  /// What became of the event's object, where it is the first one about it; nil for others, and for objects that are not
  /// the caller's to see.
  private static func first(
    _ event: RecordedEvent, since from: UInt64, to: UInt64, _ exchange: Exchange
  ) throws(APIError) -> JSON? {
    let id: Identifier
    do {
      id = try EventCodec.decode(event).stream
    } catch {
      throw APIError(.unreadable(reason: "position \(event.position): \(error)"))
    }
    guard let subject = HistoryRoutes.subjects.first(where: { $0.kind == id.kind }),
      exchange.caller.allows(subject.scope, "read")
    else { return nil }
    let known = try exchange.version(of: id, at: from, in: exchange.org) ?? 0
    guard event.streamVersion == known + 1,
      let last = try exchange.version(of: id, at: to, in: exchange.org)
    else { return nil }
    let found = try HistoryRoutes.diff(id, subject, from: known, to: last, exchange)
    return found["changes"]?.array?.isEmpty == false ? found : nil
  }
}

import Application
import Domain
import EventLog
import HTTP
import JSON

/// The org's own book: as a list, and as a tail that never ends.
enum EventRoutes {
  static let all = [
    Operation(
      "GET", "/api/events", .scope("events:read"), "Read the account's own book",
      details: "In order and without expiry. With `Accept: text/event-stream` a tail that never "
        + "ends: the id of each event is its position, and `Last-Event-ID` goes on there.",
      parameters: [
        .query("after", .string(1...20), "A log position, or `now`."),
        .query(
          "types", .array(.string(1...100)), "`message.sent`, `message.*`, between commas.",
          style: .commas), .query("contact", .id(.contact)), .limit,
        .header("Last-Event-ID", .string(1...20), "Wins over `after`."),
      ], answers: [eventList], handler: list)
  ]

  private static let pageSize = 500

  private static let eventList = AnswerDefinition(
    200, "A page, or the tail.",
    contents: [
      RequestBody.Content(
        mediaType: "application/json", schema: .list(of: EventSchemas.event)),
      RequestBody.Content(mediaType: "text/event-stream", schema: .string(0...Int.max)),
    ])

  private static func list(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let position = try start(exchange)
    let wanted = try Wanted(exchange)
    let accepts = exchange.request.headers["accept"] ?? ""
    if accepts.contains("text/event-stream") {
      return tail(after: position, wanted, exchange)
    }
    let limit = try exchange.limit()
    let found = try page(after: position, wanted, limit: limit, exchange)
    let last = found.events.last.map(\.position)
    return exchange.respond(
      200,
      [
        "object": "list", "data": .array(found.events.map(\.json)),
        "has_more": .bool(found.hasMore),
        "next": .string(String(found.hasMore ? last ?? found.scannedTo : found.scannedTo)),
      ])
  }

  /// `Last-Event-ID` wins over `after`: a tail that was cut goes on where it was.
  private static func start(_ exchange: Exchange) throws(APIError) -> UInt64 {
    guard let text = exchange.request.headers["last-event-id"] ?? exchange.query("after") else {
      return 0
    }
    if text == "now" { return try head(exchange) }
    guard let position = UInt64(text) else {
      throw .invalid("after", "invalid_position", "after is a log position, or `now`.")
    }
    return position
  }

  private static func head(_ exchange: Exchange) throws(APIError) -> UInt64 {
    do {
      return try exchange.engine.log.head()
    } catch {
      throw APIError(.log(error))
    }
  }

  private struct Wanted: Sendable {
    let filter: EventFilter
    let contact: Identifier?

    init(_ exchange: Exchange) throws(APIError) {
      var types: Set<String>?
      if let text = exchange.query("types") {
        var known: Set<String> = []
        for pattern in text.split(separator: ",") {
          let matching = EventTypePattern.types(matching: String(pattern))
          guard !matching.isEmpty else {
            throw .invalid("types", "unknown_event_type", "There is no event type \(pattern).")
          }
          known.formUnion(matching)
        }
        types = known
      }
      filter = EventFilter(org: OrgID(exchange.org.value), types: types)
      contact = try exchange.queryID("contact", .contact)
    }

    /// Whether the event is the contact's own or names it.
    func concerns(_ event: RecordedEvent, _ json: JSON) -> Bool {
      guard let contact else { return true }
      return event.stream.value == contact.value || json["data"]?["contact"]?.string == contact.text
    }
  }

  private struct Item: Sendable {
    let position: UInt64
    let json: JSON
  }

  private struct Found: Sendable {
    var events: [Item] = []
    var scannedTo: UInt64
    var hasMore = false
  }

  private static func page(
    after position: UInt64, _ wanted: Wanted, limit: Int, _ exchange: Exchange
  ) throws(APIError) -> Found {
    var found = Found(scannedTo: position)
    while found.events.count < limit {
      let page: Page
      do {
        page = try exchange.engine.log.read(
          after: found.scannedTo, limit: pageSize, filter: wanted.filter)
      } catch {
        throw APIError(.log(error))
      }
      for event in page.events where event.position > position {
        let json: JSON
        do {
          json = try EventJSON.object(event)
        } catch {
          throw APIError(error)
        }
        guard wanted.concerns(event, json) else { continue }
        if found.events.count == limit {
          found.hasMore = true
          return found
        }
        found.events.append(Item(position: event.position, json: json))
      }
      if page.scannedTo == found.scannedTo { return found }
      found.scannedTo = page.scannedTo
    }
    found.hasMore = true
    return found
  }

  // MARK: Tail

  /// Server-sent events: what there is after `position`, then what comes, until the client leaves.
  private static func tail(
    after position: UInt64, _ wanted: Wanted, _ exchange: Exchange
  ) -> HTTPResponse {
    let (stream, continuation) = AsyncStream<[UInt8]>.makeStream(
      bufferingPolicy: .unbounded)
    let task = Task {
      var position = position
      continuation.yield(Array(": tail of the log\n\n".utf8))
      while !Task.isCancelled {
        do {
          let found = try page(after: position, wanted, limit: pageSize, exchange)
          for item in found.events { continuation.yield(message(item)) }
          position = found.hasMore ? found.events.last?.position ?? position : found.scannedTo
          guard !found.hasMore else { continue }
          let head = try await exchange.engine.log.waitForHead(
            beyond: position, timeoutMillis: 15_000)
          if head <= position { continuation.yield(Array(": still here\n\n".utf8)) }
        } catch {
          break
        }
      }
      continuation.finish()
    }
    continuation.onTermination = { _ in task.cancel() }
    return HTTPResponse.eventStream(stream)
  }

  private static func message(_ item: Item) -> [UInt8] {
    let type = item.json["type"]?.string ?? "event"
    return Array("id: \(item.position)\nevent: \(type)\ndata: \(item.json.text)\n\n".utf8)
  }
}

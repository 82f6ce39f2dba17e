import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// The org's own book: as a list, as lines, and as a tail that never ends.
enum EventRoutes {
  static let all = [
    Operation(
      "GET", "/api/events", .scope("events:read"), "Read the account's own book",
      details: """
        In order and without expiry. `wait` makes it a long poll: the answer comes with the next event that fits; an
        account has \(pollLimit) of them at a time, whatever accounts they are about, and reads \(pageLimit) pages; further
        ones are 429 `rate_limited`.
        With `Accept: text/event-stream` a tail that never ends: the id of each event is its position, and
        `Last-Event-ID` goes on there. With `Accept: application/x-ndjson` all there is, an event a line; `follow`
        keeps that open too. A page ends where some twenty thousand events were looked at, whatever of them is wanted:
        with `has_more` it may hold fewer than `limit`, or none, and the book goes on after `next`.
        """,
      parameters: [
        .query(
          "after", .pattern(TextPattern.positionOrNow, 1...20), "A log position, or `now`."),
        .query(
          "types", .array(EventSchemas.typeName),
          "Between commas: `message.sent`, `message.*`, or names of the catalogue such as `sms.received`, `email.*`.",
          style: .commas), .query("contact", .id(.contact)), .limit,
        .query(
          "wait", .int(0...60_000),
          "How many milliseconds to wait at most for an event, where there is none yet."),
        .query("follow", .bool, "NDJSON: go on with what comes."),
        .header(
          "Last-Event-ID", .pattern(TextPattern.positionOrNow, 1...20), "Wins over `after`."),
      ], answers: [eventList],
      refuses: [400: ["invalid_position", "position_in_future", "unknown_event_type"]],
      handler: list),
    Operation(
      "GET", "/api/events/{id}", .scope("events:read"), "Read an event",
      details: "All of it: thin webhook payloads name the event alone.",
      answers: [.ok(EventSchemas.event)], handler: show),
  ]

  private static let eventList = AnswerDefinition(
    200, "A page, or the tail.",
    contents: [
      RequestBody.Content(
        mediaType: "application/json", schema: .list(of: EventSchemas.event)),
      RequestBody.Content(mediaType: "text/event-stream", schema: .string(0...Int.max)),
      RequestBody.Content(mediaType: ListStream.mediaType, schema: .string(0...Int.max)),
    ])

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .event)
    guard let position = RecordedDomainEvent.position(ofEventID: id), position > 0 else {
      throw .notFound("event")
    }
    let event: RecordedEvent?
    do {
      event = try exchange.engine.log.read(after: position - 1, limit: 1, filter: .all).events.first
    } catch {
      throw APIError(.log(error))
    }
    guard let event, event.position == position, event.org.value == exchange.org.value else {
      throw .notFound("event")
    }
    do {
      return exchange.respond(200, try EventJSON.object(event))
    } catch {
      throw APIError(error)
    }
  }

  private static func list(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let position = try start(exchange)
    let wanted = try WantedEvents(exchange)
    if exchange.request.prefers("text/event-stream") {
      return try EventTail(wanted, exchange).messages(after: position)
    }
    if ListStream.isWanted(exchange.request) {
      let follows = exchange.query("follow") == "true"
      return try EventTail(wanted, exchange).lines(after: position, follows: follows)
    }
    let limit = try exchange.limit()
    var found = try await pages.wait(of: exchange.caller.home) {
      () async throws(APIError) -> WantedEvents.Found in
      try await wanted.page(after: position, limit: limit)
    }
    let waitMillis = exchange.query("wait").flatMap { Int($0) } ?? 0
    if found.items.isEmpty, waitMillis > 0 {
      found = try await poll(found, wanted, limit: limit, waitMillis: waitMillis, exchange)
    }
    var data: [JSON] = []
    for item in found.items { data.append(try item.object()) }
    return exchange.respond(
      200,
      [
        "object": "list", "data": .array(data), "has_more": .bool(found.hasMore),
        "next": .string(String(found.reached)),
      ])
  }

  private static let polls = WaitingPlaces(limit: 1_000, accountLimit: pollLimit)
  static let pollLimit = 100
  /// A page may wait for dozens of turns, with megabytes in its hands.
  private static let pages = WaitingPlaces(limit: 512, accountLimit: pageLimit)
  static let pageLimit = 32

  private static func poll(
    _ first: WantedEvents.Found, _ wanted: WantedEvents, limit: Int, waitMillis: Int,
    _ exchange: Exchange
  ) async throws(APIError) -> WantedEvents.Found {
    let changes = try exchange.executor().changes
    let right = StandingRight(exchange)
    return try await polls.wait(of: exchange.caller.home) {
      () async throws(APIError) -> WantedEvents.Found in
      let deadline = ContinuousClock.now + .milliseconds(waitMillis)
      var found = first
      while found.items.isEmpty, !Task.isCancelled {
        let seen = changes.generation
        found = try await wanted.page(after: found.reached, limit: limit)
        let left = deadline - ContinuousClock.now
        guard found.items.isEmpty, left > .zero else { break }
        // Only at its end there is something to wait for.
        if found.hasMore { continue }
        await changes.wait(beyond: seen, timeout: left)
        try right.check()
      }
      return found
    }
  }

  /// `Last-Event-ID` wins over `after`: a tail that was cut goes on where it was.
  ///
  /// A position that the log has not reached is none of this log's, as after a restore: from there on everything up to
  /// it would be missed without a word. An `EventSource` that is told 400 does not try again.
  private static func start(_ exchange: Exchange) throws(APIError) -> UInt64 {
    let after = try position(exchange.query("after"), "after", exchange)
    let resumed = try position(
      exchange.request.headers["last-event-id"], "Last-Event-ID", exchange)
    return resumed ?? after ?? 0
  }

  private static func position(
    _ text: String?, _ name: String, _ exchange: Exchange
  ) throws(APIError) -> UInt64? {
    guard let text else { return nil }
    let head = try exchange.head()
    if text == "now" { return head }
    guard let position = UInt64(text) else {
      throw .invalid(name, "invalid_position", "\(name) is a log position, or `now`.")
    }
    guard position <= head else {
      throw .invalid(
        name, "position_in_future",
        "The log ends at \(head): \(name) is no position of it. Begin again, at 0 or at `now`.")
    }
    return position
  }
}

extension EventFeed.Item {
  /// The event as an object of a list.
  func object() throws(APIError) -> JSON {
    do {
      return try JSON(parsing: Array(json.utf8))
    } catch {
      preconditionFailure("we wrote it ourselves: \(error)")
    }
  }
}

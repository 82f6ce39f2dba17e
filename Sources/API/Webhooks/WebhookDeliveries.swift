import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// What went out to a webhook endpoint, what did not, and once more.
enum WebhookDeliveries {
  private static let refusals = ["endpoint_disabled", "endpoint_paused"]

  static let all = [
    Operation(
      "POST", "/api/webhook-endpoints/{id}/rotate-secret", .scope("webhooks:write"),
      "Give a webhook endpoint a new secret",
      details: "Deliveries carry a signature of each while the old one still signs along.",
      body: .optionalJSON(WebhookSchemas.rotate, example: ["overlap_seconds": 86_400]),
      answers: [.ok(WebhookSchemas.endpoint)], handler: rotate),
    Operation(
      "POST", "/api/webhook-endpoints/{id}/test", .scope("webhooks:write"),
      "Send a test event", details: "`webhook_endpoint.tested`, whatever it subscribed to.",
      answers: [.ok(WebhookSchemas.endpoint)], refuses: [409: refusals],
      handler: test),
    Operation(
      "POST", "/api/webhook-endpoints/{id}/redeliver", .scope("webhooks:write"),
      "Deliver events once more",
      details: "Under the ids that they had the first time. " + WebhookRoutes.needsReading,
      body: .json(WebhookSchemas.redeliver, example: ["from": 1]),
      answers: [.ok(WebhookSchemas.endpoint)],
      refuses: [
        400: ["ambiguous", "out_of_range", "required"], 403: ["cannot_grant"],
        409: refusals + ["too_many_redeliveries"],
      ], handler: redeliver),
    Operation.list(
      "/api/webhook-endpoints/{id}/deliveries", "webhooks:read",
      "The latest deliveries, newest first",
      details: "The last thousand at least, with what was answered; they outlive restarts.",
      of: WebhookSchemas.delivery, sorts: ["-number"], rows: deliveries),
    Operation(
      "GET", "/api/webhook-endpoints/{id}/deliveries/{number}", .scope("webhooks:read"),
      "Read a delivery with what was sent",
      details: """
        The body is not kept: it is made again from the event in the log, in the payload and format of that time. So it
        has nothing of a person who was erased since (`as_sent` is `false` then), and who may not read events
        (`events:read`) does not get a full one. What was answered about a person goes with them too.
        """, answers: [.ok(WebhookSchemas.sentDelivery)], refuses: [404: ["not_found"]],
      handler: delivery),
    Operation.list(
      "/api/webhook-endpoints/{id}/dead-letters", "webhooks:read",
      "The events whose delivery was given up, the first one first",
      of: WebhookSchemas.deadLetter, sorts: ["given_up_at", "position"], rows: deadLetters),
  ]

  private static func rotate(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let overlapSeconds = fields.int("overlap_seconds") ?? 86_400
    try fields.finish()
    let untilMicros = exchange.engine.tools.clock.nowMicros() + overlapSeconds * 1_000_000
    return try await WebhookRoutes.change(
      exchange,
      [.rotateSecret(WebhookMessage.newSecret(), previousUntilMicros: untilMicros)],
      showsSecret: true)
  }

  private static func test(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await WebhookRoutes.change(exchange, [.test])
  }

  private static func redeliver(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let id = try exchange.id("id", .webhookEndpoint)
    let style = try WebhookRoutes.state(id, version: .max, exchange).state.style
    do {
      try WebhookRoutes.requireReading(style.payload, exchange.caller)
    } catch {
      throw APIError(error)
    }
    let events = fields.strings("events")?.compactMap { Identifier($0, kind: .event) }
    let failed = fields.bool("failed") ?? false
    let from = fields.int("from")
    let head = Int64(try exchange.head())
    let to = fields.int("to") ?? head
    switch [events != nil, from != nil, failed].count(where: \.self) {
    case 0:
      fields.fail(
        "events", "required", "Name events, the log position to begin from, or `failed`.")
    case 1: break
    default:
      fields.fail(
        "events", "ambiguous", "Name either events, the log position to begin from, or `failed`.")
    }
    if from == nil, fields.has("to") {
      fields.fail("to", "ambiguous", "to goes with from.")
    }
    if let from, from > to || to > head {
      fields.fail("to", "out_of_range", "to is not before from and not beyond \(head).")
    }
    try fields.finish()
    var commands: [WebhookEndpoint.Command] = []
    for event in events ?? [] {
      guard let position = RecordedDomainEvent.position(ofEventID: event), position > 0,
        try exchange.owns(position)
      else { throw .notFound("event") }
      commands.append(.redeliver(from: position, to: position))
    }
    if let from { commands.append(.redeliver(from: UInt64(from), to: UInt64(to))) }
    if failed {
      let waiting = try WebhookRoutes.state(
        try exchange.id("id", .webhookEndpoint), version: .max, exchange
      ).state.redeliveries
      let room = WebhookEndpoint.redeliveryLimit - waiting.count - commands.count
      let positions = try await letters(exchange).compactMap {
        $0["position"]?.int.map(UInt64.init)
      }
      let asked = Set(
        positions.filter { position in
          !waiting.contains { ($0.from...$0.to).contains(position) }
        })
      for position in asked.sorted().prefix(max(0, room)) {
        commands.append(.redeliver(from: position, to: position))
      }
    }
    return try await WebhookRoutes.change(exchange, commands)
  }

  @Sendable
  private static func deliveries(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let id = try exchange.id("id", .webhookEndpoint)
    _ = try WebhookRoutes.state(id, version: .max, exchange)
    return try await .of(exchange.engine.deliveries.deliveries(of: id).map(view), list, exchange)
  }

  private static func delivery(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .webhookEndpoint)
    _ = try WebhookRoutes.state(id, version: .max, exchange)
    let found = exchange.engine.deliveries.deliveries(of: id)
      .first { String($0.number) == exchange.path["number"] }
    guard let found, var object = view(found.number, found.delivery).object else {
      throw .notFound("delivery")
    }
    object["request"] = try request(of: found.delivery, exchange)
    return exchange.respond(200, .object(object))
  }

  /// What was sent, made again.
  private static func request(
    of delivery: DeliveryBoard.Delivery, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    let event: RecordedEvent?
    do {
      event = try exchange.engine.log.read(
        after: delivery.position - 1, limit: 1, filter: EventFilter(org: OrgID(exchange.org.value))
      ).events.first { $0.position == delivery.position }
    } catch {
      throw APIError(.log(error))
    }
    guard let event else { throw .notFound("event") }
    let style = delivery.style ?? WebhookEndpoint.Style()
    let isWhole = event.parts.allSatisfy { part in
      if case .opened = part { true } else { false }
    }
    let mayRead = style.payload == .thin || exchange.caller.allows("events:read", "read")
    var body: JSON = .null
    if mayRead, delivery.style != nil {
      do throws(CommandError) {
        let bytes = WebhookMessage.body(of: try EventJSON.object(event), style)
        body = .string(String(decoding: bytes, as: UTF8.self))
      } catch {
        throw APIError(error)
      }
    }
    return [
      "headers": [
        "content-type": .string(WebhookMessage.contentType(style)),
        "webhook-id": .string(delivery.event.text),
        "webhook-timestamp": .string(String(delivery.atMicros / 1_000_000)),
      ], "body": body,
      "as_sent": body == .null ? .null : .bool(isWhole),
    ]
  }

  private static func view(_ number: Int, _ delivery: DeliveryBoard.Delivery) -> JSON {
    [
      "object": "delivery", "number": JSON(number), "event": .string(delivery.event.text),
      "type": .string(delivery.type), "position": .int(Int64(delivery.position)),
      "attempt": JSON(delivery.attempt), "sent_at": .string(Timestamp.text(delivery.atMicros)),
      "took_millis": .int(delivery.tookMillis), "url": .string(delivery.url),
      "status": delivery.status.map { JSON($0) } ?? .null, "error": JSON(delivery.error),
      "response": .string(delivery.response), "redelivery": .bool(delivery.isRedelivery),
      "backfill": .bool(delivery.isBackfill),
    ]
  }

  /// From the endpoint's own stream: the attempts after which there is no other.
  @Sendable
  private static func deadLetters(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let letters = try await letters(exchange, through: list.pin?.position ?? .max)
    return try await .of(letters, list, exchange)
  }

  private static func letters(
    _ exchange: Exchange, through position: UInt64 = .max
  ) async throws(APIError) -> [JSON] {
    let id = try exchange.id("id", .webhookEndpoint)
    _ = try WebhookRoutes.state(id, version: .max, exchange)
    let (scans, asker) = (exchange.services.scans, exchange.caller.home)
    return try await scans.search(for: asker) { () async throws(APIError) -> [JSON] in
      // Every failure of years is gone through, each stretch in a turn of its own.
      var letters = DeadLetters()
      var next: UInt64? = 1
      while let version = next {
        let turn = try await scans.run(for: asker) { [letters] () throws(APIError) in
          try stretch(of: id, from: version, through: position, onto: letters, exchange)
        }
        guard let turn else { throw .clientGone }
        (letters, next) = try turn.get()
      }
      return letters.all.map(view)
    }
  }

  /// `letters` with one stretch of the endpoint's stream more, and where the next begins; nil at its end.
  private static func stretch(
    of id: Identifier, from version: UInt64, through position: UInt64, onto letters: DeadLetters,
    _ exchange: Exchange
  ) throws(APIError) -> (DeadLetters, next: UInt64?) {
    let limit = 500
    let page: [RecordedEvent]
    do throws(EventLogError) {
      page = try exchange.engine.log.readStream(
        org: OrgID(exchange.org.value), stream: StreamID(id.value), from: version, limit: limit,
        direction: .forwards)
    } catch {
      throw APIError(.log(error))
    }
    var letters = letters
    do throws(CommandError) {
      for event in page where event.position <= position { try letters.take(event) }
    } catch {
      throw APIError(error)
    }
    return (letters, page.count == limit ? page.last.map { $0.streamVersion + 1 } : nil)
  }

  private static func view(_ letter: DeadLetters.Letter) -> JSON {
    [
      "id": .string(letter.id.text), "object": "dead_letter",
      "position": .int(Int64(letter.position)), "attempts": .int(Int64(letter.attempt)),
      "reason": .string(letter.reason), "given_up_at": .string(Timestamp.text(letter.atMicros)),
    ]
  }
}

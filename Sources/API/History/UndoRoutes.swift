import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// Takes events back, by new ones.
enum UndoRoutes {
  static let all = [
    Operation(
      "POST", "/api/undo", .scope("undo:write"), "Take back what was done",
      details: """
        By new events that say the contrary: nothing is taken out of the log. Of contacts what they are called, their \
        tags and whether they are archived; segments, deleted ones too; templates and workflows (what was is their next \
        version); drafts of campaigns, and paces; roles, users, API keys, webhook endpoints and inbound hooks; and \
        messages that still wait. What came to be is taken away: contacts and templates are archived, users \
        deactivated, keys revoked, the others deleted. What something else changed since stays, unless `edited_since` \
        is `restore`. An undo stops what was set going, and never sets going what was stopped (`stop_stays`). What \
        people said, what was sent or paid and the secrets that somebody saw stay: each event has its `status`, and a \
        `reason` where it is refused. A thousand events at a time, the newest first: `next` is the `to` of the next \
        request. Each kind of object takes the right to change it, too; what takes an object away the right to delete it, a segment \
        that comes back the right to create it (`missing_scope`); and nobody gives back a right that they lack.
        """,
      body: .json(input, example: ["events": ["evt_01jd3x00000000000000000001"]]),
      answers: [AnswerDefinition.ok(undo).or(trial)],
      refuses: [
        400: [
          "invalid_as_of", "required", "out_of_range", "invalid_value", "nothing_to_identify",
          "name_taken", "other_channel", "unknown_role", "unknown_segment", "unknown_template",
        ],
        403: ["cannot_grant"], 404: ["not_found"],
        409: ["duplicate_contact", "last_administrator", "role_in_use"],
      ], idempotency: .required, handler: undo)
  ]

  private static let limit = 1_000
  /// Events that one request looks through for those of somebody.
  private static let scanLimit = 100_000

  private static let input = Schema.input(
    "UndoInput",
    [
      .optional("events", .array(.id(.event), 1...1_000), "These events, or:"),
      .optional("bulk_id", .id(.importJob), "All that an import wrote, or:"),
      .optional(
        "actor", .string(1...200),
        "All that somebody did (`user:usr_…`, `key:key_…`) after `from` up to `to`."),
      .optional(
        "from", .pattern(TextPattern.moment, 1...64),
        "A position of the log, an event's id or a time."),
      .optional(
        "to", .pattern(TextPattern.moment, 1...64),
        "The same; of an import its end where not given."),
      .optional(
        "edited_since", .choice(["keep", "restore"]),
        "What becomes of what something else changed since; `keep` where not given."),
      .optional("dry_run", .bool, "The same as the parameter."),
    ]
  ).stating(
    Schema.exactlyOne([
      Schema.fields(required: ["events"], absent: ["bulk_id", "actor", "from", "to"]),
      Schema.fields(required: ["bulk_id"], absent: ["events", "actor"]),
      Schema.fields(required: ["actor", "from", "to"], absent: ["events", "bulk_id"]),
    ]))

  private static let results: [Schema.Property] = [
    .required("undone", .count), .required("unchanged", .count, "As before already."),
    .required("changed_since", .count, "Kept, because something else changed it since."),
    .required("refused", .count),
    .required(
      "results",
      .array(
        .object([
          .required("event", .id(.event)), .required("type", .string()),
          .required("subject", .string()),
          .required("status", .choice(["undone", "unchanged", "changed_since", "refused"])),
          .required(
            "reason", .choice(UndoPlan.Reason.allCases.map(\.rawValue)).nullable, "Of a refusal."),
          .required("kept", .array(.string()), "Fields that something else changed since."),
        ])), "Newest first."),
    .required("next", .string().nullable, "`to` of the next request, where there is more."),
  ]
  private static let undo = Schema.object(
    "Undo",
    [.required("object", .constant("undo"))] + results + [
      .optional("events", .array(.id(.event)), "The events that it wrote.")
    ])
  private static let trial = Trial.schema("UndoTrial", results)

  private static func undo(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let wish = try Wish(&fields, exchange)
    let isTrial = fields.bool("dry_run") == true || exchange.isDryRun
    let restores = fields.string("edited_since") == "restore"
    try fields.finish()
    var call = try exchange.call()
    if isTrial { try exchange.tellRepeated(call, in: exchange.org) }
    var position = try exchange.head()
    if let before = try answeredAt(call, exchange) { position = before }
    let found = try plan(wish, at: position, restores: restores, exchange)
    if isTrial {
      let trial = try await exchange.tried(in: try exchange.executor()) {
        workspace throws(CommandError) in
        try workspace.carryOut(found.plan)
      }
      return exchange.respond(200, Trial.json(trial.events, results((trial.output, found.next))))
    }
    call.causation = found.plan.items.first?.position
    call.restsOnLog = true
    let written = try await exchange.write(to: try exchange.executor(), call) {
      workspace throws(CommandError) in
      try workspace.carryOut(found.plan, wording: words)
    }
    var told = (plan: written.output ?? found.plan, next: found.next)
    // The same request may have been carried out since the log was looked at: it answers as then.
    if written.receipt.isReplay, let before = try answeredAt(call, exchange), before != position {
      told = try plan(wish, at: before, restores: restores, exchange)
    }
    return exchange.respond(
      200, .object(JSONObject([("object", "undo")] + results(told))), receipt: written.receipt)
  }

  private typealias Found = (plan: UndoPlan, next: UInt64?)

  private static func plan(
    _ wish: Wish, at position: UInt64, restores: Bool, _ exchange: Exchange
  ) throws(APIError) -> Found {
    let chosen = try wish.events(upTo: position, exchange)
    do throws(CommandError) {
      let plan = try UndoPlan(
        chosen.events,
        .init(
          org: exchange.org, position: position, restoresEdited: restores,
          resources: resources, grants: Grants(exchange.caller.scopes)),
        exchange.engine.log)
      return (plan, chosen.next)
    } catch {
      throw APIError(error)
    }
  }

  /// Where the log was before the request was carried out under its key; nil where it was not.
  private static func answeredAt(
    _ call: Call, _ exchange: Exchange
  ) throws(APIError) -> UInt64? {
    guard let key = call.idempotencyKey else { return nil }
    do {
      return try exchange.engine.log.receipt(
        org: OrgID(exchange.org.value),
        idempotencyKey: key.key
      ).map { $0.firstPosition - 1 }
    } catch {
      throw APIError(.log(error))
    }
  }

  @Sendable private static func words(_ plan: UndoPlan) -> String? {
    let undone = plan.items.filter { $0.outcome == .undone }
    guard !undone.isEmpty else { return nil }
    let first = undone.prefix(3).map(\.event.text).joined(separator: ", ")
    return undone.count > 3 ? "Undo of \(undone.count) events: \(first), …" : "Undo of \(first)"
  }

  private static let resources: [Identifier.Kind: String] = [
    .contact: "contacts", .segment: "segments", .template: "messages", .message: "messages",
    .campaign: "campaigns", .workflow: "workflows", .role: "roles", .user: "users",
    .apiKey: "api_keys", .webhookEndpoint: "webhooks", .inboundHook: "webhooks",
  ]

  private static func results(_ found: Found) -> [(key: String, value: JSON)] {
    let (items, next) = (found.plan.items, found.next)
    func count(_ name: String) -> JSON { JSON(items.count { $0.outcome.name == name }) }
    let told = items.map { item -> JSON in
      var reason: String?
      if case .refused(let why) = item.outcome { reason = why.rawValue }
      return [
        "event": .string(item.event.text), "type": .string(item.type),
        "subject": .string(item.subject.text), "status": .string(item.outcome.name),
        "reason": JSON(reason), "kept": .array(item.kept.map(JSON.string)),
      ]
    }
    return [
      ("undone", count("undone")), ("unchanged", count("unchanged")),
      ("changed_since", count("changed_since")), ("refused", count("refused")),
      ("results", .array(told)), ("next", JSON(next.map { String($0) })),
    ]
  }

  // MARK: Which events

  /// The events that are to be taken back.
  private enum Wish {
    case these([Identifier])
    case of(actor: String?, job: Identifier?, from: UInt64, to: UInt64?)

    init(_ fields: inout Fields, _ exchange: Exchange) throws(APIError) {
      let events = fields.strings("events")
      let job = fields.id("bulk_id", .importJob)
      let actor = fields.string("actor")
      let from = try Self.moment("from", &fields, exchange)
      let to = try Self.moment("to", &fields, exchange)
      let names = ["events", "bulk_id", "actor"].filter(fields.has)
      if names.count != 1 {
        fields.fail("events", "required", "Give one of: events, bulk_id, actor.")
      }
      if actor != nil {
        if from == nil { fields.fail("from", "required", "from is required with actor.") }
        if to == nil { fields.fail("to", "required", "to is required with actor.") }
      }
      if events != nil, from != nil || to != nil {
        fields.fail("from", "invalid_value", "from and to go with actor and bulk_id.")
      }
      if let events {
        self = .these(events.compactMap { Identifier($0, kind: .event) })
      } else {
        self = .of(actor: actor, job: job, from: from ?? 0, to: to)
      }
    }

    private static func moment(
      _ name: String, _ fields: inout Fields, _ exchange: Exchange
    ) throws(APIError) -> UInt64? {
      guard let text = fields.string(name) else { return nil }
      do {
        return try exchange.moment(name, text).position
      } catch {
        fields.adopt(error.details)
        return nil
      }
    }

    func events(
      upTo position: UInt64, _ exchange: Exchange
    ) throws(APIError) -> (events: [RecordedDomainEvent], next: UInt64?) {
      switch self {
      case .these(let ids):
        var found: [RecordedDomainEvent] = []
        for id in Set(ids) { found.append(try event(id, upTo: position, exchange)) }
        return (found, nil)
      case .of(let actor, let job, let from, let to):
        return try events(actor, job, from, min(to ?? position, position), exchange)
      }
    }

    private func event(
      _ id: Identifier, upTo position: UInt64, _ exchange: Exchange
    ) throws(APIError) -> RecordedDomainEvent {
      guard let place = RecordedDomainEvent.position(ofEventID: id), place > 0, place <= position
      else { throw .notFound("event \(id)") }
      let found = try Self.read(after: place - 1, limit: 1, .all, exchange).events.first
      guard let found, found.position == place, found.org.value == exchange.org.value else {
        throw .notFound("event \(id)")
      }
      return try Self.decode(found)
    }

    /// Those of somebody, or of an import, with a place to go on at where there are more.
    private func events(
      _ actor: String?, _ job: Identifier?, _ from: UInt64, _ to: UInt64, _ exchange: Exchange
    ) throws(APIError) -> (events: [RecordedDomainEvent], next: UInt64?) {
      let stretch = try job.map { job throws(APIError) in try Self.stretch(of: job, exchange) }
      var found: [RecordedEvent] = []
      var place = max(from, stretch.map { $0.start - 1 } ?? 0)
      let to = min(to, stretch?.end ?? to)
      var seenCount = 0
      while place < to {
        let filter = EventFilter(org: OrgID(exchange.org.value))
        let page = try Self.read(after: place, limit: 500, filter, exchange)
        for event in page.events where event.position <= to {
          seenCount += 1
          let isWanted = try stretch.map { stretch throws(APIError) in
            try Self.decode(event).commitPosition == stretch.start
              || event.context.causation == stretch.start && event.context.actor == stretch.actor
          }
          if isWanted ?? true, Self.isBy(actor, event.context.actor) { found.append(event) }
        }
        guard seenCount <= UndoRoutes.scanLimit else {
          throw .invalid(
            "from", "out_of_range",
            "There are more than \(UndoRoutes.scanLimit) events between from and to: narrow them.")
        }
        guard page.scannedTo > place else { break }
        place = page.scannedTo
      }
      var start = max(0, found.count - UndoRoutes.limit)
      // What one commit did to one object is taken back together: whom an import put in, with their tags.
      while start > 0, found[start - 1].stream == found[start].stream { start -= 1 }
      let newest = found[start...]
      var events: [RecordedDomainEvent] = []
      for event in newest { events.append(try Self.decode(event)) }
      let next = found.count > newest.count ? newest.first.map { $0.position - 1 } : nil
      return (events, next)
    }

    /// An import's events: those of the commit that started it, and those that followed from that.
    private struct Stretch {
      let start: UInt64
      let end: UInt64?
      let actor: String
    }

    private static func stretch(
      of job: Identifier, _ exchange: Exchange
    ) throws(APIError) -> Stretch {
      let events: [RecordedEvent]
      do {
        events = try exchange.engine.log.readStream(
          org: OrgID(exchange.org.value), stream: StreamID(job.value), from: 1, limit: 2,
          direction: .forwards)
      } catch {
        throw APIError(.log(error))
      }
      guard let start = events.first else { throw .notFound("import") }
      return Stretch(
        start: start.position, end: events.count > 1 ? events[1].position : nil,
        actor: start.context.actor)
    }

    /// Somebody, on behalf of whomever.
    private static func isBy(_ wanted: String?, _ actor: String) -> Bool {
      guard let wanted else { return true }
      return actor == wanted || actor.hasPrefix(wanted + " ")
    }

    private static func read(
      after place: UInt64, limit: Int, _ filter: EventFilter, _ exchange: Exchange
    ) throws(APIError) -> Page {
      do {
        return try exchange.engine.log.read(after: place, limit: limit, filter: filter)
      } catch {
        throw APIError(.log(error))
      }
    }

    private static func decode(_ event: RecordedEvent) throws(APIError) -> RecordedDomainEvent {
      do {
        return try EventCodec.decode(event)
      } catch {
        throw APIError(.unreadable(reason: "position \(event.position): \(error)"))
      }
    }
  }
}

import Application
import Domain
import EventLog
import HTTP
import JSON

/// What an account's administrators should know and did not ask for. Computed from what is so now: a notice
/// goes away with its reason.
enum NoticeRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/notices", "account:read", "List what administrators should know, newest first",
      details: "Webhook endpoints that were disabled or take nothing, a stop of the sending, a low "
        + "balance, attempts of the last day that were refused, one notice for whoever made them, "
        + "users whom wrong passwords locked out, and the newest signed head of the account's book, to be kept outside. Nobody is "
        + "written to about them: look here, or subscribe a webhook to `webhook_endpoint.disabled`, "
        + "`org.access_refused`, `user.locked` and `org.checkpoint_published`.",
      of: notice, sorts: ["-since"], rows: list)
  ]

  enum Kind: String, CaseIterable {
    case webhookDisabled = "webhook_disabled"
    case webhookFailing = "webhook_failing"
    case sendingHalted = "sending_halted"
    case lowBalance = "low_balance"
    case accessRefused = "access_refused"
    case userLocked = "user_locked"
    case checkpointPublished = "checkpoint_published"
  }

  private static let notice = Schema.object(
    "Notice",
    [
      .required("object", .constant("notice")), .required("kind", .choice(Kind.self)),
      .required("subject", .string(), "The id of what it is about."),
      .required("since", .time.nullable, "null: nobody noted when it began."),
      .required("words", .string()), .required("advice", .string()),
      .required("checkpoint", .string(0...10_000).nullable, "The signed head itself."),
    ])

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let (isHalted, news, isBalanceLow, endpoints) = try await exchange.readState { workspace in
      (
        !workspace.settings.halts.isEmpty, workspace.news, workspace.isBalanceLow,
        workspace.webhookEndpointStates
      )
    }
    var notices: [JSON] = []
    for (id, endpoint) in endpoints where !endpoint.isDeleted {
      if let found = try notice(of: id, endpoint, exchange) { notices.append(found) }
    }
    if isHalted {
      notices.append(
        view(
          .sendingHalted, exchange.org, since: news.haltedAtMicros,
          "All sending of the account is stopped.",
          "POST /api/sending/resume lifts the account's own stop; another is the operator's."))
    }
    if isBalanceLow {
      notices.append(
        view(
          .lowBalance, exchange.org, since: nil, "The wallet has less than you want to be told of.",
          "POST /api/wallet/add-funds, or turn on the recharge."))
    }
    notices += try AccessNotices.all(news, exchange)
    if let head = news.head { notices.append(notice(of: head, exchange)) }
    return try await .of(notices, list, exchange) { notice in
      ["kind", "subject"].map { notice[$0]?.string ?? "" }.joined(separator: " ")
    }
  }

  private static func notice(
    of id: Identifier, _ endpoint: WebhookEndpoint.State, _ exchange: Exchange
  ) throws(APIError) -> JSON? {
    // An address may have a secret in it: it is shown to those who may read the endpoint itself.
    let name = exchange.caller.allows("webhooks:read", "read") ? endpoint.url : "\(id)"
    if !endpoint.isEnabled {
      let disabled = try newest("webhook_endpoint.disabled", of: id, exchange)
      let reason = try disabled.map { event throws(APIError) in try data(of: event) }?["reason"]
      return view(
        .webhookDisabled, id, since: disabled?.recordedAtMicros,
        "Nothing is delivered to \(name): \(reason?.string ?? "it was disabled.")",
        "Once its receiver works: POST /api/webhook-endpoints/\(id)/enable delivers what waited.")
    }
    guard let standing = exchange.engine.deliveries.standing(of: id), standing.isCircuitOpen else {
      return nil
    }
    let failed = try newest("webhook.delivery_failed", of: id, exchange)
    return view(
      .webhookFailing, id, since: failed?.recordedAtMicros,
      "\(name) takes nothing: \(standing.waitingCount) events wait.",
      "What it answers: GET /api/webhook-endpoints/\(id)/deliveries.")
  }

  private static func notice(of head: OrgNews.Head, _ exchange: Exchange) -> JSON {
    view(
      .checkpointPublished, exchange.org, since: head.atMicros,
      "The head of the account's book was signed at \(head.size) events.",
      "Keep it where Daybook cannot change it: every later export can be checked against it.",
      checkpoint: head.note)
  }

  static func view(
    _ kind: Kind, _ subject: Identifier, since: Micros?, _ words: String, _ advice: String,
    checkpoint: String? = nil
  ) -> JSON {
    [
      "object": "notice", "kind": .string(kind.rawValue), "subject": .string(subject.text),
      "since": JSON(since.map(Timestamp.text)), "words": .string(words),
      "advice": .string(advice), "checkpoint": JSON(checkpoint),
    ]
  }

  // MARK: From the log

  /// What a stream tells of that is so now, and may have been followed by any number of other events.
  static func newest(
    _ type: String, of id: Identifier, _ exchange: Exchange
  ) throws(APIError) -> RecordedEvent? {
    var version = UInt64.max
    while version > 0 {
      let events = try latest(of: id, upTo: version, exchange)
      if let event = events.first(where: { $0.type == type }) { return event }
      guard let last = events.last else { return nil }
      version = last.streamVersion - 1
    }
    return nil
  }

  /// The latest events of a stream, the newest first.
  private static func latest(
    of id: Identifier, upTo version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> [RecordedEvent] {
    do {
      return try exchange.engine.log.readStream(
        org: OrgID(exchange.org.value), stream: StreamID(id.value), from: version, limit: 200,
        direction: .backwards)
    } catch {
      throw APIError(.log(error))
    }
  }

  static func data(of event: RecordedEvent) throws(APIError) -> JSON {
    do {
      return try EventJSON.data(of: event)
    } catch {
      throw APIError(error)
    }
  }
}

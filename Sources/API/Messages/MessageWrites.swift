import Application
import Domain
import HTTP
import JSON
import ProjectionRuntime

/// Sending and cancelling. Reading is in `MessageReads.swift`.
enum MessageWrites {
  static let all = [
    Operation(
      "POST", "/api/messages", .scope("messages:write"), "Send a text, an email or a call",
      details: """
        A refusal is on record too: `details` has the skipped message's id. With `dry_run`, what would be said to whom \
        (`to`, `subject`, `body`, `html`) takes the rights `messages:read` and `contacts:read`: without them it is null.
        """,
      body: .json(
        MessageSchemas.send,
        example: [
          "contact": "con_01jd3x0000000000000000000a", "body": "Hi {{first_name|there}}",
          "purpose": "transactional",
        ], limitBytes: RequestBody.textBytes),
      answers: [.created(MessageSchemas.message), .trial(MessageSchemas.trial)],
      refuses: MessageSchemas.refusals,
      idempotency: .required, handler: send),
    Operation(
      "POST", "/api/messages/{id}/cancel", .scope("messages:write"),
      "Cancel a message that waits", answers: [.ok(MessageSchemas.message)],
      refuses: [409: ["not_cancellable"]], handler: cancel),
  ]

  private static func send(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let request = try MessageInput.request(exchange)
    if exchange.isDryRun { return try await preview(request, exchange) }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.planMessage(request).id
    }
    let id = try ContactWrites.created(.message, written)
    let view = try exchange.messageView(id, version: written.receipt.version(of: id))
    return try answer(view, written.receipt, exchange)
  }

  /// 201 for what waits or goes out; a refusal is on record too, and says why.
  private static func answer(
    _ view: MessageView, _ receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    guard view.status == Message.Status.skipped.rawValue, let reason = view.reason else {
      return exchange.respond(201, view.json, receipt: receipt, version: view.version)
    }
    let isFunds = reason == GateReason.insufficientFunds.rawValue
    let error = APIError(
      isFunds ? 402 : 422, isFunds ? "insufficient_funds" : "compliance", reason,
      ReasonText.text(reason),
      details: [
        APIError.Detail(param: "contact", code: reason, message: view.id.text)
      ])
    var response = HTTPResponse.json(
      error.status, error.json(requestID: exchange.requestID).bytes())
    response.headers.set("log-position", String(receipt.position))
    if receipt.isReplay { response.headers.set("idempotent-replayed", "true") }
    return response
  }

  /// The verdict, price and events that sending would give; nothing is written.
  private static func preview(
    _ request: MessageRequest, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    // A trial may do without the key.
    if exchange.request.headers["idempotency-key"] != nil {
      try exchange.tellRepeated(try exchange.call(), in: exchange.org)
    }
    let (events, planned) = try await exchange.tried(in: try exchange.executor()) {
      workspace throws(CommandError) in try workspace.planMessage(request)
    }
    let reason: String? =
      switch planned.verdict.outcome {
      case .allowed: nil
      case .held(let why, _), .refused(let why): why.rawValue
      }
    // Merge fields put anything of the contact into it, and nothing of a trial is on record.
    let mayRead = ["messages:read", "contacts:read"].allSatisfy {
      exchange.caller.allows($0, "read")
    }
    let content = mayRead ? planned.plan.content.value : nil
    return exchange.respond(
      200,
      Trial.json(
        events,
        [
          ("channel", .string(planned.plan.channel.rawValue)), ("subject", JSON(content?.subject)),
          ("body", JSON(content?.body)), ("html", JSON(content?.html)),
          ("to", JSON(content?.address)), ("segments", JSON(planned.plan.segmentCount)),
          ("encoding", .string(planned.plan.encoding)),
          ("price", Money.json(planned.priceMicros)),
          ("send_at", JSON(planned.scheduledForMicros.map(Timestamp.text))),
          ("verdict", planned.verdict.json), ("reason", JSON(reason)),
          ("explanation", JSON(reason.map(ReasonText.text))),
        ]))
  }

  private static func cancel(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .message)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.cancelMessage(id)
    }
    let view = try exchange.messageView(id, version: written.receipt.version(of: id))
    return exchange.respond(200, view.json, receipt: written.receipt, version: view.version)
  }
}

/// The reasons in words, with what to do about them.
enum ReasonText {
  static func text(_ reason: String) -> String {
    switch GateReason(rawValue: reason) {
    case .noConsent:
      "There is no recorded consent to marketing on this channel. Record one, or send what the person asked "
        + "for as transactional."
    case .revoked: "The person opted out. Only their own new opt-in lifts that."
    case .suppressed: "The address is on a suppression list, or the contact is archived."
    case .quietHours: "It is quiet hours where the person may be; it goes out when they end."
    case .insufficientFunds: "The wallet has not enough credit. Add funds and send again."
    case .noAddress: "The contact has no phone number or email address for this channel."
    case .invalidAddress: "The number cannot be placed in any time zone."
    case .paused: "The account is paused."
    case .missingField: "A merge field has no value for this contact and no fallback."
    case .frequencyCap:
      "The person got as much advertising as a day allows; it goes out when the oldest is old enough."
    case .budget: "The account's daily budget is spent; it goes out when the next day begins (UTC)."
    case .brandNotRegistered: "The sender's carrier registration is not verified."
    case .bouncedBefore: "Mail to this address came back for good: it does not exist."
    case .complaint: "The person called an earlier mail spam. Only their own new opt-in lifts that."
    case .landline: "The number is a landline: it takes calls, no texts."
    case .reassignedNumber: "The number belongs to somebody else by now."
    case .duplicateContent:
      "The same text went to this address within the hours that the account's rules name."
    case .carrierCap:
      "The carriers take no more of this sender today; it goes out when their next day begins."
    case .stale: "It could only go out after the moment from which on nobody wants it."
    case .holdout: "The person is among those that the campaign keeps out to compare with."
    case .testMode:
      "A test account with a real provider reaches only numbers and mailboxes kept for tests, such as "
        + "+1 212 555 0123 and ann@example.com."
    case .killSwitch: "All sending was stopped, and what waited was skipped."
    case .templateError, nil:
      "Not allowed: \(reason)."
    }
  }
}

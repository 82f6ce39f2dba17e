import Application
import Domain
import HTTP
import JSON

/// Texts that read like a no and are not certain: marketing to these people waits for a human.
enum SuspectedOptOutRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/suspected-opt-outs", "contacts:read", "List texts that may be opt-outs, oldest first",
      of: SendingSchemas.suspicion, sorts: ["received_at"], rows: list),
    Operation(
      "POST", "/api/suspected-opt-outs/{id}/confirm", .scope("contacts:write"),
      "Decide that the contact opted out",
      body: .optionalJSON(SendingSchemas.decision, example: ["channel": "sms"]),
      answers: [.ok(ContactSchemas.contact)], refuses: [404: ["erased"]], handler: confirm),
    Operation(
      "POST", "/api/suspected-opt-outs/{id}/dismiss", .scope("contacts:write"),
      "Decide that the contact did not opt out",
      body: .optionalJSON(SendingSchemas.decision, example: ["channel": "sms"]),
      answers: [.ok(ContactSchemas.contact)], refuses: [404: ["erased"]], handler: dismiss),
    Operation.list(
      "/api/contacts/{id}/consents", "contacts:read",
      "List what a contact agreed to and refused, oldest first",
      details: "The evidence: exact wording and its hash, method, source, IP, time and actor.",
      of: SendingSchemas.consent, sorts: ["position"], rows: consents),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let executor = try exchange.executor()
    let found: [OpenSuspicion]
    do {
      found = try await executor.read { workspace throws(CommandError) in
        try workspace.describedOptOuts()
      }
    } catch {
      throw APIError(error)
    }
    return try await .of(found.map(view), list, exchange) { entry in
      ["contact", "channel", "message"].map { entry[$0]?.string ?? "" }.joined(separator: " ")
    }
  }

  private static func view(_ entry: OpenSuspicion) -> JSON {
    [
      "object": "suspected_opt_out", "contact": .string(entry.contact.text),
      "channel": .string(entry.channel.rawValue), "message": .string(entry.message.text),
      "body": JSON(entry.content?.body), "from": JSON(entry.content?.address),
      "received_at": .string(Timestamp.text(entry.atMicros)),
    ]
  }

  private static func confirm(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let (id, channel) = try decision(exchange)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.confirmOptOut(id, channel: channel)
    }
    return try exchange.contactResponse(200, id, written)
  }

  private static func dismiss(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let (id, channel) = try decision(exchange)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.dismissOptOut(id, channel: channel)
    }
    return try exchange.contactResponse(200, id, written)
  }

  private static func decision(
    _ exchange: Exchange
  ) throws(APIError) -> (Identifier, Channel) {
    let id = try exchange.id("id", .contact)
    var fields = try exchange.body()
    let channel = fields.choice("channel", Channel.self) ?? .sms
    try fields.finish()
    return (id, channel)
  }

  // MARK: - Evidence

  @Sendable
  private static func consents(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let id = try exchange.id("id", .contact)
    let entries: [ConsentEntry]
    do {
      entries = try exchange.engine.consents(of: id, in: exchange.org)
    } catch {
      throw APIError(error)
    }
    return try await .of(entries.map(view), list, exchange)
  }

  private static func view(_ entry: ConsentEntry) -> JSON {
    var object = JSONObject([
      ("object", "consent_entry"), ("id", .string(entry.event.text)),
      ("type", .string(entry.type)), ("channel", .string(entry.channel.rawValue)),
    ])
    if let consent = entry.consent {
      object["purpose"] = .string(consent.purpose.rawValue)
      object["sender"] = JSON(consent.sender)
      object["method"] = .string(consent.method.rawValue)
      object["source"] = .string(consent.source)
      object["address"] = JSON(consent.evidence.value?.address)
      object["wording"] = JSON(consent.evidence.value?.wording)
      object["wording_sha256"] = JSON(consent.wordingHash)
      object["ip"] = JSON(consent.evidence.value?.ip)
    }
    if let optOut = entry.optOut {
      object["method"] = .string(optOut.method.rawValue)
      object["scope"] = .string(optOut.scope.rawValue)
      object["address"] = JSON(optOut.address.value)
    }
    if let message = entry.message { object["message"] = .string(message.text) }
    object["actor"] = .string(entry.actor)
    object["occurred_at"] = .string(Timestamp.text(entry.atMicros))
    object["position"] = .int(Int64(entry.position))
    return .object(object)
  }
}

import Application
import Domain
import EventCodec
import HTTP
import JSON

/// Subscriptions to the log by webhook. They are few and the executor holds them: read from there.
enum WebhookRoutes {
  static let all =
    [
      Operation(
        "POST", "/api/webhook-endpoints", .scope("webhooks:write"), "Subscribe a webhook",
        details: needsReading,
        body: .json(
          WebhookSchemas.create,
          example: ["url": "https://example.com/hook", "types": ["message.*"]]),
        answers: [.created(WebhookSchemas.endpoint)],
        refuses: [400: ["https_required", "unknown_event_type"], 403: ["cannot_grant"]],
        handler: create),
      Operation.list(
        "/api/webhook-endpoints", "webhooks:read", "List webhook endpoints, oldest first",
        of: WebhookSchemas.endpoint, sorts: ["created_at"], rows: list),
      Operation(
        "GET", "/api/webhook-endpoints/{id}", .scope("webhooks:read"), "Read a webhook endpoint",
        answers: [.ok(WebhookSchemas.endpoint)], handler: show),
      Operation(
        "PATCH", "/api/webhook-endpoints/{id}", .scope("webhooks:write"),
        "Change a webhook endpoint", details: needsReading,
        body: .json(WebhookSchemas.update, example: ["types": ["contact.*"]]),
        answers: [.ok(WebhookSchemas.endpoint)],
        refuses: [400: ["https_required", "unknown_event_type"], 403: ["cannot_grant"]],
        handler: update),
      Operation(
        "DELETE", "/api/webhook-endpoints/{id}", .scope("webhooks:write"),
        "Delete a webhook endpoint", answers: [.ok(WebhookSchemas.endpoint)], handler: delete),
      Operation(
        "POST", "/api/webhook-endpoints/{id}/enable", .scope("webhooks:write"),
        "Deliver again, from where it stopped", answers: [.ok(WebhookSchemas.endpoint)],
        handler: enable),
      Operation(
        "POST", "/api/webhook-endpoints/{id}/pause", .scope("webhooks:write"),
        "Deliver nothing for a while",
        details: "What happens meanwhile is not lost: it comes once the endpoint is resumed.",
        answers: [.ok(WebhookSchemas.endpoint)],
        handler: { exchange throws(APIError) in try await change(exchange, [.pause]) }),
      Operation(
        "POST", "/api/webhook-endpoints/{id}/resume", .scope("webhooks:write"),
        "Deliver again, and all that happened meanwhile",
        details: "In the order of each contact, at once: also what waited for another attempt.",
        answers: [.ok(WebhookSchemas.endpoint)],
        handler: { exchange throws(APIError) in try await change(exchange, [.resume]) }),
    ] + WebhookDeliveries.all

  static let needsReading =
    "Full payloads are the book itself: who has them sent has to have the right `events:read`. "
    + "`thin` ones need none."

  /// - Throws: `cannotGrant` where the caller would have events sent that they may not read.
  static func requireReading(
    _ payload: WebhookEndpoint.Style.Payload, _ caller: Caller
  ) throws(CommandError) {
    let scope = "events:read"
    guard payload == .thin || caller.allows(scope, "read") else {
      throw .cannotGrant(scope: scope)
    }
  }

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let url = url(&fields, required: true, exchange)
    let types = types(&fields, required: true)
    let restyle = StyleChange(&fields)
    try fields.finish()
    guard let url, let types else { preconditionFailure("finish refuses missing fields") }
    let secret = WebhookMessage.newSecret()
    let caller = exchange.caller
    let written = try await exchange.write { workspace throws(CommandError) -> Identifier in
      let id = try workspace.createWebhookEndpoint(url: url, types: types, secret: secret)
      try restyle.carryOut(on: id, caller, &workspace)
      return id
    }
    let id = try ContactWrites.created(.webhookEndpoint, written)
    return try answer(201, id, written.receipt, showsSecret: true, exchange)
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let url = url(&fields, required: false, exchange)
    let types = types(&fields, required: false)
    let restyle = StyleChange(&fields)
    try fields.finish()
    return try await change(exchange, [.update(url: url, types: types)], restyle: restyle)
  }

  private static func delete(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await change(exchange, [.delete])
  }

  private static func enable(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await change(exchange, [.enable])
  }

  static func change(
    _ exchange: Exchange, _ commands: [WebhookEndpoint.Command], restyle: StyleChange? = nil,
    showsSecret: Bool = false
  ) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .webhookEndpoint)
    let caller = exchange.caller
    let written = try await exchange.write { workspace throws(CommandError) in
      for command in commands { try workspace.change(id, by: command) }
      try restyle?.carryOut(on: id, caller, &workspace)
    }
    return try answer(200, id, written.receipt, showsSecret: showsSecret, exchange)
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .webhookEndpoint)
    return exchange.respond(200, try view(id, version: .max, showsSecret: false, exchange))
  }

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    try await .of(
      { $0.webhookEndpoints }, list, exchange, removal: "webhook_endpoint.deleted"
    ) { id throws(APIError) in
      try view(id, version: .max, showsSecret: false, exchange)
    }
  }

  /// A repeated request is answered without the secret: whoever may send it again need not be whom it was shown to.
  private static func answer(
    _ status: Int, _ id: Identifier, _ receipt: WriteReceipt, showsSecret: Bool,
    _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let value = try view(
      id, version: receipt.version(of: id), showsSecret: showsSecret && !receipt.isReplay,
      exchange)
    return exchange.respond(status, value, receipt: receipt)
  }

  static func view(
    _ id: Identifier, version: UInt64, showsSecret: Bool, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    let snapshot = try state(id, version: version, exchange)
    let state = snapshot.state
    var object = JSONObject([
      ("id", .string(id.text)), ("object", "webhook_endpoint"), ("url", .string(state.url)),
      ("types", .array(state.types.map(JSON.string))), ("enabled", .bool(state.isEnabled)),
      ("paused", .bool(state.isPaused)), ("deleted", .bool(state.isDeleted)),
      ("payload", .string(state.style.payload.rawValue)),
      ("format", .string(state.style.format.rawValue)),
      ("redeliveries", JSON(state.redeliveries.count)), ("version", .int(Int64(snapshot.version))),
      ("account", .string(exchange.org.text)),
      ("created_at", .string(Timestamp.text(snapshot.createdAtMicros))),
      ("updated_at", .string(Timestamp.text(snapshot.updatedAtMicros))),
    ])
    // A past version has no standing: deliveries go on by themselves.
    if version == .max {
      let standing = exchange.engine.deliveries.standing(of: id) ?? DeliveryBoard.Standing()
      object["position"] = .int(Int64(standing.position))
      object["failures"] = JSON(standing.failureCount)
      object["retry_at"] = JSON(standing.retryAtMicros.map(Timestamp.text))
      object["waiting"] = JSON(standing.waitingCount)
      object["circuit"] = .string(standing.isCircuitOpen ? "open" : "closed")
    }
    if showsSecret { object["secret"] = JSON(state.secret) }
    return .object(object)
  }

  /// The endpoint as it was at `version`.
  static func state(
    _ id: Identifier, version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> Snapshot<WebhookEndpoint.State> {
    let snapshot: Snapshot<WebhookEndpoint.State>
    do {
      snapshot = try exchange.engine.webhookEndpoint(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    guard snapshot.state.exists, !snapshot.state.isDeleted || version != .max else {
      throw .notFound("webhook endpoint")
    }
    return snapshot
  }

  // MARK: Input

  private static func url(
    _ fields: inout Fields, required: Bool, _ exchange: Exchange
  ) -> String? {
    guard let url = fields.string("url", required: required) else { return nil }
    let isSecure = url.hasPrefix("https://")
    guard isSecure || url.hasPrefix("http://"), WebhookEndpoint.isURL(url) else {
      fields.fail("url", "invalid_url", "Give an http or https URL.")
      return nil
    }
    guard isSecure || exchange.services.settings.allowsPrivateWebhooks else {
      fields.fail("url", "https_required", "Webhooks go to https URLs.")
      return nil
    }
    return url
  }

  private static func types(_ fields: inout Fields, required: Bool) -> [String]? {
    guard let types = fields.strings("types", required: required) else { return nil }
    for type in types where !EventNames.isKnown(type) {
      fields.fail("types", "unknown_event_type", EventNames.problem(with: type))
    }
    if types.isEmpty { fields.fail("types", "required", "Name at least one type, or `*`.") }
    return types
  }
}

/// What a request says of an endpoint's style: what is not named stays.
struct StyleChange: Sendable {
  private let payload: WebhookEndpoint.Style.Payload?
  private let format: WebhookEndpoint.Style.Format?

  init(_ fields: inout Fields) {
    payload = fields.choice("payload", WebhookEndpoint.Style.Payload.self)
    format = fields.choice("format", WebhookEndpoint.Style.Format.self)
  }

  /// On the style as it is by now: somebody else may have changed the other half meanwhile.
  ///
  /// - Throws: `cannotGrant` where the caller may not read what the endpoint is then sent.
  func carryOut(
    on id: Identifier, _ caller: Caller, _ workspace: inout Workspace
  ) throws(CommandError) {
    var style = try workspace.webhookEndpoint(id).style
    style.payload = payload ?? style.payload
    style.format = format ?? style.format
    try WebhookRoutes.requireReading(style.payload, caller)
    try workspace.change(id, by: .setStyle(style))
  }
}

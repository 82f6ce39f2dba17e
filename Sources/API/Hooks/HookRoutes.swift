import Application
import Crypto
import Domain
import HTTP
import JSON

/// Inbound hooks: made, changed, tried. What they are told is in `HookReceiving.swift`.
enum HookRoutes {
  private static let refusals = ["unknown_field", "required"]

  private static let needsRights =
    "A hook writes without asking anybody: whoever makes, changes, enables or tries it, or gets its secret, has "
    + "to have the rights that are its own (`rights`)."

  static let all =
    [
      Operation(
        "POST", "/api/inbound-hooks", .scope("webhooks:write"), "Make an inbound hook",
        details: """
          An address that another system tells things to: signed, or with a secret at its end for forms that can sign
          nothing. `mapping` says which field comes from where in the JSON or form body.
          \(needsRights)
          """,
        body: .json(
          HookSchemas.create,
          example: [
            "name": "Website form", "authentication": "secret_in_path", "action": "lead",
            "mapping": ["email": "data.email", "first_name": "data.name", "tags": "=web"],
          ]), answers: [.created(HookSchemas.hook)],
        refuses: [400: refusals, 403: ["cannot_grant"]], handler: create),
      Operation.list(
        "/api/inbound-hooks", "webhooks:read", "List inbound hooks, oldest first",
        of: HookSchemas.hook, sorts: ["created_at", "name"], rows: list),
      Operation(
        "GET", "/api/inbound-hooks/{id}", .scope("webhooks:read"), "Read an inbound hook",
        answers: [.ok(HookSchemas.hook)], handler: show),
      Operation(
        "PATCH", "/api/inbound-hooks/{id}", .scope("webhooks:write"), "Change an inbound hook",
        details: needsRights, body: .json(HookSchemas.update, example: ["name": "Landing page"]),
        answers: [.ok(HookSchemas.hook)], refuses: [400: refusals, 403: ["cannot_grant"]],
        handler: update),
      Operation(
        "DELETE", "/api/inbound-hooks/{id}", .scope("webhooks:write"), "Delete an inbound hook",
        answers: [.ok(HookSchemas.hook)],
        handler: { exchange throws(APIError) in try await change(exchange, .delete) }),
      Operation(
        "POST", "/api/inbound-hooks/{id}/enable", .scope("webhooks:write"),
        "Take in what comes again", details: needsRights, answers: [.ok(HookSchemas.hook)],
        refuses: [403: ["cannot_grant"]],
        handler: enable),
      Operation(
        "POST", "/api/inbound-hooks/{id}/disable", .scope("webhooks:write"),
        "Refuse what comes", answers: [.ok(HookSchemas.hook)],
        handler: { exchange throws(APIError) in try await change(exchange, .disable) }),
      Operation(
        "POST", "/api/inbound-hooks/{id}/rotate-secret", .scope("webhooks:write"),
        "Give an inbound hook a new secret",
        details: "The old one is no good from then on. " + needsRights,
        answers: [.ok(HookSchemas.hook)], refuses: [403: ["cannot_grant"]], handler: rotate),
      Operation(
        "POST", "/api/inbound-hooks/{id}/test", .scope("webhooks:read"),
        "See what a body would lead to", details: "Nothing is written. " + needsRights,
        body: .json(
          HookSchemas.test, example: ["payload": ["data": ["email": "ann@example.com"]]]),
        answers: [.ok(HookSchemas.tested)], refuses: [403: ["cannot_grant"]],
        idempotency: .ignored, handler: test),
    ] + HookReceiving.all

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let change = SettingsChange(&fields, isNew: true)
    try fields.finish()
    guard let settings = change.applied(to: nil) else {
      preconditionFailure("finish refuses missing fields")
    }
    let caller = exchange.caller
    let written = try await exchange.write { workspace throws(CommandError) in
      try requireRights(of: settings, caller)
      return try workspace.createInboundHook(
        settings, secret: secret(for: settings.authentication))
    }
    let id = try ContactWrites.created(.inboundHook, written)
    return try answer(201, id, written.receipt, showsSecret: true, exchange)
  }

  /// - Throws: `cannotGrant` where the caller would have something done that they may not do.
  private static func requireRights(
    of settings: HookSettings, _ caller: Caller
  ) throws(CommandError) {
    for right in settings.action.rights where !Scope.allows(caller.scopes, right) {
      throw .cannotGrant(scope: right)
    }
  }

  /// Of the hook that the path names.
  private static func settings(_ exchange: Exchange) throws(APIError) -> HookSettings {
    let id = try exchange.id("id", .inboundHook)
    guard let settings = try snapshot(id, version: .max, exchange).state.settings else {
      throw .notFound("inbound hook")
    }
    return settings
  }

  private static func secret(for authentication: HookSettings.Authentication) -> String {
    switch authentication {
    case .standardWebhooks: WebhookMessage.newSecret()
    case .hmac, .secretInPath: Base64.encodeURL(Random.bytes(32))
    }
  }

  /// What a request says of a hook: what is not named stays.
  private struct SettingsChange: Sendable {
    private let name: String?
    private let authentication: HookSettings.Authentication?
    private let action: HookSettings.Action?
    private let signatureHeader: String?
    private let deliveryID: String?
    private let mapping: [HookSettings.Mapping]?

    init(_ fields: inout Fields, isNew: Bool) {
      name = fields.string("name", required: isNew, limit: 200)
      authentication = fields.choice(
        "authentication", HookSettings.Authentication.self, required: isNew)
      action = fields.choice("action", HookSettings.Action.self, required: isNew)
      signatureHeader = fields.string("signature_header", limit: 100)
      deliveryID = fields.string("delivery_id", limit: 200)
      mapping = fields.value("mapping", required: isNew)?.object?.fields.compactMap { key, value in
        value.string.map { HookSettings.Mapping(field: key, source: $0) }
      }
    }

    /// nil where there was nothing, and not everything is named.
    func applied(to before: HookSettings?) -> HookSettings? {
      guard let name = name ?? before?.name,
        let authentication = authentication ?? before?.authentication,
        let action = action ?? before?.action, let mapping = mapping ?? before?.mapping
      else { return nil }
      return HookSettings(
        name: name, authentication: authentication,
        signatureHeader: signatureHeader ?? before?.signatureHeader, action: action,
        mapping: mapping, deliveryID: deliveryID ?? before?.deliveryID)
    }
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let asked = SettingsChange(&fields, isNew: false)
    try fields.finish()
    let caller = exchange.caller
    return try await change(exchange) { id, before, workspace throws(CommandError) in
      guard let settings = asked.applied(to: before) else {
        preconditionFailure("nothing is missing in a change")
      }
      try requireRights(of: settings, caller)
      try workspace.changeInboundHook(id, by: .update(settings))
      guard settings.authentication != before.authentication else { return false }
      // Each has secrets of its own shape.
      try workspace.changeInboundHook(
        id, by: .rotateSecret(secret(for: settings.authentication)))
      return true
    }
  }

  private static func enable(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let caller = exchange.caller
    return try await change(exchange) { id, settings, workspace throws(CommandError) in
      try requireRights(of: settings, caller)
      try workspace.changeInboundHook(id, by: .enable)
      return false
    }
  }

  private static func rotate(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let caller = exchange.caller
    return try await change(exchange) { id, settings, workspace throws(CommandError) in
      try requireRights(of: settings, caller)
      try workspace.changeInboundHook(
        id, by: .rotateSecret(secret(for: settings.authentication)))
      return true
    }
  }

  private static func change(
    _ exchange: Exchange, _ command: InboundHook.Command
  ) async throws(APIError) -> HTTPResponse {
    try await change(exchange) { id, _, workspace throws(CommandError) in
      try workspace.changeInboundHook(id, by: command)
      return false
    }
  }

  /// `body` gets the settings as they are by then, whatever others did since the request came, and says whether there is a
  /// new secret to show.
  private static func change(
    _ exchange: Exchange,
    _ body:
      @escaping @Sendable (
        _ id: Identifier, _ settings: HookSettings, _ workspace: inout Workspace
      ) throws(CommandError) -> Bool
  ) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .inboundHook)
    let written = try await exchange.write { workspace throws(CommandError) -> Bool in
      let state = try workspace.inboundHook(id)
      guard let settings = state.settings else { throw .notFound(id) }
      return try body(id, settings, &workspace)
    }
    return try answer(200, id, written.receipt, showsSecret: written.output ?? false, exchange)
  }

  /// A repeated request is answered without the secret: whoever may send it again need not be whom it was shown to.
  private static func answer(
    _ status: Int, _ id: Identifier, _ receipt: WriteReceipt, showsSecret: Bool,
    _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let view = try view(
      id, version: receipt.version(of: id), showsSecret: showsSecret && !receipt.isReplay,
      exchange)
    return exchange.respond(status, view, receipt: receipt)
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .inboundHook)
    return exchange.respond(200, try view(id, version: .max, exchange))
  }

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    try await .of(
      { $0.inboundHooks }, list, exchange, removal: "inbound_hook.deleted"
    ) { id throws(APIError) in
      try view(id, version: .max, exchange)
    }
  }
}

// MARK: - Trying

extension HookRoutes {
  private static func test(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .inboundHook)
    let settings = try settings(exchange)
    // What would follow says who is known here.
    do {
      try requireRights(of: settings, exchange.caller)
    } catch {
      throw APIError(error)
    }
    var fields = try exchange.body()
    let json = fields.value("payload")
    let form = fields.string("form", limit: 100_000)
    if (json == nil) == (form == nil) {
      fields.fail("payload", "required", "Give either payload or form.")
    }
    try fields.finish()
    let payload =
      form.map {
        HookPayload(form: FormCoding.decode(bytes: Array($0.utf8)).map { ($0.name, $0.value) })
      } ?? HookPayload(json ?? .null)
    let values = payload.values(settings.mapping).sorted { $0.key < $1.key }
    let (events, problems) = try await outcome(id, settings, payload, exchange)
    return exchange.respond(
      200,
      [
        "object": "inbound_hook_test",
        "values": .object(JSONObject(values.map { ($0.key, $0.value) })),
        "problems": .array(
          problems.map {
            [
              "param": .string($0.param), "code": .string($0.code),
              "message": .string($0.message),
            ]
          }), "events": .array(events),
      ])
  }

  private static func outcome(
    _ id: Identifier, _ settings: HookSettings, _ payload: HookPayload, _ exchange: Exchange
  ) async throws(APIError) -> (events: [JSON], problems: [APIError.Detail]) {
    let executor = try exchange.executor()
    let command: HookCommand
    do throws(HookRefusal) {
      command = try HookCommand(id, settings, payload)
    } catch {
      return ([], error.problems.map(APIError.Detail.init))
    }
    do throws(CommandError) {
      let planned = try await executor.preview(HookReceiving.call(id, exchange, key: nil)) {
        workspace throws(CommandError) in
        _ = try command.carryOut(in: &workspace)
      }
      return (planned.map { ["type": .string($0.type)] }, [])
    } catch {
      let problem = APIError(error)
      let own = APIError.Detail(param: "", code: problem.code, message: problem.message)
      return ([], problem.details.isEmpty ? [own] : problem.details)
    }
  }
}

// MARK: - Showing

extension HookRoutes {
  static func snapshot(
    _ id: Identifier, version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> Snapshot<InboundHook.State> {
    let snapshot: Snapshot<InboundHook.State>
    do {
      snapshot = try exchange.engine.inboundHook(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    guard snapshot.state.exists, !snapshot.state.isDeleted || version != .max else {
      throw .notFound("inbound hook")
    }
    return snapshot
  }

  static func view(
    _ id: Identifier, version: UInt64, showsSecret: Bool = false, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    let snapshot = try snapshot(id, version: version, exchange)
    let state = snapshot.state
    guard let settings = state.settings else { throw .notFound("inbound hook") }
    let url = exchange.services.settings.publicURL + "/webhooks/in/\(exchange.org)/\(id)"
    var object = JSONObject([
      ("id", .string(id.text)), ("object", "inbound_hook"), ("name", .string(settings.name)),
      ("authentication", .string(settings.authentication.rawValue)),
      ("signature_header", JSON(settings.signatureHeader)),
      ("action", .string(settings.action.rawValue)),
      (
        "mapping",
        .object(JSONObject(settings.mapping.map { ($0.field, .string($0.source)) }))
      ), ("rights", .array(settings.action.rights.map(JSON.string))),
      ("delivery_id", JSON(settings.deliveryID)), ("enabled", .bool(state.isEnabled)),
      ("deleted", .bool(state.isDeleted)), ("url", .string(url)),
      ("version", .int(Int64(snapshot.version))), ("account", .string(exchange.org.text)),
      ("created_at", .string(Timestamp.text(snapshot.createdAtMicros))),
      ("updated_at", .string(Timestamp.text(snapshot.updatedAtMicros))),
    ])
    if showsSecret { object["secret"] = JSON(state.secret) }
    return .object(object)
  }
}

extension APIError.Detail {
  init(_ problem: HookPayload.Problem) {
    self.init(param: problem.field, code: problem.code, message: problem.message)
  }
}

import Application
import Crypto
import Domain
import HTTP
import JSON

/// With what programs act for an account. Only the hash of a secret is kept.
enum APIKeyRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/api-keys", "api_keys:read", "List API keys", of: AccessSchemas.key,
      sorts: ["created_at", "name"], rows: list),
    Operation(
      "POST", "/api/api-keys", .scope("api_keys:write"), "Make an API key",
      details: "The secret is in this answer and never again. With `signed` every request needs "
        + "`Daybook-Timestamp` (seconds since 1970), `Daybook-Nonce` (unique, 8 to 128 characters) "
        + "and `Daybook-Signature: v2=<hex>`: HMAC-SHA-256 under `signing_secret` of the lines `v2`, "
        + "timestamp, nonce, METHOD, target, hex(SHA-256(body)), and the headers `Account`, "
        + "`Idempotency-Key` and `If-Match` (empty where they are not sent), with one line feed between "
        + "them. Without `Account` also `v1=<hex>` of `timestamp.nonce.METHOD.target.hex(SHA-256(body))`.",
      body: .json(
        AccessSchemas.newKey, example: ["name": "Zapier", "scopes": ["contacts:read"]]),
      answers: [.created(AccessSchemas.key)],
      refuses: [
        400: ["unknown_scope", "invalid_network", "limit_exceeds_account"],
        403: ["cannot_grant"],
      ], handler: create),
    Operation(
      "GET", "/api/api-keys/{id}", .scope("api_keys:read"), "Read an API key",
      answers: [.ok(AccessSchemas.key)], handler: show),
    Operation(
      "PATCH", "/api/api-keys/{id}", .scope("api_keys:write"), "Change an API key",
      body: .json(AccessSchemas.keyChange, example: ["networks": ["203.0.113.0/24"]]),
      answers: [.ok(AccessSchemas.key)],
      refuses: [
        400: ["unknown_scope", "invalid_network", "limit_exceeds_account"],
        403: ["cannot_grant"],
      ], handler: update),
    Operation(
      "DELETE", "/api/api-keys/{id}", .scope("api_keys:write"), "Revoke an API key",
      answers: [.ok(AccessSchemas.key)], handler: revoke),
    Operation(
      "POST", "/api/api-keys/{id}/roll", .scope("api_keys:write"), "Give a key a new secret",
      body: .optionalJSON(AccessSchemas.keyRoll, example: ["overlap_seconds": 3_600]),
      answers: [.ok(AccessSchemas.key)], refuses: [403: ["cannot_grant"]], handler: roll),
    Operation(
      "GET", "/api/limits", .scope("account:read"), "How many requests this account's keys have",
      answers: [
        .ok(
          .object(
            "Limits",
            [
              .required("object", .constant("limits")),
              .required("account", AccessSchemas.limit, "What a key has without its own."),
              .required(
                "all_keys", AccessSchemas.sharedLimit,
                "What all keys of the account have together: twice that."),
              .required("key", AccessSchemas.limit.nullable, "The calling key's."),
            ]))
      ], handler: limits),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    var data: [JSON] = []
    for key in exchange.engine.directory.keys(of: exchange.org) {
      data.append(.object(try view(key.id, .max, exchange).object))
    }
    return try await .of(data, list, exchange, removal: "api_key.revoked")
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let found = try view(try exchange.id("id", .apiKey), .max, exchange)
    return exchange.respond(200, .object(found.object), version: found.version)
  }

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let name = fields.string("name", required: true)
    let scopes = ScopeInput.scopes(&fields, required: true)
    let limit = APIKeyInput.limit(&fields, exchange)
    let signingSecret = fields.bool("signed") == true ? newSecret("sig_") : nil
    let restrictions = APIKey.Restrictions(
      expiresAtMicros: APIKeyInput.expiry(&fields), networks: APIKeyInput.networks(&fields) ?? [],
      signingSecret: signingSecret.map(Personal.known))
    try fields.finish()
    guard let name, let scopes else { preconditionFailure("finish refuses missing fields") }
    let secret = newSecret(keyPrefix(exchange, scopes))
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) -> Identifier in
      let id = try workspace.createAPIKey(
        name: name, secretHash: hash(secret), scopes: scopes)
      var commands: [APIKey.Command] = [.changeScopes(scopes), .restrict(restrictions)]
      if let limit { commands.append(.setLimit(limit)) }
      try workspace.changeAPIKey(id, by: commands, grants: grants)
      return id
    }
    let id = try ContactWrites.created(.apiKey, written)
    return try answer(
      201, id, written.receipt, secret: secret, signingSecret: signingSecret, exchange)
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .apiKey)
    var fields = try exchange.body()
    var commands: [APIKey.Command] = []
    if let name = fields.string("name") { commands.append(.rename(name)) }
    if let scopes = ScopeInput.scopes(&fields, required: false) {
      commands.append(.changeScopes(scopes))
    }
    if fields.has("rate_limit") {
      commands.append(.setLimit(APIKeyInput.limit(&fields, exchange)))
    }
    let restricting = RestrictionChange(&fields)
    try fields.finish()
    return try await change(id, by: commands, restricting: restricting, exchange)
  }

  private static func revoke(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await change(try exchange.id("id", .apiKey), by: [.revoke], exchange)
  }

  private static func roll(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .apiKey)
    let before = try view(id, .max, exchange)
    var fields = try exchange.body()
    let overlapSeconds = fields.int("overlap_seconds") ?? 3_600
    try fields.finish()
    let secret = newSecret(keyPrefix(exchange, before.state.scopes))
    let untilMicros = exchange.engine.tools.clock.nowMicros() + overlapSeconds * 1_000_000
    return try await change(
      id, by: [.roll(secretHash: hash(secret), previousUntilMicros: untilMicros)],
      secret: secret, exchange)
  }

  private static func limits(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    exchange.respond(
      200,
      [
        "object": "limits", "account": json(APIKeyInput.accountLimit(exchange)),
        "all_keys": json(APIKeyInput.accountLimit(exchange).together),
        "key": exchange.caller.key.map {
          json($0.state.limit(within: APIKeyInput.accountLimit(exchange)))
        } ?? .null,
      ])
  }

  // MARK: Shared

  private static func change(
    _ id: Identifier, by commands: [APIKey.Command], restricting: RestrictionChange? = nil,
    secret: String? = nil, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      var commands = commands
      // As they are by now: somebody else may have changed the other one meanwhile.
      if let restricting {
        var restrictions = try workspace.apiKey(id).restrictions
        restricting.apply(to: &restrictions)
        commands.append(.restrict(restrictions))
      }
      try workspace.changeAPIKey(id, by: commands, grants: grants)
    }
    return try answer(200, id, written.receipt, secret: secret, signingSecret: nil, exchange)
  }

  /// A repeated request is answered without the secrets: nobody keeps them.
  private static func answer(
    _ status: Int, _ id: Identifier, _ receipt: WriteReceipt, secret: String?,
    signingSecret: String?, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let found = try view(id, receipt.version(of: id), exchange)
    var object = found.object
    if !receipt.isReplay {
      if let secret { object["secret"] = .string(secret) }
      if let signingSecret { object["signing_secret"] = .string(signingSecret) }
    }
    return exchange.respond(status, .object(object), receipt: receipt, version: found.version)
  }

  static func view(
    _ id: Identifier, _ version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> (object: JSONObject, state: APIKey.State, version: UInt64) {
    let snapshot: Snapshot<APIKey.State>
    do {
      snapshot = try exchange.engine.apiKey(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    let state = snapshot.state
    guard state.exists, !state.isRevoked || version != .max else { throw .notFound("API key") }
    let object = JSONObject([
      ("id", .string(id.text)), ("object", "api_key"), ("name", .string(state.name)),
      ("scopes", .array(state.scopes.map(JSON.string))),
      ("expires_at", JSON(state.restrictions.expiresAtMicros.map(Timestamp.text))),
      ("networks", .array(state.restrictions.networks.map(JSON.string))),
      ("signed", .bool(state.restrictions.signingSecret != nil)),
      ("rate_limit", json(state.limit(within: APIKeyInput.accountLimit(exchange)))),
      ("version", .int(Int64(snapshot.version))), ("account", .string(exchange.org.text)),
      ("created_at", .string(Timestamp.text(snapshot.createdAtMicros))),
      ("updated_at", .string(Timestamp.text(snapshot.updatedAtMicros))),
    ])
    return (object, state, snapshot.version)
  }

  private static func json(_ limit: RateLimit) -> JSON {
    ["per_minute": JSON(limit.perMinute), "burst": JSON(limit.burst)]
  }

  private static func newSecret(_ prefix: String) -> String {
    prefix + Base64.encodeURL(Random.bytes(24))
  }

  /// `sk_` may everything, `rk_` is restricted; `test` and `live` by the account.
  private static func keyPrefix(_ exchange: Exchange, _ scopes: [String]) -> String {
    let isTest = exchange.engine.directory.org(exchange.org)?.isTest == true
    return (scopes.contains("*") ? "sk_" : "rk_") + (isTest ? "test_" : "live_")
  }

  private static func hash(_ secret: String) -> String {
    Hex.encode(SHA256.hash(Array(secret.utf8)))
  }
}

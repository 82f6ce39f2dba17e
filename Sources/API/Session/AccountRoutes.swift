import Application
import Crypto
import Domain
import HTTP
import JSON

/// Orgs: what the caller reaches, a test org's clock, and, for the operator, new ones.
enum AccountRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/accounts", "account:read", "List the accounts that the caller reaches",
      parameters: [.query("q", .string(0...200), "Part of the name, in any case.")],
      of: AccessSchemas.account, sorts: ["created_at", "name"], rows: list),
    Operation(
      "GET", "/api/accounts/{id}", .scope("account:read"), "Read an account",
      answers: [.ok(AccessSchemas.account)], handler: show),
    Operation(
      "POST", "/api/test-clock/advance", .scope("account:write"),
      "Advance the clock of a test account",
      body: .json(AccessSchemas.clockAdvance, example: ["seconds": 86_400]),
      answers: [.ok(AccessSchemas.clock)], refuses: [422: ["not_a_test_account"]],
      handler: advanceClock),
    Operation(
      "POST", "/api/operator/accounts", .operation,
      "Create an account with its first administrator and API key",
      body: .json(AccessSchemas.newAccount, example: ["name": "Northwind", "test": true]),
      answers: [.created(AccessSchemas.createdAccount)], idempotency: .ignored, handler: create),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let now = exchange.engine.tools.clock.nowMicros()
    let wanted = exchange.query("q")?.lowercased() ?? ""
    let data = exchange.engine.directory.reach(of: exchange.caller.home)
      .filter { wanted.isEmpty || $0.name.lowercased().contains(wanted) }
      .map { view($0, realMicros: now) }
    return try .of(data, list, exchange)
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .org)
    guard exchange.engine.directory.reaches(id, from: exchange.caller.home),
      let org = exchange.engine.directory.org(id)
    else { throw .notFound("account") }
    return exchange.respond(200, view(org, realMicros: exchange.engine.tools.clock.nowMicros()))
  }

  private static func advanceClock(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let seconds = fields.int("seconds", required: true)
    if let seconds, !(1...(400 * 86_400)).contains(seconds) {
      fields.fail("seconds", "out_of_range", "seconds is a whole number from 1 to 34560000.")
    }
    try fields.finish()
    guard let seconds else { preconditionFailure("finish refuses missing fields") }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.advanceClock(byMicros: seconds * 1_000_000)
    }
    let now = await (try exchange.executor()).nowMicros
    return exchange.respond(
      200, ["object": "test_clock", "now": .string(Timestamp.text(now))],
      receipt: written.receipt)
  }

  static func view(_ org: Directory.OrgEntry, realMicros: Micros) -> JSON {
    [
      "id": .string(org.id.text), "object": "account", "name": .string(org.name),
      "kind": .string(org.kind.rawValue), "agency": JSON(org.agency?.text),
      "time_zone": .string(org.timeZone), "test": .bool(org.isTest),
      "status": .string(org.status.rawValue),
      "now": .string(Timestamp.text(realMicros + org.clockOffsetMicros)),
      "created_at": .string(Timestamp.text(org.createdAtMicros)),
    ]
  }

  // MARK: Operator

  /// A new org with its first administrator and API key, and how it texts.
  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let name = fields.string("name", required: true, limit: 200)
    let kind = fields.choice("kind", Org.Kind.self) ?? .direct
    let agency = fields.id("agency", .org)
    let timeZone = fields.string("time_zone") ?? "America/New_York"
    let isTest = fields.bool("test") ?? false
    let offsetSeconds = fields.int("clock_offset_seconds") ?? 0
    if offsetSeconds > 0 || (!isTest && offsetSeconds != 0) {
      fields.fail(
        "clock_offset_seconds", "out_of_range", "Only a test account's clock may start earlier.")
    }
    if let agency, exchange.engine.directory.org(agency) == nil {
      fields.fail("agency", "unknown_account", "There is no such agency.")
    }
    let rateLimit = APIKeyInput.limit(&fields)
    let owner = OwnerRequest(&fields)
    let sms = SMSRequest(&fields, exchange)
    try fields.finish()
    guard let name else { preconditionFailure("finish refuses missing fields") }
    let call = Call(actor: "operator", origin: "cli", correlation: exchange.requestID)
    let secret = (isTest ? "sk_test_" : "sk_live_") + Base64.encodeURL(Random.bytes(24))
    do {
      let executor = try await exchange.engine.createOrg(
        call, name: name, kind: kind, agency: agency, timeZone: timeZone, isTest: isTest,
        clockOffsetMicros: offsetSeconds * 1_000_000)
      let hash = try await owner?.passwordHash()
      _ = try await executor.perform(call) { workspace throws(CommandError) in
        if let owner, let hash {
          _ = try workspace.createUser(
            UserDetails(email: owner.email, name: owner.name, passwordHash: hash),
            role: owner.role)
        }
        _ = try workspace.createAPIKey(
          name: "First key", secretHash: Hex.encode(SHA256.hash(Array(secret.utf8))),
          scopes: ["*"])
        if let rateLimit { try workspace.setRateLimit(rateLimit) }
        if let sms { try workspace.configureSMS(sms.settings) }
      }
      guard let org = exchange.engine.directory.org(executor.org) else {
        preconditionFailure("an org is in the directory once it is on disk")
      }
      var object = view(org, realMicros: exchange.engine.tools.clock.nowMicros()).object
      object?["api_key"] = .string(secret)
      return exchange.respond(201, .object(object ?? JSONObject()))
    } catch let error as CommandError {
      throw APIError(error)
    } catch {
      throw APIError(500, "internal", "internal", "The account could not be created.")
    }
  }

  private struct OwnerRequest: Sendable {
    let email: String
    let name: String
    let role: String
    private let password: String

    init?(_ fields: inout Fields) {
      guard let value = fields.value("owner") else { return nil }
      guard let object = value.object else {
        fields.fail("owner", "invalid_type", "owner must be an object.")
        return nil
      }
      var nested = Fields(object, prefix: "owner.")
      let email = nested.string("email", required: true, limit: 254)
      let name = nested.string("name", required: true, limit: 200)
      let password = nested.string("password", required: true, limit: 1_000)
      role = nested.string("role") ?? Roles.administrator
      fields.adopt(nested.finishNested())
      guard let email, let name, let password else { return nil }
      (self.email, self.name, self.password) = (email, name, password)
    }

    func passwordHash() async throws -> String {
      let password = password
      return try await Task.detached { try PasswordHash.make(password) }.value
    }
  }

  private struct SMSRequest: Sendable {
    let settings: SMSSettings

    init?(_ fields: inout Fields, _ exchange: Exchange) {
      guard let value = fields.value("sms") else { return nil }
      guard let object = value.object else {
        fields.fail("sms", "invalid_type", "sms must be an object.")
        return nil
      }
      var nested = Fields(object, prefix: "sms.")
      let from = nested.string("from", required: true)
      let accountSID = nested.string("account_sid", required: true)
      let token = nested.string("auth_token", required: true)
      let baseURL = nested.string("base_url") ?? "https://api.twilio.com"
      if let from, exchange.engine.tools.numbers.e164(from) == nil {
        nested.fail("from", "invalid_phone", "sms.from must be a phone number.")
      }
      fields.adopt(nested.finishNested())
      guard let from, let accountSID, let token else { return nil }
      settings = SMSSettings(
        from: from, accountSID: accountSID, baseURL: baseURL, authToken: .known(token))
    }
  }
}

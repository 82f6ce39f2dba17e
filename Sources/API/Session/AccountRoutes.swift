import Application
import Crypto
import Domain
import EventCodec
import EventLog
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
      "POST", "/api/accounts", .scope("account:write"), "Create a client of the agency",
      details: "With its first administrator, if one is named, and its first API key.",
      body: .json(
        AccessSchemas.newClient,
        example: ["name": "Northwind Dental", "time_zone": "America/Chicago"]),
      answers: [.created(AccessSchemas.createdAccount)],
      refuses: [
        400: ["invalid_email", "invalid_phone", "unknown_time_zone"],
        403: ["agency_only", "cannot_grant"],
        409: ["email_taken"],
      ], handler: createClient),
    Operation(
      "PATCH", "/api/accounts/{id}", .scope("account:write"), "Change an account",
      details:
        "`status` by its agency alone: nothing goes out of an account that is not active, and "
        + "an archived one lets nobody of its own in.",
      body: .json(AccessSchemas.accountChange, example: ["name": "Northwind West"]),
      answers: [.ok(AccessSchemas.account)],
      refuses: [400: ["unknown_time_zone"], 403: ["agency_only"]], handler: change),
    Operation(
      "DELETE", "/api/accounts/{id}", .scope("account:write"), "Archive a client",
      details:
        "By its agency alone. Its book stays, and PATCH with `status` makes it active again.",
      answers: [.ok(AccessSchemas.account)], refuses: [403: ["agency_only"]], handler: archive),
    Operation(
      "PATCH", "/api/operator/accounts/{id}", .operation,
      "Change the status or the rate limit of an account",
      body: .json(
        AccessSchemas.standingChange,
        example: ["status": "past_due", "rate_limit": ["per_minute": 600, "burst": 1_200]]),
      answers: [.ok(AccessSchemas.account)], handler: changeStanding),
    Operation(
      "POST", "/api/test-clock/advance", .scope("account:write"),
      "Advance the clock of a test account",
      body: .json(AccessSchemas.clockAdvance, example: ["seconds": 86_400]),
      answers: [.ok(AccessSchemas.clock)], refuses: [422: ["not_a_test_account"]],
      handler: advanceClock),
    Operation(
      "POST", "/api/operator/accounts", .operation,
      "Create an account with its first administrator and API key",
      details:
        "The API key is in the first answer alone, not in those to the same `Idempotency-Key`.",
      body: .json(AccessSchemas.newAccount, example: ["name": "Northwind", "test": true]),
      answers: [.created(AccessSchemas.createdAccount)],
      refuses: [
        400: ["invalid_email", "unknown_account", "unknown_time_zone", "invalid_phone"],
        409: ["email_taken"],
      ], handler: create),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let wanted = exchange.query("q")?.lowercased() ?? ""
    var data: [JSON] = []
    for org in exchange.engine.directory.reach(of: exchange.caller.home)
    where wanted.isEmpty || org.name.lowercased().contains(wanted) {
      data.append(try current(org, exchange))
    }
    return try await .of(data, list, exchange)
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .org)
    guard exchange.engine.directory.reaches(id, from: exchange.caller.home),
      let org = exchange.engine.directory.org(id)
    else { throw .notFound("account") }
    return exchange.respond(200, try current(org, exchange))
  }

  private static func current(
    _ org: Directory.OrgEntry, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    let change: (version: UInt64, atMicros: Micros)
    do {
      change = try exchange.engine.lastChange(of: org.id, in: org.id)
    } catch {
      throw APIError(error)
    }
    let view = view(org, realMicros: exchange.engine.tools.clock.nowMicros())
    return stored(view, org.id, change)
  }

  /// The account as it was at a version.
  static func view(
    _ id: Identifier, version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    let account: Snapshot<Org.State>
    do {
      account = try exchange.engine.org(id, version: version)
    } catch {
      throw APIError(error)
    }
    guard account.state.exists else { throw .notFound("account") }
    let view = view(Directory.OrgEntry(id, account.state), nowMicros: account.updatedAtMicros)
    return stored(view, id, (account.version, account.updatedAtMicros))
  }

  /// Everything that the body names changes in one commit, or nothing.
  private static func change(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let exchange = try exchange.acting(on: try exchange.id("id", .org))
    var fields = try exchange.body()
    let name = fields.string("name", limit: 200)
    let timeZone = fields.string("time_zone")
    let standing = Standing(&fields)
    try fields.finish()
    if !standing.isEmpty { try requireAgency(exchange) }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.changeOrg(name: name, timeZone: timeZone)
      try standing.apply(to: &workspace)
    }
    return try respond(exchange, written.receipt)
  }

  private static func archive(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let exchange = try exchange.acting(on: try exchange.id("id", .org))
    try requireAgency(exchange)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setStatus(.archived)
    }
    return try respond(exchange, written.receipt)
  }

  private static func requireAgency(_ exchange: Exchange) throws(APIError) {
    guard exchange.caller.home != exchange.org else {
      throw APIError(403, "permission", "agency_only", "Only its agency sets a client's status.")
    }
  }

  /// As the write left it, at its moment: the same, whenever it is asked for again.
  private static func respond(
    _ exchange: Exchange, _ receipt: WriteReceipt
  ) throws(APIError) -> HTTPResponse {
    let account = try exchange.account(at: receipt)
    let view = view(
      Directory.OrgEntry(exchange.org, account.state), nowMicros: account.updatedAtMicros)
    return exchange.respond(
      200, stored(view, exchange.org, (account.version, account.updatedAtMicros)),
      receipt: receipt)
  }

  /// With what every stored object says of itself.
  private static func stored(
    _ view: JSON, _ org: Identifier, _ change: (version: UInt64, atMicros: Micros)
  ) -> JSON {
    var object = view.object ?? JSONObject()
    object["updated_at"] = .string(Timestamp.text(change.atMicros))
    object["version"] = .int(Int64(change.version))
    object["account"] = .string(org.text)
    return .object(object)
  }

  private static func changeStanding(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .org)
    var fields = try exchange.body()
    let standing = Standing(&fields)
    try fields.finish()
    guard exchange.engine.directory.org(id) != nil else { throw .notFound("account") }
    let written = try await exchange.write(
      to: try exchange.executor(for: id), try exchange.operatorCall(in: id)
    ) { workspace throws(CommandError) in
      try standing.apply(to: &workspace)
    }
    let account = try exchange.account(id, at: written.receipt)
    let view = view(Directory.OrgEntry(id, account.state), nowMicros: account.updatedAtMicros)
    return exchange.respond(200, view, receipt: written.receipt, version: account.version)
  }

  /// What an account's agency or the operator decides, and not the account.
  private struct Standing: Sendable {
    let status: Org.Status?
    let rateLimit: RateLimit?

    var isEmpty: Bool { status == nil && rateLimit == nil }

    init(_ fields: inout Fields) {
      status = fields.choice("status", Org.Status.self)
      rateLimit = APIKeyInput.limit(&fields)
    }

    func apply(to workspace: inout Workspace) throws(CommandError) {
      if let status { try workspace.setStatus(status) }
      if let rateLimit { try workspace.setRateLimit(rateLimit) }
    }
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
    // What was decided, was decided before.
    let nowMicros = try exchange.account(at: written.receipt).updatedAtMicros + seconds * 1_000_000
    return exchange.respond(
      200, ["object": "test_clock", "now": .string(Timestamp.text(nowMicros))],
      receipt: written.receipt)
  }

  static func view(_ org: Directory.OrgEntry, realMicros: Micros) -> JSON {
    view(org, nowMicros: realMicros + org.clockOffsetMicros)
  }

  private static func view(_ org: Directory.OrgEntry, nowMicros: Micros) -> JSON {
    [
      "id": .string(org.id.text), "object": "account", "name": .string(org.name),
      "kind": .string(org.kind.rawValue), "agency": JSON(org.agency?.text),
      "time_zone": .string(org.timeZone), "test": .bool(org.isTest),
      "status": .string(org.status.rawValue),
      "now": .string(Timestamp.text(nowMicros)),
      "created_at": .string(Timestamp.text(org.createdAtMicros)),
    ]
  }

  // MARK: New ones

  /// By the operator.
  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let kind = fields.choice("kind", Org.Kind.self) ?? .direct
    let agency = fields.id("agency", .org)
    if let agency, exchange.engine.directory.org(agency)?.kind != .agency {
      fields.fail("agency", "unknown_account", "There is no such agency.")
    }
    if (kind == .client) != (agency != nil) {
      fields.fail("agency", "required", "A client has an agency, and nobody else has.")
    }
    let order = try Order(&fields, exchange)
    let call = Call(
      actor: "operator", origin: "cli", correlation: exchange.requestID,
      idempotencyKey: try exchange.idempotencyName())
    if let made = try made(under: call, exchange) { return made }
    return exchange.respond(201, try await order.carryOut(kind, of: agency, call, exchange))
  }

  /// The answer to an order that was carried out under its key: the account as it began. Its own book has the key.
  private static func made(
    under call: Call, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse? {
    let id: Identifier?
    do {
      id = try call.idempotencyKey.flatMap { key throws(CommandError) in
        try exchange.engine.org(createdUnder: key)
      }
    } catch {
      throw APIError(error)
    }
    guard let id else { return nil }
    if exchange.isDryRun { try exchange.tellRepeated(call, in: id) }
    var response = exchange.respond(201, try created(id, exchange))
    response.headers.set("idempotent-replayed", "true")
    return response
  }

  private static func createClient(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let exchange = exchange.atHome()
    // Its first key and administrator may do everything in it.
    guard Scope.allows(exchange.caller.scopes, "*") else {
      throw APIError(.cannotGrant(scope: "*"))
    }
    var fields = try exchange.body()
    let order = try Order(&fields, exchange)
    defer { order.claim?.release() }
    let added = try await exchange.write { workspace throws(CommandError) in
      // Not again for a repeated request: then it is the client's own administrator.
      try order.claim?.hold()
      return try workspace.addClient()
    }
    let id: Identifier
    if let client = added.output {
      id = client
    } else {
      id = try addedClient(exchange, added.receipt)
    }
    var call = try exchange.call()
    call.idempotencyKey = nil
    let object =
      if exchange.engine.directory.org(id) != nil {
        // A repeated request: the key was shown once.
        try created(id, exchange)
      } else {
        try await order.carryOut(.client, of: exchange.org, call, exchange, id: id)
      }
    return exchange.respond(201, object, receipt: added.receipt)
  }

  /// The account as it began: the same, whenever it is asked for again.
  private static func created(
    _ id: Identifier, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    do {
      let first = try exchange.engine.org(id, version: 1)
      // Its own clock began with it: the first event bears the real time.
      let view = view(
        Directory.OrgEntry(id, first.state),
        nowMicros: first.createdAtMicros + first.state.clockOffsetMicros)
      return stored(view, id, (first.version, first.updatedAtMicros))
    } catch {
      throw APIError(error)
    }
  }

  /// What the first of several equal requests drew.
  private static func addedClient(
    _ exchange: Exchange, _ receipt: WriteReceipt
  ) throws(APIError) -> Identifier {
    do {
      let event = try exchange.engine.log.readStream(
        org: OrgID(exchange.org.value), stream: StreamID(exchange.org.value),
        from: receipt.version(of: exchange.org), limit: 1, direction: .forwards
      ).first
      if let event, case .org(.clientAdded(let id)) = try EventCodec.decode(event).event {
        return id
      }
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch {
      throw APIError(.unreadable(reason: "\(error)"))
    }
    throw APIError(500, "internal", "internal", "The first answer cannot be found.")
  }

  /// A new org with its first administrator and API key, and how it texts, as they were asked for.
  private struct Order: Sendable {
    let name: String
    let timeZone: String
    let isTest: Bool
    let offsetSeconds: Int64
    let rateLimit: RateLimit?
    let owner: OwnerRequest?
    /// From the first look on until the account is there.
    let claim: EmailClaim?
    let sms: SMSRequest?

    init(_ fields: inout Fields, _ exchange: Exchange) throws(APIError) {
      let name = fields.string("name", required: true, limit: 200)
      timeZone = fields.string("time_zone") ?? "America/New_York"
      isTest = fields.bool("test") ?? false
      offsetSeconds = fields.int("clock_offset_seconds") ?? 0
      if offsetSeconds > 0 || (!isTest && offsetSeconds != 0) {
        fields.fail(
          "clock_offset_seconds", "out_of_range", "Only a test account's clock may start earlier.")
      }
      if !exchange.engine.tools.knows(timeZone: timeZone) {
        fields.fail(
          "time_zone", "unknown_time_zone",
          "time_zone is a name of the IANA database, such as America/Chicago.")
      }
      rateLimit = APIKeyInput.limit(&fields)
      owner = OwnerRequest(&fields)
      if let owner, Roles.builtIn[owner.role] == nil {
        fields.fail("owner.role", "invalid_value", "owner.role is one of the built-in roles.")
      }
      claim = owner.map { exchange.engine.directory.claim($0.email) }
      sms = SMSRequest(&fields, exchange)
      try fields.finish()
      guard let name else { preconditionFailure("finish refuses missing fields") }
      self.name = name
    }

    /// All of it in one commit.
    func carryOut(
      _ kind: Org.Kind, of agency: Identifier?, _ call: Call, _ exchange: Exchange,
      id: Identifier? = nil
    ) async throws(APIError) -> JSON {
      let secret = (isTest ? "sk_test_" : "sk_live_") + Base64.encodeURL(Random.bytes(24))
      defer { claim?.release() }
      do {
        // Before there is an account that nobody could sign in to.
        try claim?.hold()
        let hash = try await owner?.passwordHash(for: exchange)
        try exchange.requireStanding()
        let new = NewOrg(
          id: id, name: name, kind: kind, agency: agency, timeZone: timeZone, isTest: isTest,
          clockOffsetMicros: offsetSeconds * 1_000_000
        ) { workspace throws(CommandError) in
          try furnish(&workspace, passwordHash: hash, secret: secret)
        }
        if exchange.isDryRun {
          throw APIError.tried(try await exchange.engine.preview(new, call))
        }
        let executor = try await exchange.engine.createOrg(new, call)
        var object = try created(executor.org, exchange).object
        object?["api_key"] = .string(secret)
        return .object(object ?? JSONObject())
      } catch let error as CommandError {
        throw APIError(error)
      } catch let error as APIError {
        throw error
      } catch {
        throw APIError(500, "internal", "internal", "The account could not be created.")
      }
    }

    private func furnish(
      _ workspace: inout Workspace, passwordHash: String?, secret: String
    ) throws(CommandError) {
      if let owner, let passwordHash {
        _ = try workspace.createUser(
          UserDetails(email: owner.email, name: owner.name, passwordHash: passwordHash),
          role: owner.role)
      }
      _ = try workspace.createAPIKey(
        name: "First key", secretHash: Hex.encode(SHA256.hash(Array(secret.utf8))), scopes: ["*"])
      if let rateLimit { try workspace.setRateLimit(rateLimit) }
      if let sms { try workspace.configureSMS(sms.settings) }
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
      let password = nested.string("password", required: true)
      role = nested.string("role") ?? Roles.administrator
      if let email, !email.contains("@") {
        nested.fail("email", "invalid_email", "owner.email is an address such as ann@example.com.")
      }
      fields.adopt(nested.finishNested())
      guard let email, let name, let password else { return nil }
      (self.email, self.name, self.password) = (email, name, password)
    }

    func passwordHash(for exchange: Exchange) async throws -> String {
      let password = password
      // Nobody but the operator makes accounts without being somebody else.
      let customer = PasswordLane.Customer.caller(exchange.knownCaller?.actor ?? "operator")
      return try await PasswordLane.run(for: customer) { try PasswordHash.make(password) }
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
      let baseURL = ProviderRoutes.baseURL(&nested, exchange) ?? "https://api.twilio.com"
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

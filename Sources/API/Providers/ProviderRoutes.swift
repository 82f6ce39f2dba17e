import Application
import Domain
import HTTP
import JSON

/// How an org reaches its providers, and what providers tell us. Secrets go in and never come out.
enum ProviderRoutes {
  static let all = [
    Operation(
      "GET", "/api/providers", .scope("account:read"), "List the providers that are set up",
      answers: [.ok(ProviderSchemas.providers)], handler: list),
    Operation(
      "PUT", "/api/providers/{service}", .scope("account:write"), "Set up a provider",
      details: """
        `service` is sms, email or payment. Whoever has a provider's secrets can say in its name what people wrote, and
        that somebody paid: so this needs `contacts:create` and `contacts:update` too, for payment `wallet:write`.
        Another account does not take over while the former one owes the answer about a message, nor another number
        with it while texts wait that are planned from the former one; and no other account for payments while one, or
        a refund, has not ended.
        """,
      body: .json(
        ProviderSchemas.input,
        example: [
          "provider": "sendgrid", "options": ["from": "hello@example.com"],
          "secrets": ["api_key": "SG.…"],
        ]), answers: [.ok(ProviderSchemas.provider)],
      refuses: [
        400: [
          "invalid_phone", "unknown_parameter", "unknown_provider", "required", "https_required",
          "reply_to_foreign",
        ], 409: ["provider_in_use"],
      ],
      handler: configure),
    Operation(
      "DELETE", "/api/providers/{service}", .scope("account:write"), "Remove a provider",
      details:
        "Nothing goes out through it any more. What it still brings is taken in: a STOP to a "
        + "number of before counts. With `forget=true` that ends too: for credentials that somebody "
        + "stole. Not while a message, a payment or a refund waits for it.",
      parameters: [.query("forget", .bool, "Whether nothing is taken from it any more.")],
      answers: [.ok(ProviderSchemas.removal)], refuses: [409: ["provider_in_use"]], handler: remove),
    Operation(
      "PUT", "/api/account/postal-address", .scope("account:write"),
      "Set the address below marketing emails",
      body: .json(
        ProviderSchemas.addressInput, example: ["postal_address": "1 Main St, Austin, TX 78701"]),
      answers: [.ok(ProviderSchemas.address)], handler: setAddress),
    Operation(
      "POST", "/webhooks/{provider}/{account}/{hook}", .signed, "Take in what a provider tells",
      body: .of([("application/json", .anything)], limitBytes: RequestBody.mailBytes),
      answers: [AnswerDefinition(200, "Taken in."), .nothing],
      refuses: [400: ["invalid_value"], 404: ["not_found"], 409: ["idempotency_in_progress"]],
      idempotency: .ignored, handler: take),
  ]

  // MARK: Settings

  private static func list(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let settings = try await read(exchange)
    var data: [JSON] = []
    if let sms = settings.sms { data.append(view(sms, .active)) }
    for service in ProviderSettings.Service.allCases {
      if let settings = settings.providers[service] { data.append(view(settings, .active)) }
    }
    data += settings.formerSMS.reversed().map { view($0, .former) }
    data += settings.formerProviders.reversed().map { view($0, .former) }
    return exchange.respond(
      200,
      [
        "object": "list", "data": .array(data), "has_more": false, "next": nil,
        "postal_address": JSON(settings.postalAddress),
      ])
  }

  private static func read(_ exchange: Exchange) async throws(APIError) -> Org.State {
    do {
      return try await exchange.executor().read { workspace throws(CommandError) in
        workspace.settings
      }
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as APIError {
      throw error
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }

  private static func view(_ sms: SMSSettings, _ standing: ProviderSchemas.Standing) -> JSON {
    [
      "object": "provider", "service": "sms", "provider": .string(SMSCredentials.provider),
      "status": .string(standing.rawValue), "base_url": .string(sms.baseURL),
      "options": ["from": .string(sms.from), "account_sid": .string(sms.accountSID)],
      "secrets": ["auth_token"],
    ]
  }

  /// Names of secrets alone.
  private static func view(
    _ settings: ProviderSettings, _ standing: ProviderSchemas.Standing
  ) -> JSON {
    let options = settings.options.sorted { $0.key < $1.key }
    let secrets = settings.secrets.value?.keys.sorted() ?? []
    return [
      "object": "provider", "service": .string(settings.service.rawValue),
      "provider": .string(settings.provider), "status": .string(standing.rawValue),
      "base_url": .string(settings.baseURL),
      "options": .object(JSONObject(options.map { ($0.key, .string($0.value)) })),
      "secrets": .array(secrets.map(JSON.string)),
    ]
  }

  private static func configure(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    guard let service = exchange.path["service"] else { throw .notFound("service") }
    try requireWhatItBrings(service, exchange)
    if service == Channel.sms.rawValue { return try await configureSMS(exchange) }
    guard let service = ProviderSettings.Service(rawValue: service) else {
      throw .notFound("service")
    }
    let (settings, isSameAccount) = try settings(service, exchange)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.configureProvider(settings, isSameAccount: isSameAccount)
    }
    return exchange.respond(200, view(settings, .active), receipt: written.receipt)
  }

  /// What a provider tells is believed: nobody sets one up who may not write that themselves.
  private static func requireWhatItBrings(
    _ service: String, _ exchange: Exchange
  ) throws(APIError) {
    if service == ProviderSettings.Service.payment.rawValue {
      try exchange.require("wallet:write", "write")
    } else {
      try exchange.require("contacts:write", "create")
      try exchange.require("contacts:write", "update")
    }
  }

  private static func remove(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    guard let service = exchange.path["service"].flatMap(Org.ProvidedService.init) else {
      throw .notFound("service")
    }
    let isForgotten = exchange.query("forget") == "true"
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.removeProvider(service, isForgotten: isForgotten)
    }
    return exchange.respond(
      200,
      [
        "object": "provider_removal", "service": .string(service.rawValue),
        "forgotten": .bool(isForgotten),
      ], receipt: written.receipt)
  }

  private static func settings(
    _ service: ProviderSettings.Service, _ exchange: Exchange
  ) throws(APIError) -> (ProviderSettings, isSameAccount: Bool) {
    var fields = try exchange.body()
    let known = exchange.services.adapters.descriptions(for: service)
    let name = fields.string("provider", required: true)
    let baseURL = baseURL(&fields, exchange)
    let isSameAccount = fields.bool("same_account") ?? false
    let options = fields.texts("options")
    let secrets = fields.texts("secrets")
    let description = known.first { $0.name == name }
    if name != nil, description == nil {
      fields.fail(
        "provider", "unknown_provider",
        "provider is one of: \(known.map(\.name).sorted().joined(separator: ", ")).")
    }
    if let description {
      fields.check(
        "options", options, description.requiredOptions, description.optionalOptions)
      fields.check(
        "secrets", secrets, description.requiredSecrets, description.optionalSecrets)
    }
    if service == .email, let replyTo = options["reply_to"], let from = options["from"],
      !isOfOneHouse(replyTo, from)
    {
      fields.fail(
        "options.reply_to", "reply_to_foreign",
        "reply_to is at the domain of from: answers go to whom the mail says it is from.")
    }
    try fields.finish()
    guard let description else { preconditionFailure("finish refuses unknown providers") }
    let settings = ProviderSettings(
      service: service, provider: description.name, baseURL: baseURL ?? description.baseURL,
      options: options, secrets: .known(secrets))
    return (settings, isSameAccount)
  }

  /// Whether two mailboxes are at one domain, or at one and its subdomain.
  private static func isOfOneHouse(_ left: String, _ right: String) -> Bool {
    func domain(_ address: String) -> String {
      String(address.lowercased().split(separator: "@").last ?? "")
    }
    let (left, right) = (domain(left), domain(right))
    return left == right || left.hasSuffix("." + right) || right.hasSuffix("." + left)
  }

  /// Credentials go there: by https alone, unless they are those of a simulated one or the system is one for
  /// development.
  /// Where it is not given, nil.
  static func baseURL(_ fields: inout Fields, _ exchange: Exchange) -> String? {
    guard let url = fields.string("base_url") else { return nil }
    let settings = exchange.services.settings
    let isSimulated = settings.sandboxURL.map { url == $0 || url.hasPrefix($0 + "/") } ?? false
    if !url.hasPrefix("https://"), !isSimulated, !settings.allowsPrivateWebhooks {
      fields.fail("base_url", "https_required", "\(fields.prefix)base_url is an https URL.")
    }
    return url
  }

  private static func configureSMS(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let provider = fields.string("provider") ?? SMSCredentials.provider
    if provider != SMSCredentials.provider {
      fields.fail("provider", "unknown_provider", "provider is one of: \(SMSCredentials.provider).")
    }
    let baseURL = baseURL(&fields, exchange) ?? "https://api.twilio.com"
    let isSameAccount = fields.bool("same_account") ?? false
    let options = fields.texts("options")
    let secrets = fields.texts("secrets")
    fields.check("options", options, ["from", "account_sid"], [])
    fields.check("secrets", secrets, ["auth_token"], [])
    try fields.finish()
    let settings = SMSSettings(
      from: options["from"] ?? "", accountSID: options["account_sid"] ?? "", baseURL: baseURL,
      authToken: .known(secrets["auth_token"] ?? ""))
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.configureSMS(settings, isSameAccount: isSameAccount)
    }
    return exchange.respond(200, view(settings, .active), receipt: written.receipt)
  }

  private static func setAddress(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let address = fields.string("postal_address", required: true, limit: 500)
    try fields.finish()
    guard let address else { preconditionFailure("finish refuses missing fields") }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setPostalAddress(address)
    }
    return exchange.respond(
      200, ["object": "postal_address", "postal_address": .string(address.trimmed)],
      receipt: written.receipt)
  }

  // MARK: Webhooks

  private static func take(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let unauthorized = APIError(
      403, "permission", "invalid_signature", "The signature does not fit this request.")
    guard let webhooks = exchange.services.adapters.webhooks(of: exchange.path["provider"] ?? ""),
      let org = exchange.path["account"].flatMap({ Identifier($0, kind: .org) }),
      let executor = try? exchange.engine.executor(for: org)
    else { throw unauthorized }
    let call = WebhookCall(
      request: exchange.request, hook: exchange.path["hook"] ?? "",
      url: exchange.services.settings.publicURL + exchange.request.rawTarget, executor: executor,
      requestID: exchange.requestID, nowMicros: exchange.engine.tools.clock.nowMicros())
    do {
      return try await webhooks.take(call)
    } catch {
      switch error {
      case .unauthorized: throw unauthorized
      case .malformed(let code, let detail): throw .invalid("body", code, detail)
      case .refused(let error): throw APIError(error)
      }
    }
  }
}

extension Fields {
  /// An object of texts.
  fileprivate mutating func texts(_ name: String) -> [String: String] {
    guard let value = value(name) else { return [:] }
    var texts: [String: String] = [:]
    for (key, value) in value.object?.fields ?? [] {
      if let text = value.string { texts[key] = text }
    }
    if texts.count != value.object?.fields.count {
      fail(name, "invalid_type", "\(name) is an object of texts.")
    }
    return texts
  }

  fileprivate mutating func check(
    _ name: String, _ given: [String: String], _ required: Set<String>, _ optional: Set<String>
  ) {
    for key in required.sorted() where given[key]?.isEmpty != false {
      fail("\(name).\(key)", "required", "\(name).\(key) is required.")
    }
    for key in given.keys.sorted() where !required.contains(key) && !optional.contains(key) {
      fail("\(name).\(key)", "unknown_parameter", "There is no field \(name).\(key) here.")
    }
  }
}

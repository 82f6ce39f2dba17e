import Crypto
import HTTP
import JSON

/// Stripe's payment intents and refunds, as far as an application that charges a card on file uses them.
/// Source: Stripe's API description, version 2026-10-28.endive.
///
/// Payment methods with a fixed fate: `pm_card_chargeDeclined` (402, `generic_decline`),
/// `pm_card_authenticationRequired` (stays at `requires_action`), `pm_card_processing` (succeeds later, by
/// webhook), `pm_card_failing` (fails later, by webhook). Every other one succeeds at once.
struct StripeAPI: Sendable {
  let store: Store
  let outbox: Outbox

  func answer(_ request: HTTPRequest) async -> HTTPResponse {
    guard let account = account(request) else {
      return Self.failure(401, "invalid_request_error", "Invalid API Key provided")
    }
    if request.method == "GET", let found = found(request) { return found }
    guard request.method == "POST", ["/v1/payment_intents", "/v1/refunds"].contains(request.path)
    else { return Self.failure(404, "invalid_request_error", "Unrecognized request URL") }
    let dial = store.read { $0.dial }
    let verdict: (status: Int, body: JSON, isLost: Bool)
    do throws(SandboxError) {
      verdict = try store.record { Self.decide(request, account, &$0) }
    } catch {
      return Self.failure(503, "api_error", "unavailable")
    }
    await outbox.wake()
    if dial.latencyMillis > 0 {
      // Cut short when the client goes away: then nobody waits for the answer.
      try? await Task.sleep(for: .milliseconds(dial.latencyMillis))
    }
    var response = HTTPResponse.json(verdict.status, verdict.body.bytes())
    response.dropsConnection = verdict.isLost
    return response
  }

  /// Reading one payment intent or refund, the refunds of a payment, or a search by one value of the metadata.
  private func found(_ request: HTTPRequest) -> HTTPResponse? {
    let path = request.pathSegments
    guard path.count >= 2, path[0] == "v1" else { return nil }
    let kinds: [String: DocumentKind] = ["payment_intents": .payment, "refunds": .refund]
    guard let kind = kinds[path[1]] else { return nil }
    if path.count == 3, path[2] != "search" {
      guard let object = store.read({ $0.document(kind, path[2]) }) else {
        return Self.failure(404, "invalid_request_error", "No such object")
      }
      return .json(200, object.bytes())
    }
    let all = store.read { $0.all(kind) }
    let list: [JSON]
    if let query = request.queryValue("query") {
      let parts = query.split(separator: "\"")
      guard parts.count == 4, parts[0] == "metadata[", parts[2] == "]:" else { return nil }
      list = all.filter { $0["metadata"]?[String(parts[1])]?.string == String(parts[3]) }
    } else {
      list = all.filter { $0["payment_intent"]?.string == request.queryValue("payment_intent") }
    }
    return .json(
      200, JSON.object(JSONObject([("data", .array(list)), ("has_more", false)])).bytes())
  }

  private func account(_ request: HTTPRequest) -> JSON? {
    guard let given = request.headers["Authorization"], given.hasPrefix("Bearer ") else {
      return nil
    }
    return store.read { $0.document(.paymentAccount, String(given.dropFirst("Bearer ".count))) }
  }

  private static func failure(_ status: Int, _ type: String, _ message: String) -> HTTPResponse {
    .json(status, error(type, message).bytes())
  }

  private static func error(
    _ type: String, _ message: String, code: String? = nil, decline: String? = nil
  ) -> JSON {
    [
      "error": [
        "type": .string(type), "message": .string(message), "code": JSON(code),
        "decline_code": JSON(decline),
      ]
    ]
  }

  // MARK: Deciding

  private typealias Answer = (status: Int, body: JSON, isLost: Bool)

  private static func decide(
    _ request: HTTPRequest, _ account: JSON, _ world: inout World
  ) -> (records: [Record], value: (status: Int, body: JSON, isLost: Bool)) {
    let fails = world.chance(world.dial.errorRate)
    let isLost = world.chance(world.dial.lostAnswerRate)
    let isDuplicated = world.chance(world.dial.duplicateRate)
    let form = Dictionary(
      FormCoding.decode(bytes: request.body).map { ($0.name, $0.value) }
    ) { first, _ in first }
    let parameters = String(decoding: request.body, as: UTF8.self)
    let key = request.headers["Idempotency-Key"].map {
      "\(account["secret_key"]?.string ?? "")/\($0)"
    }
    if let key, let known = world.document(.paymentKey, key) {
      guard known["parameters"]?.string == parameters else {
        return (
          [],
          (
            400, error("idempotency_error", "Keys can only be used with the same parameters."),
            false
          )
        )
      }
      return ([], (Int(known["status"]?.int ?? 200), known["body"] ?? .null, isLost))
    }
    if fails {
      return ([], (world.dial.errorStatus, error("api_error", "Dialled fault"), false))
    }
    let made =
      request.path == "/v1/refunds"
      ? refund(form, world) : intent(form, account, isDuplicated, world)
    var records = made.records
    if let key {
      records.append(
        .documentSet(
          .paymentKey, id: key,
          [
            "parameters": .string(parameters), "status": JSON(made.status), "body": made.body,
          ]))
    }
    return (records, (made.status, made.body, isLost))
  }

  private static func intent(
    _ form: [String: String], _ account: JSON, _ isDuplicated: Bool, _ world: borrowing World
  ) -> (records: [Record], status: Int, body: JSON) {
    guard let amount = form["amount"].flatMap({ Int64($0) }), amount >= 50,
      form["currency"] == "usd"
    else {
      return ([], 400, error("invalid_request_error", "Invalid integer", code: "amount_too_small"))
    }
    let method = form["payment_method"] ?? ""
    if method == "pm_card_chargeDeclined" {
      return (
        [], 402,
        error(
          "card_error", "Your card was declined.", code: "card_declined",
          decline: "generic_decline")
      )
    }
    let status =
      switch method {
      case "pm_card_authenticationRequired": "requires_action"
      case "pm_card_processing", "pm_card_failing": "processing"
      default: "succeeded"
      }
    let id = "pi_" + Hex.encode(Random.bytes(12))
    let object = JSONObject([
      ("id", .string(id)), ("object", "payment_intent"), ("amount", .int(amount)),
      ("amount_received", .int(status == "succeeded" ? amount : 0)), ("currency", "usd"),
      ("status", .string(status)), ("payment_method", .string(method)),
      ("metadata", metadata(form)), ("created", .int(world.nowMillis / 1000)),
      ("livemode", false), ("last_payment_error", .null),
    ])
    var records: [Record] = [.documentSet(.payment, id: id, .object(object))]
    var last = object
    if method == "pm_card_processing" { last["status"] = "succeeded" }
    if method == "pm_card_failing" {
      last["status"] = "requires_payment_method"
      last["last_payment_error"] = ["code": "card_declined", "decline_code": "insufficient_funds"]
    }
    if let type = eventType(last["status"]?.string) {
      records += events(type, .object(last), account, isDuplicated, world)
    }
    return (records, 200, .object(object))
  }

  private static func metadata(_ form: [String: String]) -> JSON {
    let items = form.filter { $0.key.hasPrefix("metadata[") }.map {
      (key: String($0.key.dropFirst("metadata[".count).dropLast()), value: JSON.string($0.value))
    }
    return .object(JSONObject(items))
  }

  private static func eventType(_ status: String?) -> String? {
    switch status {
    case "succeeded": "payment_intent.succeeded"
    case "requires_payment_method": "payment_intent.payment_failed"
    default: nil
    }
  }

  private static func refund(
    _ form: [String: String], _ world: borrowing World
  ) -> (records: [Record], status: Int, body: JSON) {
    guard let intent = form["payment_intent"], let paid = world.document(.payment, intent),
      let amount = form["amount"].flatMap({ Int64($0) })
    else {
      return (
        [], 404, error("invalid_request_error", "No such payment_intent", code: "resource_missing")
      )
    }
    let before = world.all(.refund).filter { $0["payment_intent"]?.string == intent }
      .reduce(0) { $0 + ($1["amount"]?.int ?? 0) }
    guard amount > 0, before + amount <= paid["amount"]?.int ?? 0 else {
      return (
        [], 400,
        error(
          "invalid_request_error", "Refund amount is greater than unrefunded amount",
          code: "amount_too_large")
      )
    }
    let id = "re_" + Hex.encode(Random.bytes(12))
    let object: JSON = [
      "id": .string(id), "object": "refund", "amount": .int(amount), "currency": "usd",
      "payment_intent": .string(intent), "status": "succeeded",
      "metadata": metadata(form), "created": .int(world.nowMillis / 1000),
    ]
    return ([.documentSet(.refund, id: id, object)], 200, object)
  }

  /// The event on its way; a copy has the same id.
  private static func events(
    _ type: String, _ object: JSON, _ account: JSON, _ isDuplicated: Bool,
    _ world: borrowing World
  ) -> [Record] {
    guard let url = account["webhook_url"]?.string, let secret = account["webhook_secret"]?.string
    else { return [] }
    let id = "evt_" + Hex.encode(Random.bytes(12))
    let event: JSON = [
      "id": .string(id), "object": "event", "api_version": "2026-10-28.endive",
      "created": .int(world.nowMillis / 1000), "type": .string(type), "livemode": false,
      "pending_webhooks": 1, "data": ["object": object],
    ]
    return (0..<(isDuplicated ? 2 : 1)).map { copy in
      .callbackPlanned(
        Callback(
          id: "\(id)#\(copy)", dueMillis: world.nowMillis + world.dial.callbackDelayMillis,
          url: url, contentType: "application/json", body: event.text,
          signer: .stripe(secret: secret)))
    }
  }
}

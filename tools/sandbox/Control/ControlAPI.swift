import HTTP
import JSON

/// What tests and people ask of the sandbox itself: `/sandbox/…`.
struct ControlAPI: Sendable {
  static let defaultLimit = 50
  static let maxLimit = 100_000

  let store: Store
  let delivery: Delivery
  let outbox: Outbox
  let mail: MailControl

  func answer(_ request: HTTPRequest) async -> HTTPResponse {
    guard isFromHere(request) else {
      return Self.failure(403, "A page from elsewhere may not steer the sandbox.")
    }
    do {
      return try await route(request)
    } catch let error as ControlError {
      return Self.failure(400, error.message)
    } catch {
      return Self.failure(500, "\(error)")
    }
  }

  private func route(_ request: HTTPRequest) async throws -> HTTPResponse {
    switch (request.method, request.path) {
    case ("GET", "/sandbox/messages"): try messages(request)
    case ("GET", "/sandbox/phones"): phones()
    case ("GET", "/sandbox/stats"): Self.ok(store.read { $0.stats })
    case ("GET", "/sandbox/faults"): Self.ok(store.read { $0.dial.json })
    case ("POST", "/sandbox/accounts"): try register(request)
    case ("POST", "/sandbox/inbound"): try await receive(request)
    case ("POST", "/sandbox/faults"): try setDial(request)
    case ("POST", "/sandbox/pause-callbacks"): try await pause(request)
    case ("POST", "/sandbox/reset"): try reset()
    case ("POST", "/sandbox/clock"): try await advanceClock(request)
    default: try await other(request)
    }
  }

  /// A browser says from which page a request comes; only our own page may steer us.
  private func isFromHere(_ request: HTTPRequest) -> Bool {
    guard let origin = request.headers["Origin"] else { return true }
    return request.headers["Host"].map { origin == "http://\($0)" } ?? false
  }

  static func ok(_ json: JSON, status: Int = 200) -> HTTPResponse {
    var response = HTTPResponse.json(status, json.bytes())
    response.headers["Cache-Control"] = "no-store"
    return response
  }

  static func failure(_ status: Int, _ message: String) -> HTTPResponse {
    ok(["error": ["message": .string(message)]], status: status)
  }

  private static func body(_ request: HTTPRequest) throws(ControlError) -> JSON {
    do {
      return try JSON(parsing: request.body)
    } catch {
      throw ControlError("The body is not JSON: \(error)")
    }
  }
}

// MARK: - Reading

extension ControlAPI {
  /// Newest first; `to`, `from` and `phone` (either side) narrow, `limit` cuts.
  private func messages(_ request: HTTPRequest) throws(ControlError) -> HTTPResponse {
    let limit = try limit(request)
    let to = request.queryValue("to")
    let from = request.queryValue("from")
    let phone = request.queryValue("phone")
    let found = store.read { world -> [Message] in
      let all = phone.map { world.indexes(ofPerson: $0) } ?? Array(world.messages.indices)
      let fitting = all.lazy.reversed().map { world.messages[$0] }
        .filter {
          (to.map($0.to.elementsEqual) ?? true) && (from.map($0.from.elementsEqual) ?? true)
        }
      return Array(fitting.prefix(limit))
    }
    let now = store.nowMillis()
    return Self.ok(["data": .array(found.map { $0.control(atMillis: now) })])
  }

  private func limit(_ request: HTTPRequest) throws(ControlError) -> Int {
    guard let text = request.queryValue("limit") else { return Self.defaultLimit }
    guard let limit = Int(text), (1...Self.maxLimit).contains(limit) else {
      throw ControlError("limit is a number from 1 to \(Self.maxLimit)")
    }
    return limit
  }

  /// Every phone with its last message, the latest first, and our own numbers.
  private func phones() -> HTTPResponse {
    let now = store.nowMillis()
    return Self.ok(
      store.read { world in
        let last = world.people.compactMap { world.indexes(ofPerson: $0).last }.sorted(by: >)
        let phones = last.prefix(Self.maxPhones).map { index -> JSON in
          let message = world.messages[index]
          return [
            "phone": .string(message.person),
            "count": JSON(world.indexes(ofPerson: message.person).count),
            "last": message.control(atMillis: now),
            "opted_out_of": .array(
              world.optOuts.filter { $0.value.contains(message.person) }.keys.sorted()
                .map { .string($0) }),
          ]
        }
        return [
          "phones": .array(phones), "phone_count": JSON(last.count),
          "numbers": .array(world.numbers.keys.sorted().map { .string($0) }),
        ]
      })
  }

  /// The page shows no more phones than a person can look through.
  private static let maxPhones = 500
}

// MARK: - Changing

extension ControlAPI {
  private func register(_ request: HTTPRequest) throws -> HTTPResponse {
    guard let account = Account(try Self.body(request)) else {
      throw ControlError(
        "An account is {account_sid, auth_token, numbers: [{phone, inbound_url}]}.")
    }
    let digits = account.sid.dropFirst(2).utf8
    let isSID = account.sid.hasPrefix("AC") && digits.count == 32
    guard isSID, digits.allSatisfy({ "0123456789abcdefABCDEF".utf8.contains($0) }) else {
      throw ControlError("account_sid is AC and 32 hexadecimal digits.")
    }
    guard account.numbers.allSatisfy({ Creation.isE164($0.phone) }) else {
      throw ControlError("phone is a number in E.164 form, such as +15551234567.")
    }
    guard account.numbers.allSatisfy({ $0.inboundURL.map(Creation.isWebURL) ?? true }) else {
      throw ControlError("inbound_url is an absolute http or https URL.")
    }
    try store.record { _ in ([.accountRegistered(account)], ()) }
    return Self.ok(["account_sid": .string(account.sid), "numbers": JSON(account.numbers.count)])
  }

  private func receive(_ request: HTTPRequest) async throws -> HTTPResponse {
    let body = try Self.body(request)
    guard let from = body["from"]?.string, let to = body["to"]?.string, Creation.isE164(from),
      let text = body["body"]?.string
    else { throw ControlError("A text is {from, to, body}, the numbers in E.164 form.") }
    let inbound = Inbound(from: from, to: to, body: text)
    let messages = try store.record { inbound.records($0) }
    guard let message = messages.first else {
      throw ControlError("No account has the number in to: register it first.")
    }
    for message in messages { await delivery.add(message) }
    return Self.ok(message.control(atMillis: store.nowMillis()), status: 201)
  }

  private func setDial(_ request: HTTPRequest) throws -> HTTPResponse {
    let changes = try Self.body(request)
    let dial = try store.read { world in
      Result { () throws(ControlError) in try world.dial.updated(with: changes) }
    }.get()
    try store.record { _ in ([.dialSet(dial)], ()) }
    return Self.ok(dial.json)
  }

  private func other(_ request: HTTPRequest) async throws -> HTTPResponse {
    let body = request.body.isEmpty ? JSON.object(JSONObject()) : try Self.body(request)
    if let answer = try await mail.answer(request, body) { return answer }
    switch (request.method, request.path) {
    case ("POST", "/sandbox/payment-accounts"): return try registerPayments(body)
    case ("GET", "/sandbox/calls"):
      return Self.ok(store.read { ["data": .array($0.all(.call))] })
    case ("GET", "/sandbox/payments"):
      return Self.ok(
        store.read { world in
          ["data": .array(world.all(.payment)), "refunds": .array(world.all(.refund))]
        })
    default: break
    }
    return Self.failure(404, "There is nothing at \(request.method) \(request.path).")
  }

  private func registerPayments(_ body: JSON) throws -> HTTPResponse {
    guard let key = body["secret_key"]?.string, body["webhook_secret"]?.string != nil,
      body["webhook_url"]?.string.map(Creation.isWebURL) == true
    else { throw ControlError("An account is {secret_key, webhook_secret, webhook_url}.") }
    try store.record { _ in ([.documentSet(.paymentAccount, id: key, body)], ()) }
    return Self.ok(["registered": true])
  }

  /// `{"advance_ms": 60000}`: what is due until then happens at once.
  private func advanceClock(_ request: HTTPRequest) async throws -> HTTPResponse {
    guard let millis = try Self.body(request)["advance_ms"]?.int,
      (1...Self.maxAdvance).contains(millis)
    else { throw ControlError("advance_ms is a number from 1 to \(Self.maxAdvance)") }
    try store.record { _ in ([.clockAdvanced(millis: millis)], ()) }
    await delivery.wake()
    await outbox.wake()
    return Self.ok(["now": .string(UTCDate(millis: store.nowMillis()).iso8601)])
  }

  /// A year.
  private static let maxAdvance: Int64 = 31_536_000_000

  /// `{"paused": false}` lets callbacks go on; without a body they pause.
  private func pause(_ request: HTTPRequest) async throws -> HTTPResponse {
    let isPaused = request.body.isEmpty ? true : try Self.body(request)["paused"]?.bool
    guard let isPaused else { throw ControlError("paused is true or false.") }
    try store.record { _ in ([.callbacksPaused(isPaused)], ()) }
    await delivery.wake()
    await outbox.wake()
    return Self.ok(["paused": .bool(isPaused)])
  }

  private func reset() throws -> HTTPResponse {
    try store.reset()
    return Self.ok(store.read { $0.stats })
  }
}

// MARK: - As JSON

extension World {
  /// `received` counts messages that were taken by the API, `unique` those of them that differ in
  /// recipient or text.
  var stats: JSON {
    [
      "received": JSON(receivedCount), "unique": JSON(uniqueCount),
      "duplicates": JSON(duplicateCount), "inbound": JSON(inboundCount),
      "turned_away": JSON(turnedAwayCount),
      "opt_outs": JSON(optOuts.values.reduce(0) { $0 + $1.count }), "phones": JSON(people.count),
      "callbacks_paused": .bool(arePaused),
      "callbacks_pending": JSON(pendingStepCount + callbacks.count),
      "mails": JSON(documentOrder[.mail]?.count ?? 0),
      "callbacks_delivered": JSON(outcomes[.delivered] ?? 0),
      "callbacks_rejected": JSON(outcomes[.rejected] ?? 0),
      "callbacks_abandoned": JSON(outcomes[.abandoned] ?? 0),
    ]
  }
}

extension Message {
  func control(atMillis: Int64) -> JSON {
    let reached = reached(atMillis: atMillis)
    return [
      "sid": .string(sid), "account_sid": .string(account),
      "direction": .string(direction.rawValue), "from": .string(from), "to": .string(to),
      "body": .string(body), "status": .string(reached.status.rawValue),
      "error_code": reached.errorCode.map { .int(Int64($0)) } ?? .null,
      "created_at": .string(UTCDate(millis: createdAtMillis).iso8601),
    ]
  }
}

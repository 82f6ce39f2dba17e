import Crypto
import HTTP
import JSON

/// SendGrid's v3 API, as far as an application that sends and reconciles mail uses it. Source:
/// SendGrid's OpenAPI descriptions `mail_v3` and `email_activity_v3`.
struct SendGridAPI: Sendable {
  let store: Store
  let outbox: Outbox

  func answer(_ request: HTTPRequest) async -> HTTPResponse {
    guard let account = account(request) else {
      return Self.failure(401, "The provided authorization grant is invalid, expired, or revoked")
    }
    switch (request.method, request.path) {
    case ("POST", "/v3/mail/send"): return await send(request, account)
    case ("GET", "/v3/messages"): return list(request, account)
    default: return Self.failure(404, "not found")
    }
  }

  private func account(_ request: HTTPRequest) -> JSON? {
    guard let given = request.headers["Authorization"], given.hasPrefix("Bearer ") else {
      return nil
    }
    return store.read { $0.document(.mailAccount, String(given.dropFirst("Bearer ".count))) }
  }

  static func failure(_ status: Int, _ message: String, field: String? = nil) -> HTTPResponse {
    let body: JSON = [
      "errors": [["message": .string(message), "field": JSON(field), "help": nil]]
    ]
    return .json(status, body.bytes())
  }

  // MARK: Sending

  private enum Verdict: Sendable {
    case refused(Int, String)
    case taken(id: String, MailFate, isLost: Bool)
  }

  private func send(_ request: HTTPRequest, _ account: JSON) async -> HTTPResponse {
    guard let mail = try? JSON(parsing: request.body), let problem = Self.problem(with: mail) else {
      return Self.failure(400, "Bad Request")
    }
    if !problem.isEmpty { return Self.failure(400, problem) }
    let dial = store.read { $0.dial }
    let verdict: Verdict
    do throws(SandboxError) {
      verdict = try store.record { Self.decide(mail, account, &$0) }
    } catch {
      return Self.failure(503, "unavailable")
    }
    await outbox.wake()
    if dial.latencyMillis > 0 { await pause(dial.latencyMillis) }
    return await answer(verdict)
  }

  private func answer(_ verdict: Verdict) async -> HTTPResponse {
    switch verdict {
    case .refused(let status, let message): return Self.failure(status, message)
    case .taken(let id, let fate, let isLost):
      if fate == .failed { return Self.failure(500, "internal") }
      if fate == .lost || isLost {
        var response = HTTPResponse(status: 500)
        response.dropsConnection = true
        return response
      }
      if fate == .slow { await pause(FaultNumber.slowMillis) }
      return HTTPResponse(status: 202, headers: ["X-Message-Id": id])
    }
  }

  /// Cut short when the client goes away: then nobody waits for the answer.
  private func pause(_ millis: Int64) async {
    do {
      try await Task.sleep(for: .milliseconds(millis))
    } catch {
      return
    }
  }

  /// What SendGrid requires; empty where nothing is missing, nil where the body is no object.
  private static func problem(with mail: JSON) -> String? {
    guard mail.object != nil else { return nil }
    if mail["personalizations"]?[0]?["to"]?[0]?["email"]?.string?.contains("@") != true {
      return "The to array is required for all personalization objects."
    }
    if mail["from"]?["email"]?.string?.contains("@") != true {
      return "The from object must be provided for every email send."
    }
    if mail["subject"]?.string?.isEmpty != false { return "The subject is required." }
    if mail["content"]?[0]?["value"]?.string?.isEmpty != false {
      return "Unless a valid template_id is provided, the content parameter is required."
    }
    return ""
  }

  private static func decide(
    _ mail: JSON, _ account: JSON, _ world: inout World
  ) -> (records: [Record], value: Verdict) {
    // All chances are drawn for every mail, whatever comes of it: one outcome does not shift the next.
    let fails = world.chance(world.dial.errorRate)
    let isLost = world.chance(world.dial.lostAnswerRate)
    let isDuplicated = world.chance(world.dial.duplicateRate)
    let isReordered = world.chance(world.dial.reorderRate)
    if fails { return ([], .refused(world.dial.errorStatus, "Dialled fault")) }
    let to = mail["personalizations"]?[0]?["to"]?[0]?["email"]?.string ?? ""
    let fate = MailFate(address: to)
    let key = MessageKey(from: "mail", to: to, body: mail.text)
    switch fate {
    case .refused: return ([], .refused(400, "Does not contain a valid address."))
    case .throttled where !world.wasTurnedAway(key):
      return ([.turnedAway(key)], .refused(429, "too many requests"))
    case .unavailable where !world.wasTurnedAway(key):
      return ([.turnedAway(key)], .refused(503, "unavailable"))
    default: break
    }
    let id = Base64.encodeURL(Random.bytes(16))
    let stored = Mail(id: id, to: to, content: mail, account: account, atMillis: world.nowMillis)
    let events = stored.callbacks(
      isDuplicated: isDuplicated || fate == .duplicate,
      isReordered: isReordered || fate == .reordered, delayMillis: world.dial.callbackDelayMillis)
    return (
      [.documentSet(.mail, id: id, stored.json)] + events.map { .callbackPlanned($0) },
      .taken(id: id, fate, isLost: isLost)
    )
  }

  // MARK: Listing

  /// Understands the two questions that applications ask to settle a doubt: `unique_args['name']="value"`, and what
  /// happened at all: `last_event_time BETWEEN TIMESTAMP "from" AND TIMESTAMP "to"`. What is dialled as `no_feed` is
  /// listed nowhere.
  private func list(_ request: HTTPRequest, _ account: JSON) -> HTTPResponse {
    let query = request.queryValue("query") ?? ""
    guard let fits = Self.condition(query) else {
      return Self.failure(400, "Cannot parse the query", field: "query")
    }
    let limit = max(0, request.queryValue("limit").flatMap { Int($0) } ?? 10)
    let key = account["api_key"]?.string
    let found = store.read { world -> [JSON] in
      if world.dial.hasNoFeed { return [] }
      return Array(
        world.all(.mail).filter { $0["api_key"]?.string == key && fits($0) }.prefix(limit))
    }
    let messages = found.map { mail -> JSON in
      [
        "from_email": mail["content"]?["from"]?["email"] ?? .null,
        "msg_id": .string((mail["id"]?.string ?? "") + ".filter0001.1.1-0"),
        "subject": mail["content"]?["subject"] ?? .null, "to_email": mail["to"] ?? .null,
        "status": "processed", "opens_count": 0, "clicks_count": 0,
        "last_event_time": mail["created_at"] ?? .null,
      ]
    }
    return .json(200, JSON.object(JSONObject([("messages", .array(messages))])).bytes())
  }

  /// nil where `query` is neither.
  private static func condition(_ query: String) -> ((JSON) -> Bool)? {
    if let match = query.wholeMatch(of: /unique_args\['([a-z_]+)'\]="([^"]*)"/) {
      let (name, value) = (String(match.1), String(match.2))
      return { Mail.customArguments(of: $0["content"] ?? .null)[name]?.string == value }
    }
    let period = /last_event_time BETWEEN TIMESTAMP "([^"]*)" AND TIMESTAMP "([^"]*)"/
    guard let match = query.wholeMatch(of: period) else { return nil }
    // To the second: the order of such texts is that of time.
    let (first, last) = (match.1.prefix(19), match.2.prefix(19))
    return { mail in
      guard let at = mail["created_at"]?.string?.prefix(19) else { return false }
      return first <= at && at <= last
    }
  }
}

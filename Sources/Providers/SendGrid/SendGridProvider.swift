import Application
import Domain
import HTTP
import JSON

/// SendGrid's v3 API. Source: SendGrid's OpenAPI descriptions `mail_v3` and `email_activity_v3`.
///
/// One `send` is one request: SendGrid takes no idempotency key, so our own id goes with every mail and
/// a call whose answer is lost is settled by asking for it.
package struct SendGridProvider: MessageProvider {
  package static let name = "sendgrid"

  package static let description = ProviderDescription(
    service: .email, name: name, baseURL: "https://api.sendgrid.com", requiredOptions: ["from"],
    optionalOptions: ["from_name", "reply_to", "webhook_public_key", listingDelayOption],
    requiredSecrets: ["api_key"], optionalSecrets: ["inbound_token"])

  private let client: HTTPClient
  private let timeoutMillis: Int

  /// `timeoutMillis` is for one request, from connecting to the last byte of the answer.
  package init(client: HTTPClient, timeoutMillis: Int = 15_000) {
    self.client = client
    self.timeoutMillis = timeoutMillis
  }

  package var name: String { Self.name }
  package var channels: Set<Channel> { [.email] }

  /// How many seconds the Email Activity Feed may be late.
  private static let listingDelayOption = "activity_delay_seconds"
  /// The feed is no list of what was taken, but of what became of it: it is filled afterwards, and SendGrid names no
  /// time. Whoever sends again before it is filled sends twice; the event webhook says earlier what was taken.
  private static let standardListingDelaySeconds: Int64 = 900
  private static let longestListingDelaySeconds: Int64 = 86_400

  package func listingDelayMillis(of message: OutboundMessage) -> Int64 {
    guard case .email(let email) = message else { return 0 }
    let seconds = email.credentials.options[Self.listingDelayOption].flatMap { Int64($0) }
    let range = 0...Self.longestListingDelaySeconds
    return min(max(seconds ?? Self.standardListingDelaySeconds, range.lowerBound), range.upperBound)
      * 1_000
  }

  package func send(_ message: OutboundMessage) async -> SendOutcome {
    guard case .email(let email) = message else { return .refused(code: "unsupported_channel") }
    do throws(HTTPClientError) {
      return SendGridAnswer.outcome(
        of: try await client.send(Self.creation(of: email, timeoutMillis: timeoutMillis)))
    } catch {
      switch error {
      case .notSent: return .notTaken(code: error.code, retryAfterMillis: nil)
      case .unknown: return .inDoubt(reason: error.code)
      }
    }
  }

  /// Asks for our own id, so `sinceMicros` is not needed.
  package func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] {
    guard case .email(let email) = message else { return [] }
    let request = Self.question(about: email, timeoutMillis: timeoutMillis)
    return try SendGridAnswer.found(try await answer(to: request), email)
  }

  /// The feed is empty for accounts of the EU region, and perhaps where it was not bought. Where it has any mail of the
  /// account, it is kept, and would have this one.
  package func provesAbsence(
    of message: OutboundMessage, handedOverAtMicros: Micros
  ) async throws(ProviderError) -> Bool {
    guard case .email(let email) = message else { return true }
    let request = Self.question(
      aboutAnyAround: handedOverAtMicros, of: email, timeoutMillis: timeoutMillis)
    return try !SendGridAnswer.found(try await answer(to: request), email).isEmpty
  }

  private func answer(to request: ClientRequest) async throws(ProviderError) -> [UInt8] {
    let answer: ClientResponse
    do throws(HTTPClientError) {
      answer = try await client.send(request)
    } catch {
      throw .unreachable(reason: error.code)
    }
    guard answer.status == 200 else { throw SendGridAnswer.error(of: answer) }
    return answer.body
  }
}

// MARK: - Requests

extension SendGridProvider {
  /// The name under which our id goes with a mail and comes back with its events.
  static let messageArgument = "message"

  static func creation(of email: OutboundEmail, timeoutMillis: Int) -> ClientRequest {
    var request = request("POST", "/v3/mail/send", email, timeoutMillis)
    request.headers["Content-Type"] = "application/json"
    request.body = body(of: email).bytes()
    return request
  }

  static func question(about email: OutboundEmail, timeoutMillis: Int) -> ClientRequest {
    let query = "unique_args['\(messageArgument)']=\"\(email.message)\""
    let form = FormCoding.encode([
      QueryItem(name: "query", value: query), QueryItem(name: "limit", value: "10"),
    ])
    return request("GET", "/v3/messages?\(form)", email, timeoutMillis)
  }

  /// How long the feed keeps a mail at most.
  private static let retentionMicros: Int64 = 30 * 86_400_000_000

  /// Source: the query reference of SendGrid's page on the Email Activity Feed.
  static func question(
    aboutAnyAround micros: Micros, of email: OutboundEmail, timeoutMillis: Int
  ) -> ClientRequest {
    let first = Timestamp.text(micros - retentionMicros)
    let last = Timestamp.text(micros + retentionMicros)
    let query = "last_event_time BETWEEN TIMESTAMP \"\(first)\" AND TIMESTAMP \"\(last)\""
    let form = FormCoding.encode([
      QueryItem(name: "query", value: query), QueryItem(name: "limit", value: "1"),
    ])
    return request("GET", "/v3/messages?\(form)", email, timeoutMillis)
  }

  private static func body(of email: OutboundEmail) -> JSON {
    var from = JSONObject([("email", .string(email.from))])
    if let name = email.fromName { from["name"] = .string(name) }
    var content: [JSON] = [["type": "text/plain", "value": .string(email.text)]]
    if let html = email.html { content.append(["type": "text/html", "value": .string(html)]) }
    var body = JSONObject([
      (
        "personalizations",
        [
          [
            "to": [["email": .string(email.to)]],
            "custom_args": [messageArgument: .string(email.message.text)],
          ]
        ]
      ),
      ("from", .object(from)),
      ("subject", .string(email.subject)), ("content", .array(content)),
      // Opens and clicks are ours to tell: every other link would lead through SendGrid.
      (
        "tracking_settings",
        [
          "click_tracking": ["enable": false, "enable_text": false],
          "open_tracking": ["enable": false], "subscription_tracking": ["enable": false],
        ]
      ),
    ])
    if let replyTo = email.replyTo { body["reply_to"] = ["email": .string(replyTo)] }
    if !email.headers.isEmpty {
      let headers = email.headers.sorted { $0.key < $1.key }
      body["headers"] = .object(JSONObject(headers.map { ($0.key, .string($0.value)) }))
    }
    return .object(body)
  }

  private static func request(
    _ method: String, _ path: String, _ email: OutboundEmail, _ timeoutMillis: Int
  ) -> ClientRequest {
    var base = email.credentials.baseURL[...]
    while base.last == "/" { base.removeLast() }
    return ClientRequest(
      method: method, url: base + path,
      headers: [
        "Authorization": "Bearer \(email.credentials.secrets["api_key"] ?? "")",
        "Accept": "application/json",
      ], timeoutMillis: timeoutMillis)
  }
}

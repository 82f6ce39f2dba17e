import Application
import Crypto
import Domain
import HTTP
import JSON

/// Twilio's Messages API. Source: Twilio's OpenAPI description of the 2010 API.
///
/// One `send` is one request: Twilio takes no idempotency key, so a call whose answer is lost can only
/// be settled by `find`.
package struct TwilioProvider: MessageProvider {
  let client: HTTPClient
  let timeoutMillis: Int

  /// `timeoutMillis` is for one request, from connecting to the last byte of the answer.
  package init(client: HTTPClient, timeoutMillis: Int = 15_000) {
    self.client = client
    self.timeoutMillis = timeoutMillis
  }

  package var name: String { SMSCredentials.provider }
  package var channels: Set<Channel> { [.sms, .voice] }

  package func send(_ message: OutboundMessage) async -> SendOutcome {
    switch message {
    case .sms(let sms): await send(sms)
    case .call(let call): await place(call)
    case .email: .refused(code: "unsupported_channel")
    }
  }

  package func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] {
    if case .call(let call) = message { return try await find(call, sinceMicros: sinceMicros) }
    guard case .sms(let sms) = message else { return [] }
    let query = FindQuery(
      credentials: sms.credentials, from: sms.from, to: sms.to, sinceMicros: sinceMicros)
    return try await find(query).filter { $0.body == sms.body && $0.to == sms.to }
  }

  package func news(in code: String) -> AddressNews? { Self.news(in: code) }

  /// Source: Twilio's dictionary of errors.
  ///
  /// - 21610: the recipient has texted STOP to this sender
  /// - 21614: no mobile number; 30006: a landline, or a carrier that cannot be reached
  /// - 30004: blocked by the recipient or the carrier; 30005: the number is unknown or out of use
  package static func news(in code: String) -> AddressNews? {
    switch code {
    case "21610": .optedOut
    case "21614", "30006": .landline
    case "30004", "30005": .unreachable
    default: nil
    }
  }

  package func send(_ sms: OutboundSMS) async -> SendOutcome {
    do throws(HTTPClientError) {
      let answer = try await client.send(Self.creation(of: sms, timeoutMillis: timeoutMillis))
      return TwilioAnswer.outcome(
        status: answer.status, headers: answer.headers, body: answer.body)
    } catch {
      return Self.outcome(of: error)
    }
  }

  /// Does not ask Twilio to filter by `DateSent`: a message that waits in its queue has no such date
  /// yet, and would look as if it had never been taken. The list is newest first, so reading ends
  /// with the first page that reaches back far enough.
  package func find(_ query: FindQuery) async throws(ProviderError) -> [ProviderMessage] {
    try await list(Self.listPath(query), query.credentials, sinceMicros: query.sinceMicros)
  }

  package func received(
    at number: String, by credentials: SMSCredentials, page: String?
  ) async throws(ProviderError) -> ListedTexts {
    let path = page ?? Self.inboxPath(number, credentials)
    return try TwilioInboxPage(parsing: try await answer(path, credentials)).texts
  }

  private func list(
    _ path: String, _ credentials: SMSCredentials, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] {
    var found: [ProviderMessage] = []
    var next: String? = path
    // Twilio keeps dates to the second.
    let sinceMicros = sinceMicros - sinceMicros % 1_000_000
    for _ in 0..<Self.maxPageCount {
      guard let path = next else { return found }
      let page = try TwilioMessagePage(parsing: try await answer(path, credentials))
      found += page.messages.filter { $0.createdAtMicros >= sinceMicros }
      let reachesBack = page.messages.contains { $0.createdAtMicros < sinceMicros }
      next = reachesBack ? nil : page.nextPageURI
    }
    guard next == nil else { throw .malformed(detail: "the list of messages has no end") }
    return found
  }

  /// The addresses that the webhook would have named.
  package func media(
    of text: ListedText, by credentials: SMSCredentials
  ) async throws(ProviderError) -> [String] {
    let body = try await answer(Self.mediaPath(text.text.providerID, credentials), credentials)
    guard let list = (try? JSON(parsing: body))?["media_list"]?.array else {
      throw .malformed(detail: "no media_list")
    }
    return list.compactMap { $0["uri"]?.string }.map { uri in
      Self.base(credentials) + (uri.hasSuffix(".json") ? String(uri.dropLast(5)) : uri)
    }
  }

  private func answer(
    _ path: String, _ credentials: SMSCredentials
  ) async throws(ProviderError) -> [UInt8] {
    // A list names its next page itself; nothing but a path on the same host is followed.
    guard path.hasPrefix("/2010-04-01/") else {
      throw .malformed(detail: "a page outside of the API")
    }
    let request = Self.request("GET", path, credentials, timeoutMillis: timeoutMillis)
    let answer: ClientResponse
    do throws(HTTPClientError) {
      answer = try await client.send(request)
    } catch {
      throw .unreachable(reason: error.code)
    }
    guard answer.status == 200 else {
      throw TwilioAnswer.error(
        status: answer.status, headers: answer.headers, body: answer.body)
    }
    return answer.body
  }
}

// MARK: - Requests

extension TwilioProvider {
  /// The most that Twilio lists at once.
  static let pageSize = 1000
  /// A look at the inbox is for the few that came since the one before.
  static let inboxPageSize = 100
  /// More messages than one number ever gets from another in the time that a call is in doubt.
  static let maxPageCount = 1000

  static func creation(of sms: OutboundSMS, timeoutMillis: Int) -> ClientRequest {
    var form = [
      QueryItem(name: "To", value: sms.to), QueryItem(name: "From", value: sms.from),
      QueryItem(name: "Body", value: sms.body),
    ]
    for url in sms.mediaURLs { form.append(QueryItem(name: "MediaUrl", value: url)) }
    if let url = sms.statusCallbackURL {
      form.append(QueryItem(name: "StatusCallback", value: url))
    }
    var request = request(
      "POST", messagesPath(sms.credentials), sms.credentials, timeoutMillis: timeoutMillis)
    request.headers["Content-Type"] = FormCoding.contentType
    request.body = Array(FormCoding.encode(form).utf8)
    return request
  }

  static func listPath(_ query: FindQuery) -> String {
    let filter = FormCoding.encode([
      QueryItem(name: "To", value: query.to), QueryItem(name: "From", value: query.from),
      QueryItem(name: "PageSize", value: String(pageSize)),
    ])
    return "\(messagesPath(query.credentials))?\(filter)"
  }

  static func inboxPath(_ number: String, _ credentials: SMSCredentials) -> String {
    let filter = FormCoding.encode([
      QueryItem(name: "To", value: number),
      QueryItem(name: "PageSize", value: String(inboxPageSize)),
    ])
    return "\(messagesPath(credentials))?\(filter)"
  }

  static func mediaPath(_ sid: String, _ credentials: SMSCredentials) -> String {
    "\(messagesPath(credentials).dropLast(".json".count))/\(PercentCoding.encode(sid))/Media.json"
  }

  private static func messagesPath(_ credentials: SMSCredentials) -> String {
    "/2010-04-01/Accounts/\(PercentCoding.encode(credentials.accountSID))/Messages.json"
  }

  private static func base(_ credentials: SMSCredentials) -> String {
    var base = credentials.baseURL[...]
    while base.last == "/" { base.removeLast() }
    return String(base)
  }

  static func request(
    _ method: String, _ path: String, _ credentials: SMSCredentials, timeoutMillis: Int
  ) -> ClientRequest {
    let pair = Array("\(credentials.accountSID):\(credentials.authToken)".utf8)
    return ClientRequest(
      method: method, url: base(credentials) + path,
      headers: ["Authorization": "Basic \(Base64.encode(pair))", "Accept": "application/json"],
      timeoutMillis: timeoutMillis)
  }

  /// What became of a message whose request got no whole answer.
  static func outcome(of error: HTTPClientError) -> SendOutcome {
    switch error {
    case .notSent: .notTaken(code: error.code, retryAfterMillis: nil)
    case .unknown: .inDoubt(reason: error.code)
    }
  }
}

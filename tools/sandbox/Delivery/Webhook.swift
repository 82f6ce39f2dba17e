import Crypto
import HTTP

/// A signed call to the application, as Twilio makes it.
struct Webhook: Sendable {
  let url: String
  let parameters: [QueryItem]
  let authToken: String
  /// The same on every repetition of the same call.
  let idempotencyToken: String

  static let timeoutMillis = 15_000

  var request: ClientRequest {
    // The fragment holds settings for Twilio itself: neither sent nor signed.
    let url = String(url.prefix { $0 != "#" })
    return ClientRequest(
      method: "POST", url: url,
      headers: [
        "Content-Type": FormCoding.contentType, "User-Agent": "TwilioProxy/1.1",
        "X-Twilio-Signature": signature(url), "I-Twilio-Idempotency-Token": idempotencyToken,
      ], body: Array(FormCoding.encode(parameters).utf8), timeoutMillis: Self.timeoutMillis)
  }

  /// Base64 of the HMAC-SHA1 over the URL and the sorted parameters.
  /// Source: Twilio's page on webhook security.
  private func signature(_ url: String) -> String {
    let sorted = parameters.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    let text = url + sorted.map { $0.name + $0.value }.joined()
    return Base64.encode(HMACSHA1.authenticate(Array(text.utf8), key: Array(authToken.utf8)))
  }
}

extension Webhook {
  /// The news that `message` reached a status.
  init(status reached: Reached, of message: Message, url: String, authToken: String, step: Int) {
    var parameters = [
      QueryItem(name: "AccountSid", value: message.account),
      QueryItem(name: "ApiVersion", value: "2010-04-01"),
      QueryItem(name: "From", value: message.from),
      QueryItem(name: "MessageSid", value: message.sid),
      QueryItem(name: "MessageStatus", value: reached.status.rawValue),
      QueryItem(name: "SmsSid", value: message.sid),
      QueryItem(name: "SmsStatus", value: reached.status.rawValue),
      QueryItem(name: "To", value: message.to),
    ]
    if let code = reached.errorCode {
      parameters.append(QueryItem(name: "ErrorCode", value: String(code)))
    }
    self.init(
      url: url, parameters: parameters, authToken: authToken,
      idempotencyToken: "\(message.sid)-\(step)")
  }

  /// A person's message to one of our numbers.
  init(inbound message: Message, url: String, authToken: String) {
    self.init(
      url: url,
      parameters: [
        QueryItem(name: "AccountSid", value: message.account),
        QueryItem(name: "ApiVersion", value: "2010-04-01"),
        QueryItem(name: "Body", value: message.body),
        QueryItem(name: "From", value: message.from),
        QueryItem(name: "FromCountry", value: "US"),
        QueryItem(name: "MessageSid", value: message.sid),
        QueryItem(name: "NumMedia", value: "0"),
        QueryItem(name: "NumSegments", value: String(SegmentCount.of(message.body))),
        QueryItem(name: "SmsMessageSid", value: message.sid),
        QueryItem(name: "SmsSid", value: message.sid),
        QueryItem(name: "SmsStatus", value: "received"),
        QueryItem(name: "To", value: message.to), QueryItem(name: "ToCountry", value: "US"),
      ], authToken: authToken, idempotencyToken: "\(message.sid)-0")
  }
}

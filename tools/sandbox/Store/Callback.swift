import Crypto
import HTTP
import JSON

/// The kinds of things that providers other than Twilio's messages keep here.
enum DocumentKind: String, Sendable {
  case mailAccount = "mail_account"
  case mail
  case paymentAccount = "payment_account"
  case payment
  case refund
  /// The answers of payment requests by their idempotency keys.
  case paymentKey = "payment_key"
  case call
}

/// A request to the application that is due at a time. Signed when it is sent: signatures age.
struct Callback: Sendable {
  enum Signer: Equatable, Sendable {
    case none
    /// ECDSA with this private key: DER in base64.
    case sendGrid(privateKey: String)
    case stripe(secret: String)
    /// Over the form that the body is.
    case twilio(authToken: String)
  }

  let id: String
  let dueMillis: Int64
  let url: String
  let contentType: String
  let body: String
  let signer: Signer

  static let timeoutMillis = 15_000

  /// - Throws: `CryptoError` where the key is none.
  func request() throws(CryptoError) -> ClientRequest {
    var headers: HTTPHeaders = ["Content-Type": contentType]
    let bytes = Array(body.utf8)
    // Signatures are dated by the real time: it is the application's real clock that judges them.
    let seconds = Clock.nowMillis() / 1000
    switch signer {
    case .none: break
    case .sendGrid(let privateKey):
      let key = try P256.PrivateKey(der: try Base64.decode(privateKey))
      headers["X-Twilio-Email-Event-Webhook-Timestamp"] = String(seconds)
      headers["X-Twilio-Email-Event-Webhook-Signature"] = Base64.encode(
        try key.sign(Array(String(seconds).utf8) + bytes))
    case .stripe(let secret):
      let code = HMACSHA256.authenticate(
        Array("\(seconds).".utf8) + bytes, key: Array(secret.utf8))
      headers["Stripe-Signature"] = "t=\(seconds),v1=\(Hex.encode(code))"
    case .twilio(let authToken):
      let webhook = Webhook(
        url: url, parameters: FormCoding.decode(body), authToken: authToken, idempotencyToken: id)
      return webhook.request
    }
    return ClientRequest(
      method: "POST", url: url, headers: headers, body: bytes, timeoutMillis: Self.timeoutMillis)
  }
}

// MARK: - Several at once

extension Callback {
  /// SendGrid's event webhook takes arrays.
  var isListOfEvents: Bool {
    if case .sendGrid = signer { body.hasPrefix("[") } else { false }
  }

  func joins(_ other: Callback) -> Bool {
    isListOfEvents && url == other.url && signer == other.signer
      && contentType == other.contentType
  }

  /// One request that tells what all of them tell, in their order.
  init(joining callbacks: [Callback]) {
    precondition(!callbacks.isEmpty, "a request tells something")
    let first = callbacks[0]
    guard callbacks.count > 1 else {
      self = first
      return
    }
    let events = callbacks.map { $0.body.drop { $0 == "[" }.prefix { $0 != "\r\n" }.dropLast() }
    self.init(
      id: first.id, dueMillis: first.dueMillis, url: first.url, contentType: first.contentType,
      body: "[" + events.joined(separator: ",") + "]\r\n", signer: first.signer)
  }
}

// MARK: - As JSON

extension Callback {
  var json: JSON {
    let (scheme, key) = signer.parts
    return [
      "id": .string(id), "due": .int(dueMillis), "url": .string(url),
      "content_type": .string(contentType), "body": .string(body), "scheme": .string(scheme),
      "key": .string(key),
    ]
  }

  init?(_ json: JSON) {
    guard let id = json["id"]?.string, let due = json["due"]?.int, let url = json["url"]?.string,
      let contentType = json["content_type"]?.string, let body = json["body"]?.string,
      let signer = Signer(scheme: json["scheme"]?.string ?? "", key: json["key"]?.string ?? "")
    else { return nil }
    self.init(
      id: id, dueMillis: due, url: url, contentType: contentType, body: body, signer: signer)
  }
}

extension Callback.Signer {
  fileprivate var parts: (scheme: String, key: String) {
    switch self {
    case .none: ("none", "")
    case .sendGrid(let privateKey): ("sendgrid", privateKey)
    case .stripe(let secret): ("stripe", secret)
    case .twilio(let authToken): ("twilio", authToken)
    }
  }

  fileprivate init?(scheme: String, key: String) {
    switch scheme {
    case "none": self = .none
    case "sendgrid": self = .sendGrid(privateKey: key)
    case "stripe": self = .stripe(secret: key)
    case "twilio": self = .twilio(authToken: key)
    default: return nil
    }
  }
}

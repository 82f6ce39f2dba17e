import Crypto
import Domain
import HTTP

/// Whether a request comes from whoever has the hook's secret, and whether it came before.
package enum HookSignature {
  /// Standard Webhooks' own: a message that is older, or from a clock that is further ahead, is not
  /// taken.
  static let toleranceSeconds: Int64 = 300
  package static let defaultHeader = "X-Signature-256"

  /// Which delivery it is.
  package struct Genuine: Sendable, Equatable {
    /// nil where the sender gives it no name.
    package let id: String?
    /// SHA-256 of the body in hex, where nothing but the body tells deliveries apart.
    package var bodyHash: String?

    /// What a repeated delivery is known by. What may be said again has none without a name: the same body is then
    /// no delivery that came before.
    package func key(for command: HookCommand) -> String? {
      if let id { return id }
      return command.mayBeSaidAgain ? nil : bodyHash.map { "body:" + $0 }
    }
  }

  /// nil: it is not genuine.
  ///
  /// `pathSecret`: the last piece of the path, where there is one.
  package static func check(
    _ request: HTTPRequest, _ settings: HookSettings, secret: String, pathSecret: String?,
    nowSeconds: Int64
  ) -> Genuine? {
    switch settings.authentication {
    case .secretInPath:
      guard let pathSecret,
        constantTimeEqual(Array(pathSecret.utf8), Array(secret.utf8))
      else { return nil }
      return Genuine(id: nil)
    case .standardWebhooks:
      guard pathSecret == nil else { return nil }
      return standard(request, secret: secret, nowSeconds: nowSeconds)
    case .hmac:
      let name = settings.signatureHeader ?? defaultHeader
      guard pathSecret == nil, let header = request.headers[name],
        let code = code(header),
        HMACSHA256.isValid(code, for: request.body, key: Array(secret.utf8))
      else { return nil }
      // Nothing in it grows old: the same body again is the same delivery.
      return Genuine(id: nil, bodyHash: Hex.encode(SHA256.hash(request.body)))
    }
  }

  private static func standard(
    _ request: HTTPRequest, secret: String, nowSeconds: Int64
  ) -> Genuine? {
    guard let id = request.headers["webhook-id"], (1...255).contains(id.utf8.count),
      let timestamp = request.headers["webhook-timestamp"], let seconds = Int64(timestamp),
      seconds >= 0,
      abs(nowSeconds - seconds)
        <= toleranceSeconds,
      let header = request.headers["webhook-signature"],
      let expected = try? WebhookMessage.signature(
        id: id, timestampSeconds: seconds, body: request.body, secrets: [secret])
    else { return nil }
    // Only the canonical text of the time is what was signed.
    guard String(seconds) == timestamp else { return nil }
    let isSigned = header.split(separator: " ").prefix(16).contains {
      constantTimeEqual(Array($0.utf8), Array(expected.utf8))
    }
    return isSigned ? Genuine(id: id) : nil
  }

  /// `sha256=` may stand before it; hex or base64.
  private static func code(_ header: String) -> [UInt8]? {
    let text = header.hasPrefix("sha256=") ? header.dropFirst("sha256=".count) : header[...]
    if text.utf8.count == 64, let code = try? Hex.decode(text.lowercased()) { return code }
    guard let code = try? Base64.decode(text), code.count == HMACSHA256.codeByteCount else {
      return nil
    }
    return code
  }
}

import Application
import Crypto
import Domain
import HTTP
import Synchronization

/// Signed requests: `Daybook-Timestamp` (seconds since 1970), `Daybook-Nonce` (any unique text) and
/// `Daybook-Signature: v1=<hex>`, the HMAC-SHA-256 under the key's signing secret of
///
///     timestamp "." nonce "." METHOD "." target "." hex(SHA-256(body))
///
/// A nonce is good once; a timestamp is good for five minutes, and not at all when it is from before
/// this server knew which nonces were used.
package final class RequestSignature: Sendable {
  package static let toleranceSeconds: Int64 = 300

  /// What is wrong with a signature, and what to do about it.
  package enum Refusal: String, Sendable {
    case required = "signature_required"
    case wrong = "invalid_signature"
    case expired = "signature_expired"
    case replayed = "signature_replayed"

    var message: String {
      switch self {
      case .required:
        "This API key takes signed requests alone: send Daybook-Timestamp (seconds since 1970), "
          + "Daybook-Nonce (8 to 128 characters) and Daybook-Signature."
      case .wrong:
        "Daybook-Signature is not that of this request: sign timestamp, nonce, method, target and "
          + "the body's hash with the key's signing secret."
      case .expired:
        "Daybook-Timestamp is more than \(toleranceSeconds / 60) minutes from the server's clock, or "
          + "from before the server started. Look at your clock, and sign anew."
      case .replayed:
        "Daybook-Nonce was used before: sign each request anew, with a nonce of its own."
      }
    }
  }

  private struct Seen {
    var nonces: [String: Int64] = [:]
    var sweptAt: Int64 = 0
  }

  private let startedAt: Int64
  private let seen = Mutex(Seen())

  /// `now`: seconds since 1970.
  package init(now: Int64) { startedAt = now }

  /// nil where the signature is right and new.
  package func refusal(
    of request: HTTPRequest, key: Identifier, secret: String, now: Int64
  ) -> Refusal? {
    guard let stamp = request.headers["daybook-timestamp"], let time = Int64(stamp),
      let nonce = request.headers["daybook-nonce"], (8...128).contains(nonce.utf8.count),
      let signature = request.headers["daybook-signature"]
    else { return .required }
    let expected = "v1=" + Self.signature(request, stamp: stamp, nonce: nonce, secret: secret)
    guard constantTimeEqual(Array(expected.utf8), Array(signature.utf8)) else {
      return .wrong
    }
    guard time >= startedAt, abs(now - time) <= Self.toleranceSeconds else {
      return .expired
    }
    return isNew("\(key) \(nonce)", at: time, now: now) ? nil : .replayed
  }

  package static func signature(
    _ request: HTTPRequest, stamp: String, nonce: String, secret: String
  ) -> String {
    let digest = Hex.encode(SHA256.hash(request.body))
    let content = "\(stamp).\(nonce).\(request.method).\(request.rawTarget).\(digest)"
    return Hex.encode(HMACSHA256.authenticate(Array(content.utf8), key: Array(secret.utf8)))
  }

  private func isNew(_ nonce: String, at time: Int64, now: Int64) -> Bool {
    seen.withLock { seen in
      if now - seen.sweptAt > Self.toleranceSeconds {
        seen.nonces = seen.nonces.filter { now - $0.value <= Self.toleranceSeconds }
        seen.sweptAt = now
      }
      return seen.nonces.updateValue(time, forKey: nonce) == nil
    }
  }
}

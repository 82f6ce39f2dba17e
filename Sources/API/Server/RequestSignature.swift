import Application
import Crypto
import Domain
import HTTP
import Synchronization

/// Signed requests: `Daybook-Timestamp` (seconds since 1970), `Daybook-Nonce` (any unique text) and
/// `Daybook-Signature: v2=<hex>`, the HMAC-SHA-256 under the key's signing secret of these lines, with one line feed
/// between them and none at the end; a header that is not sent is an empty line:
///
///     v2
///     timestamp
///     nonce
///     METHOD
///     target
///     hex(SHA-256(body))
///     Account
///     Idempotency-Key
///     If-Match
///
/// Or, where the header `Account` is not sent, `Daybook-Signature: v1=<hex>` of
///
///     timestamp "." nonce "." METHOD "." target "." hex(SHA-256(body))
///
/// which says nothing of the headers: whoever can change one on its way would choose whom the request is for.
///
/// A nonce is good once; a timestamp is good for five minutes, and not at all when it is from before
/// this server knew which nonces were used.
package final class RequestSignature: Sendable {
  package static let toleranceSeconds: Int64 = 300

  package enum Version: String, Sendable, CaseIterable {
    case v1, v2
  }

  /// What is wrong with a signature, and what to do about it.
  package enum Refusal: String, Error {
    case required = "signature_required"
    case wrong = "invalid_signature"
    case expired = "signature_expired"
    case replayed = "signature_replayed"
    case uncovered = "signature_too_old"

    var message: String {
      switch self {
      case .required:
        "This API key takes signed requests alone: send Daybook-Timestamp (seconds since 1970), "
          + "Daybook-Nonce (8 to 128 characters) and Daybook-Signature."
      case .wrong:
        "Daybook-Signature is not that of this request: sign timestamp, nonce, method, target, the "
          + "body's hash and (v2) headers with the key's signing secret."
      case .expired:
        "Daybook-Timestamp is more than \(toleranceSeconds / 60) minutes from the server's clock, or "
          + "from before the server started. Look at your clock, and sign anew."
      case .replayed:
        "Daybook-Nonce was used before: sign each request anew, with a nonce of its own."
      case .uncovered:
        "A signature of version 1 does not cover the header Account: sign with version 2, "
          + "Daybook-Signature: v2=…, or send no Account."
      }
    }
  }

  /// A signature that is right, and was not used when it was looked at.
  package struct Proof: Sendable {
    fileprivate let nonce: String
    fileprivate let time: Int64
  }

  private struct Seen {
    var nonces: [String: Int64] = [:]
    var sweptAt: Int64 = 0
  }

  private let startedAt: Int64
  private let seen: Mutex<Seen>
  private let file: NonceFile?

  /// `now`: seconds since 1970. Without a `file` nothing is known of what was used before.
  package init(now: Int64, file: NonceFile? = nil) throws {
    startedAt = now
    self.file = file
    seen = Mutex(Seen(nonces: try file?.load(since: now) ?? [:]))
  }

  /// Uses nothing up: whoever is refused for another reason can send the same again.
  package func proof(
    of request: HTTPRequest, key: Identifier, secret: String, now: Int64
  ) throws(Refusal) -> Proof {
    guard let stamp = request.headers.only("daybook-timestamp"), let time = Int64(stamp),
      let nonce = request.headers.only("daybook-nonce"), (8...128).contains(nonce.utf8.count),
      let signature = request.headers.only("daybook-signature")
    else { throw .required }
    let version = Version.allCases.first { signature.hasPrefix($0.rawValue + "=") }
    guard let version else { throw .wrong }
    let expected =
      version.rawValue + "="
      + Self.signature(request, version, stamp: stamp, nonce: nonce, secret: secret)
    guard constantTimeEqual(Array(expected.utf8), Array(signature.utf8)) else {
      throw .wrong
    }
    guard version != .v1 || request.headers["account"] == nil else { throw .uncovered }
    // What was used in the very second of the start is not known.
    guard time > startedAt, abs(now - time) <= Self.toleranceSeconds else {
      throw .expired
    }
    let proof = Proof(
      nonce: Hex.encode(SHA256.hash(Array("\(key) \(nonce)".utf8))), time: time)
    guard seen.withLock({ $0.nonces[proof.nonce] }) == nil else { throw .replayed }
    return proof
  }

  package static func signature(
    _ request: HTTPRequest, _ version: Version, stamp: String, nonce: String, secret: String
  ) -> String {
    let digest = Hex.encode(SHA256.hash(request.body))
    let content =
      switch version {
      case .v1: "\(stamp).\(nonce).\(request.method).\(request.rawTarget).\(digest)"
      case .v2:
        // No field of a header can have a line feed in it.
        (["v2", stamp, nonce, request.method, request.rawTarget, digest]
          + ["account", "idempotency-key", "if-match"].map {
            request.headers.values($0).joined(separator: ", ")
          }).joined(separator: "\n")
      }
    return Hex.encode(HMACSHA256.authenticate(Array(content.utf8), key: Array(secret.utf8)))
  }

  /// - Throws: `replayed` where somebody else was first, `expired` where it cannot be kept that it was used.
  package func use(_ proof: Proof, now: Int64) throws(Refusal) {
    try seen.withLock { seen throws(Refusal) in
      if now - seen.sweptAt > Self.toleranceSeconds { sweep(&seen, now) }
      guard seen.nonces[proof.nonce] == nil else { throw .replayed }
      seen.nonces[proof.nonce] = proof.time
      // What is signed by a clock ahead of ours is good after the next start too, which has to know it then.
      guard proof.time > now, let file else { return }
      // Where that cannot be kept, nobody can be sure that it is used once.
      guard file.append(proof.nonce, proof.time) else { throw .expired }
    }
  }

  private func sweep(_ seen: inout Seen, _ now: Int64) {
    seen.nonces = seen.nonces.filter { now - $0.value <= Self.toleranceSeconds }
    seen.sweptAt = now
    file?.replace(seen.nonces.filter { $0.value > now })
  }
}

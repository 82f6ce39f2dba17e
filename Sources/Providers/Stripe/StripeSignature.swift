import Crypto
import Domain

/// Whether an event comes from Stripe: HMAC-SHA256 over the time, a point and the raw body, with the
/// endpoint's whole secret as the key. Source: Stripe's page on webhook signatures.
package enum StripeSignature {
  package static let header = "Stripe-Signature"
  package static let toleranceSeconds: Int64 = 300

  package static func isValid(
    _ body: [UInt8], header: String?, secret: String, nowMicros: Micros
  ) -> Bool {
    guard let header, !secret.isEmpty else { return false }
    var timestamp: String?
    var signatures: [String] = []
    for part in header.split(separator: ",") {
      let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
      guard pair.count == 2 else { continue }
      if pair[0] == "t" { timestamp = pair[1] }
      if pair[0] == "v1" { signatures.append(pair[1]) }
    }
    guard let timestamp, let seconds = Int64(timestamp) else { return false }
    let (ageSeconds, isFar) = (nowMicros / 1_000_000).subtractingReportingOverflow(seconds)
    guard !isFar, (-toleranceSeconds...toleranceSeconds).contains(ageSeconds) else { return false }
    let code = HMACSHA256.authenticate(Array("\(timestamp).".utf8) + body, key: Array(secret.utf8))
    let expected = Array(Hex.encode(code).utf8)
    // No early exit: the time tells nothing about which signature came close.
    return signatures.reduce(false) { constantTimeEqual(Array($1.utf8), expected) || $0 }
  }
}

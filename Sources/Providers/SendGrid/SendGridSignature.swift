import Crypto
import Domain
import HTTP

/// Whether a webhook comes from SendGrid: ECDSA over P-256 and SHA-256, made over the timestamp and the
/// raw body, its trailing line break included. Source: SendGrid's page on the signed event webhook.
package enum SendGridSignature {
  package static let header = "X-Twilio-Email-Event-Webhook-Signature"
  package static let timestampHeader = "X-Twilio-Email-Event-Webhook-Timestamp"
  /// SendGrid repeats what it could not deliver for 24 hours, and does not say that it signs it anew. A recording that
  /// somebody plays changes nothing: every event and every mail is taken in once.
  package static let toleranceSeconds: Int64 = 25 * 3_600

  /// `publicKey` is base64 of the DER key that SendGrid shows.
  package static func isValid(
    _ request: HTTPRequest, publicKey: String, nowMicros: Micros
  ) -> Bool {
    guard let signature = request.headers[header], let timestamp = request.headers[timestampHeader],
      let seconds = Int64(timestamp), let spki = try? Base64.decode(publicKey),
      let bytes = try? Base64.decode(signature), let key = try? P256.PublicKey(spki: spki)
    else { return false }
    let ageSeconds = (nowMicros / 1_000_000).subtractingReportingOverflow(seconds)
    guard !ageSeconds.overflow, abs(ageSeconds.partialValue) <= toleranceSeconds else {
      return false
    }
    return (try? key.isValid(bytes, for: Array(timestamp.utf8) + request.body)) == true
  }
}

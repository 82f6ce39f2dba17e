import Application
import Crypto
import Domain
import HTTP
import JSON

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

/// What Stripe posts to the `events` address of an org.
package struct StripeWebhooks: ProviderWebhooks {
  package init() {}

  package var name: String { StripeProvider.name }

  package func take(_ call: WebhookCall) async throws(WebhookRefusal) -> HTTPResponse {
    guard call.hook == "events",
      let credentials = try await call.credentials(of: name, for: .payment),
      StripeSignature.isValid(
        call.request.body, header: call.request.headers[StripeSignature.header],
        secret: credentials.secrets["webhook_secret"] ?? "", nowMicros: call.nowMicros)
    else { throw .unauthorized }
    guard let event = try? JSON(parsing: call.request.body), let id = event["id"]?.string,
      let object = event["data"]?["object"]
    else { throw .malformed(code: "stripe_event_malformed", detail: "no event") }
    guard
      let payment = object["metadata"]?[StripeProvider.paymentKey]?.string
        .flatMap({ Identifier($0, kind: .payment) }),
      let outcome = Self.outcome(event["type"]?.string ?? "", object)
    else {
      // About something that is not ours, or no news.
      return HTTPResponse(status: 204)
    }
    do {
      try await call.perform(by: name, key: "stripe:\(id)") { workspace throws(CommandError) in
        if object["object"]?.string == "refund" {
          try workspace.recordRefund(outcome, of: payment)
        } else {
          try workspace.record(outcome, of: payment, by: StripeProvider.name)
        }
      }
    } catch .refused(.notFound(_)) {
      return HTTPResponse(status: 204)
    }
    return HTTPResponse(status: 204)
  }

  private static func outcome(_ type: String, _ object: JSON) -> PaymentOutcome? {
    guard let id = object["id"]?.string else { return nil }
    switch type {
    case "payment_intent.succeeded", "payment_intent.processing", "refund.updated",
      "refund.created":
      return StripeAnswer.outcome(status: object["status"]?.string, id: id)
    case "payment_intent.payment_failed", "payment_intent.canceled":
      let error = object["last_payment_error"]
      return .failed(
        code: error?["decline_code"]?.string ?? error?["code"]?.string ?? "payment_failed")
    case "refund.failed":
      return .failed(code: object["failure_reason"]?.string ?? "refund_failed")
    default:
      return nil
    }
  }
}

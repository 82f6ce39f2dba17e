import Application
import Domain
import HTTP
import JSON

/// What Stripe posts to the `events` address of an org.
package struct StripeWebhooks: ProviderWebhooks {
  package init() {}

  package var name: String { StripeProvider.name }

  package func take(_ call: WebhookCall) async throws(WebhookRefusal) -> HTTPResponse {
    let known = try await call.credentials(of: name, for: .payment)
    guard call.hook == "events",
      known.contains(where: {
        StripeSignature.isValid(
          call.request.body, header: call.request.headers[StripeSignature.header],
          secret: $0.secrets["webhook_secret"] ?? "", nowMicros: call.nowMicros)
      })
    else { throw .unauthorized }
    guard let event = try? JSON(parsing: call.request.body), let id = event["id"]?.string,
      let object = event["data"]?["object"]
    else { throw .malformed(code: "stripe_event_malformed", detail: "no event") }
    guard let news = Self.news(event["type"]?.string ?? "", object) else {
      // About something that is not ours, or no news.
      return HTTPResponse(status: 204)
    }
    do {
      try await call.perform(by: name, key: "stripe:\(id)") { workspace throws(CommandError) in
        if let refund = news.refund {
          try workspace.recordRefund(news.outcome, of: news.payment, named: refund)
        } else {
          try workspace.record(news.outcome, of: news.payment, by: StripeProvider.name)
        }
      }
    } catch .refused(.notFound(_)) {
      return HTTPResponse(status: 204)
    }
    return HTTPResponse(status: 204)
  }

  struct News: Equatable {
    let payment: Identifier
    /// nil where it is about the payment itself.
    let refund: RefundName?
    let outcome: PaymentOutcome
  }

  static func news(_ type: String, _ object: JSON) -> News? {
    let metadata = object["metadata"]
    guard
      let payment = metadata?[StripeProvider.paymentKey]?.string
        .flatMap({ Identifier($0, kind: .payment) }),
      let id = object["id"]?.string, let outcome = outcome(type, object, id)
    else { return nil }
    let ordinal = metadata?[StripeProvider.refundKey]?.string.flatMap { Int($0) }
    return News(
      payment: payment,
      refund: object["object"]?.string == "refund"
        ? RefundName(ordinal: ordinal, providerID: id) : nil,
      outcome: outcome)
  }

  private static func outcome(_ type: String, _ object: JSON, _ id: String) -> PaymentOutcome? {
    switch type {
    case "payment_intent.succeeded", "payment_intent.processing":
      return StripeAnswer.outcome(status: object["status"]?.string, id: id, isRefund: false)
    case "refund.updated", "refund.created":
      return StripeAnswer.outcome(status: object["status"]?.string, id: id, isRefund: true)
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

import Application
import Domain
import Foundation
import HTTP
import JSON
import Sandbox
import Testing

@testable import StripeProvider

@Suite struct StripeTests {
  private let credentials = ProviderCredentials(
    baseURL: "https://api.stripe.com/", options: ["payment_method": "pm_1", "customer": "cus_1"],
    secrets: ["secret_key": "sk_1", "webhook_secret": "whsec_1"])

  private static let path = "specs/stripe/stripe-2026-10-28.endive.derived.json"

  private func check(_ request: ClientRequest, _ path: String, _ parameters: String) throws {
    let spec = try SharedFile.json(Self.path)
    #expect(request.url == "https://api.stripe.com\(path)")
    #expect(request.headers["Stripe-Version"] == spec["api_version"]?.string)
    let endpoint = try #require(
      spec["endpoints"]?.array?.first {
        $0["method"]?.string == request.method && $0["path"]?.string == path
      })
    #expect(endpoint["params"]?.string == parameters)
    let described = try #require(spec["params"]?[parameters]?.object)
    let names = FormCoding.decode(bytes: request.body).map {
      String($0.name.prefix { $0 != "[" })
    }
    for name in names { #expect(described[name] != nil, "\(name) is not described") }
  }

  @Test(.enabled(if: SharedFile.exists(Self.path), "no API descriptions here"))
  func `a payment and a refund are what Stripe describes`() throws {
    let payment = Identifier(.payment, 7)
    let charge = StripeProvider.creation(
      of: PaymentRequest(credentials: credentials, payment: payment, amountCents: 500),
      timeoutMillis: 1)
    try check(charge, "/v1/payment_intents", "PaymentIntentCreateParams")
    #expect(charge.headers["Idempotency-Key"] == payment.text)
    let refund = StripeProvider.creation(
      of: RefundRequest(
        credentials: credentials, payment: payment, providerID: "pi_1", ordinal: 2,
        amountCents: 100), timeoutMillis: 1)
    try check(refund, "/v1/refunds", "RefundCreateParams")
    #expect(refund.headers["Idempotency-Key"] == "\(payment)-refund-2")
    let form = FormCoding.decode(bytes: refund.body)
    #expect(form.first { $0.name == "metadata[payment]" }?.value == payment.text)
    #expect(form.first { $0.name == "metadata[refund]" }?.value == "2")
  }

  /// Against the sandbox, which knows both by what was sent with them.
  @Test func `what was paid and refunded is found again, by our name and by Stripe's`()
    async throws
  {
    let directory = NSTemporaryDirectory() + "stripe-\(UUID().uuidString)"
    let sandbox = try SandboxServer(port: 0, dataDirectory: directory)
    let client = HTTPClient()
    let result: Result<Void, any Error>
    do {
      try await checkFinding(sandbox, client)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await sandbox.stop()
    client.close()
    try? FileManager.default.removeItem(atPath: directory)
    try result.get()
  }

  private func checkFinding(_ sandbox: SandboxServer, _ client: HTTPClient) async throws {
    let account: JSON = [
      "secret_key": "sk_1", "webhook_secret": "whsec_1", "webhook_url": "http://127.0.0.1:9/",
    ]
    _ = try await client.send(
      ClientRequest(
        method: "POST", url: sandbox.url + "/sandbox/payment-accounts",
        headers: ["Content-Type": "application/json"], body: account.bytes()))
    var credentials = credentials
    credentials.baseURL = sandbox.url
    let provider = StripeProvider(client: client)
    let payment = PaymentRequest(
      credentials: credentials, payment: Identifier(.payment, 7), amountCents: 500)
    #expect(await provider.find(payment, providerID: nil) == nil)
    #expect(await provider.find(payment, providerID: "pi_none") == nil)
    let paid = await provider.pay(payment)
    guard case .succeeded(let id) = paid else {
      Issue.record("not paid: \(paid)")
      return
    }
    #expect(await provider.find(payment, providerID: nil) == paid)
    #expect(await provider.find(payment, providerID: id) == paid)
    var refund = RefundRequest(
      credentials: credentials, payment: payment.payment, providerID: id, ordinal: 1,
      amountCents: 100)
    #expect(await provider.find(refund, refundID: nil) == nil)
    let refunded = await provider.refund(refund)
    #expect(await provider.find(refund, refundID: nil) == refunded)
    refund.ordinal = 2
    #expect(await provider.find(refund, refundID: nil) == nil)
  }

  @Test(
    .enabled(
      if: SharedFile.exists("specs/signature-vectors/vectors.json"), "no signature vectors here"))
  func `the published signature is good, and no other`() throws {
    let vector = try #require(
      try SharedFile.json("specs/signature-vectors/vectors.json")["stripe"])
    let body = Array(try #require(vector["payload"]?.string).utf8)
    let header = try #require(vector["Stripe-Signature"]?.string)
    let secret = try #require(vector["secret"]?.string)
    let nowMicros = try #require(vector["timestamp"]?.int) * 1_000_000
    func isValid(
      _ body: [UInt8], _ header: String?, _ secret: String, at nowMicros: Int64
    ) -> Bool {
      StripeSignature.isValid(body, header: header, secret: secret, nowMicros: nowMicros)
    }
    #expect(isValid(body, header, secret, at: nowMicros))
    #expect(isValid(body, header + ",v1=00", secret, at: nowMicros))
    #expect(isValid(body, header.replacing(",", with: ",v1=00,"), secret, at: nowMicros))
    #expect(!isValid(body + [32], header, secret, at: nowMicros))
    #expect(!isValid(body, header, "whsec_other", at: nowMicros))
    #expect(!isValid(body, nil, secret, at: nowMicros))
    #expect(!isValid(body, header, "", at: nowMicros))
    #expect(!isValid(body, header, secret, at: nowMicros + 301_000_000))
    #expect(!isValid(body, header, secret, at: nowMicros - 301_000_000))
  }

  @Test(arguments: [
    (200, #"{"id":"pi_1","status":"succeeded"}"#, PaymentOutcome.succeeded(providerID: "pi_1")),
    (200, #"{"id":"pi_1","status":"processing"}"#, .pending(providerID: "pi_1")),
    (200, #"{"id":"pi_1","status":"requires_action"}"#, .failed(code: "requires_action")),
    (200, "", .notAnswered(code: "malformed_answer", retryAfterMillis: nil)),
    (402, #"{"error":{"code":"card_declined","decline_code":"x"}}"#, .failed(code: "x")),
    (200, #"{"id":"re_1","object":"refund","status":"pending"}"#, .pending(providerID: "re_1")),
    (
      200, #"{"id":"re_1","object":"refund","status":"requires_action"}"#,
      .pending(providerID: "re_1")
    ),
    (
      400, #"{"error":{"type":"idempotency_error"}}"#,
      .notAnswered(code: "idempotency_error", retryAfterMillis: nil)
    ),
    (400, #"{"error":{"code":"amount_too_small"}}"#, .failed(code: "amount_too_small")),
    (409, "", .notAnswered(code: "http_409", retryAfterMillis: nil)),
    (500, "", .notAnswered(code: "http_500", retryAfterMillis: nil)),
  ])
  func `each answer has one meaning`(status: Int, body: String, outcome: PaymentOutcome) {
    let answer = ClientResponse(status: status, body: Array(body.utf8))
    #expect(StripeAnswer.outcome(of: answer) == outcome)
  }

  @Test func `an event about a refund names which of the payment's it means`() throws {
    let payment = Identifier(.payment, 7)
    func news(_ type: String, _ status: String, ordinal: JSON?) -> StripeWebhooks.News? {
      var metadata = JSONObject([("payment", .string(payment.text))])
      if let ordinal { metadata["refund"] = ordinal }
      return StripeWebhooks.news(
        type,
        [
          "id": "re_1", "object": "refund", "status": .string(status),
          "failure_reason": "expired_or_canceled_card", "metadata": .object(metadata),
        ])
    }
    let second = RefundName(ordinal: 2, providerID: "re_1")
    let unnamed = RefundName(ordinal: nil, providerID: "re_1")
    let failure = PaymentOutcome.failed(code: "expired_or_canceled_card")
    #expect(
      news("refund.failed", "failed", ordinal: "2")
        == .init(payment: payment, refund: second, outcome: failure))
    #expect(
      news("refund.updated", "pending", ordinal: "2")
        == .init(payment: payment, refund: second, outcome: .pending(providerID: "re_1")))
    #expect(
      news("refund.updated", "succeeded", ordinal: nil)
        == .init(payment: payment, refund: unnamed, outcome: .succeeded(providerID: "re_1")))
    #expect(news("refund.updated", "succeeded", ordinal: "x")?.refund == unnamed)
    #expect(news("charge.refunded", "succeeded", ordinal: "2") == nil)
  }
}

import Application
import Domain
import HTTP
import JSON

/// Stripe's payment intents and refunds, version 2026-10-28.endive. Source: Stripe's API description.
///
/// Payments are confirmed at once, off session, with the payment method that the org has put on file.
package struct StripeProvider: PaymentProvider {
  package static let name = "stripe"
  static let version = "2026-10-28.endive"

  package static let description = ProviderDescription(
    service: .payment, name: name, baseURL: "https://api.stripe.com",
    requiredOptions: ["payment_method"], optionalOptions: ["customer"],
    requiredSecrets: ["secret_key", "webhook_secret"])

  private let client: HTTPClient
  private let timeoutMillis: Int

  package init(client: HTTPClient, timeoutMillis: Int = 30_000) {
    self.client = client
    self.timeoutMillis = timeoutMillis
  }

  package var name: String { Self.name }

  package func pay(_ request: PaymentRequest) async -> PaymentOutcome {
    await answer(to: Self.creation(of: request, timeoutMillis: timeoutMillis))
  }

  package func refund(_ request: RefundRequest) async -> PaymentOutcome {
    await answer(to: Self.creation(of: request, timeoutMillis: timeoutMillis))
  }

  package func find(_ request: PaymentRequest, providerID: String?) async -> PaymentOutcome? {
    await found(by: Self.search(for: request, id: providerID, timeoutMillis: timeoutMillis)) {
      $0["metadata"]?[Self.paymentKey]?.string == request.payment.text
    }
  }

  package func find(_ request: RefundRequest, refundID: String?) async -> PaymentOutcome? {
    await found(by: Self.search(for: request, id: refundID, timeoutMillis: timeoutMillis)) {
      $0["metadata"]?[Self.refundKey]?.string == String(request.ordinal)
    }
  }

  /// The object itself, or the first of a list that `isMeant`.
  private func found(
    by request: ClientRequest, _ isMeant: (JSON) -> Bool
  ) async -> PaymentOutcome? {
    do throws(HTTPClientError) {
      let answer = try await client.send(request)
      guard (200..<300).contains(answer.status) else {
        return answer.status == 404
          ? nil : .notAnswered(code: "http_\(answer.status)", retryAfterMillis: nil)
      }
      let body = try? JSON(parsing: answer.body)
      guard let list = body?["data"]?.array else { return StripeAnswer.outcome(of: answer) }
      guard let object = list.first(where: isMeant) else {
        // Of a list that is cut off nobody knows what is missing.
        return body?["has_more"]?.bool == true
          ? .notAnswered(code: "too_many", retryAfterMillis: nil) : nil
      }
      return StripeAnswer.outcome(of: object)
    } catch {
      return .notAnswered(code: error.code, retryAfterMillis: nil)
    }
  }

  private func answer(to request: ClientRequest) async -> PaymentOutcome {
    do throws(HTTPClientError) {
      return StripeAnswer.outcome(of: try await client.send(request))
    } catch {
      return .notAnswered(code: error.code, retryAfterMillis: nil)
    }
  }
}

// MARK: - Requests

extension StripeProvider {
  /// The name under which our id goes with a payment and comes back with its events.
  static let paymentKey = "payment"
  /// Of a refund: which one of the payment's.
  static let refundKey = "refund"

  static func creation(of payment: PaymentRequest, timeoutMillis: Int) -> ClientRequest {
    var form = [
      QueryItem(name: "amount", value: String(payment.amountCents)),
      QueryItem(name: "currency", value: "usd"), QueryItem(name: "confirm", value: "true"),
      QueryItem(name: "off_session", value: "true"),
      QueryItem(
        name: "payment_method", value: payment.credentials.options["payment_method"] ?? ""),
      QueryItem(name: "metadata[\(paymentKey)]", value: payment.payment.text),
    ]
    if let customer = payment.credentials.options["customer"] {
      form.append(QueryItem(name: "customer", value: customer))
    }
    return request(
      "/v1/payment_intents", form, key: payment.payment.text, payment.credentials, timeoutMillis)
  }

  static func creation(of refund: RefundRequest, timeoutMillis: Int) -> ClientRequest {
    let form = [
      QueryItem(name: "payment_intent", value: refund.providerID),
      QueryItem(name: "amount", value: String(refund.amountCents)),
      QueryItem(name: "metadata[\(paymentKey)]", value: refund.payment.text),
      QueryItem(name: "metadata[\(refundKey)]", value: String(refund.ordinal)),
    ]
    return request(
      "/v1/refunds", form, key: "\(refund.payment)-refund-\(refund.ordinal)", refund.credentials,
      timeoutMillis)
  }

  /// By Stripe's own id, or by ours: a search knows what is a minute old.
  static func search(
    for payment: PaymentRequest, id: String?, timeoutMillis: Int
  ) -> ClientRequest {
    guard let id else {
      let query = "metadata[\"\(paymentKey)\"]:\"\(payment.payment)\""
      return question(
        "/v1/payment_intents/search", [QueryItem(name: "query", value: query)],
        payment.credentials, timeoutMillis)
    }
    return question(
      "/v1/payment_intents/" + PercentCoding.encode(id), [], payment.credentials, timeoutMillis)
  }

  static func search(
    for refund: RefundRequest, id: String?, timeoutMillis: Int
  ) -> ClientRequest {
    guard let id else {
      return question(
        "/v1/refunds",
        [
          QueryItem(name: "payment_intent", value: refund.providerID),
          QueryItem(name: "limit", value: "100"),
        ], refund.credentials, timeoutMillis)
    }
    return question(
      "/v1/refunds/" + PercentCoding.encode(id), [], refund.credentials, timeoutMillis)
  }

  private static func question(
    _ path: String, _ query: [QueryItem], _ credentials: ProviderCredentials,
    _ timeoutMillis: Int
  ) -> ClientRequest {
    var base = credentials.baseURL[...]
    while base.last == "/" { base.removeLast() }
    return ClientRequest(
      method: "GET", url: base + path + (query.isEmpty ? "" : "?" + FormCoding.encode(query)),
      headers: [
        "Authorization": "Bearer \(credentials.secrets["secret_key"] ?? "")",
        "Stripe-Version": version,
      ], timeoutMillis: timeoutMillis)
  }

  private static func request(
    _ path: String, _ form: [QueryItem], key: String, _ credentials: ProviderCredentials,
    _ timeoutMillis: Int
  ) -> ClientRequest {
    var base = credentials.baseURL[...]
    while base.last == "/" { base.removeLast() }
    return ClientRequest(
      method: "POST", url: base + path,
      headers: [
        "Authorization": "Bearer \(credentials.secrets["secret_key"] ?? "")",
        "Stripe-Version": version, "Idempotency-Key": key,
        "Content-Type": FormCoding.contentType,
      ], body: Array(FormCoding.encode(form).utf8), timeoutMillis: timeoutMillis)
  }
}

/// What Stripe's answers mean.
///
/// | answer | meaning |
/// | --- | --- |
/// | 2xx, status `succeeded` | paid |
/// | 2xx, `processing`, `pending` | to be told |
/// | 2xx, a refund, `requires_action` | to be told: the customer says where the money goes |
/// | 2xx, anything else | failed: nobody is there to act (`requires_action`, …) |
/// | 409, 429, 401, 403, 5xx | to be asked again under the same key |
/// | 400, `idempotency_error` | the same: what was asked under the key first is under way |
/// | other 4xx | failed, by the decline code or the code |
enum StripeAnswer {
  static func outcome(of answer: ClientResponse) -> PaymentOutcome {
    let body = try? JSON(parsing: answer.body)
    switch answer.status {
    case 200..<300:
      return outcome(of: body ?? .null)
    case 401, 403, 409, 429, 500...:
      return .notAnswered(code: "http_\(answer.status)", retryAfterMillis: nil)
    case 400 where body?["error"]?["type"]?.string == "idempotency_error":
      return .notAnswered(code: "idempotency_error", retryAfterMillis: nil)
    default:
      let error = body?["error"]
      return .failed(
        code: error?["decline_code"]?.string ?? error?["code"]?.string ?? "http_\(answer.status)")
    }
  }

  /// Of a payment intent or a refund.
  static func outcome(of object: JSON) -> PaymentOutcome {
    guard let id = object["id"]?.string else {
      return .notAnswered(code: "malformed_answer", retryAfterMillis: nil)
    }
    return outcome(
      status: object["status"]?.string, id: id, isRefund: object["object"]?.string == "refund")
  }

  static func outcome(status: String?, id: String, isRefund: Bool) -> PaymentOutcome {
    switch status {
    case "succeeded": .succeeded(providerID: id)
    case "processing", "pending": .pending(providerID: id)
    case "requires_action" where isRefund: .pending(providerID: id)
    case let status: .failed(code: status ?? "no_status")
    }
  }
}

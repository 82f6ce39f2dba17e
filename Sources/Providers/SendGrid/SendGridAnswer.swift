import Application
import Domain
import HTTP
import JSON

/// What SendGrid's HTTP answers mean.
///
/// | answer to a mail | meaning |
/// | --- | --- |
/// | 2xx with `X-Message-Id` | taken |
/// | 2xx without it | in doubt |
/// | 429 | not taken: too fast |
/// | 401, 403, 404, 405, 3xx | not taken: settings or account are wrong; people mend that, so it waits |
/// | 408, 425 | not taken: the request did not arrive whole, or too early |
/// | other 4xx | refused |
/// | 5xx, anything else | in doubt: it may have been taken before the failure |
enum SendGridAnswer {
  static let misconfiguredRetryMillis: Int64 = 60_000
  static let throttledRetryMillis: Int64 = 1_000

  static func outcome(of answer: ClientResponse) -> SendOutcome {
    let code = "http_\(answer.status)"
    switch answer.status {
    case 200..<300:
      guard let id = answer.headers["X-Message-Id"], !id.isEmpty else {
        return .inDoubt(reason: "HTTP \(answer.status) without a message id")
      }
      return .accepted(providerID: shortID(id))
    case 408, 425, 429:
      return .notTaken(code: code, retryAfterMillis: throttledRetryMillis)
    case 300..<400, 401, 403, 404, 405:
      return .notTaken(code: code, retryAfterMillis: misconfiguredRetryMillis)
    case 400..<500:
      return .refused(code: code)
    default:
      return .inDoubt(reason: code)
    }
  }

  static func error(of answer: ClientResponse) -> ProviderError {
    switch answer.status {
    case 429: .throttled(retryAfterMillis: throttledRetryMillis)
    case 401: .unauthorized
    default: .failed(status: answer.status, code: "http_\(answer.status)")
    }
  }

  /// The mails of a list. Their ids are longer than the one that sending answers with: it is the part
  /// before the first point.
  static func found(
    _ body: [UInt8], _ email: OutboundEmail
  ) throws(ProviderError) -> [ProviderMessage] {
    guard let items = (try? JSON(parsing: body))?["messages"]?.array else {
      throw .malformed(detail: "no messages")
    }
    var found: [ProviderMessage] = []
    for item in items {
      guard let id = item["msg_id"]?.string else {
        throw .malformed(detail: "a mail without msg_id")
      }
      found.append(
        ProviderMessage(
          providerID: shortID(id), from: email.from, to: email.to, body: email.text,
          status: status(item["status"]?.string), errorCode: nil, createdAtMicros: 0))
    }
    return found
  }

  /// The part that all of SendGrid's names for one mail have in common.
  static func shortID(_ id: String) -> String { String(id.prefix { $0 != "." }) }

  private static func status(_ word: String?) -> ProviderStatus.Kind? {
    switch word {
    case "processed": .sent
    case "delivered": .delivered
    case "not_delivered": .failed
    default: nil
    }
  }
}

import Domain
import JSON

/// One entry of what SendGrid posts to the event webhook. May come repeated, late and out of order.
package struct SendGridEvent: Sendable, Equatable {
  package enum News: Sendable, Equatable {
    case status(ProviderStatus.Kind, errorCode: String?)
    /// `ending`: what it says of the address for good.
    case failed(errorCode: String, ending: OptOut.Method?)
    case engagement(Engagement)
    case unsubscribed
  }

  /// Unique; the same on every repetition.
  package let id: String
  package let message: Identifier
  package let providerID: String
  package let news: News

  /// The entries that are about mails of ours and mean something, in order.
  ///
  /// - Throws: `.malformed` where the body is no array of objects.
  package static func all(in body: [UInt8]) throws(SendGridFormatError) -> [SendGridEvent] {
    guard let items = (try? JSON(parsing: body))?.array else { throw .notAnArray }
    return items.compactMap(SendGridEvent.init)
  }

  private init?(_ item: JSON) {
    guard let id = item["sg_event_id"]?.string, !id.isEmpty,
      let message = item[SendGridProvider.messageArgument]?.string
        .flatMap({ Identifier($0, kind: .message) }),
      let news = Self.news(item)
    else { return nil }
    self.id = id
    self.message = message
    providerID = SendGridAnswer.shortID(item["sg_message_id"]?.string ?? "")
    self.news = news
  }

  private static func news(_ item: JSON) -> News? {
    switch item["event"]?.string {
    case "processed": .status(.sent, errorCode: nil)
    case "delivered": .status(.delivered, errorCode: nil)
    case "dropped": drop(item["reason"]?.string)
    case "bounce" where item["type"]?.string == "blocked":
      .failed(errorCode: "blocked", ending: nil)
    case "bounce": .failed(errorCode: "bounced", ending: .bounce)
    case "open": .engagement(.opened(isMachine: item["sg_machine_open"]?.bool ?? false))
    case "spamreport": .engagement(.complained)
    case "unsubscribe", "group_unsubscribe": .unsubscribed
    // Links are our own, so SendGrid sees no clicks; what is deferred goes on by itself.
    default: nil
    }
  }

  /// What SendGrid does not even try: where its own lists have the address, so have ours from here on.
  private static func drop(_ reason: String?) -> News {
    let ending: OptOut.Method? =
      switch reason {
      case "Bounced Address": .bounce
      case "Spam Reporting Address": .complaint
      case "Unsubscribed Address": .provider
      default: nil
      }
    return .failed(errorCode: "dropped_\(word(reason))", ending: ending)
  }

  /// `Bounced Address` becomes `bounced_address`: a code, without what else a reason may hold.
  private static func word(_ reason: String?) -> String {
    let known: Set<String> = [
      "Bounced Address", "Unsubscribed Address", "Spam Reporting Address", "Invalid",
      "Spam Content", "Recipient List over Package Quota",
    ]
    guard let reason, known.contains(reason) else { return "other" }
    return reason.lowercased().split(separator: " ").joined(separator: "_")
  }
}

package enum SendGridFormatError: Error, Equatable, CustomStringConvertible {
  case notAnArray
  case missing(field: String)

  package var code: String { "sendgrid_body_malformed" }
  package var isRetryable: Bool { false }

  package var description: String {
    switch self {
    case .notAnArray: "\(code): not an array of events"
    case .missing(let field): "\(code): \(field) is missing"
    }
  }
}

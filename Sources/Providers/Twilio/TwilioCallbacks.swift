import Domain
import HTTP

/// A message's status in Twilio's words. Closed, with a place for words that Twilio adds.
package enum TwilioMessageStatus: Sendable, Equatable {
  case accepted, scheduled, queued, sending, sent, delivered, undelivered, failed, canceled, read
  case partiallyDelivered, receiving, received
  case other(String)

  package init(_ word: String) {
    self =
      switch word {
      case "accepted": .accepted
      case "scheduled": .scheduled
      case "queued": .queued
      case "sending": .sending
      case "sent": .sent
      case "delivered": .delivered
      case "undelivered": .undelivered
      case "failed": .failed
      case "canceled": .canceled
      case "read": .read
      case "partially_delivered": .partiallyDelivered
      case "receiving": .receiving
      case "received": .received
      default: .other(word)
      }
  }

  /// What it means for one of our messages; nil where it means nothing.
  package var kind: ProviderStatus.Kind? {
    switch self {
    case .accepted, .scheduled, .queued, .sending: .accepted
    case .sent: .sent
    case .delivered, .read: .delivered
    case .undelivered, .failed, .canceled: .failed
    case .partiallyDelivered, .receiving, .received, .other: nil
    }
  }
}

/// Why a form is not the webhook that it should be.
package enum TwilioFormError: Error, Equatable, CustomStringConvertible {
  case missing(parameter: String)

  package var code: String { "twilio_form_incomplete" }
  package var isRetryable: Bool { false }

  package var description: String {
    switch self {
    case .missing(let parameter): "\(code): \(parameter) is missing"
    }
  }
}

/// What Twilio posts to a message's status callback. May come repeated, late and out of order.
package struct TwilioStatusCallback: Sendable, Equatable {
  package let messageSID: String
  package let accountSID: String
  package let status: TwilioMessageStatus
  package let errorCode: String?
  package let from: String
  package let to: String

  /// - Throws: `.missing` where the form has no `MessageSid` (nor `SmsSid`), no status or no account.
  package init(form: [QueryItem]) throws(TwilioFormError) {
    let form = Form(form)
    messageSID = try form.required("MessageSid", or: "SmsSid")
    status = TwilioMessageStatus(try form.required("MessageStatus", or: "SmsStatus"))
    accountSID = try form.required("AccountSid")
    errorCode = form["ErrorCode"]
    from = form["From"] ?? ""
    to = form["To"] ?? ""
  }

  /// The news for the message, or nil where the status is none that moves one.
  package func providerStatus(atMicros: Micros) -> ProviderStatus? {
    status.kind.map {
      ProviderStatus(
        kind: $0, providerID: messageSID, errorCode: errorCode, atMicros: atMicros,
        address: errorCode.flatMap(TwilioProvider.news))
    }
  }
}

/// A text message from a person, as Twilio posts it to our number's webhook.
package struct TwilioInboundMessage: Sendable, Equatable {
  /// Twilio's own reading of a keyword, where Advanced Opt-Out is on.
  package enum OptOutType: String, Sendable {
    case stop = "STOP"
    case start = "START"
    case help = "HELP"

    package var keyword: InboundMessage.Keyword {
      switch self {
      case .stop: .optOut
      case .start: .optIn
      case .help: .help
      }
    }
  }

  package struct Media: Sendable, Equatable {
    package let url: String
    package let contentType: String
  }

  package let messageSID: String
  package let accountSID: String
  /// The person's number: E.164.
  package let from: String
  /// Our number: E.164.
  package let to: String
  package let body: String
  package let segmentCount: Int
  package let media: [Media]
  package let optOutType: OptOutType?

  /// What Twilio does not answer with a reply of its own: an empty document of TwiML.
  package static let emptyReply = #"<?xml version="1.0" encoding="UTF-8"?><Response/>"#
  package static let replyContentType = "text/xml"

  /// At most this many media are read; Twilio's own limit.
  private static let maxMediaCount = 10

  /// - Throws: `.missing` where a sid, the account or one of the numbers is missing. A body may be
  ///   empty: of a picture alone.
  package init(form: [QueryItem]) throws(TwilioFormError) {
    let form = Form(form)
    messageSID = try form.required("MessageSid", or: "SmsSid")
    accountSID = try form.required("AccountSid")
    from = Self.number(try form.required("From"))
    to = Self.number(try form.required("To"))
    body = form["Body"] ?? ""
    segmentCount = form["NumSegments"].flatMap { Int($0) } ?? 1
    optOutType = form["OptOutType"].flatMap { OptOutType(rawValue: $0) }
    let mediaCount = form["NumMedia"].flatMap { Int($0) } ?? 0
    media = (0..<max(0, min(mediaCount, Self.maxMediaCount))).compactMap { index in
      form["MediaUrl\(index)"].map {
        Media(url: $0, contentType: form["MediaContentType\(index)"] ?? "")
      }
    }
  }
}

extension TwilioInboundMessage {
  /// Channels beside texts put their name before the number, `rcs:+1…`: a STOP by any of them is one to all
  /// (Twilio's opt-outs are, since March 2026).
  static func number(_ address: String) -> String {
    guard let colon = address.lastIndex(of: ":") else { return address }
    let rest = address[address.index(after: colon)...]
    return rest.hasPrefix("+") ? String(rest) : address
  }
}

/// Look-up by name: the first value wins, as Twilio repeats no name in these forms.
private struct Form {
  let values: [String: String]

  init(_ items: [QueryItem]) {
    values = Dictionary(items.map { ($0.name, $0.value) }) { first, _ in first }
  }

  subscript(name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

  func required(_ name: String, or oldName: String? = nil) throws(TwilioFormError) -> String {
    guard let value = self[name] ?? oldName.flatMap({ self[$0] }) else {
      throw .missing(parameter: name)
    }
    return value
  }
}

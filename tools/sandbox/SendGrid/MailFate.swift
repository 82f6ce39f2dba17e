/// The addresses with a fixed fate: `<word>@fault.test`. Every other address is a mailbox that takes
/// what it is sent.
enum MailFate: String, CaseIterable, Sendable {
  case delivered
  case bounce
  case softBounce = "soft-bounce"
  case dropped
  case droppedUnsubscribed = "dropped-unsubscribed"
  case complain
  case unsubscribe
  case machineOpen = "machine-open"
  case silent
  case duplicate
  case reordered
  /// 400: not taken, and never will be.
  case refused
  /// 429 at the first attempt; the second is taken.
  case throttled
  /// 503 at the first attempt, not taken; the second is taken.
  case unavailable
  /// Taken, but answered with 500.
  case failed
  /// Taken, then the connection is cut without an answer.
  case lost
  /// Taken; the answer comes after three seconds.
  case slow

  static let domain = "fault.test"

  init(address: String) {
    let parts = address.lowercased().split(separator: "@", omittingEmptySubsequences: false)
    let fate =
      parts.count == 2 && parts[1] == Self.domain ? MailFate(rawValue: String(parts[0])) : nil
    self = fate ?? .delivered
  }

  /// The events that SendGrid tells, with the fields that are particular to each.
  var events: [(name: String, extra: [(String, String)])] {
    let delivered: [(String, [(String, String)])] = [
      ("processed", []), ("delivered", [("response", "250 OK")]),
    ]
    return switch self {
    case .silent: []
    case .bounce:
      [
        ("processed", []),
        ("bounce", [("type", "bounce"), ("status", "5.1.1"), ("reason", "550 no such user")]),
      ]
    case .softBounce:
      [
        ("processed", []),
        ("bounce", [("type", "blocked"), ("status", "4.2.2"), ("reason", "452 mailbox full")]),
      ]
    case .dropped: [("dropped", [("reason", "Bounced Address")])]
    case .droppedUnsubscribed: [("dropped", [("reason", "Unsubscribed Address")])]
    case .complain: delivered + [("spamreport", [])]
    case .unsubscribe: delivered + [("unsubscribe", [])]
    case .machineOpen: delivered + [("open", [("sg_machine_open", "true")])]
    case .delivered, .duplicate, .reordered, .refused, .throttled, .unavailable, .failed, .lost,
      .slow:
      delivered
    }
  }
}

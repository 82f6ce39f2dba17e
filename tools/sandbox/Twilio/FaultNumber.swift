/// The numbers with a fixed fate, for tests and for people: `+1500555` and four digits. Every other
/// number is a phone that receives what it is sent.
///
/// Twilio's own test numbers are 0001 to 0004 and 0006 (as sender and as recipient).
enum FaultNumber {
  /// What the API does with a message to the number, before its behaviour begins.
  enum Answer: Equatable, Sendable {
    case taken
    case refused(TwilioError)
    /// The first attempt with the same sender and text is turned away with this, the next is taken.
    case turnedAwayOnce(TwilioError)
    /// Taken, but the answer is this failure.
    case takenButAnswered(TwilioError)
    /// Taken, then the connection is cut without an answer.
    case takenButCut
    /// Taken; the answer comes late.
    case takenSlowly(millis: Int64)
  }

  struct Fate: Equatable, Sendable {
    var answer: Answer = .taken
    var behaviour: Behaviour = .delivers
    var isDuplicated = false
    var isReordered = false
  }

  static let prefix = "+1500555"
  /// The number that may always be sent from.
  static let validSender = prefix + "0006"
  static let slowMillis: Int64 = 3000

  /// What happens to a message to `number`.
  static func fate(of number: String, from sender: String) -> Fate {
    guard number.hasPrefix(prefix) else { return Fate() }
    return switch number.dropFirst(prefix.count) {
    case "0001": Fate(answer: .refused(.invalidTo(number)))
    case "0002": Fate(answer: .refused(.notRoutable(to: number, from: sender)))
    case "0003": Fate(answer: .refused(.regionDisabled(number)))
    case "0004": Fate(answer: .refused(.unsubscribed))
    case "0006": Fate()
    case "0007": Fate(behaviour: .repliesStop)
    case "0008": Fate(behaviour: .failsLate)
    case "0009": Fate(isDuplicated: true)
    case "0010": Fate(isReordered: true)
    case "0011": Fate(behaviour: .unreachable)
    case "0012": Fate(behaviour: .filtered)
    case "0013": Fate(behaviour: .silent)
    case "0014": Fate(answer: .refused(.notMobile(number)))
    case "0015": Fate(answer: .turnedAwayOnce(.tooManyRequests))
    case "0016": Fate(answer: .takenButAnswered(.internalError))
    case "0017": Fate(answer: .takenButCut)
    case "0018": Fate(answer: .takenSlowly(millis: slowMillis))
    case "0019": Fate(answer: .turnedAwayOnce(.unavailable))
    case "0020": Fate(behaviour: .repliesStart)
    case "0021": Fate(behaviour: .repliesFreeText)
    case "0022": Fate(behaviour: .unregisteredSender)
    case "0023": Fate(behaviour: .staysSent)
    case "0024": Fate(behaviour: .deadNumber)
    case "0025": Fate(answer: .turnedAwayOnce(.queueFull(sender)))
    default: Fate()
    }
  }
}

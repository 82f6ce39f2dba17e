/// What happens to a message after it was taken, and so which callbacks go out for it.
enum Behaviour: String, CaseIterable, Sendable {
  case delivers
  case repliesStop = "replies_stop"
  case repliesStart = "replies_start"
  case repliesFreeText = "replies_free_text"
  case failsLate = "fails_late"
  case unreachable
  case deadNumber = "dead_number"
  case filtered
  case unregisteredSender = "unregistered_sender"
  case staysSent = "stays_sent"
  case silent

  /// How long a person takes to answer.
  static let replyDelayMillis: Int64 = 2000

  /// What the person texts back.
  var reply: String? {
    switch self {
    case .repliesStop: "STOP"
    case .repliesStart: "START"
    case .repliesFreeText: "please remove me from your list"
    case .delivers, .failsLate, .unreachable, .deadNumber, .filtered, .unregisteredSender,
      .staysSent, .silent:
      nil
    }
  }

  /// The statuses that it passes through, in the order in which they happen.
  var course: [Reached] {
    let onItsWay = [Reached(.queued), Reached(.sending), Reached(.sent)]
    return switch self {
    case .delivers, .repliesStop, .repliesStart, .repliesFreeText: onItsWay + [Reached(.delivered)]
    case .failsLate: onItsWay + [Reached(.delivered), Reached(.undelivered, 30008)]
    case .unreachable: onItsWay + [Reached(.undelivered, 30003)]
    case .deadNumber: onItsWay + [Reached(.undelivered, 30005)]
    case .filtered: onItsWay + [Reached(.undelivered, 30007)]
    case .unregisteredSender: [Reached(.queued), Reached(.failed, 30034)]
    case .staysSent: onItsWay
    case .silent: []
    }
  }
}

/// A status in the API's words. The order of the cases is the order in which they are reached.
enum MessageStatus: String, Sendable {
  case queued, sending, sent, delivered, undelivered, failed, received

  var rank: Int {
    switch self {
    case .queued, .received: 0
    case .sending: 1
    case .sent: 2
    case .delivered: 3
    case .undelivered, .failed: 4
    }
  }
}

/// A status that a message reached, and why where that is bad news.
struct Reached: Equatable, Sendable {
  let status: MessageStatus
  let errorCode: Int?

  init(_ status: MessageStatus, _ errorCode: Int? = nil) {
    self.status = status
    self.errorCode = errorCode
  }
}

/// How the callbacks of one message are sent: drawn when it is taken and kept with it, so that a
/// restart goes on with the same plan.
struct CallbackPlan: Equatable, Sendable {
  /// One callback, or the person's answer.
  enum Step: Equatable, Sendable {
    case status(Reached)
    case reply(String)
    /// A person's message on its way to our webhook.
    case inbound
  }

  var behaviour: Behaviour
  var delayMillis: Int64
  var isDuplicated = false
  var isReordered = false

  /// The steps in the order in which they are sent, with their times after the message was taken.
  var steps: [(afterMillis: Int64, step: Step)] {
    var course = behaviour.course
    // The last word first: a reader that believes the latest callback ends with a wrong status.
    if isReordered { course.reverse() }
    let copies = isDuplicated ? 2 : 1
    let statuses = course.enumerated().flatMap { index, reached in
      [(afterMillis: delayMillis * Int64(index), step: Step.status(reached))].repeated(copies)
    }
    guard let reply = behaviour.reply else { return statuses }
    let sentMillis = statuses.last?.afterMillis ?? 0
    return statuses + [(sentMillis + Behaviour.replyDelayMillis, .reply(reply))]
  }

  /// How far the message got by then. A status is never taken back by an earlier one.
  func reached(afterMillis: Int64) -> Reached {
    let course = behaviour.course.enumerated()
    let past = course.filter { Int64($0.offset) * delayMillis <= afterMillis }.map(\.element)
    return past.max { $0.status.rank < $1.status.rank } ?? Reached(.queued)
  }

  /// When it was handed to the carrier, after it was taken; nil where it never is.
  var sentAfterMillis: Int64? {
    behaviour.course.firstIndex { $0.status == .sent }.map { Int64($0) * delayMillis }
  }
}

extension Array {
  fileprivate func repeated(_ count: Int) -> [Element] {
    (0..<count).flatMap { _ in self }
  }
}

/// A text message that passed through the sandbox, in either direction.
struct Message: Sendable {
  enum Direction: String, Sendable {
    /// From one of our numbers, by the API.
    case outbound = "outbound-api"
    /// From one of our numbers, by Twilio itself.
    case reply = "outbound-reply"
    /// From a person.
    case inbound
  }

  let sid: String
  let account: String
  let direction: Direction
  let from: String
  let to: String
  let body: String
  let createdAtMillis: Int64
  /// Where status callbacks go; for a person's message, our number's webhook.
  let url: String?
  let plan: CallbackPlan
  /// How many of `steps` are done.
  var doneCount = 0

  /// The person's number, and ours.
  var person: String { direction == .inbound ? from : to }
  var number: String { direction == .inbound ? to : from }

  /// What has to be sent because of it, in order, with the times at which it is due.
  var steps: [(dueMillis: Int64, step: CallbackPlan.Step)] {
    switch direction {
    case .inbound: url == nil ? [] : [(createdAtMillis, .inbound)]
    case .reply: []
    case .outbound:
      plan.steps.filter { url != nil || !$0.step.isCallback }
        .map { (createdAtMillis + $0.afterMillis, $0.step) }
    }
  }

  func reached(atMillis: Int64) -> Reached {
    switch direction {
    case .inbound: Reached(.received)
    case .reply: Reached(.delivered)
    case .outbound: plan.reached(afterMillis: atMillis - createdAtMillis)
    }
  }

  /// When it was handed to the carrier, or nil where that is still to come.
  func sentAtMillis(atMillis: Int64) -> Int64? {
    guard direction == .outbound else { return createdAtMillis }
    let sentAt = plan.sentAfterMillis.map { createdAtMillis + $0 }
    return sentAt.flatMap { $0 <= atMillis ? $0 : nil }
  }
}

extension CallbackPlan.Step {
  /// Whether it is told to the application, rather than done by the person.
  fileprivate var isCallback: Bool {
    switch self {
    case .status, .inbound: true
    case .reply: false
    }
  }
}

/// An account that may call the API, and its phone numbers.
struct Account: Equatable, Sendable {
  struct Number: Equatable, Sendable {
    let phone: String
    /// Where messages to it are posted; nil where nobody wants them.
    let inboundURL: String?
  }

  let sid: String
  let authToken: String
  let numbers: [Number]
}

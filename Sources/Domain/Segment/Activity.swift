/// Everything about a contact that filters look at.
package struct ContactFacts: Sendable, Equatable {
  package var state: Contact.State
  /// On the org's clock.
  package var createdAtMicros: Micros
  package var activity: Activity

  package init(
    _ state: Contact.State, createdAtMicros: Micros = 0, activity: Activity = Activity()
  ) {
    self.state = state
    self.createdAtMicros = createdAtMicros
    self.activity = activity
  }
}

/// When things happened to a contact: the latest moments of each kind.
///
/// Invariant: sorted; at most `keptCount` of a kind, which no condition can tell from more.
package struct Activity: Sendable, Equatable, Codable {
  /// What filters can count, by the type of the event.
  package enum Kind: String, Sendable, CaseIterable, Codable {
    case contactUpdated = "contact.updated"
    case contactTagged = "contact.tagged"
    case contactOptedIn = "contact.opted_in"
    case contactOptedOut = "contact.opted_out"
    case messageSent = "message.sent"
    case messageDelivered = "message.delivered"
    case messageFailed = "message.failed"
    case messageSkipped = "message.skipped"
    case messageReceived = "message.received"
    case messageOpened = "message.opened"
    case messageClicked = "message.clicked"
    case callEnded = "message.call_ended"
    case runStarted = "workflow.run_started"
    case runCompleted = "workflow.run_completed"

    /// How filters name it among what they depend on.
    package var dependency: String { "event:" + rawValue }
  }

  package struct Moment: Sendable, Equatable, Codable {
    package let kind: Kind
    package let atMicros: Micros

    package init(kind: Kind, atMicros: Micros) {
      self.kind = kind
      self.atMicros = atMicros
    }
  }

  /// The largest number that a condition may count to.
  package static let countLimit = 100
  package static let keptCount = countLimit + 1

  package private(set) var moments: [Moment] = []

  package init() {}

  /// Later moments come later; one that does not is put in its place.
  package mutating func record(_ kind: Kind, atMicros: Micros) {
    let index = moments.lastIndex { $0.atMicros <= atMicros }.map { $0 + 1 } ?? 0
    moments.insert(Moment(kind: kind, atMicros: atMicros), at: index)
    guard moments.count > Self.keptCount,
      moments.count(where: { $0.kind == kind }) > Self.keptCount,
      let oldest = moments.firstIndex(where: { $0.kind == kind })
    else { return }
    moments.remove(at: oldest)
  }
}

// MARK: - What counts

extension DomainEvent {
  /// What the event counts as for the contact that it is about; nil: nothing.
  package var activity: Activity.Kind? {
    switch self {
    case .contact(let event): event.activity
    case .message(let event): event.activity
    case .run(let event): event.activity
    case .org, .user, .apiKey, .role, .wallet, .segment, .campaign, .workflow, .timer,
      .webhookEndpoint,
      .importJob, .template, .payment, .inboundHook:
      nil
    }
  }
}

extension Contact.Event {
  package var activity: Activity.Kind? {
    switch self {
    case .updated: .contactUpdated
    case .tagged: .contactTagged
    case .optedIn: .contactOptedIn
    case .optedOut: .contactOptedOut
    case .created, .untagged, .optOutSuspected, .optOutDismissed, .erasureRequested,
      .dataDestroyed, .erased, .leadCaptured, .archived, .restored:
      nil
    }
  }
}

extension Message.Event {
  fileprivate var activity: Activity.Kind? {
    switch self {
    case .sent: .messageSent
    case .delivered: .messageDelivered
    case .failed: .messageFailed
    case .skipped: .messageSkipped
    case .received: .messageReceived
    case .opened(let isMachine, _): isMachine ? nil : .messageOpened
    case .clicked(_, let isMachine, _): isMachine ? nil : .messageClicked
    case .callEnded: .callEnded
    case .planned, .queued, .held, .dispatched, .accepted, .retryScheduled, .unknown, .cancelled,
      .complained:
      nil
    }
  }
}

extension WorkflowRun.Event {
  fileprivate var activity: Activity.Kind? {
    switch self {
    case .started: .runStarted
    case .completed: .runCompleted
    case .stepAdvanced, .waiting, .failed: nil
    }
  }
}

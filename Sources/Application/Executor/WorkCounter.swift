import Domain
import Synchronization

/// What happened since the start, counted over all orgs: for an operator's graphs and alarms.
package final class WorkCounter: Sendable {
  package struct Counts: Sendable, Equatable {
    /// Events on disk.
    package var eventCount = 0
    /// By what became of them: `accepted`, `delivered`, `skipped`, ….
    package var messages: [String: Int] = [:]
    package var skips: [GateReason: Int] = [:]
    package var optOuts: [Channel: Int] = [:]

    package init() {}
  }

  private let state = Mutex(Counts())

  package var counts: Counts { state.withLock { $0 } }

  func count(_ changes: [RecordedChange]) {
    state.withLock { counts in
      counts.eventCount += changes.count
      for change in changes { counts.add(change.event) }
    }
  }
}

extension WorkCounter.Counts {
  fileprivate mutating func add(_ event: DomainEvent) {
    switch event {
    case .message(let event):
      if case .skipped(let reason, _) = event { skips[reason, default: 0] += 1 }
      if let name = event.metric { messages[name, default: 0] += 1 }
    case .contact(.optedOut(let optOut)):
      optOuts[optOut.channel, default: 0] += 1
    default: break
    }
  }
}

extension Message.Event {
  /// The label of a step in a message's life; nil for what people do with it.
  fileprivate var metric: String? {
    switch self {
    case .planned: "planned"
    case .queued: "queued"
    case .held: "held"
    case .skipped: "skipped"
    case .dispatched: "dispatched"
    case .accepted: "accepted"
    case .retryScheduled: "retried"
    case .unknown: "unknown"
    case .sent: "sent"
    case .delivered: "delivered"
    case .failed: "failed"
    case .cancelled: "cancelled"
    case .received: "received"
    case .callEnded, .opened, .clicked, .complained: nil
    }
  }
}

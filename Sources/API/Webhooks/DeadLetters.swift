import Application
import Domain
import EventCodec
import EventLog

/// The events that an endpoint was given up on and has not taken since, folded from its stream.
struct DeadLetters {
  struct Letter {
    let id: Identifier
    let position: UInt64
    let attempt: Int
    let reason: String
    let atMicros: Micros
    fileprivate let cause: UInt64?
  }

  private var letters: [UInt64: Letter] = [:]
  /// In the order in which they are gone through.
  private var stretches: [ClosedRange<UInt64>] = []
  private var last: Letter?

  /// In the order in which they were given up.
  var all: [Letter] { letters.values.sorted { $0.id < $1.id } }

  /// In the order of the stream.
  mutating func take(_ recorded: RecordedEvent) throws(CommandError) {
    let before = last
    last = nil
    let decoded: RecordedDomainEvent
    do { decoded = try EventCodec.decode(recorded) } catch { throw .unreadable(reason: "\(error)") }
    guard case .webhookEndpoint(let event) = decoded.event else { return }
    switch event {
    // Whoever is gone gives up nothing: its endpoint goes on with this very event.
    case .deliveryFailed(let position, let attempt, let reason, nil) where reason != "gone":
      let letter = Letter(
        id: RecordedDomainEvent.eventID(of: recorded), position: position, attempt: attempt,
        reason: reason, atMicros: recorded.recordedAtMicros, cause: recorded.context.causation)
      letters[position] = letter
      last = letter
    case .disabled:
      // With the endpoint nothing was given up: once enabled it goes on with this very event.
      if let before, before.cause != nil, before.cause == recorded.context.causation {
        letters[before.position] = nil
      }
    case .redeliveryRequested(let from, let to): stretches.append(from...max(from, to))
    case .redelivered(let deliveredCount, let failedCount):
      guard !stretches.isEmpty else { return }
      let stretch = stretches.removeFirst()
      // What the endpoint does not want by now was not taken.
      if failedCount == 0, deliveredCount > 0 {
        letters = letters.filter { !stretch.contains($0.key) }
      }
    case .created, .updated, .enabled, .paused, .resumed, .deleted, .deliveryFailed, .styleSet,
      .secretRotated, .tested:
      break
    }
  }
}

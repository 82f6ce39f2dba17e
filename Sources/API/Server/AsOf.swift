import Application
import Domain
import EventCodec
import EventLog

/// A moment of the past: the position of the log that `as_of` means.
struct AsOf: Sendable {
  /// How far a caller's clock may be ahead of ours, as those that are set over the network seldom are.
  static let skewMicros: Micros = 5_000_000

  let position: UInt64
  /// The org's clock then, for what depends on time.
  let momentMicros: Micros

  /// `42`, `evt_…` or `2026-11-21T08:00:00Z`, the last by when the log took the events; nil where the
  /// text is none of them or lies in the future, which for a time begins after `latestMicros`: nobody knows yet what
  /// it will have been like.
  init?(
    _ text: String, of org: Identifier, latestMicros: Micros, _ reader: any EventReader
  ) throws {
    guard let position = try Self.position(text, latestMicros, reader) else { return nil }
    self.position = position
    let last = try Self.event(at: position, reader)
    momentMicros =
      last.map { $0.org.value == org.value ? $0.context.occurredAtMicros : $0.recordedAtMicros }
      ?? 0
  }

  private static func position(
    _ text: String, _ latestMicros: Micros, _ reader: any EventReader
  ) throws -> UInt64? {
    let head = try reader.head()
    if let position = UInt64(text) { return position <= head ? position : nil }
    if let id = Identifier(text, kind: .event) {
      return RecordedDomainEvent.position(ofEventID: id).flatMap { $0 <= head ? $0 : nil }
    }
    guard let micros = Timestamp.micros(text), micros <= latestMicros else { return nil }
    return try lastPosition(until: micros, head, reader)
  }

  private static func event(
    at position: UInt64, _ reader: any EventReader
  ) throws -> RecordedEvent? {
    guard position > 0 else { return nil }
    return try reader.read(after: position - 1, limit: 1, filter: .all).events.first
  }

  /// By halving: `recordedAtMicros` never decreases.
  private static func lastPosition(
    until micros: Micros, _ head: UInt64, _ reader: any EventReader
  ) throws -> UInt64 {
    var before: UInt64 = 0
    var after = head + 1
    while after - before > 1 {
      let middle = before + (after - before) / 2
      if let event = try event(at: middle, reader), event.recordedAtMicros <= micros {
        before = middle
      } else {
        after = middle
      }
    }
    return before
  }
}

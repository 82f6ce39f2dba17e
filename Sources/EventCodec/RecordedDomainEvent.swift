import Domain
import EventLog

/// An event of the log, decoded: what projections fold and reactors follow. A class because one event
/// goes through many hands: six folds copy a reference where they would copy forty fields.
package final class RecordedDomainEvent: Sendable {
  package let position: UInt64
  package let org: Identifier
  /// Place in the org's own book, from 0.
  package let orgSequence: UInt64
  package let stream: Identifier
  /// Version of the stream after this event, from 1.
  package let version: UInt64
  package let recordedAtMicros: Micros
  package let context: CommitContext
  /// Position of the first event of the same commit.
  package let commitPosition: UInt64
  /// Such as `contact.created`.
  package let type: String
  package let event: DomainEvent

  package init(
    position: UInt64, org: Identifier, orgSequence: UInt64, stream: Identifier, version: UInt64,
    recordedAtMicros: Micros, context: CommitContext, commitPosition: UInt64, type: String,
    event: DomainEvent
  ) {
    self.position = position
    self.org = org
    self.orgSequence = orgSequence
    self.stream = stream
    self.version = version
    self.recordedAtMicros = recordedAtMicros
    self.context = context
    self.commitPosition = commitPosition
    self.type = type
    self.event = event
  }

  /// `evt_…`: 48 bits of milliseconds of `recordedAtMicros`, 16 zero bits, 64 bits of position. Sorts
  /// as the log does and leads back to the position.
  package var eventID: Identifier {
    Identifier(.event, millis: recordedAtMicros / 1_000, random: UInt128(position))
  }

  /// The `eventID` of an event that is not decoded.
  package static func eventID(of recorded: RecordedEvent) -> Identifier {
    Identifier(
      .event, millis: recorded.recordedAtMicros / 1_000, random: UInt128(recorded.position))
  }

  /// The position that `eventID` was made of; nil where it is not an event's id.
  package static func position(ofEventID eventID: Identifier) -> UInt64? {
    guard eventID.kind == .event, eventID.value >> 64 & 0xFFFF == 0 else { return nil }
    return UInt64(truncatingIfNeeded: eventID.value)
  }
}

extension RecordedDomainEvent: Equatable {
  package static func == (one: RecordedDomainEvent, other: RecordedDomainEvent) -> Bool {
    one === other
      || one.position == other.position && one.org == other.org
        && one.orgSequence == other.orgSequence && one.stream == other.stream
        && one.version == other.version && one.recordedAtMicros == other.recordedAtMicros
        && one.context == other.context && one.commitPosition == other.commitPosition
        && one.type == other.type && one.event == other.event
  }
}

extension Receipt {
  /// The ids of the commit's events, in order.
  package var eventIDs: [Identifier] {
    (firstPosition...lastPosition).map {
      Identifier(.event, millis: recordedAtMicros / 1_000, random: UInt128($0))
    }
  }
}

import Domain
import EventLog

/// What commands need of the outside world; every answer ends up in the events.
package struct Tools: Sendable {
  package let clock: any WallClock
  package let random: any RandomSource
  package let numbers: any NumberingPlan
  package let zones: any ZoneClock
  let places: PlaceBook

  package init(
    clock: any WallClock, random: any RandomSource, numbers: any NumberingPlan,
    zones: any ZoneClock
  ) {
    self.clock = clock
    self.random = random
    self.numbers = numbers
    self.zones = zones
    places = PlaceBook(numbers: numbers, clock: zones)
  }

  /// Whether the time-zone database has it.
  package func knows(timeZone: String) -> Bool {
    zones.time(in: timeZone, atMicros: clock.nowMicros(), opensAtMinute: 0) != nil
  }
}

/// Who calls, from where and why: what the log records beside the events.
package struct Call: Sendable {
  package var actor: String
  package var origin: String
  package var correlation: String
  package var causation: UInt64?
  package var depth: UInt16
  package var idempotencyKey: IdempotencyName?
  /// Why the caller says that it is done; stored with every event of the commit.
  package var reason: String?
  /// The object as the caller saw it: the log refuses where it changed since.
  package var expected: ExpectedObject?
  /// What it decides is read in the log: it is decided once everything before it is on disk, and nothing after it is
  /// decided before.
  package var restsOnLog = false

  package init(
    actor: String, origin: String, correlation: String, causation: UInt64? = nil,
    depth: UInt16 = 0, idempotencyKey: IdempotencyName? = nil
  ) {
    self.actor = actor
    self.origin = origin
    self.correlation = correlation
    self.causation = causation
    self.depth = depth
    self.idempotencyKey = idempotencyKey
  }
}

package struct ExpectedObject: Sendable, Equatable {
  package let id: Identifier
  package let version: UInt64

  package init(id: Identifier, version: UInt64) {
    self.id = id
    self.version = version
  }
}

/// A key under which a command happens once, and what was asked under it.
package struct IdempotencyName: Sendable, Equatable {
  package let name: String
  /// Hash of the request; reactors, whose requests follow from the key, use 0.
  package let fingerprint: UInt128

  /// What an earlier version made of the same request.
  let formerFingerprint: UInt128?

  package init(_ name: String, fingerprint: UInt128 = 0, formerFingerprint: UInt128? = nil) {
    self.name = name
    self.fingerprint = fingerprint
    self.formerFingerprint = formerFingerprint
  }

  /// As the log asks for it.
  package var key: IdempotencyKey {
    IdempotencyKey(name: name, fingerprint: fingerprint, formerFingerprint: formerFingerprint)
  }
}

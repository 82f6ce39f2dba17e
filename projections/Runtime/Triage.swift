internal import Domain
internal import EventCodec

/// Why an event cannot be applied.
struct Poison: Sendable, Equatable {
  let code: String
  let reason: String
}

/// What waits: an event, and everything later with the same key.
struct ParkingKey: Hashable, Sendable {
  let org: UInt128
  let key: UInt128
}

struct ParkedEvent: Sendable, Equatable {
  let key: ParkingKey
  let position: UInt64
  let type: String
  /// nil: it waits behind another one.
  let poison: Poison?
  /// The root has it: it could be read.
  let isCounted: Bool
}

/// Which of a stretch of events a projection applies, and which it parks. Pure.
struct Triage {
  /// All that the projection looks at.
  private(set) var consumed: [RecordedDomainEvent] = []
  private(set) var good: [RecordedDomainEvent] = []
  private(set) var parked: [ParkedEvent] = []
  /// Every key that something is parked under, afterwards.
  private(set) var heldKeys: Set<ParkingKey>

  /// `poisons`: events that turned out not to fit, by position.
  init(
    _ batch: Batch, for projection: any Projection.Type, after position: UInt64,
    held heldKeys: Set<ParkingKey>, poisons: [UInt64: Poison]
  ) {
    self.heldKeys = heldKeys
    let mask = StreamMask(projection.streams)
    consumed = batch.events.filter { $0.position > position && mask.contains($0.stream.kind) }
    let bad = batch.undecodable.filter { $0.position > position && $0.concerns(projection) }
    guard !bad.isEmpty || !heldKeys.isEmpty || !poisons.isEmpty else {
      good = consumed
      return
    }
    var nextBad = bad.startIndex
    good.reserveCapacity(consumed.count)
    for event in consumed {
      while nextBad < bad.endIndex, bad[nextBad].position < event.position {
        park(bad[nextBad])
        nextBad += 1
      }
      take(event, projection, poisons[event.position])
    }
    for rest in bad[nextBad...] { park(rest) }
  }

  private mutating func take(
    _ event: RecordedDomainEvent, _ projection: any Projection.Type, _ poison: Poison?
  ) {
    guard poison != nil || !heldKeys.isEmpty else { return good.append(event) }
    let key = projection.parkingKey(event)
    guard poison != nil || heldKeys.contains(key) else { return good.append(event) }
    heldKeys.insert(key)
    parked.append(
      ParkedEvent(
        key: key, position: event.position, type: event.type, poison: poison, isCounted: true))
  }

  private mutating func park(_ event: Batch.Undecodable) {
    let key = ParkingKey(org: event.org, key: event.stream)
    heldKeys.insert(key)
    parked.append(
      ParkedEvent(
        key: key, position: event.position, type: event.type,
        poison: Poison(code: event.error.code, reason: event.error.description),
        isCounted: false))
  }
}

extension Projection {
  static func parkingKey(_ event: RecordedDomainEvent) -> ParkingKey {
    ParkingKey(org: event.org.value, key: parkingKey(of: event).value)
  }
}

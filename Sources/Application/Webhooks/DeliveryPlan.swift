import Domain
import JSON

/// What events have to stay in order among each other: those about one contact, else of one object.
typealias DeliveryKey = Identifier

/// How far an endpoint's deliveries are: where it reads the org's book, and which events before that
/// place are not settled. Pure: it is told what happens and says what may start.
///
/// Events of one key form a lane and go one after the other. A lane whose first event failed waits for
/// its next attempt; other lanes go on. After `streakLimit` failures without a success between
/// them the circuit is open: one attempt at a time, and nothing further is read, until one succeeds.
struct DeliveryPlan: Sendable, Equatable {
  struct Entry: Sendable, Equatable {
    let sequence: UInt64
    let position: UInt64
    /// Attempts that failed.
    var failedCount = 0
    /// Not before this time.
    var dueMicros: Micros = 0
    var firstFailureMicros: Micros = 0
  }

  private struct Lane: Sendable, Equatable {
    var entries: [Entry] = []
    var isUnderWay = false
  }

  /// Attempts under way at a time: a slow subscriber of many contacts gets that many at once.
  static let underWayLimit = 16
  /// Events between the oldest that is not settled and the place of reading.
  static let openLimit = 1_000
  static let streakLimit = 5

  private(set) var nextSequence: UInt64
  private(set) var openCount = 0
  private(set) var underWayCount = 0
  private var lanes: [DeliveryKey: Lane] = [:]
  private var failureStreak = 0
  private var lastSuccessMicros: Micros = 0
  /// The last position that was read, whether it is delivered or not.
  private var readPosition: UInt64 = 0

  init(nextSequence: UInt64) { self.nextSequence = nextSequence }

  var isCircuitOpen: Bool { failureStreak >= Self.streakLimit }

  /// How many events may be read now.
  var room: Int {
    if isCircuitOpen { return openCount == 0 ? 1 : 0 }
    return Self.openLimit - openCount
  }

  /// The last position before which everything is settled.
  var settledPosition: UInt64 {
    let oldest = lanes.values.lazy.compactMap { $0.entries.first?.position }.min()
    return oldest.map { $0 - 1 } ?? readPosition
  }

  /// The oldest event that failed and waits.
  var stuck: Entry? {
    lanes.values.lazy.compactMap { $0.entries.first }.filter { $0.failedCount > 0 }
      .min { $0.sequence < $1.sequence }
  }
}

// MARK: - What happens

extension DeliveryPlan {
  /// An event was read that nobody wants.
  mutating func pass(sequence: UInt64, position: UInt64) {
    nextSequence = sequence + 1
    readPosition = position
  }

  /// An event was read that is to be delivered.
  mutating func add(_ entry: Entry, to key: DeliveryKey) {
    pass(sequence: entry.sequence, position: entry.position)
    lanes[key, default: Lane()].entries.append(entry)
    openCount += 1
  }

  mutating func succeed(_ key: DeliveryKey, atMicros: Micros) {
    let wasOpen = isCircuitOpen
    failureStreak = 0
    lastSuccessMicros = atMicros
    settle(key)
    // Somebody listens again: what waits need not wait as long as it was going to.
    if wasOpen { makeDue() }
  }

  /// The first event of `key` is tried again at `retryAtMicros`.
  mutating func fail(_ key: DeliveryKey, atMicros: Micros, retryAtMicros: Micros) {
    failureStreak += 1
    update(key) { entry in
      if entry.failedCount == 0 { entry.firstFailureMicros = atMicros }
      entry.failedCount += 1
      entry.dueMicros = retryAtMicros
    }
  }

  /// The event of `key` that is under way or waits.
  func first(of key: DeliveryKey) -> Entry? { lanes[key]?.entries.first }

  /// Whether anything went through since the first event of `key` failed first.
  func succeededSinceFailure(of key: DeliveryKey) -> Bool {
    guard let entry = lanes[key]?.entries.first, entry.failedCount > 0 else { return false }
    return lastSuccessMicros > entry.firstFailureMicros
  }

  /// The first event of `key` is given up; those behind it go on.
  mutating func giveUp(_ key: DeliveryKey) {
    failureStreak += 1
    settle(key)
  }

  /// The endpoint was disabled at the first event of `key`: it begins anew there.
  mutating func restart(_ key: DeliveryKey) {
    failureStreak = 0
    update(key) { $0 = Entry(sequence: $0.sequence, position: $0.position) }
  }

  /// The attempt was cut off by us: as if it had not begun.
  mutating func abandon(_ key: DeliveryKey) { update(key) { _ in } }

  mutating func makeDue() {
    for key in lanes.keys where lanes[key]?.entries.isEmpty == false {
      lanes[key]?.entries[0].dueMicros = 0
    }
  }

  private mutating func update(_ key: DeliveryKey, _ change: (inout Entry) -> Void) {
    guard var lane = lanes[key], !lane.entries.isEmpty else {
      preconditionFailure("an attempt has an event")
    }
    release(&lane)
    change(&lane.entries[0])
    lanes[key] = lane
  }

  private mutating func settle(_ key: DeliveryKey) {
    guard var lane = lanes[key], !lane.entries.isEmpty else {
      preconditionFailure("an attempt has an event")
    }
    release(&lane)
    lane.entries.removeFirst()
    openCount -= 1
    lanes[key] = lane.entries.isEmpty ? nil : lane
  }

  private mutating func release(_ lane: inout Lane) {
    guard lane.isUnderWay else { return }
    lane.isUnderWay = false
    underWayCount -= 1
  }
}

// MARK: - What may start

extension DeliveryPlan {
  private var attemptLimit: Int { isCircuitOpen ? 1 : Self.underWayLimit }

  /// The events to attempt now, oldest first; they are under way from here on.
  mutating func start(atMicros nowMicros: Micros) -> [(key: DeliveryKey, entry: Entry)] {
    let limit = attemptLimit
    guard underWayCount < limit else { return [] }
    var due: [(key: DeliveryKey, entry: Entry)] = []
    for (key, lane) in lanes where !lane.isUnderWay {
      guard let entry = lane.entries.first, entry.dueMicros <= nowMicros else { continue }
      due.append((key, entry))
    }
    let started = due.sorted { $0.entry.sequence < $1.entry.sequence }.prefix(limit - underWayCount)
    for item in started { lanes[item.key]?.isUnderWay = true }
    underWayCount += started.count
    return Array(started)
  }

  /// When the next attempt is due; nil where that depends on something else.
  var dueMicros: Micros? {
    guard underWayCount < attemptLimit else { return nil }
    return lanes.values.lazy.filter { !$0.isUnderWay }.compactMap { $0.entries.first?.dueMicros }
      .min()
  }
}

// MARK: - On disk

extension DeliveryPlan {
  /// Everything but the keys, which follow from the events.
  var json: JSON {
    let open = lanes.values.flatMap(\.entries).sorted { $0.sequence < $1.sequence }
    return [
      "sequence": .int(Int64(nextSequence)), "position": .int(Int64(readPosition)),
      "failures": JSON(failureStreak), "succeeded_at_micros": .int(lastSuccessMicros),
      "open": .array(
        open.map {
          [
            "sequence": .int(Int64($0.sequence)), "position": .int(Int64($0.position)),
            "failed": JSON($0.failedCount), "due_micros": .int($0.dueMicros),
            "failed_at_micros": .int($0.firstFailureMicros),
          ]
        }),
    ]
  }

  /// `keyOf` tells the key of the event at a sequence of the org's book.
  init(_ json: JSON, keyOf: (UInt64) throws -> DeliveryKey) throws {
    func number(_ value: JSON?) -> UInt64 { value?.int.flatMap { UInt64(exactly: $0) } ?? 0 }
    let sequence = number(json["sequence"])
    self.init(nextSequence: sequence)
    for item in json["open"]?.array ?? [] {
      var entry = Entry(sequence: number(item["sequence"]), position: number(item["position"]))
      entry.failedCount = Int(number(item["failed"]))
      entry.dueMicros = item["due_micros"]?.int ?? 0
      entry.firstFailureMicros = item["failed_at_micros"]?.int ?? 0
      add(entry, to: try keyOf(entry.sequence))
    }
    nextSequence = sequence
    readPosition = number(json["position"])
    failureStreak = Int(number(json["failures"]))
    lastSuccessMicros = json["succeeded_at_micros"]?.int ?? 0
  }
}

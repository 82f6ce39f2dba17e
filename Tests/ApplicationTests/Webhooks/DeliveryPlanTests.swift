import Domain
import Testing

@testable import Application

@Suite struct WebhookScheduleTests {
  /// Source: Standard Webhooks, example schedule.
  @Test func `a delivery is tried ten times over three days, each time up to a tenth later`() {
    let minutes: [Double] = [5.0 / 60, 5, 30, 120, 300, 600, 840, 1_200, 1_440]
    for (index, minute) in minutes.enumerated() {
      let micros = Int64((minute * 60_000_000).rounded())
      #expect(WebhookSchedule.delayMicros(after: index + 1, random: 0) == micros)
      let delays = (0..<1_000).compactMap { step in
        WebhookSchedule.delayMicros(after: index + 1, random: UInt64(step) &* 0x9E37_79B9_7F4A_7C15)
      }
      #expect(delays.allSatisfy { $0 >= micros && $0 < micros + micros / 10 })
      #expect(Set(delays).count > 900, "spread, so that many do not come again together")
    }
    #expect(WebhookSchedule.delayMicros(after: minutes.count + 1, random: 0) == nil)
  }
}

@Suite struct DeliveryPlanTests {
  private static let ann = Identifier(.contact, 1)
  private static let ben = Identifier(.contact, 2)

  private static func person(_ number: Int) -> Identifier { Identifier(.contact, UInt128(number)) }

  private static func plan(_ keys: [Identifier]) -> DeliveryPlan {
    var plan = DeliveryPlan(nextSequence: 1)
    for (index, key) in keys.enumerated() { plan.add(entry(index + 1), to: key) }
    return plan
  }

  private static func entry(_ sequence: Int) -> DeliveryPlan.Entry {
    DeliveryPlan.Entry(sequence: UInt64(sequence), position: UInt64(sequence * 10))
  }

  private static func started(_ plan: inout DeliveryPlan, at micros: Micros = 0) -> [UInt64] {
    plan.start(atMicros: micros).map(\.entry.sequence)
  }

  @Test func `events of one key go one after the other, others beside them`() {
    var plan = Self.plan([Self.ann, Self.ann, Self.ben])
    #expect(Self.started(&plan) == [1, 3])
    #expect(Self.started(&plan) == [])
    plan.succeed(Self.ann, atMicros: 1)
    #expect(Self.started(&plan) == [2])
  }

  @Test func `what failed waits for its time, with its own behind it`() {
    var plan = Self.plan([Self.ann, Self.ann, Self.ben])
    _ = Self.started(&plan)
    plan.fail(Self.ann, atMicros: 5, retryAtMicros: 100)
    plan.succeed(Self.ben, atMicros: 6)
    #expect(Self.started(&plan, at: 99) == [])
    #expect(plan.dueMicros == 100)
    #expect(plan.settledPosition == 9)
    #expect(Self.started(&plan, at: 100) == [1])
  }

  @Test func `an open circuit makes one attempt at a time and reads nothing`() {
    var plan = Self.plan((1...8).map(Self.person))
    #expect(Self.started(&plan).count == 8)
    for key in 1...5 { plan.fail(Self.person(key), atMicros: 1, retryAtMicros: 50) }
    #expect(plan.isCircuitOpen)
    #expect(plan.room == 0)
    // Three are under way still.
    #expect(Self.started(&plan, at: 60) == [])
    for key in 6...8 { plan.fail(Self.person(key), atMicros: 2, retryAtMicros: 500) }
    #expect(Self.started(&plan, at: 60) == [1])
    #expect(Self.started(&plan, at: 60) == [])
    plan.succeed(Self.person(1), atMicros: 61)
    // Somebody listens again: nothing waits any longer.
    #expect(Self.started(&plan, at: 61) == [2, 3, 4, 5, 6, 7, 8])
    #expect(plan.room > 0)
  }

  @Test func `nothing is due while as many attempts are under way as may be`() {
    var plan = Self.plan((1...20).map(Self.person))
    #expect(Self.started(&plan).count == DeliveryPlan.underWayLimit)
    #expect(plan.dueMicros == nil)
    plan.succeed(Self.person(1), atMicros: 1)
    #expect(plan.dueMicros == 0)
  }

  @Test func `an open circuit with nothing left reads one event`() {
    var plan = Self.plan((1...5).map(Self.person))
    _ = Self.started(&plan)
    for key in 1...5 { plan.giveUp(Self.person(key)) }
    #expect(plan.isCircuitOpen)
    #expect(plan.openCount == 0)
    #expect(plan.room == 1)
  }

  /// Goal: whatever happens in whatever order, each event is settled once, those of a key in order,
  /// and a crash at any moment loses none. Method: seeded walks with saving and loading at random
  /// points; what was under way at a load is attempted again.
  @Test(arguments: 0..<100 as Range<UInt64>)
  func `nothing is lost and no key is overtaken`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let keys = (0..<60).map { _ in
      Identifier(.contact, UInt128(Int.random(in: 0..<7, using: &random)))
    }
    var plan = DeliveryPlan(nextSequence: 1)
    var underWay: [(key: DeliveryKey, entry: DeliveryPlan.Entry)] = []
    var settled: [UInt64] = []
    var saved = (json: plan.json, settledCount: 0)
    var nowMicros: Micros = 0
    for step in 0..<100_000 {
      nowMicros += 1
      if Int(plan.nextSequence) <= keys.count, plan.room > 0,
        Int.random(in: 0..<2, using: &random) == 0
      {
        let sequence = Int(plan.nextSequence)
        plan.add(Self.entry(sequence), to: keys[sequence - 1])
      }
      underWay += plan.start(atMicros: nowMicros)
      if !underWay.isEmpty {
        let item = underWay.remove(at: Int.random(in: 0..<underWay.count, using: &random))
        if Int.random(in: 0..<3, using: &random) == 0 {
          plan.fail(item.key, atMicros: nowMicros, retryAtMicros: nowMicros + 20)
        } else {
          plan.succeed(item.key, atMicros: nowMicros)
          settled.append(item.entry.sequence)
        }
      }
      if Int.random(in: 0..<20, using: &random) == 0 { saved = (plan.json, settled.count) }
      if Int.random(in: 0..<200, using: &random) == 0 {
        plan = try DeliveryPlan(saved.json) { keys[Int($0) - 1] }
        underWay = []
      }
      if Int(plan.nextSequence) > keys.count, plan.openCount == 0 { break }
      try #require(step < 99_999, "it ends")
    }
    #expect(Set(settled) == Set(1...UInt64(keys.count)))
    for key in Set(keys) {
      // Repeats after a crash are of what came last, never a jump ahead.
      var seen: UInt64 = 0
      var known: Set<UInt64> = []
      for sequence in settled
      where keys[Int(sequence) - 1] == key && known.insert(sequence).inserted {
        #expect(sequence > seen, "seed \(seed)")
        seen = sequence
      }
    }
  }
}

import Domain
import EventCodec
import EventLog
import ProjectionRuntime
import Testing

/// How often a lane works, and what it reads.
@Suite struct PaceTests {
  @Test
  func `a lane that had time to rest does not wait, and one that never rests keeps its interval`() {
    let start = ContinuousClock.now
    var pace = Pace(start)
    var begun: [ContinuousClock.Instant] = []
    var now = start + .seconds(1)
    while begun.count < 100 {
      now += pace.wait(now) ?? .zero
      begun.append(now)
      pace.note(now)
      now += .milliseconds(1)
    }
    let spare = begun.prefix(Pace.spare)
    #expect(spare.last.map { $0 - begun[0] } == .milliseconds(Pace.spare - 1))
    let late = begun.suffix(50)
    #expect(zip(late, late.dropFirst()).allSatisfy { $1 - $0 == Pace.interval })
    #expect(pace.wait(now + .seconds(1)) == nil)
  }

  @Test func `a lane that is slower than its interval never waits`() {
    var now = ContinuousClock.now
    var pace = Pace(now)
    for _ in 0..<100 {
      #expect(pace.wait(now) == nil)
      pace.note(now)
      now += Pace.interval + .milliseconds(1)
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `what was read before is what the log has`(seed: UInt64) async throws {
    let history = History()
    var dice = Dice(seed: seed)
    let recent = RecentBatches(reader: history.log)
    try await history.append(ann, [created("Ann")])
    var positions: [UInt64] = [0, 0]
    for _ in 0..<60 {
      for _ in 0..<dice.below(4) { try await history.append(ann, [tagged("a"), untagged("a")]) }
      let lane = dice.below(2)
      let head = try history.log.head()
      let batch = try recent.batch(
        after: positions[lane], head: head, limit: 1 + dice.below(9))
      let read = try Batch.read(
        history.log, after: positions[lane], limit: Int(batch.end - positions[lane]))
      #expect(batch.start == positions[lane])
      #expect(batch.events.map(\.position) == read.events.map(\.position))
      #expect(batch.end > positions[lane] || positions[lane] == head)
      positions[lane] = batch.end
      if dice.below(3) == 0 { recent.drop(through: min(positions[0], positions[1])) }
    }
  }

  @Test func `what a busy hour left over is applied as it came, and not made anew`() {
    func isRebuilt(at position: UInt64, furthest: UInt64, head: UInt64) -> Bool {
      BackgroundRebuilds.isWorthwhile(at: position, furthest: furthest, head: head, lag: 200_000)
    }
    #expect(!isRebuilt(at: 1_000_000, furthest: 1_000_000, head: 1_500_000))
    // Alone behind the others, it would hold them up.
    #expect(isRebuilt(at: 1_000_000, furthest: 1_300_000, head: 1_500_000))
    // Most of the log is to be folded in any case.
    #expect(isRebuilt(at: 500_000, furthest: 500_000, head: 1_500_000))
    #expect(!isRebuilt(at: 0, furthest: 0, head: 200_000))
  }
}

import ProjectionRuntime
import Testing

@Suite struct BurstYieldTests {
  private let start = ContinuousClock.now

  /// Looks ten times a second at a log that grows by `perSecond`, of which `applied` says how much is applied.
  private func looks(
    _ yield: inout BurstYield, from first: Int, count: Int, perSecond: Int,
    applied: (_ head: Int) -> Int?
  ) -> [Bool] {
    (first..<first + count).map { tick in
      let head = tick * perSecond / 10
      return yield.mustYield(
        head: UInt64(head), applied: applied(head).map { UInt64(max(0, $0)) },
        at: start + .milliseconds(100) * tick)
    }
  }

  @Test func `a burst goes first from the second look on`() {
    var yield = BurstYield()
    let answers = looks(&yield, from: 1, count: 5, perSecond: 3_000) { $0 - 100 }
    #expect(answers == [false, true, true, true, true])
  }

  @Test func `what comes now and then does not`() {
    var yield = BurstYield()
    #expect(looks(&yield, from: 1, count: 30, perSecond: 1_500) { $0 - 50 }.allSatisfy { !$0 })
  }

  @Test func `read models that are five seconds behind have their share until they have caught up`()
  {
    var yield = BurstYield()
    // Nothing is applied at all.
    let behind = looks(&yield, from: 1, count: 90, perSecond: 8_000) { _ in 0 }
    let yielded = behind.prefix { $0 == behind[1] || !$0 }
    #expect(behind[1])
    #expect(behind[45])
    #expect(behind[55...].allSatisfy { !$0 })
    #expect(yielded.count == behind.count, "once it is over it does not begin again")
    // A second behind is not enough to give way again.
    let catching = looks(&yield, from: 91, count: 5, perSecond: 8_000) { $0 - 8_000 }
    #expect(catching.allSatisfy { !$0 })
    let caught = looks(&yield, from: 96, count: 5, perSecond: 8_000) { $0 - 800 }
    #expect(caught.last == true)
  }

  @Test func `a projection that is away for hours keeps its share`() {
    var yield = BurstYield()
    let answers = looks(&yield, from: 1, count: 50_000, perSecond: 4_000) { _ in 0 }
    #expect(answers[60...].allSatisfy { !$0 })
  }

  @Test func `without read models there is nobody to wait`() {
    var yield = BurstYield()
    #expect(looks(&yield, from: 1, count: 40, perSecond: 9_000) { _ in nil }.last == true)
  }
}

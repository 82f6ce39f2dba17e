import ProjectionRuntime
import Testing

@Suite struct FreeProcessorsTests {
  /// `/proc/stat` of a machine of two processors: `busy`, `nice` and `idle` ticks of both together.
  private func stat(busy: Int, nice: Int, idle: Int) -> String {
    """
    cpu  \(busy) \(nice) \(busy) \(idle) 0 \(busy) 0 \(busy) 7 9
    cpu0 1 1 1 1 1 1 1 1 0 0
    cpu1 1 1 1 1 1 1 1 1 0 0
    intr 12 0 3
    """
  }

  @Test func `what is idle and what gives way is free, since the last look`() {
    var free = FreeProcessors()
    #expect(free.sinceLast(stat(busy: 1_000, nice: 50, idle: 900)) == nil)
    // 40 ticks of which 10 idle and 6 of somebody nice.
    #expect(free.sinceLast(stat(busy: 1_006, nice: 56, idle: 910)) == 0.8)
    #expect(free.sinceLast(stat(busy: 1_016, nice: 56, idle: 910)) == 0)
  }

  @Test func `a kernel that says something else is not believed`() {
    var free = FreeProcessors()
    #expect(free.sinceLast(stat(busy: 10, nice: 0, idle: 10)) == nil)
    for text in ["", "cpu 1 2 3\n", "intr 1\n", "cpu a b c d e f g h\n"] {
      #expect(free.sinceLast(text) == nil, "\(text)")
    }
    let backwards = stat(busy: 20, nice: 0, idle: 5)
    #expect(free.sinceLast(backwards) == nil)
    #expect(free.sinceLast(backwards) == nil, "no time went by")
  }

  @Test func `this machine tells`() {
    var free = FreeProcessors()
    _ = free.sinceLast()
    var latest: Double?
    for _ in 0..<200 where latest == nil {
      for _ in 0..<1_000_000 where latest == nil {}
      latest = free.sinceLast()
    }
    #expect(latest.map { $0 >= 0 } == true)
  }

  @Test func `a shortage begins with one look and ends with the average of three`() {
    var shortage = Shortage()
    let looks: [Double?] = [1.9, 0.6, 0.4, 0.9, 0.1, 0.6, 0.7, 0.3, 0.7, 0.4, nil, 0.6, 0.5]
    let expected = [
      false, false, true, false, true, false, false, true, false, true, false, false, false,
    ]
    #expect(looks.map { shortage.isThere($0) } == expected)
    let late = [0.1, 0.2, 0.6, 0.6, 0.6].map { shortage.isThere($0) }
    #expect(late == [true, true, true, true, false])
  }
}

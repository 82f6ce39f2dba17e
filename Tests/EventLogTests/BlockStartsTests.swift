import Testing

@testable import EventLog

@Suite struct BlockStartsTests {
  /// Goal: a position is found in the block that holds it, however long the blocks are. Method: stretches of up to 300 blocks of one
  /// event, of very different sizes, and of both by turns; every position from before the first to beyond the last, against
  /// looking through all starts.
  @Test(arguments: 0..<30 as Range<UInt64>)
  func `a position lies in the last block that starts at or before it`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<20 {
      var next = UInt64.random(in: 1...500, using: &random)
      var starts: [UInt64] = []
      let longest: UInt64 = [1, 3, 1024].randomElement(using: &random) ?? 1
      for _ in 0..<Int.random(in: 0...300, using: &random) {
        starts.append(next)
        next += random.chance(70) ? 1 : .random(in: 1...longest, using: &random)
      }
      let found = BlockStarts(starts)
      let first = starts.first ?? 9
      var index = -1
      for position in first - min(first, 3)..<next + 5 {
        while index + 1 < starts.count, starts[index + 1] <= position { index += 1 }
        let expected = index < 0 ? position : starts[index]
        #expect(found.last(atOrBelow: position) == expected, "seed \(seed), at \(position)")
      }
    }
  }
}

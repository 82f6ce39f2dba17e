import Testing

@testable import ProjectionRuntime

/// Goal: what is in the file is what was put in last, and the file is at most twice that and the slack,
/// however often rows change. Method: random puts, looks and removals beside a dictionary.
@Suite struct RowFileTests {
  @Test(arguments: 0..<4 as Range<UInt64>)
  func `a file of rows holds what was put in last and does not grow without end`(
    seed: UInt64
  ) throws {
    let slack: UInt64 = 200_000
    let file = RowFile(slackLimit: slack)
    var random = SeededNumbers(state: seed)
    var expected: [UInt64: [UInt8]] = [:]
    var appendedCount: UInt64 = 0
    var livingCount: UInt64 = 0
    for _ in 0..<30_000 {
      let hash = UInt64(random.below(300))
      if let row = expected[hash] {
        try #require(file.row(hash) == row, "seed \(seed)")
        file.forget(hash)
        livingCount -= UInt64(row.count + 12)
        expected[hash] = nil
        guard random.below(4) > 0 else { continue }
      }
      let row = [UInt8](repeating: UInt8(random.below(256)), count: random.below(900))
      #expect(try file.append(row[...], hash: hash))
      expected[hash] = row
      livingCount += UInt64(row.count + 12)
      appendedCount += UInt64(row.count + 12)
      // The next append sees to it.
      try #require(file.byteCount <= 2 * livingCount + slack + 2_000, "seed \(seed)")
    }
    #expect(appendedCount > 5 * file.byteCount)
    var found: [[UInt8]] = []
    try file.forEachRow { found.append(Array($0)) }
    #expect(found.count == expected.count && file.count == expected.count)
    #expect(
      found.map { "\($0)" }.sorted() == expected.values.map { "\($0)" }.sorted(), "seed \(seed)")
  }
}

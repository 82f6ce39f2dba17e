import LMDB
import Testing

@testable import EventLog

@Suite struct ExaminationQueueTests {
  /// Goal: findings come out step by step, in the order of the log, whoever examined the blocks. Method: steps of one to five
  /// blocks, at most three of them waiting, with no to three threads beside the one that takes.
  @Test(arguments: 0...3)
  func `findings come in the order of the log, whoever examines`(threadCount: Int) async throws {
    try await withBlocks(23) { store, blocks in
      let queue = ExaminationQueue()
      let examiner = BlockExaminer(store: store, Examination())
      let threads = ExaminingThreads(queue, store: store, Examination(), count: threadCount)
      defer { threads.end() }
      #expect(queue.takeFirst(helpingWith: examiner) == nil)
      var left = blocks[...]
      var steps: [[UInt64]] = []
      var taken: [[UInt64]] = []
      while true {
        while !left.isEmpty, queue.stepCount < 3 {
          let step = Array(left.prefix(1 + steps.count % 5))
          left = left.dropFirst(step.count)
          steps.append(step.map(\.key))
          queue.add(step)
        }
        guard let findings = queue.takeFirst(helpingWith: examiner) else { break }
        #expect(findings.allSatisfy { $0.eventCount == 1 && $0.problems.isEmpty })
        taken.append(findings.map(\.key))
      }
      #expect(taken == steps)
      #expect(queue.stepCount == 0)
    }
  }

  /// A verification that fails in the middle leaves blocks that nobody wants any more.
  @Test func `threads end though there are blocks that nobody has begun with`() async throws {
    try await withBlocks(5) { store, blocks in
      let queue = ExaminationQueue()
      queue.end(threadCount: 0)
      queue.add(blocks)
      queue.work(BlockExaminer(store: store, Examination()))
      #expect(queue.stepCount == 1)
    }
  }

  /// `body` gets blocks of one event each, as a verification reads them.
  private func withBlocks(
    _ count: Int, _ body: (LogStore, [LogVerifier.RawBlock]) throws -> Void
  ) async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for number in 0..<count { _ = try await log.append(commit([event(UInt128(number))])) }
      let store = log.store
      var blocks: [LogVerifier.RawBlock] = []
      try store.reading { transaction throws in
        try transaction.scan(store.blocks, fromAtOrBelow: 1) { key, bytes in
          blocks.append((key, LogStore.bytes(bytes), key))
          return true
        }
      }
      try #require(blocks.count == count)
      try body(store, blocks)
      await log.close()
    }
  }
}

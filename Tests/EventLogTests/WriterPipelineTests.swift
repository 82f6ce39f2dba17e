import Dispatch
import Synchronization
import Testing

@testable import EventLog

@Suite struct WriterPipelineTests {
  /// KiB that wait, KiB that are being stored, and how many of those that wait one group takes.
  @Test(arguments: [
    // Alone: all of little, half of much.
    (20, 0, 20), (36, 0, 36), (37, 0, 19), (200, 0, 100),
    // Beside a group on its way: what is about as large as that one goes whole, more in two parts.
    (100, 100, 100), (100, 50, 100), (160, 40, 80), (20, 100, 20),
  ])
  func `a group takes an even share of what is on its way`(
    waiting: Int, storing: Int, expected: Int
  ) {
    let share = WriterPipeline.share(ofWaiting: waiting << 10, beside: storing << 10)
    #expect((share + 1023) >> 10 == expected)
  }

  /// Goal: what is outstanding goes round in two halves. Method: commits that all wait when the writer looks; each group has a
  /// time of its own.
  /// A group that was answered may still count as being stored: five commits are little beside that, too.
  @Test(arguments: [(100, 2), (5, 1)])
  func `what waits together is stored in two halves, or whole where it is little`(
    commitCount: Int, groupCount: Int
  ) async throws {
    try await withLogDirectory { directory in
      let clock = Mutex(Int64(1_000))
      var options = LMDBEventLog.Options()
      options.nowMicros = {
        clock.withLock { now in
          now += 1
          return now
        }
      }
      let log = try LMDBEventLog(directory: directory, options: options)
      // What needs a key first goes its own way.
      _ = try await log.append(commit([noise(100)]))
      let mayGoOn = DispatchSemaphore(value: 0)
      // What is queued before the writer has come to wait, it may take with it.
      await withCheckedContinuation { waits in
        let refusal = log.core.queue.add(
          .task { _ in
            waits.resume()
            mayGoOn.wait()
          })
        #expect(refusal == nil)
      }
      let pending = (0..<commitCount).map { _ in log.enqueue(commit([noise(2 << 10)])) }
      mayGoOn.signal()
      var sizes: [Int64: Int] = [:]
      for each in pending { sizes[try await each.receipt().recordedAtMicros, default: 0] += 1 }
      #expect(sizes.count == groupCount)
      #expect(sizes.values.allSatisfy { abs($0 - commitCount / groupCount) <= 1 })
      await log.close()
    }
  }
}

import CrashKit
import Dispatch
import Foundation
import Glibc
import Testing

@testable import EventLog

/// A real file system that fills up; needs the right to mount one.
@Suite(.serialized, .enabled(if: canMount, "nothing can be mounted here"))
struct DiskFullTests {
  @Test
  func `a full disk refuses writes, serves reads, and is written to again once there is room`()
    async throws
  {
    try await withSmallDisk(mebibytes: 12) { disk async throws in
      let log = try LMDBEventLog(directory: disk.home)
      let reader = try LMDBLogReader(directory: disk.home)
      var kept: UInt64 = 0
      let failure = try await Self.fill(log, &kept)
      #expect(failure?.code == "log_full")
      #expect(failure?.isRetryable == true)
      let isReadOnly = if case .readOnly = log.health { true } else { false }
      #expect(isReadOnly)
      // Nothing half of it; what was acknowledged can be read here and beside.
      for each in [log as any EventReader, reader] {
        #expect(try each.head() == kept)
        #expect(try EventDigest.of(each).eventCount == kept)
      }
      try disk.grow(toMebibytes: 64)
      for _ in 0..<400 where log.health != .writable {
        try await Task.sleep(for: .milliseconds(25))
      }
      #expect(try await log.append(commit([event(1)])).firstPosition == kept + 1)
      #expect(try log.verify().problems == [])
      reader.close()
      await log.close()
    }
  }

  /// Goal: whoever compacts to get room is told which disk has none, from the copy as from a commit before it. Method: a disk that the
  /// copy has no room on; then one that takes no commit.
  @Test func `compacting on a full disk says which`() async throws {
    for mebibytes in [24, 12] {
      try await withSmallDisk(mebibytes: mebibytes) { disk async throws in
        let log = try LMDBEventLog(directory: disk.home)
        var kept: UInt64 = 0
        if mebibytes == 12 {
          _ = try await Self.fill(log, &kept)
        } else {
          for _ in 0..<60 { _ = try await log.append(commit([noise(200_000)])) }
        }
        let error = await #expect(throws: EventLogError.self) { try await log.compact() }
        #expect(try #require(error).description.contains(disk.home + ": "))
        #expect(try log.verify().problems == [])
        await log.close()
      }
    }
  }

  /// Goal: what is told while one group is being stored and the next one planned does not rest on a group that fails. Method: groups
  /// of four megabytes, each followed by one of repetitions of its commits, until the disk is full. The writer finds all of them
  /// at once, so that it makes these groups.
  @Test
  func `what was answered while the disk filled up is there, and nothing else is`() async throws {
    try await withSmallDisk(mebibytes: 24) { disk async throws in
      let log = try LMDBEventLog(directory: disk.home)
      let allAreQueued = DispatchSemaphore(value: 0)
      #expect(log.core.queue.add(.task { _ in allAreQueued.wait() }) == nil)
      var asked: [(key: IdempotencyKey, pending: PendingAppend)] = []
      for group in 0..<20 {
        let commits = (0..<4).map { index in
          commit(
            [noise(1_000_000)],
            key: IdempotencyKey(name: "\(group)/\(index)", fingerprint: UInt128(group)))
        }
        for each in commits + commits {
          let key = try #require(each.idempotencyKey)
          asked.append((key, log.enqueue(each)))
        }
      }
      allAreQueued.signal()
      var failureCount = 0
      var last: UInt64 = 0
      for (key, pending) in asked {
        do throws(EventLogError) {
          let receipt = try await pending.receipt()
          let stored = try log.receipt(org: orgA, idempotencyKey: key)
          #expect(stored?.firstPosition == receipt.firstPosition, "\(key.name)")
          last = max(last, receipt.lastPosition)
        } catch {
          #expect(error.isRetryable, "\(error)")
          failureCount += 1
        }
      }
      #expect(failureCount > 0)
      #expect(try log.head() == last)
      #expect(try log.verify().problems == [])
      await log.close()
    }
  }

  /// Noise until it is refused; `kept` is the last position that was acknowledged.
  private static func fill(
    _ log: LMDBEventLog, _ kept: inout UInt64
  ) async throws -> EventLogError? {
    for _ in 0..<100 {
      do throws(EventLogError) {
        kept = try await log.append(commit([noise(200_000)])).lastPosition
      } catch {
        return error
      }
    }
    return nil
  }
}

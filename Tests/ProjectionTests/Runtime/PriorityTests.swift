import Foundation
import Glibc
import Postgres
import ProjectionRuntime
import Synchronization
import Testing

@Suite struct PriorityTests {
  @Test(.enabled(if: geteuid() == 0, "back from SCHED_IDLE only root may come"))
  func `in a burst every thread but the one that watches gives way, and comes back after it`()
    async throws
  {
    let log = Mutex((head: UInt64(0), isBurst: true))
    let keeper = try #require(
      Priority.giveWayInBursts {
        log.withLock { log in
          if log.isBurst { log.head += 1_000_000 }
          return (head: log.head, applied: log.head)
        }
      })
    defer { keeper.cancel() }
    // The thread with the process's own number is there as long as the process is.
    try await wait {
      sched_getscheduler(getpid()) == SchedulingPolicy.idle.rawValue
    }
    #expect(policies.contains(SchedulingPolicy.usual.rawValue))
    log.withLock { $0.isBurst = false }
    try await wait {
      !policies.contains(SchedulingPolicy.idle.rawValue)
    }
  }

  private func wait(until condition: () -> Bool) async throws {
    for _ in 0..<3_000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
    #expect(condition())
  }

  private var policies: Set<Int32> {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return Set(threads.compactMap { Int32($0) }.map { sched_getscheduler($0) })
  }
}

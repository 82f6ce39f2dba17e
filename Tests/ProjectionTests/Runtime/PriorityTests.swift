import Foundation
import Glibc
import Postgres
import ProjectionRuntime
import Synchronization
import Testing

/// One after the other: what they watch are the threads of the process.
@Suite(.serialized) struct PriorityTests {
  @Test(.enabled(if: geteuid() == 0, "back from SCHED_IDLE only root may come"))
  func `in a burst every thread but the one that watches gives way, and comes back after it`()
    async throws
  {
    let log = Mutex((head: UInt64(0), isBurst: true))
    let keeper = try #require(
      Priority.giveWayInBursts(Standby()) {
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

  @Test(.enabled(if: geteuid() == 0, "back from SCHED_IDLE only root may come"))
  func `in a burst that leaves nothing of the machine rounds wait, and only then`() async throws {
    let state = Mutex((head: UInt64(0), isBurst: true, free: 0.1 as Double?))
    let standby = Standby()
    let made = Priority.giveWayInBursts(standby, freeProcessors: { state.withLock { $0.free } }) {
      state.withLock { state in
        if state.isBurst { state.head += 1_000_000 }
        return (head: state.head, applied: state.head)
      }
    }
    let keeper = try #require(made)
    defer { keeper.cancel() }
    try await wait { standby.isOn }
    state.withLock { $0.free = 0.6 }
    try await wait { !standby.isOn }
    state.withLock { $0.free = 0.1 }
    try await wait { standby.isOn }
    // A kernel that does not tell stops nobody.
    state.withLock { $0.free = nil }
    try await wait { !standby.isOn }
    state.withLock { $0.free = 0 }
    try await wait { standby.isOn }
    state.withLock { $0.isBurst = false }
    try await wait { !standby.isOn }
    state.withLock { $0.isBurst = true }
    try await wait { standby.isOn }
    keeper.cancel()
    try await wait { !standby.isOn }
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

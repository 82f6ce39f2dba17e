import Foundation
import Glibc
import Postgres
import TestSupport
import Testing

@Suite struct SessionPriorityTests {
  @Test func `the server works for a thread that lets others go first as that thread does`()
    async throws
  {
    try await withTestDatabase { connectionString in
      let found = try await onThread { [connectionString] in
        // The process may be one that gives way already.
        let which = __priority_which_t(PRIO_PROCESS.rawValue)
        let ours = min(19, getpriority(which, 0) + 3)
        try #require(setpriority(which, 0, ours) == 0)
        let connection = try PostgresConnection(connectionString)
        let worker = try connection.query("SELECT pg_backend_pid()").first?.int64(0)
        return (ours: ours, server: getpriority(which, UInt32(try #require(worker))))
      }
      #expect(found.server == found.ours)
    }
  }

  @Test(.enabled(if: geteuid() == 0, "back from SCHED_IDLE only root may come"))
  func `the server's processes give way altogether with us, also new ones, and come back`()
    async throws
  {
    try await withTestDatabase { connectionString in
      let policies = try await onThread { [connectionString] in
        let which = __priority_which_t(PRIO_PROCESS.rawValue)
        try #require(setpriority(which, 0, min(19, getpriority(which, 0) + 3)) == 0)
        let old = try PostgresConnection(connectionString)
        SessionPriority.yield(true)
        let new = try PostgresConnection(connectionString)
        let workers = try [old, new].map { connection in
          Int32(
            try #require(try connection.query("SELECT pg_backend_pid()").first?.int64(0)))
        }
        let during = workers.map { sched_getscheduler($0) }
        SessionPriority.yield(false)
        return (during: during, after: workers.map { sched_getscheduler($0) })
      }
      #expect(policies.during == [5, 5])
      #expect(policies.after == [0, 0])
    }
  }
}

/// On a thread of its own: a nice value, once raised, stays.
private func onThread<Result: Sendable>(
  _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread { continuation.resume(with: Swift.Result { try body() }) }.start()
  }
}

import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

/// Lets work wait for the test: `wait` blocks its thread until `open`.
private final class WorkGate: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)
  func open() { semaphore.signal() }
  func wait() { semaphore.wait() }
}

@Suite struct PostgresPoolTests {
  @Test func `work runs side by side, off the tasks' threads, and brings results back`()
    async throws
  {
    try await withTestDatabase { url in
      let pool = PostgresPool(connectionString: url, size: 3)
      let pids = try await withThrowingTaskGroup(of: Int64.self) { group in
        for _ in 0..<30 {
          group.addTask {
            try await pool.with { connection in
              #expect(unsafe withUnsafeCurrentTask { unsafe $0 == nil }, "on a task's thread")
              return try connection.query("SELECT pg_backend_pid() AS pid")[0].int64("pid")
            }
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(pids.count == 30)
      #expect((1...3).contains(Set(pids).count))
      pool.close()
    }
  }

  @Test func `work that waits too long is refused, and never runs`() async throws {
    try await withTestDatabase { url in
      let pool = PostgresPool(connectionString: url, size: 1, waitMillis: 20)
      let (started, release) = (WorkGate(), WorkGate())
      async let busy: Void = pool.with { _ in
        started.open()
        release.wait()
      }
      await Task.detached { started.wait() }.value
      let ran = Mutex(false)
      await #expect(throws: PostgresError.poolExhausted(waitedMillis: 20)) {
        try await pool.with { _ in ran.withLock { $0 = true } }
      }
      release.open()
      try await busy
      try await pool.with { _ in }
      #expect(ran.withLock { $0 } == false)
    }
  }

  @Test func `work whose task is cancelled while it waits never runs`() async throws {
    try await withTestDatabase { url in
      let pool = PostgresPool(connectionString: url, size: 1)
      let (started, release) = (WorkGate(), WorkGate())
      async let busy: Void = pool.with { _ in
        started.open()
        release.wait()
      }
      await Task.detached { started.wait() }.value
      let waiting = Task { try await pool.with { _ in true } }
      waiting.cancel()
      await #expect(throws: CancellationError.self) { try await waiting.value }
      release.open()
      try await busy
    }
  }

  @Test func `a connection that the server closed is made anew`() async throws {
    try await withTestDatabase { url in
      let pool = PostgresPool(connectionString: url, size: 1)
      let before = try await backendID(pool)
      let other = try PostgresConnection(url)
      _ = try other.query("SELECT pg_terminate_backend($1::int)", [.int(before)])
      // The backend ends in its own time: wait until the server no longer lists it.
      let listed = "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int"
      while try other.query(listed, [.int(before)]).count > 0 {
        try await Task.sleep(for: .milliseconds(5))
      }
      #expect(try await backendID(pool) != before)
    }
  }

  @Test func `a transaction that work leaves open is undone`() async throws {
    try await withTestDatabase { url in
      let pool = PostgresPool(connectionString: url, size: 1)
      try await pool.with { try $0.execute("CREATE TABLE t (n int)") }
      try await pool.with { try $0.execute("BEGIN; INSERT INTO t VALUES (1)") }
      let count = try await pool.with { connection in
        #expect(!connection.isInTransaction)
        return try connection.query("SELECT count(*) AS count FROM t")[0].int64("count")
      }
      #expect(count == 0)
    }
  }

  @Test func `each new connection is prepared first`() async throws {
    try await withTestDatabase { url in
      let pool = PostgresPool(connectionString: url, size: 2) { connection in
        try connection.execute("SET search_path = 'elsewhere'")
      }
      let path = try await pool.with { try $0.query("SHOW search_path")[0].text(0) }
      #expect(path == "elsewhere")
    }
  }

  @Test func `a server that is away gives unavailable to everyone, at once`() async throws {
    let pool = PostgresPool(connectionString: "host=/nonexistent port=1 user=x dbname=x", size: 2)
    for _ in 0..<4 {
      do {
        try await pool.with { _ in }
        Issue.record("work ran without a server")
      } catch let error as PostgresError {
        #expect(error.code == "postgres_unavailable")
      }
    }
    pool.close()
    await #expect(throws: PostgresError.poolClosed) { try await pool.with { _ in } }
  }

  private func backendID(_ pool: PostgresPool) async throws -> Int64 {
    try await pool.with { try $0.query("SELECT pg_backend_pid() AS pid")[0].int64("pid") }
  }
}

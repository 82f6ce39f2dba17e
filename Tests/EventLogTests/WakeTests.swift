import CrashKit
import EventLog
import Foundation
import Testing

/// Between processes.
@Suite struct WakeTests {
  private static let tool = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "crash").path(percentEncoded: false)

  /// Goal: a reader is told of each append by the writer's process, and does not merely look again from time to time. Method: one that
  /// looks by itself once in a day waits before the writer of another process has begun, which never comes to an end.
  @Test func `a reader that waits is woken by the append of another process`() async throws {
    try await withLogDirectory { directory in
      await (try LMDBEventLog(directory: directory)).close()
      let reader = try LMDBLogReader(directory: directory, pollNanos: 86_400_000_000_000)
      defer { reader.close() }
      let first = Task { try await reader.waitForHead(beyond: 0, timeoutMillis: 120_000) }
      // Asleep by then, or else it may have found by looking what it was to be told.
      try await Task.sleep(for: .milliseconds(300))
      let writer = try Child(
        tool: Self.tool, ["write", directory, directory + "/acknowledged", "w", "1"])
      defer { writer.kill() }
      var head = try await first.value
      #expect(head > 0)
      for _ in 0..<20 {
        let next = try await reader.waitForHead(beyond: head, timeoutMillis: 120_000)
        try #require(next > head)
        head = next
      }
    }
  }
}

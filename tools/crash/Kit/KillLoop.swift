import EventLog
import Foundation
import JSON

/// Writers that are killed again and again at random moments, while tailers in other processes follow. Every third one
/// erases people, and so rewrites its files all the time.
package struct KillLoop {
  package var tool: String
  package var cycleCount = 200
  package var seed: UInt64 = 1
  package var tailerCount = 2
  /// A writer lives this long at most, from its start or from its first promise.
  package var maxLifeMillis = 60

  /// Nobody waits this long for a writer that goes on, on whatever machine.
  private static let promiseNanos: Int64 = 60_000_000_000

  package init(tool: String) { self.tool = tool }

  /// - Throws: `BrokenPromise`, with the cycle and the seed.
  package func run() async throws -> JSON {
    try await withScratch { scratch in
      let directory = scratch + "/log"
      // The log exists before the first cycle, so that it can be followed from the start.
      await (try LMDBEventLog(directory: directory)).close()
      var inspection = Inspection(
        directory: directory, acknowledgementPath: scratch + "/acknowledged")
      let tailers = try Tailers(
        tool: tool, directory: directory, folder: scratch, count: tailerCount)
      defer { tailers.kill() }
      var random = SeededNumbers(seed: seed)
      var idleCount = 0
      var progress = CheckProgress("kill", of: cycleCount)
      for cycle in 0..<cycleCount {
        let before = inspection.eventCount
        do {
          try await runCycle(cycle, directory, scratch, &random, &inspection)
        } catch {
          throw BrokenPromise("cycle \(cycle) of seed \(seed): \(error)")
        }
        if inspection.eventCount == before { idleCount += 1 }
        progress.tell(cycle + 1)
      }
      try await inspection.inspect(isDeep: true)
      let steps = try tailers.finish(upTo: inspection)
      return [
        "check": "kill", "seed": .int(Int64(seed)), "cycles": JSON(cycleCount),
        "cycles_without_event": JSON(idleCount), "events": .int(Int64(inspection.eventCount)),
        "acknowledged": JSON(inspection.ackedCount), "tailers": JSON(tailerCount),
        "tailer_steps": JSON(steps), "erased": JSON(inspection.erasureCount),
        "slowest_open_ms": .double(inspection.slowestOpenMillis),
      ]
    }
  }

  private func runCycle(
    _ cycle: Int, _ directory: String, _ scratch: String, _ random: inout SeededNumbers,
    _ inspection: inout Inspection
  ) async throws {
    let acknowledgements = scratch + "/acknowledged"
    let before = Self.byteCount(acknowledgements)
    let writer = try Child(
      tool: tool,
      [
        cycle % 3 == 2 ? "rewrite" : "write", directory, scratch + "/acknowledged",
        "c\(seed).\(cycle)",
      ])
    // Starting takes as long as it takes: two writers in three are left alone until they were promised something.
    if Int.random(in: 0..<3, using: &random) > 0 {
      let end = SystemClock.monotonicNanos() + Self.promiseNanos
      while Self.byteCount(acknowledgements) == before {
        guard SystemClock.monotonicNanos() < end else {
          writer.kill()
          throw BrokenPromise("nothing was promised within a minute")
        }
        try await Task.sleep(for: .milliseconds(1))
      }
    }
    try await Task.sleep(for: .milliseconds(Int.random(in: 1...maxLifeMillis, using: &random)))
    writer.kill()
    guard try writer.wait() == .signal(SIGKILL) else {
      throw BrokenPromise("the writer ended by itself")
    }
    try await inspection.inspect()
  }

  private static func byteCount(_ path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return attributes?[.size] as? Int ?? 0
  }
}

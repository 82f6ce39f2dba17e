import EventLog
import Foundation
import JSON

/// The power goes at random moments of a writer's life: what it had not flushed survives sector by sector or does not
/// (tools/crash/shim). Sometimes a flush fails first.
package struct PowerCuts {
  package var tool: String
  package var cutCount = 60
  package var seed: UInt64 = 1
  /// So many cuts hit the same log before a new one is begun.
  private static let cutsPerLog = 12

  package init(tool: String) { self.tool = tool }

  package func run() async throws -> JSON {
    var random = SeededNumbers(seed: seed)
    var done = 0
    var events: UInt64 = 0
    var acked = 0
    var unknown = 0
    var progress = CheckProgress("cuts", of: cutCount)
    while done < cutCount {
      let count = min(Self.cutsPerLog, cutCount - done)
      let inspection = try await run(count, first: done, &random)
      done += count
      progress.tell(done)
      events += inspection.eventCount
      acked += inspection.ackedCount
      unknown += inspection.unknownCount
    }
    return [
      "check": "cuts", "seed": .int(Int64(seed)), "cuts": JSON(done),
      "events": .int(Int64(events)), "acknowledged": JSON(acked), "outcome_unknown": JSON(unknown),
    ]
  }

  private func run(
    _ count: Int, first: Int, _ random: inout SeededNumbers
  ) async throws -> Inspection {
    let shared = random
    let (inspection, next) = try await withScratch { scratch in
      var random = shared
      let directory = scratch + "/log"
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true)
      var inspection = Inspection(
        directory: directory, acknowledgementPath: scratch + "/acknowledged")
      for number in first..<first + count {
        // The first cuts of a log meet its making.
        let limit = number == first ? 30 : 250
        var faults = "cut:any:\(Int.random(in: 1...limit, using: &random))"
        if Int.random(in: 0..<4, using: &random) == 0 {
          let nth = Int.random(in: 1...max(2, limit / 4), using: &random)
          faults = "eio:flush:\(nth),\(faults)"
        }
        let settings = [
          "DAYBOOK_FAULT_ROOT": directory, "DAYBOOK_FAULTS": faults,
          "DAYBOOK_FAULT_SEED": String(random.next()),
        ]
        do {
          try await cut(directory, scratch, name: "p\(number)", settings, &inspection)
        } catch {
          throw BrokenPromise("cut \(number) of seed \(seed), \(settings): \(error)")
        }
      }
      try await inspection.inspect(isDeep: true)
      return (inspection, random)
    }
    random = next
    return inspection
  }

  private func cut(
    _ directory: String, _ scratch: String, name: String, _ settings: [String: String],
    _ inspection: inout Inspection
  ) async throws {
    let writer = try Child(
      tool: tool, ["write", directory, scratch + "/acknowledged", name, "3"], faults: settings)
    switch try writer.wait() {
    case .signal(SIGKILL): break
    // A flush that failed while opening.
    case .code(1) where settings["DAYBOOK_FAULTS"]?.hasPrefix("eio") == true: break
    case let ending: throw BrokenPromise("the writer ended with \(ending)")
    }
    try await inspection.inspect()
  }
}

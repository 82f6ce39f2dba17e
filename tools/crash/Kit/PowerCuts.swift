import EventLog
import Foundation
import JSON

/// The power goes at random moments of a writer's life: what it had not flushed survives sector by sector or does not
/// (tools/crash/shim). Sometimes a flush fails first. The writers of every other log erase people, and so exchange its files.
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
    var erasures = 0
    var progress = CheckProgress("cuts", of: cutCount)
    while done < cutCount {
      let count = min(Self.cutsPerLog, cutCount - done)
      let inspection = try await run(count, first: done, &random)
      done += count
      progress.tell(done)
      events += inspection.eventCount
      acked += inspection.ackedCount
      unknown += inspection.unknownCount
      erasures += inspection.erasureCount
    }
    return [
      "check": "cuts", "seed": .int(Int64(seed)), "cuts": JSON(done),
      "events": .int(Int64(events)), "acknowledged": JSON(acked), "outcome_unknown": JSON(unknown),
      "erased": JSON(erasures),
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
      var lifeCount = 0
      let kind = first / Self.cutsPerLog % 2 == 0 ? "rewrite" : "write"
      var number = first
      while number < first + count {
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
          "DAYBOOK_FAULT_FIRED": scratch + "/fired.\(lifeCount)",
        ]
        do {
          let arguments = [kind, directory, scratch + "/acknowledged", "p\(lifeCount)", "3"]
          if try await isCut(arguments, settings, &inspection) { number += 1 }
          lifeCount += 1
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

  /// False where a flush that failed while opening has ended the process before the power went.
  private func isCut(
    _ arguments: [String], _ settings: [String: String], _ inspection: inout Inspection
  ) async throws -> Bool {
    let ending = try Child(tool: tool, arguments, faults: settings).wait()
    let fired = try FiredFaults.read(settings)
    let isCut = fired.last?.hasPrefix("cut:") ?? false
    switch ending {
    case .signal(SIGKILL) where isCut: break
    case .code(1) where fired.last?.hasPrefix("eio:") ?? false: break
    default: throw BrokenPromise("the writer ended with \(ending) after \(fired)")
    }
    try await inspection.inspect()
    return isCut
  }
}

/// What the shim says of the faults that it was given: those that have struck.
enum FiredFaults {
  static func read(_ settings: [String: String]) throws -> [String] {
    guard let path = settings["DAYBOOK_FAULT_FIRED"], FileManager.default.fileExists(atPath: path)
    else { return [] }
    return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
  }
}

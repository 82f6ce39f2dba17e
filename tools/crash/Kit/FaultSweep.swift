import EventLog
import Foundation
import JSON

/// One fault at each write, flush and resize of two lives: of a writer, and of one that erases people and compacts the log while it
/// grows beyond a run of the index. The process goes on, tries again, and has to come to its end; afterwards every promise
/// was kept, and a tailer in another process has seen nothing else.
package struct FaultSweep {
  package var tool: String
  package var seed: UInt64 = 1
  /// How many of all the sites are tried; nil: each of them.
  package var siteCount: Int?

  package init(tool: String) { self.tool = tool }

  private enum Life: String, CaseIterable {
    case write, rewrite

    /// A run of the index takes 64 blocks.
    var commitCount: Int { self == .write ? 12 : 72 }
  }

  private struct Site {
    let life: Life
    let kind: String
    let operation: String
    let nth: Int

    var fault: String { "\(kind):\(operation):\(nth)" }
  }

  package func run() async throws -> JSON {
    var sites: [Site] = []
    for life in Life.allCases { sites += try await allSites(life) }
    let allCount = sites.count
    var random = SeededNumbers(seed: seed)
    if let siteCount { sites = Array(sites.shuffled(using: &random).prefix(siteCount)) }
    var unknownCount = 0
    var failedStartCount = 0
    var stepCount = 0
    var erasureCount = 0
    var progress = CheckProgress("faults", of: sites.count)
    for (number, site) in sites.enumerated() {
      do {
        let outcome = try await run(site)
        unknownCount += outcome.unknownCount
        stepCount += outcome.tailerSteps
        erasureCount += outcome.erasureCount
        if outcome.couldNotStart { failedStartCount += 1 }
      } catch {
        throw BrokenPromise("seed \(seed), life \(site.life), fault \(site.fault): \(error)")
      }
      progress.tell(number + 1)
    }
    return [
      "check": "faults", "seed": .int(Int64(seed)), "sites": JSON(allCount),
      "tried": JSON(sites.count), "outcome_unknown": JSON(unknownCount),
      "could_not_start": JSON(failedStartCount), "tailer_steps": JSON(stepCount),
      "erased": JSON(erasureCount),
    ]
  }

  /// What a life without faults does, counted by the shim.
  private func allSites(_ life: Life) async throws -> [Site] {
    try await withScratch { scratch in
      let counts = scratch + "/counts"
      _ = try live(life, scratch, ["DAYBOOK_FAULT_COUNT": counts])
      let numbers = try String(contentsOfFile: counts, encoding: .utf8)
        .split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
      guard numbers.count == 3, numbers.allSatisfy({ $0 > 0 }) else {
        throw CrashError("the shim was not loaded, or the process did not end in order")
      }
      let kinds = [
        ("write", ["eio", "enospc", "short"]), ("flush", ["eio", "enospc"]), ("resize", ["enospc"]),
      ]
      return zip(kinds, numbers).flatMap { pair, count in
        pair.1.flatMap { kind in
          (1...count).map { Site(life: life, kind: kind, operation: pair.0, nth: $0) }
        }
      }
    }
  }

  private struct Outcome {
    let unknownCount: Int
    let couldNotStart: Bool
    let tailerSteps: Int
    let erasureCount: Int
  }

  private func run(_ site: Site) async throws -> Outcome {
    try await withScratch { scratch in
      let tailers = try Tailers(
        tool: tool, directory: scratch + "/log", folder: scratch, count: 1)
      defer { tailers.kill() }
      // It goes on until the fault has struck: no two lives are of exactly the same calls.
      let settings = ["DAYBOOK_FAULTS": site.fault, "DAYBOOK_FAULT_FIRED": scratch + "/fired"]
      let ending = try live(site.life, scratch, settings)
      guard try FiredFaults.read(settings) == [site.fault] else {
        throw CrashError("the fault has not struck")
      }
      // A fault while opening may end the process; one later may not: it has to recover by itself.
      let book = try Acknowledgements.read(scratch + "/acknowledged")
      guard ending == .code(0) || (ending == .code(1) && book.acked.isEmpty) else {
        throw BrokenPromise("the writer ended with \(ending) after \(book.acked.count) commits")
      }
      if ending != .code(0) {
        guard try live(site.life, scratch, [:]) == .code(0) else {
          throw BrokenPromise("the log does not open after a fault in its making")
        }
      }
      var inspection = Inspection(
        directory: scratch + "/log", acknowledgementPath: scratch + "/acknowledged")
      try await inspection.inspect(isDeep: true)
      guard inspection.ackedCount >= site.life.commitCount else {
        throw BrokenPromise("\(inspection.ackedCount) commits of \(site.life.commitCount)")
      }
      return Outcome(
        unknownCount: inspection.unknownCount, couldNotStart: ending != .code(0),
        tailerSteps: try tailers.finish(upTo: inspection), erasureCount: inspection.erasureCount)
    }
  }

  private func live(
    _ life: Life, _ scratch: String, _ settings: [String: String]
  ) throws -> Child.Ending {
    try FileManager.default.createDirectory(
      atPath: scratch + "/log", withIntermediateDirectories: true)
    var faults = settings
    faults["DAYBOOK_FAULT_ROOT"] = scratch + "/log"
    return try Child(
      tool: tool,
      [
        life.rawValue, scratch + "/log", scratch + "/acknowledged", "f", "1",
        String(life.commitCount),
      ], faults: faults
    ).wait()
  }
}

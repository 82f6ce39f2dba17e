import Foundation
import JSON

/// `crash COMMAND …`: what the tool does, for scripts and tests. Reports are JSON on standard output.
package enum CrashCommand {
  private static let usage = """
    Usage: crash golden FOLDER             make a golden log of today's format
           crash kill [CYCLES] [SEED]      writers killed at random moments
           crash faults [SITES] [SEED]     a fault at each write, flush and resize
           crash cuts [CUTS] [SEED]        power cuts that drop and tear what was not flushed
           crash flips [FLIPS] [SEED]      flipped bits in the log's files
           crash all [SEED]                all of them at the size of a soak
    """

  /// The exit code: 0 all is well, 1 it could not be done, 2 a promise was broken, 64 not understood.
  package static func run(_ arguments: [String]) async -> Int32 {
    do {
      guard let name = arguments.first else { throw Misunderstood() }
      let rest = Array(arguments.dropFirst())
      if try await runChild(name, rest) { return 0 }
      for report in try await check(name, try rest.map(number)) { say(report.text) }
      return 0
    } catch is Misunderstood {
      complain(usage)
      return 64
    } catch let error as BrokenPromise {
      complain("crash: \(error)")
      return 2
    } catch {
      complain("crash: \(error)")
      return 1
    }
  }

  private struct Misunderstood: Error {}

  private static func number(_ text: String) throws -> UInt64 {
    guard let number = UInt64(text) else { throw Misunderstood() }
    return number
  }

  private static func check(_ name: String, _ numbers: [UInt64]) async throws -> [JSON] {
    let count = numbers.first.map { Int($0) }
    let seed = numbers.count > 1 ? numbers[1] : 1
    switch name {
    case "kill":
      var loop = KillLoop(tool: tool)
      loop.cycleCount = count ?? loop.cycleCount
      loop.seed = seed
      return [try await loop.run()]
    case "faults":
      var sweep = FaultSweep(tool: tool)
      sweep.siteCount = count
      sweep.seed = seed
      return [try await sweep.run()]
    case "cuts":
      var cuts = PowerCuts(tool: tool)
      cuts.cutCount = count ?? cuts.cutCount
      cuts.seed = seed
      return [try await cuts.run()]
    case "flips":
      var flips = BitFlips(tool: tool)
      flips.flipCount = count ?? flips.flipCount
      flips.seed = seed
      return [try await flips.run()]
    case "all":
      let seed = numbers.first ?? 1
      return try await check("kill", [3_000, seed]) + check("faults", [])
        + check("cuts", [2_000, seed])
        + check("flips", [10_000, seed])
    default: throw Misunderstood()
    }
  }

  /// The processes that the checks start, and the making of a golden log. False where `name` is none of them.
  private static func runChild(_ name: String, _ rest: [String]) async throws -> Bool {
    Child.endWithParent()
    switch (name, rest.count) {
    case ("golden", 1):
      try await GoldenLog.make(at: rest[0])
    case ("write", 3...5), ("rewrite", 3...5):
      var writer = WritingProcess(
        directory: rest[0], acknowledgementPath: rest[1], name: rest[2])
      writer.isRewriting = name == "rewrite"
      if rest.count > 3 { writer.taskCount = Int(try number(rest[3])) }
      if rest.count > 4 { writer.commitCount = Int(try number(rest[4])) }
      try await writer.run()
    case ("tail", 2):
      try await TailingProcess(directory: rest[0], outPath: rest[1]).run()
    case ("flip", 5):
      let numbers = try rest[2...].map(number)
      try FlippedReader(directory: rest[0], outPath: rest[1]).run(
        seed: numbers[0], flips: Int(numbers[1])..<Int(numbers[2]))
    default: return false
    }
    return true
  }

  /// This program's own file.
  private static var tool: String {
    URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path(percentEncoded: false)
  }

  private static func say(_ text: String) { print(text) }

  private static func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }
}

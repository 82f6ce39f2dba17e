import CrashKit
import EventLog
import Foundation
import JSON
import Testing

/// The crash tool at a size that fits into every run; README.md says how the soaks are started.
@Suite(.serialized) struct CrashToolTests {
  /// The tool, beside this test bundle.
  private static let tool = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "crash").path(percentEncoded: false)

  @Test func `killed again and again, a writer loses and doubles nothing; tailers see a prefix`()
    async throws
  {
    var loop = KillLoop(tool: Self.tool)
    loop.cycleCount = 120
    loop.seed = TestSeed.value &+ 1
    let report = try await loop.run()
    #expect((report["acknowledged"]?.int ?? 0) > 100)
    #expect((report["tailer_steps"]?.int ?? 0) > 2)
    #expect((report["erased"]?.int ?? 0) > 0)
  }

  @Test func `a process that mapped the log when it was small goes on reading while it grows`()
    async throws
  {
    try await withLogDirectory { directory in
      var options = LMDBEventLog.Options()
      options.mapBytes = 1 << 20
      let log = try LMDBEventLog(directory: directory, options: options)
      _ = try await log.append(commit([event(1)]))
      let path = directory + "/seen"
      let tailer = try Child(tool: Self.tool, ["tail", directory, path])
      defer { tailer.kill() }
      try await Self.waitUntil(tailer, hasSeen: 1, in: path)
      // Twelve megabytes of noise: four doublings of the map.
      for number in 2...60 as ClosedRange<UInt64> {
        #expect(try await log.append(commit([noise(200_000)])).lastPosition == number)
      }
      try await Self.waitUntil(tailer, hasSeen: 60, in: path)
      var digest = EventDigest()
      for event in try log.read(after: 0, limit: .max, filter: .all).events { digest.add(event) }
      #expect(try TailingProcess.steps(path).last?.digest == digest.finish())
      await log.close()
    }
  }

  private static func waitUntil(
    _ tailer: Child, hasSeen position: UInt64, in path: String
  ) async throws {
    while (try? TailingProcess.steps(path).last?.position) != position {
      try #require(tailer.process.isRunning)
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  @Test func `a fault at a write, flush or resize loses nothing, and the writer goes on`()
    async throws
  {
    var sweep = FaultSweep(tool: Self.tool)
    sweep.siteCount = 24
    sweep.seed = TestSeed.value &+ 2
    let report = try await sweep.run()
    #expect((report["erased"]?.int ?? 0) > 0)
  }

  @Test func `after a power cut everything acknowledged is there, and the log opens`() async throws
  {
    var cuts = PowerCuts(tool: Self.tool)
    cuts.cutCount = 48
    cuts.seed = TestSeed.value &+ 3
    let report = try await cuts.run()
    #expect((report["acknowledged"]?.int ?? 0) > 100)
    #expect((report["erased"]?.int ?? 0) > 0)
  }

  @Test func `the power goes where another fault meets the same call, too`() async throws {
    try await withLogDirectory { directory in
      let settings = ["DAYBOOK_FAULT_ROOT": directory, "DAYBOOK_FAULTS": "eio:any:40,cut:any:40"]
      let writer = try Child(
        tool: Self.tool, ["write", directory, directory + "/acknowledged", "p", "3"],
        faults: settings)
      let ending = try await onOwnThread { try writer.wait() }
      #expect(ending == .signal(SIGKILL))
    }
  }

  @Test func `a flipped bit anywhere is detected or changes nothing`() async throws {
    var flips = BitFlips(tool: Self.tool)
    flips.flipCount = 120
    flips.seed = TestSeed.value &+ 4
    let report = try await flips.run()
    #expect(report["served"] == 0)
    #expect((report["detected"]?.int ?? 0) > 20)
  }
}

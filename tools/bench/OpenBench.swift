import EventLog
import Foundation

/// `open`: how long until a log can be appended to whose writer was killed in the middle of its work, and what that writer
/// took of memory.
enum OpenBench {
  /// Names the log that this process is to write until it is killed. No setting of Daybook: those are checked.
  private static let writerVariable = "BENCH_OPEN_WRITES_TO"

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    if let directory = ProcessInfo.processInfo.environment[writerVariable] {
      return try await writeUntilKilled(directory, options)
    }
    if try StartBench.isStarter() { return }
    if options.caseName == nil || options.caseName == "start" {
      try await StartBench.run(options, report)
    }
    if options.caseName == "start" { return }
    try await reportDevice(bench: "open", report)
    try await withBenchDirectory { directory in
      func figure(_ caseName: String, _ metric: String, _ value: Double) {
        report(Bench.Figure(bench: "open", caseName: caseName, metric: metric, value: value))
      }
      figure(
        "writer", "rss_mb", try await killedWriterMegabytes(directory, options))
      var mix = EventMix(seed: 9)
      let commit = mix.commit(eventCount: 1)
      let start = SystemClock.monotonicNanos()
      let opened = try LMDBEventLog(directory: directory)
      figure("after_kill", "ms", Double(SystemClock.monotonicNanos() - start) / 1e6)
      _ = try await opened.append(commit)
      figure("first_append", "ms", Double(SystemClock.monotonicNanos() - start) / 1e6)
      figure("after_kill", "events", Double(try opened.head()))
      await opened.close()
    }
  }

  /// Lets another process write `options.eventCount` events and more, and kills it. What it had of memory of its own: the
  /// mapped file is the page cache's.
  private static func killedWriterMegabytes(
    _ directory: String, _ options: Bench.Options
  ) async throws -> Double {
    // The log exists before the other process begins, so that it can be followed from here.
    await (try LMDBEventLog(directory: directory)).close()
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["bench", "open", "--events", "\(options.eventCount)"]
    process.environment = ProcessInfo.processInfo.environment
      .merging([writerVariable: directory]) { $1 }
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    defer {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    let reader = try LMDBLogReader(directory: directory)
    defer { reader.close() }
    while try reader.head() < UInt64(options.eventCount) {
      guard process.isRunning else { throw CocoaError(.fileWriteUnknown) }
      try await Task.sleep(for: .milliseconds(20))
    }
    return try ownMegabytes(process.processIdentifier)
  }

  private static func ownMegabytes(_ process: Int32) throws -> Double {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    return status.split(separator: "\n").reduce(0) { total, line in
      let fields = line.split(whereSeparator: \.isWhitespace)
      guard fields.first == "RssAnon:" || fields.first == "RssShmem:", fields.count > 1 else {
        return total
      }
      return total + (Double(fields[1]) ?? 0) / 1024
    }
  }

  private static func writeUntilKilled(_ directory: String, _ options: Bench.Options) async throws {
    let log = try LMDBEventLog(directory: directory)
    try await fill(log, options)
    var mix = EventMix(seed: 8)
    while true {
      let waiting = (0..<64).map { _ in log.enqueue(mix.commit(eventCount: 1)) }
      for pending in waiting { _ = try await pending.receipt() }
    }
  }
}

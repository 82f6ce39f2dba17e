import Application
import EventLog
import Foundation
import SeedData

/// `open`, the cases `start`: how long until the write side of `serve` has read its books, from the log alone and with
/// a snapshot, and what a process that did nothing else has of memory.
enum StartBench {
  /// Names the folder whose log this process is to start on. No setting of Daybook: those are checked.
  private static let starterVariable = "BENCH_OPEN_STARTS_ON"

  /// Whether this process was started by `run`: then it has done its work.
  static func isStarter() throws -> Bool {
    guard let directory = ProcessInfo.processInfo.environment[starterVariable] else { return false }
    try start(directory)
    return true
  }

  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await withBenchDirectory { directory in
      func figure(_ caseName: String, _ metric: String, _ value: Double) {
        report(Bench.Figure(bench: "open", caseName: caseName, metric: metric, value: value))
      }
      let log = try LMDBEventLog(directory: directory + "/log")
      let seed = SeedData.Options(
        contactCount: max(1, options.eventCount / 10), eventCount: options.eventCount, seed: 1,
        untilMicros: 1_793_404_800_000_000, keyHash: "")
      _ = try await SeedData.write(seed, to: log) { _ in }
      await log.close()
      try measure(directory) { figure("start_folded", $0, $1) }
      let began = EventLog.SystemClock.monotonicNanos()
      let reader = try LMDBLogReader(directory: directory + "/log")
      let made = try SnapshotMaker(log: reader, folder: try snapshots(directory)).run()
      reader.close()
      guard made?.count == 1 else { throw CocoaError(.fileWriteUnknown) }
      figure("make_snapshot", "ms", Double(EventLog.SystemClock.monotonicNanos() - began) / 1e6)
      let size = try FileManager.default.contentsOfDirectory(atPath: directory + "/snapshots")
        .reduce(0) { sum, name in
          let path = "\(directory)/snapshots/\(name)"
          return try sum + Data(contentsOf: URL(filePath: path), options: .alwaysMapped).count
        }
      figure("make_snapshot", "mb", Double(size) / Double(1 << 20))
      try measure(directory) { figure("start_from_snapshot", $0, $1) }
    }
  }

  private static func snapshots(_ directory: String) throws -> SnapshotFolder {
    try SnapshotFolder(path: directory + "/snapshots", build: try SnapshotFolder.ownBuild())
  }

  /// In a process of its own, which leaves its figures in a file.
  private static func measure(
    _ directory: String, _ report: (String, Double) -> Void
  ) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["bench", "open"]
    process.environment = ProcessInfo.processInfo.environment
      .merging([starterVariable: directory]) { $1 }
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let text = try String(contentsOfFile: directory + "/figures", encoding: .utf8)
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count == 2, let value = Double(fields[1]) else {
        throw CocoaError(.fileReadCorruptFile)
      }
      report(String(fields[0]), value)
    }
  }

  private static func start(_ directory: String) throws {
    let began = EventLog.SystemClock.monotonicNanos()
    let log = try LMDBEventLog(directory: directory + "/log")
    let engine = try Engine(
      log: log,
      tools: Tools(
        clock: Application.SystemClock(), random: SystemRandom(), numbers: PhoneBook(),
        zones: SystemZoneClock()), snapshots: try snapshots(directory))
    let millis = Double(EventLog.SystemClock.monotonicNanos() - began) / 1e6
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    var lines = ["ms \(millis)", "folded \(engine.loaded.foldedCount)"]
    for (name, metric) in [("RssAnon:", "own_mb"), ("VmRSS:", "rss_mb"), ("VmHWM:", "peak_mb")] {
      let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
      let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first
      lines.append("\(metric) \((kibibytes.flatMap { Double($0) } ?? 0) / 1024)")
    }
    try lines.joined(separator: "\n").write(
      toFile: directory + "/figures", atomically: true, encoding: .utf8)
  }
}

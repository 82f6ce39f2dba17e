import EventLog
import Foundation
import Merkle

/// What `fill` makes its events of.
let logSeed: UInt64 = 7

/// A log to read: `options.eventCount` events of the mix in commits of one, as traffic brings them.
func fill(_ log: LMDBEventLog, _ options: Bench.Options) async throws {
  var mix = EventMix(seed: logSeed)
  var waiting: [PendingAppend] = []
  for _ in 0..<options.eventCount {
    waiting.append(log.enqueue(mix.commit(eventCount: 1)))
    if waiting.count == 1024 {
      for pending in waiting { _ = try await pending.receipt() }
      waiting.removeAll(keepingCapacity: true)
    }
  }
  for pending in waiting { _ = try await pending.receipt() }
}

/// `replay`: how fast one core reads the log front to back.
enum ReplayBench {
  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await reportDevice(bench: "replay", report)
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      try await fill(log, options)
      let reader = try LMDBLogReader(directory: directory)
      for (name, body) in [("checked", check), ("decoded", decode)] {
        // The better of two: the first one also warms the page cache.
        let rates = try (0..<2).map { _ in try rate(reader, body) }
        report(
          Bench.Figure(
            bench: "replay", caseName: name, metric: "per_second", value: rates.max() ?? 0))
      }
      reader.close()
      await log.close()
    }
  }

  private static func rate(
    _ reader: LMDBLogReader, _ body: (LMDBLogReader) throws -> Int
  ) throws -> Double {
    let start = SystemClock.monotonicNanos()
    let count = try body(reader)
    return Double(count) / (Double(SystemClock.monotonicNanos() - start) / 1e9)
  }

  private static func check(_ reader: LMDBLogReader) throws -> Int {
    Int(try reader.check(after: 0).eventCount)
  }

  private static func decode(_ reader: LMDBLogReader) throws -> Int {
    var position: UInt64 = 0
    var count = 0
    while true {
      let page = try reader.read(after: position, limit: 4096, filter: .all)
      count += page.events.count
      if page.scannedTo == position { return count }
      position = page.scannedTo
    }
  }
}

/// `size`: what an event costs on disk, everything included: as it was written, and after a compaction.
enum SizeBench {
  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let commits = try commits(options)
      try await append(commits, to: log)
      func figures(_ name: String) throws {
        func figure(_ name: String, _ bytes: Int) {
          report(
            Bench.Figure(
              bench: "size", caseName: name, metric: "bytes_per_event",
              value: Double(bytes) / Double(commits.count)))
        }
        figure(name, try diskBytes(directory))
        for (table, bytes) in try log.usage().sorted(by: { $0.key < $1.key }) {
          figure("\(name).\(table)", bytes)
        }
        figure("\(name).vault", try diskBytes(directory + "/vault"))
      }
      try figures("hot")
      _ = try await log.compact()
      try figures("sealed")
      await log.close()
    }
  }

  /// The lines of `bench/gen_events.py` where it is there, else the same mix.
  private static func commits(_ options: Bench.Options) throws -> [Commit] {
    if let generated = try GeneratedMix.commits(count: options.eventCount) { return generated }
    var mix = EventMix(seed: 7)
    return (0..<options.eventCount).map { _ in mix.commit(eventCount: 1) }
  }

  private static func append(_ commits: [Commit], to log: LMDBEventLog) async throws {
    var waiting: [PendingAppend] = []
    for commit in commits {
      waiting.append(log.enqueue(commit))
      if waiting.count == 1024 {
        for pending in waiting { _ = try await pending.receipt() }
        waiting.removeAll(keepingCapacity: true)
      }
    }
    for pending in waiting { _ = try await pending.receipt() }
  }
}

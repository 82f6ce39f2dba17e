import EventLog
import Foundation
import Synchronization

/// `append`: how many durable events a second, and how long one waits.
enum AppendBench {
  private struct Case {
    let name: String
    let clientCount: Int
    /// Commits that one client has in flight.
    let outstanding: Int
    let eventsPerCommit: Int
    let isSealed: Bool
    /// People whose data the sealed parts are.
    var contactCount = 20_000
    /// Events that are there before, in small blocks.
    var compactedEventCount = 0
  }

  /// What one client has appended.
  private struct Appended {
    var eventCount = 0
    /// The times of the groups: all commits of one have the same.
    var groups: Set<Int64> = []
    private var lastGroup: Int64?

    mutating func add(_ other: Appended) {
      eventCount += other.eventCount
      groups.formUnion(other.groups)
    }

    mutating func add(_ receipt: Receipt) {
      eventCount += receipt.eventCount
      if receipt.recordedAtMicros != lastGroup { groups.insert(receipt.recordedAtMicros) }
      lastGroup = receipt.recordedAtMicros
    }
  }

  private static let cases = [
    Case(name: "single", clientCount: 1, outstanding: 1, eventsPerCommit: 1, isSealed: false),
    Case(name: "clients64", clientCount: 64, outstanding: 1, eventsPerCommit: 1, isSealed: false),
    Case(
      name: "outstanding256", clientCount: 8, outstanding: 32, eventsPerCommit: 1, isSealed: false),
    Case(name: "batch512", clientCount: 8, outstanding: 2, eventsPerCommit: 512, isSealed: false),
    Case(
      name: "batch512_sealed", clientCount: 8, outstanding: 2, eventsPerCommit: 512, isSealed: true),
    // Most events are the first of their subject: each makes a key, as an import does.
    Case(
      name: "batch512_new_subjects", clientCount: 8, outstanding: 2, eventsPerCommit: 512,
      isSealed: true, contactCount: 1_000_000),
    // batch512 again, with what of it is the tree.
    Case(name: "tree_share", clientCount: 8, outstanding: 2, eventsPerCommit: 512, isSealed: false),
  ]
  /// 64 clients alone, and while something else goes on in the same run.
  private static let beside = Case(
    name: "beside", clientCount: 64, outstanding: 1, eventsPerCommit: 1, isSealed: false,
    compactedEventCount: 300_000)

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    for each in cases where options.caseName ?? each.name == each.name {
      try await run(each, options, report)
    }
    if options.caseName ?? beside.name == beside.name { try await runBeside(options, report) }
    if options.caseName ?? "wake" == "wake" { try await WakeBench.run(options, report) }
  }

  private static func runBeside(
    _ options: Bench.Options, _ report: (Bench.Figure) -> Void
  ) async throws {
    try await withBenchDirectory { directory in
      try await fill(directory + "/log", eventCount: beside.compactedEventCount)
      var idle: Double?
      func measure(
        _ name: String, compacting: Bool = false, _ work: (@Sendable () throws -> Void)? = nil
      ) async throws {
        var logOptions = LMDBEventLog.Options()
        if !compacting { logOptions.compaction.pauseFactor = nil }
        let log = try LMDBEventLog(directory: directory + "/log", options: logOptions)
        let other = work.map { Repeating($0) }
        let outcome = try await load(log, beside, seconds: options.seconds)
        try other?.stop()
        await log.close()
        let p99 = outcome.latencies.percentile(0.99)
        idle = idle ?? p99
        for (metric, value) in [("p99_ms", p99), ("times_idle", p99 / (idle ?? p99))] {
          report(
            Bench.Figure(
              bench: "append", caseName: "beside.\(name)", metric: metric, value: value))
        }
      }
      let path = directory + "/log"
      try await measure("nothing")
      try await measure("verify") {
        let reader = try LMDBLogReader(directory: path)
        defer { reader.close() }
        _ = try reader.verify()
      }
      try await measure("backup") {
        let reader = try LMDBLogReader(directory: path)
        defer { reader.close() }
        _ = try reader.backUp(to: "\(directory)/backup-\(UUID().uuidString)")
      }
      try await measure("recompaction", compacting: true)
    }
  }

  private static func run(
    _ each: Case, _ options: Bench.Options, _ report: (Bench.Figure) -> Void
  ) async throws {
    try await withBenchDirectory { directory in
      let floor = try deviceFloor(directory, seconds: 0.3)
      let log = try LMDBEventLog(directory: directory + "/log")
      let outcome = try await load(log, each, seconds: options.seconds)
      func figure(_ metric: String, _ value: Double, _ floor: Double? = nil) {
        report(
          Bench.Figure(
            bench: "append", caseName: each.name, metric: metric, value: value, floor: floor))
      }
      if each.name == "tree_share" {
        try TreeShareBench.run(log, cpuMicros: outcome.cpuMicros, report)
        await log.close()
        return
      }
      let blockBytes = try log.usage()["blocks"] ?? 0
      await log.close()
      let raw = try rawLMDBFloor(
        directory, byteCount: blockBytes / outcome.groupCount, seconds: 0.5)
      figure("per_second", outcome.perSecond, floor.perSecond)
      // The same bytes in as many transactions, put by LMDB alone.
      figure(
        "raw_lmdb_per_second", raw * Double(outcome.eventCount) / Double(outcome.groupCount))
      // What does not change with whatever else the machine is doing.
      figure("cpu_us_per_event", outcome.cpuMicros)
      figure("background_cpu_us_per_event", outcome.backgroundMicros)
      figure("p50_ms", outcome.latencies.percentile(0.5), floor.p50)
      figure("p99_ms", outcome.latencies.percentile(0.99))
    }
  }

  private struct Outcome {
    let eventCount: Int
    /// How many transactions took them.
    let groupCount: Int
    let seconds: Double
    let latencies: Latencies
    let cpuSeconds: Double
    /// Of those, the compaction's.
    let backgroundSeconds: Double

    var perSecond: Double { Double(eventCount) / seconds }
    var cpuMicros: Double { (cpuSeconds - backgroundSeconds) / Double(max(eventCount, 1)) * 1e6 }
    var backgroundMicros: Double { backgroundSeconds / Double(max(eventCount, 1)) * 1e6 }
  }

  /// Appends to `log` for `seconds` as `each` says.
  private static func load(
    _ log: LMDBEventLog, _ each: Case, seconds: Double
  ) async throws -> Outcome {
    let latencies = Latencies()
    let prepared = (0..<each.clientCount).map { commits(for: $0, each) }
    let cpuBefore = processorSeconds()
    let backgroundBefore = log.backgroundProcessorNanos
    let start = SystemClock.monotonicNanos()
    let deadline = start + Int64(seconds * 1e9)
    let done = try await withThrowingTaskGroup(of: Appended.self) { group in
      for own in prepared {
        group.addTask {
          try await append(
            own, to: log, outstanding: each.outstanding, until: deadline, latencies)
        }
      }
      return try await group.reduce(into: Appended()) { $0.add($1) }
    }
    return Outcome(
      eventCount: done.eventCount, groupCount: max(done.groups.count, 1),
      seconds: Double(SystemClock.monotonicNanos() - start) / 1e9, latencies: latencies,
      cpuSeconds: processorSeconds() - cpuBefore,
      backgroundSeconds: Double(log.backgroundProcessorNanos - backgroundBefore) / 1e9)
  }

  /// Small blocks that nothing has compacted yet.
  private static func fill(_ directory: String, eventCount: Int) async throws {
    guard eventCount > 0 else { return }
    var options = LMDBEventLog.Options()
    options.compaction.pauseFactor = nil
    let log = try LMDBEventLog(directory: directory, options: options)
    var mix = EventMix(seed: 5)
    for _ in 0..<eventCount / 64 { _ = try await log.append(mix.commit(eventCount: 64)) }
    await log.close()
  }

  /// Made in advance: what is measured is the log. Clients repeat theirs.
  private static func commits(for client: Int, _ each: Case) -> [Commit] {
    var mix = EventMix(seed: 1, contactCount: each.contactCount)
    mix.diverge(by: UInt64(client))
    let count = each.eventsPerCommit == 1 ? 4000 : 24
    return (0..<count).map { _ in
      mix.commit(eventCount: each.eventsPerCommit, isAlwaysSealed: each.isSealed)
    }
  }

  private static func append(
    _ commits: [Commit], to log: LMDBEventLog, outstanding: Int, until deadline: Int64,
    _ latencies: Latencies
  ) async throws -> Appended {
    var waiting: [(pending: PendingAppend, since: Int64)] = []
    var first = 0
    var nanos: [Int64] = []
    var done = Appended()
    var next = 0
    while true {
      let now = SystemClock.monotonicNanos()
      if now >= deadline, first == waiting.count { break }
      if now < deadline, waiting.count - first < outstanding {
        waiting.append((log.enqueue(commits[next % commits.count]), now))
        next += 1
        continue
      }
      let receipt = try await waiting[first].pending.receipt()
      nanos.append(SystemClock.monotonicNanos() - waiting[first].since)
      done.add(receipt)
      first += 1
      if first == 1024 {
        waiting.removeFirst(first)
        first = 0
      }
    }
    latencies.add(nanos)
    return done
  }
}

/// Does something again and again on a thread of its own until told to stop.
private final class Repeating: Sendable {
  private struct State {
    var isStopped = false
    var failure: (any Error)?
  }

  private let state = Mutex(State())
  private let isDone = DispatchSemaphore(value: 0)

  init(_ work: @escaping @Sendable () throws -> Void) {
    Thread.detachNewThread { [self] in
      do {
        while !state.withLock({ $0.isStopped }) { try work() }
      } catch {
        state.withLock { $0.failure = error }
      }
      isDone.signal()
    }
  }

  /// Waits for the work in progress.
  func stop() throws {
    state.withLock { $0.isStopped = true }
    isDone.wait()
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }
}

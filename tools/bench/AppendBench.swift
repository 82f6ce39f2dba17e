import EventLog
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
    /// Events that are there before, and that the background makes into large blocks meanwhile.
    var compactedEventCount = 0
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
    Case(
      name: "before_recompaction", clientCount: 64, outstanding: 1, eventsPerCommit: 1,
      isSealed: false),
    Case(
      name: "during_recompaction", clientCount: 64, outstanding: 1, eventsPerCommit: 1,
      isSealed: false, compactedEventCount: 300_000),
  ]

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    for each in cases where options.caseName ?? each.name == each.name {
      try await run(each, options, report)
    }
  }

  private static func run(
    _ each: Case, _ options: Bench.Options, _ report: (Bench.Figure) -> Void
  ) async throws {
    try await withBenchDirectory { directory in
      let floor = try deviceFloor(directory, seconds: 0.3)
      try await fill(directory + "/log", eventCount: each.compactedEventCount)
      let log = try LMDBEventLog(directory: directory + "/log")
      let latencies = Latencies()
      let cpuBefore = processorSeconds()
      let start = SystemClock.monotonicNanos()
      let deadline = start + Int64(options.seconds * 1e9)
      let eventCount = try await withThrowingTaskGroup(of: Int.self) { group in
        for client in 0..<each.clientCount {
          let commits = commits(for: client, each)
          group.addTask {
            try await append(
              commits, to: log, outstanding: each.outstanding, until: deadline, latencies)
          }
        }
        return try await group.reduce(0, +)
      }
      let elapsed = Double(SystemClock.monotonicNanos() - start) / 1e9
      let cpu = processorSeconds() - cpuBefore
      if each.name == "tree_share" {
        try TreeShareBench.run(log, cpuMicros: cpu / Double(max(eventCount, 1)) * 1e6, report)
        await log.close()
        return
      }
      await log.close()
      func figure(_ metric: String, _ value: Double, _ floor: Double?) {
        report(
          Bench.Figure(
            bench: "append", caseName: each.name, metric: metric, value: value, floor: floor))
      }
      figure("per_second", Double(eventCount) / elapsed, floor.perSecond)
      // What does not change with whatever else the machine is doing.
      figure("cpu_us_per_event", cpu / Double(max(eventCount, 1)) * 1e6, nil)
      figure("p50_ms", latencies.percentile(0.5), floor.p50)
      figure("p99_ms", latencies.percentile(0.99), nil)
    }
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
  ) async throws -> Int {
    var waiting: [(pending: PendingAppend, since: Int64)] = []
    var first = 0
    var nanos: [Int64] = []
    var eventCount = 0
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
      eventCount += receipt.eventCount
      first += 1
      if first == 1024 {
        waiting.removeFirst(first)
        first = 0
      }
    }
    latencies.add(nanos)
    return eventCount
  }
}

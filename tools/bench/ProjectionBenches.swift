import Domain
import EventCodec
import EventLog
import Foundation
import Postgres
import ProjectionRuntime
import ReadModels
import Synchronization

/// `rebuild`: events a second from the log into tables, beside a raw COPY of the same rows with the same
/// indexes. Give `--events 10000000` for the size that the product is measured at.
enum RebuildBench {
  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory + "/log")
      try await fillWithCharges(log, options.eventCount)
      try await withBenchDatabase(directory) { url in
        if options.caseName ?? "insert_only" == "insert_only" {
          let floor = try rawCopy(log, url, options.eventCount)
          try await rebuild(BenchLedger.self, "insert_only", log, url, floor: floor, report)
        }
        if options.caseName ?? "fold" == "fold" {
          try await rebuild(BenchBalances.self, "fold", log, url, floor: nil, report)
        }
      }
      await log.close()
    }
  }

  private static func rebuild(
    _ projection: any Projection.Type, _ name: String, _ log: LMDBEventLog, _ url: String,
    floor: Double?, _ report: (Bench.Figure) -> Void
  ) async throws {
    let rebuilder = Rebuilder(reader: log, connectionString: url, projections: [projection])
    let cpu = processorSeconds()
    let start = SystemClock.monotonicNanos()
    let done = try await rebuilder.rebuild()
    let seconds = Double(SystemClock.monotonicNanos() - start) / 1e9
    let count = Double(done.reduce(0) { $0 + $1.consumedCount })
    func figure(_ metric: String, _ value: Double, _ floor: Double? = nil) {
      report(
        Bench.Figure(
          bench: "rebuild", caseName: name, metric: metric, value: value, floor: floor))
    }
    figure("per_second", count / seconds, floor)
    // What does not change with whatever else the machine is doing: ours, without the server's.
    figure("cpu_us_per_event", (processorSeconds() - cpu) / max(1, count) * 1e6)
    figure("rss_mb", peakMemoryMegabytes())
  }

  /// Rows that are encoded already, copied into a fresh table and indexed: what Postgres alone does.
  private static func rawCopy(
    _ log: LMDBEventLog, _ url: String, _ eventCount: Int
  ) throws -> Double {
    let connection = try PostgresConnection(url)
    try connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'")
    let script = SchemaScript(BenchLedger.schemaSQL)
    var nanos: Int64 = 0
    func timed(_ body: () throws -> Void) rethrows {
      let start = SystemClock.monotonicNanos()
      try body()
      nanos += SystemClock.monotonicNanos() - start
    }
    var rowCount = 0
    try connection.transaction {
      try connection.execute(script.tables.joined(separator: ";"))
      try forEachPage(log) { rows in
        rowCount += rows.rowCount
        try timed {
          try connection.copyIn(
            table: "ledger", columns: BenchLedger.Line.columns.map(\.name), schema: "public",
            isFrozen: true, binary: rows.copyMessage)
        }
      }
      try timed {
        try connection.execute((script.keys + script.indexes).joined(separator: ";"))
        try connection.execute("ANALYZE ledger")
      }
    }
    try connection.execute("DROP TABLE ledger")
    return Double(rowCount) / (Double(nanos) / 1e9)
  }

  private static func forEachPage(
    _ log: LMDBEventLog, _ body: (RowWriter) throws -> Void
  ) throws {
    var position: UInt64 = 0
    while true {
      let page = try log.read(after: position, limit: 20_000, filter: .all)
      guard page.scannedTo > position else { return }
      var rows = RowWriter()
      for recorded in page.events {
        guard let line = BenchLedger.line(of: try EventCodec.decode(recorded)) else { continue }
        rows.row(columnCount: BenchLedger.Line.columns.count)
        line.write(to: &rows)
      }
      try body(rows)
      position = page.scannedTo
    }
  }
}

/// `project`: how long an event takes from its acknowledgement to every read model, at 5,000 a second.
enum ProjectBench {
  private static let eventsPerSecond = 5_000
  private static let eventsPerCommit = 10

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory + "/log")
      try await withBenchDatabase(directory) { url in
        let projector = LiveProjector(
          reader: log, connectionString: url, projections: ReadModels.all)
        try await projector.runToHead()
        let running = Task { try await projector.run() }
        let latencies = try await measure(log, projector, seconds: max(5, options.seconds))
        running.cancel()
        _ = await running.result
        for (name, share) in [("p50_ms", 0.5), ("p99_ms", 0.99)] {
          report(
            Bench.Figure(
              bench: "project", caseName: "lag", metric: name,
              value: latencies.percentile(share)))
        }
      }
      await log.close()
    }
  }

  private static func measure(
    _ log: LMDBEventLog, _ projector: LiveProjector, seconds: Double
  ) async throws -> Latencies {
    let waiting = Mutex<[(position: UInt64, since: Int64)]>([])
    let latencies = Latencies()
    let isOver = Atomic(false)
    let watcher = Thread {
      while !isOver.load(ordering: .relaxed) || waiting.withLock({ !$0.isEmpty }) {
        let applied = projector.appliedPositions.values.min() ?? 0
        let now = SystemClock.monotonicNanos()
        latencies.add(
          waiting.withLock { waiting in
            let done = waiting.prefix { $0.position <= applied }
            waiting.removeFirst(done.count)
            return done.map { now - $0.since }
          })
        usleep(200)
      }
    }
    watcher.start()
    try await append(log, seconds: seconds) { position in
      waiting.withLock { $0.append((position, SystemClock.monotonicNanos())) }
    }
    isOver.store(true, ordering: .relaxed)
    while !watcher.isFinished { try await Task.sleep(for: .milliseconds(5)) }
    return latencies
  }

  /// Contacts that come, are tagged and change, evenly over time.
  private static func append(
    _ log: LMDBEventLog, seconds: Double, _ acknowledged: (UInt64) -> Void
  ) async throws {
    let org = Identifier(.org, 1)
    let commitCount = Int(seconds) * eventsPerSecond / eventsPerCommit
    let pauseNanos = Int64(1_000_000_000 * eventsPerCommit / eventsPerSecond)
    let start = SystemClock.monotonicNanos()
    for number in 0..<commitCount {
      let contact = Identifier(.contact, UInt128(1_000 + number))
      let created = DomainEvent.contact(
        .created(
          details: .known(
            ContactDetails(firstName: "N\(number)", phone: "+1202555\(1000 + number % 9000)")),
          source: "api"))
      let tags = (1..<eventsPerCommit).map { DomainEvent.contact(.tagged(tag: "t\($0)")) }
      let commit = commit(([created] + tags).map { (contact, $0) }, of: org)
      acknowledged(try await log.append(commit).lastPosition)
      let ahead = start + Int64(number + 1) * pauseNanos - SystemClock.monotonicNanos()
      if ahead > 0 { try await Task.sleep(for: .nanoseconds(ahead)) }
    }
  }
}

// MARK: - What both need

private func commit(
  _ events: [(stream: Identifier, event: DomainEvent)], of org: Identifier
) -> Commit {
  Commit(
    org: OrgID(org.value),
    events: events.map { EventCodec.encode($0.event, stream: $0.stream, org: org) },
    context: CommitContext(
      actor: "system:bench", origin: "cli", correlation: "req_bench",
      occurredAtMicros: 1_763_600_000_000_000))
}

/// Charges of 20,000 wallets in 20 orgs.
private func fillWithCharges(_ log: LMDBEventLog, _ eventCount: Int) async throws {
  let eventsPerCommit = 500
  var random = SplitMix(state: 11)
  var waiting: [PendingAppend] = []
  for _ in 0..<max(1, eventCount / eventsPerCommit) {
    let org = Identifier(.org, UInt128(1 + random.below(20)))
    let events = (0..<eventsPerCommit).map { _ in
      (
        stream: Identifier(.wallet, UInt128(1 + random.below(1_000)) << 64 | org.value),
        event: DomainEvent.wallet(
          .debited(
            Charge(
              amountMicros: Int64(1 + random.below(50_000)), resourceType: "sms",
              resourceID: "SM\(random.next())", description: "SMS, segments: 1")))
      )
    }
    waiting.append(log.enqueue(commit(events, of: org)))
    if waiting.count == 64 {
      for pending in waiting { _ = try await pending.receipt() }
      waiting.removeAll(keepingCapacity: true)
    }
  }
  for pending in waiting { _ = try await pending.receipt() }
}

/// A Postgres of its own that ends with the benchmark, or the one that `DATABASE_URL` names.
private func withBenchDatabase(
  _ directory: String, _ body: (String) async throws -> Void
) async throws {
  if let url = ProcessInfo.processInfo.environment["BENCH_DATABASE_URL"] {
    return try await body(url)
  }
  var options = PostgresCluster.Options()
  options.lifetime = .thisProcess
  let cluster = try PostgresCluster.start(in: directory + "/postgres", options: options)
  do {
    try await body(cluster.connectionString())
    try cluster.stop()
  } catch {
    // The benchmark's own error says more; the server ends with this process.
    try? cluster.stop()
    throw error
  }
}

extension RowWriter {
  /// As COPY wants it: header, rows, trailer.
  fileprivate var copyMessage: [[UInt8]] { [Self.header, bytes, Self.trailer] }
}

/// The most memory that this process ever held.
private func peakMemoryMegabytes() -> Double {
  var usage = rusage()
  guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
  return Double(usage.ru_maxrss) / 1024
}

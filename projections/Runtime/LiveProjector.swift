internal import Domain
package import EventLog
internal import Postgres
import Synchronization

/// What a projector has to tell; whoever runs it writes it to the log.
package enum ProjectorNews: Sendable, Equatable {
  case started(positions: [String: UInt64])
  case stopped(projection: String, position: UInt64)
  /// So many events wait because one of them cannot be applied.
  case parked(projection: String, count: Int)
  /// Postgres or the log is away: tried again after `retryMillis`.
  /// The background check found rows that are not what the log says.
  case diverged(projection: String, table: String, position: UInt64?)
  case waiting(reason: String, retryMillis: Int)
  case recovered
  case rebuilding(projection: String)
  case rebuilt(projection: String)
  case rebuildFailed(projection: String, reason: String)
}

/// Keeps read models up with the log: one reader of the log and one connection for all of them.
///
/// A batch is whatever the log holds beyond the slowest checkpoint, up to `batchLimit` events: small
/// without lag, larger with it. A projection that is far behind, such as a new version, is rebuilt
/// beside the others and does not hold them up.
package final class LiveProjector: Sendable {
  package struct Options: Sendable {
    package var batchLimit = 4_000
    /// A projection that is further behind the others than this is rebuilt.
    package var rebuildLagEvents: UInt64 = 200_000
    /// How long the others wait for a process that gives no sign of life. No less than what the
    /// server takes to end what such a process left open; see `Lease`.
    package var leaseSeconds = 10
    /// Between two checks of a picked org's rows; nil: none.
    package var checkPause: Duration? = .seconds(30)
    package var news: @Sendable (ProjectorNews) -> Void = { _ in }
    package var faults = FaultPoints.none

    package init() {}
  }

  let reader: any EventReader
  let projections: [any Projection.Type]
  let connectionString: String
  private let pool: PostgresPool
  let options: Options
  private let lease: Lease
  let positions = Mutex<[String: LiveRound.Outcome]>([:])
  private let refreshedAt = Mutex(ContinuousClock.now)
  private let meters = Mutex<(since: ContinuousClock.Instant, positions: [String: UInt64])>(
    (.now, [:]))
  private let tidiedAt = Mutex<ContinuousClock.Instant?>(nil)
  private let rebuilds = BackgroundRebuilds()
  /// Projections that somebody wants to have rebuilt.
  private let ordered = Mutex<Set<String>>([])

  package init(
    reader: any EventReader, connectionString: String, projections: [any Projection.Type],
    options: Options = Options()
  ) {
    self.reader = reader
    self.projections = projections
    self.connectionString = connectionString
    self.options = options
    lease = Lease(seconds: options.leaseSeconds)
    pool = PostgresPool(
      connectionString: connectionString, size: 1,
      options: PostgresConnection.Options(applicationName: "daybook project"),
      prepare: { try Self.prepare($0) })
  }

  /// Rows and checkpoint are in one transaction, so losing the last few transactions of a crashed
  /// Postgres loses no event: commits need not wait for the disk. Batches look rows up by their keys
  /// in tables of any size, so a plan that was made while a table was small must not scan it.
  private static func prepare(_ connection: PostgresConnection) throws {
    try connection.execute(
      """
      SET synchronous_commit = off; SET enable_seqscan = off; SET enable_hashjoin = off;
      SET enable_mergejoin = off; SET jit = off; \(Lease.sessionSQL)
      """)
  }

  deinit { pool.close() }

  /// Where each projection stands, as this process knows it.
  package var appliedPositions: [String: UInt64] { positions.withLock { $0.mapValues(\.position) } }

  /// Projects until the task is cancelled.
  ///
  /// - Throws: `ProjectionError` where no waiting helps: a gap in the log, a schema that the code does
  ///   not know.
  package func run() async throws(ProjectionError) {
    let checks = Task { await checkAllTheTime() }
    defer { checks.cancel() }
    var backoff = Backoff()
    while !Task.isCancelled {
      do {
        try await start()
        if backoff.hasWaited { options.news(.recovered) }
        while !Task.isCancelled {
          try await step()
          backoff.reset()
        }
      } catch {
        let error = ProjectionError(error)
        guard error != .cancelled else { break }
        guard error.isRetryable else { throw error }
        let millis = backoff.next()
        options.news(.waiting(reason: error.description, retryMillis: millis))
        try? await Task.sleep(for: .milliseconds(millis))
      }
    }
    await leave()
  }

  /// Projects everything that the log holds now, and returns. Stopped projections stay behind.
  package func runToHead() async throws {
    try await start()
    let head = try reader.head()
    repeat {
      while try await advance(beyond: head) {}
    } while await rebuilds.wait()
    await leave()
  }

  /// Makes what is missing and finds out where everything stands.
  private func start() async throws {
    try await pool.with { [projections] in try Catalog.migrate($0, projections) }
    try await refresh()
    options.news(.started(positions: appliedPositions))
  }

  private func step() async throws {
    if refreshedAt.withLock({ ContinuousClock.now - $0 > Self.refreshPause }) {
      try await refresh()
    }
    let head = try reader.head()
    if try await advance(beyond: head) { return }
    _ = try await reader.waitForHead(beyond: head, timeoutMillis: Self.idleMillis)
  }

  /// How long nothing happens at most before the checkpoints are read again.
  private static let idleMillis = 1_000

  /// Somebody may have rebuilt, resumed or left a projection; our lease wants to be renewed.
  private static let refreshPause = Duration.seconds(1)

  private func refresh() async throws {
    let (reader, projections, lease) = (reader, projections, lease)
    let rates = rates()
    take(
      try await pool.with { connection in
        try lease.renew(rates, connection)
        return try connection.transaction {
          for projection in projections {
            try HistoryCheck.stopIfForeign(projection, reader, connection)
          }
          return Dictionary(
            try CheckpointStore.lock(projections, for: lease, connection).map {
              ($0.name, LiveRound.Outcome($0))
            }
          ) { $1 }
        }
      })
    let waiting = try await pool.with { try RebuildRecord.waiting(projections, $0) }
    ordered.withLock { $0 = waiting }
    refreshedAt.withLock { $0 = ContinuousClock.now }
    try await dropOutdated()
  }

  /// Events a second since the last time.
  private func rates() -> [String: Double] {
    let positions = appliedPositions
    return meters.withLock { meters in
      let now = ContinuousClock.now
      let seconds = (now - meters.since) / .seconds(1)
      let before = meters.positions
      meters = (now, positions)
      guard seconds > 0 else { return [:] }
      return positions.reduce(into: [:]) {
        guard let last = before[$1.key], $1.value >= last else { return }
        $0[$1.key] = Double($1.value - last) / seconds
      }
    }
  }

  /// Looks a few times an hour for what was replaced and is not needed any more.
  private func dropOutdated() async throws {
    let isDue = tidiedAt.withLock { tidiedAt in
      guard tidiedAt.map({ ContinuousClock.now - $0 > .seconds(600) }) ?? true else { return false }
      tidiedAt = .now
      return true
    }
    guard isDue else { return }
    try await pool.with { [projections] connection in
      try connection.transaction { try Generations.dropOutdated(projections, connection) }
    }
  }

  /// Applies the next batch; false where all that can move are at `head`.
  private func advance(beyond head: UInt64) async throws -> Bool {
    let running = running(at: head)
    guard let from = running.map(\.position).min(), from < head else { return false }
    let batch = try Batch.read(reader, after: from, limit: options.batchLimit)
    guard batch.end > from else { return false }
    let names = Set(running.map(\.name))
    let round = LiveRound(
      projections: projections.filter { names.contains($0.name) }, batch: batch, lease: lease,
      faults: options.faults)
    let outcomes = try await pool.with { try round.run($0) }
    options.faults.reached(.afterCommit)
    take(outcomes)
    return true
  }

  private func take(_ outcomes: [String: LiveRound.Outcome]) {
    let before = positions.withLock { positions in
      defer { positions.merge(outcomes) { $1 } }
      return positions
    }
    for (name, outcome) in outcomes.sorted(by: { $0.key < $1.key }) {
      if outcome.isStopped, before[name]?.isStopped != true {
        options.news(.stopped(projection: name, position: outcome.position + 1))
      }
      if outcome.parkedCount > before[name]?.parkedCount ?? 0 {
        options.news(.parked(projection: name, count: Int(outcome.parkedCount)))
      }
    }
  }

  /// Gives the lease back, so that another process need not wait for its end.
  private func leave() async {
    await rebuilds.cancel()
    let (pool, lease) = (pool, lease)
    // A task of its own: this one may be cancelled. The lease ends by itself where this fails.
    await Task { _ = try? await pool.with { try lease.release($0) } }.value
  }

  /// The projections that move together. A new version, and one that is far behind, is rebuilt beside
  /// them: alone it catches up many times faster, and the others do not wait for it.
  private func running(at head: UInt64) -> [(name: String, position: UInt64)] {
    let known = positions.withLock { $0 }
    let behind = known.filter { _, outcome in
      !outcome.isElsewhere
        && (outcome.state == .building
          || outcome.state == .live && outcome.position + options.rebuildLagEvents < head)
    }
    let wanted = ordered.withLock { $0.union(behind.keys) }
    rebuilds.begin(wanted.sorted()) { names in
      try await self.rebuild(try await self.stillWanted(names, behind: Set(behind.keys)))
    }
    let rebuilding = rebuilds.names
    return known.filter { $0.value.isRunning && !rebuilding.contains($0.key) }
      .map { (name: $0.key, position: $0.value.position) }
  }

  /// Those that are behind, and those of the ordered ones that nobody has cancelled since.
  private func stillWanted(_ names: [String], behind: Set<String>) async throws -> [String] {
    let projections = projections
    let claimed = try await pool.with { try RebuildRecord.claim(names, projections, $0) }
    return names.filter { behind.contains($0) || claimed.contains($0) }
  }

  private func rebuild(_ names: [String]) async throws {
    guard !names.isEmpty else { return try await refresh() }
    for name in names { options.news(.rebuilding(projection: name)) }
    let rebuilder = Rebuilder(
      reader: reader, connectionString: connectionString,
      projections: projections.filter { names.contains($0.name) }, faults: options.faults)
    do {
      for report in try await rebuilder.rebuild() {
        options.news(.rebuilt(projection: report.projection))
      }
    } catch {
      let error = ProjectionError(error)
      if error != .cancelled {
        for name in names {
          options.news(.rebuildFailed(projection: name, reason: error.description))
        }
      }
      throw error
    }
    try await refresh()
  }
}

/// Waits that grow: 100 ms to 5 s. A projector is alone on its database, so nothing has to be spread.
private struct Backoff {
  private var millis = 100

  var hasWaited: Bool { millis > 100 }

  mutating func next() -> Int {
    defer { millis = min(millis * 2, 5_000) }
    return millis
  }

  mutating func reset() { millis = 100 }
}

internal import Domain
package import EventLog
internal import Postgres
import Synchronization

/// What a projector has to tell; whoever runs it writes it to the log.
package enum ProjectorNews: Sendable, Equatable {
  case started(positions: [String: UInt64])
  case stopped(projection: String, position: UInt64)
  /// Postgres or the log is away: tried again after `retryMillis`.
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
    package var news: @Sendable (ProjectorNews) -> Void = { _ in }
    package var faults = FaultPoints.none

    package init() {}
  }

  private let reader: any EventReader
  private let projections: [any Projection.Type]
  private let connectionString: String
  private let pool: PostgresPool
  private let options: Options
  private let positions = Mutex<[String: LiveRound.Outcome]>([:])

  package init(
    reader: any EventReader, connectionString: String, projections: [any Projection.Type],
    options: Options = Options()
  ) {
    self.reader = reader
    self.projections = projections
    self.connectionString = connectionString
    self.options = options
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
      SET enable_mergejoin = off; SET jit = off
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
  }

  /// Projects everything that the log holds now, and returns. Stopped projections stay behind.
  package func runToHead() async throws {
    try await start()
    let head = try reader.head()
    while try await advance(beyond: head) {}
  }
}

// MARK: - Steps

extension LiveProjector {
  /// Makes what is missing and asks where each projection stands and whether it belongs to this log.
  private func start() async throws {
    let outcomes = try await pool.with { [reader, projections] connection in
      try Catalog.migrate(connection, projections)
      return try Self.standing(projections, reader, connection)
    }
    positions.withLock { $0 = outcomes }
    options.news(.started(positions: outcomes.mapValues(\.position)))
  }

  private static func standing(
    _ projections: [any Projection.Type], _ reader: any EventReader,
    _ connection: PostgresConnection
  ) throws -> [String: LiveRound.Outcome] {
    var outcomes: [String: LiveRound.Outcome] = [:]
    for projection in projections {
      let isStopped = try HistoryCheck.stopIfForeign(projection, reader, connection)
      guard let stored = try CheckpointStore.read(projection, connection) else { continue }
      outcomes[projection.name] = LiveRound.Outcome(
        position: stored.checkpoint.position, isStopped: isStopped || stored.isStopped)
    }
    return outcomes
  }

  private func step() async throws {
    let head = try reader.head()
    if try await advance(beyond: head) { return }
    let seen = try await reader.waitForHead(beyond: head, timeoutMillis: Self.idleMillis)
    // Nothing came: somebody may have rebuilt or resumed a projection meanwhile.
    if seen == head { try await refresh() }
  }

  /// How long nothing happens before the checkpoints are read again.
  private static let idleMillis = 1_000

  /// Applies the next batch; false where all that can move are at `head`.
  private func advance(beyond head: UInt64) async throws -> Bool {
    let running = try await withoutStragglers()
    guard let from = running.map(\.position).min(), from < head else { return false }
    let batch = try Batch.read(reader, after: from, limit: options.batchLimit)
    guard batch.end > from else { return false }
    let names = Set(running.map(\.name))
    let round = LiveRound(
      projections: projections.filter { names.contains($0.name) }, batch: batch,
      faults: options.faults)
    let outcomes = try await pool.with { try round.run($0) }
    options.faults.reached(.afterCommit)
    take(outcomes)
    return true
  }

  private func take(_ outcomes: [String: LiveRound.Outcome]) {
    let stopped = positions.withLock { positions in
      let news = outcomes.filter { $0.value.isStopped && positions[$0.key]?.isStopped != true }
      positions.merge(outcomes) { $1 }
      return news
    }
    for (name, outcome) in stopped.sorted(by: { $0.key < $1.key }) {
      options.news(.stopped(projection: name, position: outcome.position + 1))
    }
  }

  private func refresh() async throws {
    let projections = projections
    let stored = try await pool.with { connection in
      try projections.compactMap { projection in
        try CheckpointStore.read(projection, connection).map {
          let outcome = LiveRound.Outcome(
            position: $0.checkpoint.position, isStopped: $0.isStopped)
          return (projection.name, outcome)
        }
      }
    }
    take(Dictionary(stored) { $1 })
  }

  /// The projections that move together. One that is far behind is rebuilt first: alone it catches
  /// up many times faster, and the others need not wait for it.
  private func withoutStragglers() async throws -> [(name: String, position: UInt64)] {
    let running = positions.withLock { positions in
      positions.filter { !$0.value.isStopped }.map { (name: $0.key, position: $0.value.position) }
    }
    let head = try reader.head()
    let stragglers = running.filter { $0.position + options.rebuildLagEvents < head }
    guard !stragglers.isEmpty else { return running }
    try await rebuild(stragglers.map(\.name))
    return try await withoutStragglers()
  }

  private func rebuild(_ names: [String]) async throws {
    for name in names { options.news(.rebuilding(projection: name)) }
    let rebuilder = Rebuilder(
      reader: reader, connectionString: connectionString,
      projections: projections.filter { names.contains($0.name) }, faults: options.faults)
    for report in try await rebuilder.rebuild() {
      options.news(.rebuilt(projection: report.projection))
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

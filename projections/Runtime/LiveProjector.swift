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

/// Keeps read models up with the log, in two lanes with a connection each: those that an event may keep busy
/// for long, and all others, which do not wait for them.
///
/// A batch is whatever the log holds beyond a lane's slowest checkpoint, up to `batchLimit` events: small
/// without lag, larger with it. A projection that is far behind, such as a new version, is rebuilt
/// beside the others and does not hold them up.
package final class LiveProjector: Sendable {
  package struct Options: Sendable {
    package var batchLimit = 4_000
    /// A projection that is further behind than this is rebuilt where that is worthwhile.
    package var rebuildLagEvents: UInt64 = 200_000
    /// How long the others wait for a process that gives no sign of life. No less than what the
    /// server takes to end what such a process left open; see `Lease`.
    package var leaseSeconds = 10
    /// How long a session that holds locks may do nothing before the server ends it: less than the lease.
    package var idleMillis = 8_000
    /// Between two checks of a picked org's rows; nil: none.
    package var checkPause: Duration? = .seconds(30)
    /// While it is on nothing is applied; leases are renewed.
    package var standby = Standby()
    package var news: @Sendable (ProjectorNews) -> Void = { _ in }
    package var faults = FaultPoints.none

    package init() {}
  }

  let reader: any EventReader
  let projections: [any Projection.Type]
  let connectionString: String
  private let pool: PostgresPool
  /// A lane's own: what its server process has learned and kept is what it needs again.
  private let connections: [Lane: PostgresPool]
  let options: Options
  private let lease: Lease
  /// What each lane takes on at once: of events, and of the rows of sweeps.
  private let stints: Mutex<[Work: Stint]>
  let positions = Mutex<[String: LiveRound.Outcome]>([:])
  private let meters = Mutex<(since: ContinuousClock.Instant, positions: [String: UInt64])>(
    (.now, [:]))
  /// Events a second lately, by name.
  private let rates = Mutex<[String: Double]>([:])
  private let tidiedAt = Mutex<ContinuousClock.Instant?>(nil)
  private let rebuilds = BackgroundRebuilds()
  /// The lanes apply the same events.
  private let recent: RecentBatches
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
    let lease = Lease(seconds: options.leaseSeconds, idleMillis: options.idleMillis)
    self.lease = lease
    stints = Mutex(
      Dictionary(
        uniqueKeysWithValues: Lane.allCases.flatMap { [Work.batch($0), .step($0)] }
          .map { ($0, Stint(fullLimit: options.batchLimit)) }))
    recent = RecentBatches(reader: reader)
    let makePool = { (name: String) in
      PostgresPool(
        connectionString: connectionString, size: 1,
        options: PostgresConnection.Options(applicationName: name),
        prepare: { try Self.prepare($0, lease) })
    }
    pool = makePool("daybook project")
    connections = Dictionary(
      uniqueKeysWithValues: Lane.allCases.map { ($0, makePool("daybook project \($0)")) })
  }

  /// Rows and checkpoint are in one transaction, so losing the last few transactions of a crashed
  /// Postgres loses no event: commits need not wait for the disk. Batches look rows up by their keys
  /// in tables of any size, so a plan that was made while a table was small must not scan it.
  private static func prepare(_ connection: PostgresConnection, _ lease: Lease) throws {
    try connection.execute(
      """
      SET synchronous_commit = off; SET enable_seqscan = off; SET enable_hashjoin = off;
      SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan;
      \(lease.sessionSQL)
      """)
  }

  /// The same for one transaction, which applies events as this projector does.
  static let localPlanSQL = """
    SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off; SET LOCAL jit = off
    """

  deinit {
    pool.close()
    for connection in connections.values { connection.close() }
  }

  /// Where each projection stands, as this process knows it.
  package var appliedPositions: [String: UInt64] { positions.withLock { $0.mapValues(\.position) } }

  /// Up to where every projection is that is kept up; nil where none is. Those that stopped or are rebuilt do not
  /// count.
  package var slowestPosition: UInt64? {
    Lane.allCases.flatMap { running(in: $0) }.map(\.position).min()
  }

  /// Projects until the task is cancelled.
  ///
  /// - Throws: `ProjectionError` where no waiting helps: a gap in the log, a schema that the code does
  ///   not know.
  package func run() async throws(ProjectionError) {
    let checks = Task { await checkAllTheTime() }
    defer { checks.cancel() }
    var backoff = Backoff()
    while !Task.isCancelled {
      var startedAt = ContinuousClock.now
      do {
        try await start()
        startedAt = .now
        if backoff.hasWaited { options.news(.recovered) }
        try await work()
      } catch {
        if ContinuousClock.now - startedAt > Self.soundAfter { backoff.reset() }
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
      beginRebuilds(at: head)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for lane in Lane.allCases {
          group.addTask { while try await self.advance(lane, beyond: head) {} }
        }
        try await group.waitForAll()
      }
    } while await rebuilds.wait()
    await leave()
  }

  /// Goes on until the task is cancelled or something fails.
  private func work() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for lane in Lane.allCases { group.addTask { try await self.follow(lane) } }
      group.addTask { try await self.keep() }
      // The first that ends, by an error or because it was cancelled, ends all.
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Longer than this it worked, so that the next failure is another one.
  private static let soundAfter = Duration.seconds(2)

  /// Makes what is missing and finds out where everything stands.
  private func start() async throws {
    recent.forget()
    try await pool.with { [projections] in try Catalog.migrate($0, projections) }
    try await look(at: projections)
    try await seeOrders()
    try await dropOutdated()
    options.news(.started(positions: appliedPositions))
  }

  private func follow(_ lane: Lane) async throws {
    var lookedAt = ContinuousClock.now
    var pace = Pace()
    while !Task.isCancelled {
      let pause = isHeld(lane) ? Self.heldPause : Self.lookPause
      if ContinuousClock.now - lookedAt > pause {
        // By the lane itself, so that it does not meet a lock of its own process.
        try await renew(lane)
        try await look(at: projections.filter { Lane(of: $0) == lane })
        lookedAt = .now
      }
      guard !options.standby.isOn else {
        try await Task.sleep(for: Self.standbyPause)
        continue
      }
      if let wait = pace.wait(), try !hasFullRound(lane) { try await Task.sleep(for: wait) }
      let head = try reader.head()
      let begun = ContinuousClock.now
      if try await advance(lane, beyond: head) {
        pace.note(begun)
        continue
      }
      if let slowest = slowestPosition { recent.drop(through: slowest) }
      _ = try await reader.waitForHead(
        beyond: head, timeoutMillis: isHeld(lane) ? Self.heldMillis : Self.idleMillis)
    }
  }

  /// There is more to do than waiting would gather.
  private func hasFullRound(_ lane: Lane) throws -> Bool {
    let running = running(in: lane)
    guard let from = running.map(\.position).min() else { return false }
    let isSweeping = positions.withLock { positions in
      running.contains { positions[$0.name]?.hasOpenSweeps == true }
    }
    let full = from + UInt64(min(stint(of: .batch(lane)).limit, Pace.fullRound))
    return try isSweeping || full <= reader.head()
  }

  private func keep() async throws {
    while !Task.isCancelled {
      beginRebuilds(at: try reader.head())
      try await Task.sleep(for: Self.lookPause)
      measureRates()
      try await seeOrders()
      try await dropOutdated()
    }
  }

  /// How long nothing happens at most before a lane looks again whether it may move.
  private static let idleMillis = 1_000

  /// Somebody may have rebuilt, resumed or left a projection; our lease wants to be renewed.
  private static let lookPause = Duration.seconds(1)

  private static let standbyPause = Duration.milliseconds(20)

  /// A checkpoint that somebody holds is mostly free within milliseconds: a check notes what it saw.
  private static let heldMillis = 10
  private static let heldPause = Duration.milliseconds(10)

  private func isHeld(_ lane: Lane) -> Bool {
    positions.withLock { positions in
      projections.contains { Lane(of: $0) == lane && positions[$0.name]?.isHeld == true }
    }
  }

  private func renew(_ lane: Lane) async throws {
    let names = projections.filter { Lane(of: $0) == lane }.map { $0.name }
    let (lease, rates) = (lease, rates.withLock { $0 })
    try await pool.with { try lease.renew(names, rates, $0) }
  }

  /// Finds out where these projections stand and whether we may move them.
  private func look(at projections: [any Projection.Type]) async throws {
    let (reader, lease) = (reader, lease)
    take(
      try await pool.with { connection in
        try connection.transaction {
          for projection in projections {
            try HistoryCheck.stopIfForeign(projection, reader, connection)
          }
          return Dictionary(
            try CheckpointStore.read(projections, for: lease, connection).map {
              ($0.name, LiveRound.Outcome($0))
            }
          ) { $1 }
        }
      })
  }

  /// Which projections somebody wants to have rebuilt.
  private func seeOrders() async throws {
    let projections = projections
    let waiting = try await pool.with { try RebuildRecord.waiting(projections, $0) }
    ordered.withLock { $0 = waiting }
  }

  /// Events a second since the last time.
  private func measureRates() {
    let positions = appliedPositions
    let measured = meters.withLock { meters -> [String: Double] in
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
    rates.withLock { $0 = measured }
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

  /// Applies a lane's next batch, and a part of what is spread over several; false where nothing is left to do
  /// up to `head`.
  private func advance(_ lane: Lane, beyond head: UInt64) async throws -> Bool {
    let hasMoved = try await apply(lane, beyond: head)
    let hasSwept = try await sweep(lane)
    return hasMoved || hasSwept
  }

  private func apply(_ lane: Lane, beyond head: UInt64) async throws -> Bool {
    let running = running(in: lane)
    guard let from = running.map(\.position).min(), from < head else { return false }
    let stint = stint(of: .batch(lane))
    // What was read for a larger one may be at hand.
    let batch = try recent.batch(after: from, head: head, limit: stint.limit)
      .prefix(through: from + UInt64(stint.limit))
    guard batch.end > from else { return false }
    let names = Set(running.map(\.name))
    let together = projections.filter { names.contains($0.name) }
    let begun = ContinuousClock.now
    for some in stint.isPatient ? together.map({ [$0] }) : [together] {
      let round = LiveRound(
        projections: some, batch: batch, reader: reader, lease: lease, stint: stint,
        faults: options.faults)
      do {
        let outcomes = try await connection(of: lane).with { try round.run($0) }
        options.faults.reached(.afterCommit)
        take(outcomes)
      } catch {
        let stint = shrink(.batch(lane), from: Int(batch.end - from), after: error)
        if let stint, stint.isPatient { try await tell(some, hangAt: batch.end, stint) }
        throw error
      }
    }
    grow(.batch(lane), since: begun)
    return true
  }

  private func stint(of work: Work) -> Stint {
    stints.withLock { stints in
      guard let stint = stints[work] else { preconditionFailure("every lane has its stints") }
      return stint
    }
  }

  /// Takes on less after a session was ended in the middle of its work.
  ///
  /// - Returns: What comes next; nil where it is as it was, because something else had failed.
  @discardableResult
  private func shrink(_ work: Work, from count: Int, after error: any Error) -> Stint? {
    guard Stint.mayHelp(error) else { return nil }
    stints.withLock { $0[work]?.shrink(from: count) }
    return stint(of: work)
  }

  private func grow(_ work: Work, since begun: ContinuousClock.Instant) {
    guard lease.isQuick(.now - begun) else { return }
    stints.withLock { $0[work]?.grow() }
  }

  /// What hangs at one event is told to `daybook doctor`: it would be repeated in silence.
  private func tell(
    _ projections: [any Projection.Type], hangAt position: UInt64, _ stint: Stint
  ) async throws {
    let reason =
      "its session was ended each time it applied this event; the next attempt has \(lease.words(of: stint.patience))"
    try await pool.with { connection in
      for projection in projections {
        try CheckpointStore.tell(projection, hangsAt: position, reason: reason, connection)
      }
    }
  }

  private func connection(of lane: Lane) -> PostgresPool {
    guard let connection = connections[lane] else { preconditionFailure("a lane has a connection") }
    return connection
  }

  /// A step of each sweep that is open in the lane's projections.
  private func sweep(_ lane: Lane) async throws -> Bool {
    let names = Set(running(in: lane).map(\.name))
    let open = positions.withLock { $0.filter { $0.value.hasOpenSweeps } }
    var hasStepped = false
    for projection in projections where names.contains(projection.name) {
      guard open[projection.name] != nil else { continue }
      guard let outcome = try await step(projection, lane) else { continue }
      take([projection.name: outcome])
      hasStepped = true
    }
    return hasStepped
  }

  private func step(
    _ projection: any Projection.Type, _ lane: Lane
  ) async throws -> LiveRound.Outcome? {
    let stint = stint(of: .step(lane))
    let round = SweepRound(
      projection: projection, reader: reader, lease: lease, stint: stint, faults: options.faults)
    let begun = ContinuousClock.now
    do {
      let outcome = try await connection(of: lane).with { try round.run($0) }
      grow(.step(lane), since: begun)
      return outcome
    } catch {
      shrink(.step(lane), from: stint.stepLimit, after: error)
      throw error
    }
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

  /// The projections of a lane that move: together.
  private func running(in lane: Lane) -> [(name: String, position: UInt64)] {
    let known = positions.withLock { $0 }
    let rebuilding = rebuilds.names
    return projections.compactMap { projection in
      let name = projection.name
      guard Lane(of: projection) == lane, let outcome = known[name], outcome.isRunning,
        !rebuilding.contains(name)
      else { return nil }
      return (name, outcome.position)
    }
  }

  /// A new version, and a projection that is far behind, is rebuilt beside the others: alone it catches up
  /// faster, and they do not wait for it.
  private func beginRebuilds(at head: UInt64) {
    let known = positions.withLock { $0 }.filter { !$0.value.isElsewhere }
    let furthest = known.values.filter { $0.state == .live }.map(\.position).max() ?? 0
    let behind = known.filter { _, outcome in
      outcome.state == .building
        || outcome.state == .live
          && BackgroundRebuilds.isWorthwhile(
            at: outcome.position, furthest: furthest, head: head, lag: options.rebuildLagEvents)
    }
    let wanted = ordered.withLock { $0.union(behind.keys) }
    rebuilds.begin(wanted.sorted()) { names in
      try await self.rebuild(try await self.stillWanted(names, behind: Set(behind.keys)))
    }
  }

  /// Those that are behind, and those of the ordered ones that nobody has cancelled since.
  private func stillWanted(_ names: [String], behind: Set<String>) async throws -> [String] {
    let projections = projections
    let claimed = try await pool.with { try RebuildRecord.claim(names, projections, $0) }
    return names.filter { behind.contains($0) || claimed.contains($0) }
  }

  private func rebuild(_ names: [String]) async throws {
    guard !names.isEmpty else { return try await seeOrders() }
    for name in names { options.news(.rebuilding(projection: name)) }
    let rebuilder = Rebuilder(
      reader: reader, connectionString: connectionString,
      projections: projections.filter { names.contains($0.name) }, faults: options.faults,
      finished: { [options, rebuilds] report in
        rebuilds.leave(report.projection)
        options.news(.rebuilt(projection: report.projection))
      })
    do {
      try await rebuilder.rebuild()
    } catch {
      let error = ProjectionError(error)
      if error != .cancelled {
        for name in names {
          options.news(.rebuildFailed(projection: name, reason: error.description))
        }
      }
      throw error
    }
    try await seeOrders()
    try await look(at: projections.filter { names.contains($0.name) })
  }
}

/// Projections that move together, on a connection of their own.
private enum Lane: CaseIterable {
  case prompt
  case lingering

  init(of projection: any Projection.Type) {
    self = projection.lingers ? .lingering : .prompt
  }
}

/// What a lane does at once: apply a batch, or a step of a sweep.
private enum Work: Hashable {
  case batch(Lane)
  case step(Lane)
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

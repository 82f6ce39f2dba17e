import Domain
import EventLog
import Foundation
import Postgres
import ProjectionRuntime
import Synchronization
import TestSupport
import Testing

/// Kills. Goal: no event is skipped or applied twice, whatever dies when. Method: a child process
/// projects or rebuilds a seeded history and kills itself at a named point; in the end the live rows
/// have to be those of a rebuild, digest for digest. `DAYBOOK_SOAK_SEEDS=1000` makes it a soak of 3,000 kills, and
/// of 1,000 of Postgres; `DAYBOOK_SOAK_FIRST` is its first seed. A failure names its seed.
@Suite struct CrashTests {
  private static let soakCount = number("DAYBOOK_SOAK_SEEDS")
  private static let first = number("DAYBOOK_SOAK_FIRST") ?? 0
  private static let seeds = first..<first + (soakCount ?? 4)

  /// Of histories during which Postgres is killed, and how often.
  private static let postgresSeeds = first..<first + max(1, (soakCount ?? 0) / 20)
  private static let postgresKillCount = soakCount == nil ? 3 : 20

  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
  }

  @Test(arguments: seeds)
  func `a projector killed anywhere goes on where its last commit was`(seed: UInt64) async throws {
    try await withDesk { desk in
      let plan = Plan(seed: seed)
      for kill in plan.kills { try await dies(desk.connectionString, kill) }
      try await plan.history.append(to: desk.history, commits: Plan.commitCount)
      try await projectToHead(desk)
      #expect(try desk.table("SELECT count(*) FROM daybook.parked") == ["0"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  /// Goal: the points are where the seeds above take them for. Method: a child that comes through without meeting its point ends in
  /// good order, and that is a failure here.
  @Test(arguments: FaultPoints.Point.allCases)
  func `a projector comes to each point, dies there and goes on`(
    point: FaultPoints.Point
  ) async throws {
    try await withDesk { desk in
      let kill = Kill(
        seed: Self.first, commits: Plan.commitCount, point: point, passes: 0, batchLimit: 12,
        mustReach: true)
      try await dies(desk.connectionString, kill)
      try await RandomHistory(seed: Self.first, commitCount: Plan.commitCount)
        .append(to: desk.history, commits: Plan.commitCount)
      try await projectToHead(desk)
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  /// What a killed process held is free as soon as the server notices: once is mostly enough.
  private func projectToHead(_ desk: Desk) async throws {
    let head = ["\(try desk.history.log.head()) | 0"]
    for _ in 0..<200 {
      try await desk.project(batchLimit: 50)
      if try desk.table(Self.state) == head { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    #expect(try desk.table(Self.state) == head)
  }

  /// Where the read models stand, one line if all stand at the same place, and how many definitions are under
  /// way. What a rebuild replaced keeps those that were under way in it, and nobody goes on with them.
  private static let state = """
    SELECT DISTINCT position, (SELECT count(*) FROM daybook.sweeps WHERE version > 0)
    FROM daybook.projections WHERE version > 0
    """

  private func dies(_ connectionString: String, _ kill: Kill) async throws {
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [url = connectionString as String, kill = kill as Kill] in
      try await kill.run(url)
    }
  }

  @Test(arguments: postgresSeeds)
  func `Postgres dies again and again, and the projector catches up by itself`(
    seed: UInt64
  ) async throws {
    try await withOwnCluster { start in
      var cluster = try start()
      var desk = Desk(connectionString: cluster.connectionString())
      desk.projections.append(Tallies.self)
      try await desk.project()
      var options = LiveProjector.Options()
      options.batchLimit = 40
      let projector = desk.projector(options)
      let running = Task { try await projector.run() }
      let rounds = Self.postgresKillCount
      let history = RandomHistory(seed: seed, commitCount: rounds * 30)
      var random = SeededNumbers(state: seed)
      for round in 0..<rounds {
        try await history.append(to: desk.history, commits: (round * 30)..<(round * 30 + 15))
        // At any point of what the projector makes of them.
        try await Task.sleep(for: .milliseconds(random.below(40)))
        try cluster.stopImmediately()
        // The log does not know: writes go on.
        try await history.append(to: desk.history, commits: (round * 30 + 15)..<(round * 30 + 30))
        cluster = try start()
      }
      let head = try desk.history.log.head()
      // Before that there may be no tables: what made them may not have been on disk at the first kill.
      try await wait {
        let applied = projector.appliedPositions
        return !applied.isEmpty && applied.values.allSatisfy { $0 == head }
      }
      try await wait { try desk.table(Self.state) == ["\(head) | 0"] }
      running.cancel()
      _ = await running.result
      try await desk.expectLiveEqualsRebuilt()
      try cluster.stop()
    }
  }

  /// Until it holds; four minutes are a hang: the other tests of this process want the same threads, and what runs
  /// beside it the same processors. Each look opens connections, which take time from the projector.
  private func wait(until condition: () throws -> Bool) async throws {
    for _ in 0..<480 where try !condition() { try await Task.sleep(for: .milliseconds(500)) }
    try #require(try condition())
  }

  private func withOwnCluster(
    _ body: (_ start: () throws -> PostgresCluster) async throws -> Void
  ) async throws {
    let directory = "/tmp/daybook-crash-postgres-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await body {
      var options = PostgresCluster.Options()
      options.lifetime = .thisProcess
      return try PostgresCluster.start(in: directory, options: options)
    }
  }
}

/// What a seed means.
private struct Plan {
  static let commitCount = 60

  let kills: [Kill]
  let history: RandomHistory

  init(seed: UInt64) {
    var random = SeededNumbers(state: seed &* 31 &+ 17)
    history = RandomHistory(seed: seed, commitCount: Self.commitCount)
    kills = (1...3).map { round in
      Kill(
        seed: seed, commits: Self.commitCount * round / 3,
        point: FaultPoints.Point.allCases[random.below(FaultPoints.Point.allCases.count)],
        passes: random.below(3), batchLimit: 1 + random.below(12))
    }
  }
}

/// A child that kills itself when it comes to a point for the nth time.
private struct Kill: Codable, Sendable {
  let seed: UInt64
  /// How much of the history there is by then.
  let commits: Int
  let pointName: String
  let passes: Int
  let batchLimit: Int
  /// Whether it is to die nowhere else.
  let mustReach: Bool

  init(
    seed: UInt64, commits: Int, point: FaultPoints.Point, passes: Int, batchLimit: Int,
    mustReach: Bool = false
  ) {
    self.seed = seed
    self.commits = commits
    pointName = point.rawValue
    self.passes = passes
    self.batchLimit = batchLimit
    self.mustReach = mustReach
  }

  func run(_ url: String) async throws {
    let desk = Desk(connectionString: url)
    try await RandomHistory(seed: seed, commitCount: Plan.commitCount)
      .append(to: desk.history, commits: commits)
    let left = Atomic(passes)
    let faults = FaultPoints { point in
      guard point.rawValue == pointName else { return }
      if left.subtract(1, ordering: .relaxed).oldValue <= 0 { kill(getpid(), SIGKILL) }
    }
    if pointName.hasPrefix("rebuild") {
      try await Rebuilder(
        reader: desk.history.log, connectionString: url, projections: desk.projections,
        faults: faults
      ).rebuild()
    } else {
      var options = LiveProjector.Options()
      options.batchLimit = batchLimit
      // The next child does not wait for this one's lease.
      options.leaseSeconds = 0
      options.faults = faults
      try await desk.projector(options).runToHead()
    }
    // It was through before the point came often enough: then it dies here.
    if !mustReach { kill(getpid(), SIGKILL) }
  }
}

internal import Domain
internal import EventCodec
package import EventLog
import Foundation
internal import Postgres

/// How a rebuild is getting on.
package struct RebuildProgress: Sendable, Equatable {
  package enum Phase: String, Sendable {
    case folding, indexing, catchingUp, swapping
  }

  package let projection: String
  package let phase: Phase
  package let position: UInt64
  package let head: UInt64
  /// Events of the log passed a second since the start.
  package let eventsPerSecond: Double

  /// Seconds of folding that remain at this rate; nil before there is one.
  package var remainingSeconds: Double? {
    eventsPerSecond > 0 ? Double(head - min(position, head)) / eventsPerSecond : nil
  }
}

package struct RebuildReport: Sendable, Equatable {
  package let projection: String
  package let position: UInt64
  package let consumedCount: Int
}

/// Rebuilds read models from the log and checks them against it. The live rows serve all the while.
///
/// Several projections share one pass over the log, each on a connection and a thread of its own.
package struct Rebuilder: Sendable {
  private let reader: any EventReader
  private let connectionString: String
  private let projections: [any Projection.Type]
  private let progress: @Sendable (RebuildProgress) -> Void
  private let faults: FaultPoints

  package init(
    reader: any EventReader, connectionString: String, projections: [any Projection.Type],
    faults: FaultPoints = .none,
    progress: @escaping @Sendable (RebuildProgress) -> Void = { _ in }
  ) {
    self.reader = reader
    self.connectionString = connectionString
    self.projections = projections
    self.faults = faults
    self.progress = progress
  }

  /// Builds each projection anew beside its live rows and swaps them in one transaction. Cancelling
  /// the task leaves everything as it was.
  ///
  /// - Throws: `ProjectionError`: of the first projection that failed; the others are done or undone
  ///   as a whole.
  package func rebuild() async throws -> [RebuildReport] {
    try await perform { feed, consumer, projection, connection in
      try rebuild(projection, consumer, feed, connection)
    }
  }

  /// Folds the log anew up to each live checkpoint and compares the rows, table by table. Changes
  /// nothing but the note of when it was checked.
  package func check() async throws -> [CheckReport] {
    try await perform { feed, consumer, projection, connection in
      try check(projection, consumer, feed, connection)
    }
  }

  /// Runs `work` for each projection at once, over one feed.
  private func perform<Report: Sendable>(
    _ work:
      @escaping @Sendable (PageFeed, Int, any Projection.Type, PostgresConnection) throws -> Report
  ) async throws -> [Report] {
    let setUp = PostgresPool(connectionString: connectionString, size: 1)
    defer { setUp.close() }
    let projections = projections
    try await setUp.with { connection in
      try Catalog.migrate(connection, projections)
      for projection in projections { try Catalog.dropLeftovers(of: projection, connection) }
    }
    let pool = PostgresPool(
      connectionString: connectionString, size: max(1, projections.count), waitMillis: 60_000,
      options: PostgresConnection.Options(applicationName: "daybook rebuild"),
      prepare: { try Self.prepare($0) })
    defer { pool.close() }
    let feed = PageFeed(
      reader: reader, end: try reader.head(), types: Self.types(of: projections),
      consumerCount: projections.count)
    return try await run(work, on: pool, feed)
  }

  private func run<Report: Sendable>(
    _ work:
      @escaping @Sendable (PageFeed, Int, any Projection.Type, PostgresConnection) throws -> Report,
    on pool: PostgresPool, _ feed: PageFeed
  ) async throws -> [Report] {
    let consumers = Array(projections.enumerated())
    return try await withTaskCancellationHandler {
      try await withThrowingTaskGroup(of: (Int, Report).self) { group in
        for (consumer, projection) in consumers {
          group.addTask {
            defer { feed.leave(consumer) }
            return (
              consumer, try await pool.with { try work(feed, consumer, projection, $0) }
            )
          }
        }
        var reports: [(Int, Report)] = []
        for try await report in group { reports.append(report) }
        return reports.sorted { $0.0 < $1.0 }.map(\.1)
      }
    } onCancel: {
      for (consumer, _) in consumers { feed.leave(consumer) }
    }
  }

  /// Sorting and index builds get memory of their own.
  private static func prepare(_ connection: PostgresConnection) throws {
    try connection.execute(
      "SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET jit = off")
  }

  /// The types that one of them looks at; nil: all.
  private static func types(of projections: [any Projection.Type]) -> Set<String>? {
    projections.reduce(into: Set<String>() as Set<String>?) { union, projection in
      guard let types = projection.eventTypes else { return union = nil }
      union?.formUnion(types)
    }
  }
}

// MARK: - Rebuilding

extension Rebuilder {
  private func rebuild<P: Projection>(
    _ projection: P.Type, _ consumer: Int, _ feed: PageFeed, _ connection: PostgresConnection
  ) throws -> RebuildReport {
    let meter = Meter(P.name, head: try reader.head(), report: progress)
    let report = try connection.transaction {
      try takeTurn(projection, connection)
      let job = try RebuildJob<P>(schema: P.schema + "_build", connection: connection)
      try fold(job, consumer, feed, meter)
      faults.reached(.rebuildFolded)
      meter.enter(.indexing)
      try job.finish(isIndexed: true)
      faults.reached(.rebuildIndexed)
      meter.enter(.catchingUp)
      try job.catchUp(with: reader, to: try reader.head())
      meter.enter(.swapping)
      try swap(job, connection)
      return RebuildReport(
        projection: P.name, position: job.checkpoint.position, consumedCount: job.consumedCount)
    }
    faults.reached(.rebuildAfterSwap)
    try Catalog.dropLeftovers(of: projection, connection)
    return report
  }

  private func fold<P: Projection>(
    _ job: RebuildJob<P>, _ consumer: Int, _ feed: PageFeed, _ meter: Meter
  ) throws {
    while let page = try feed.next(for: consumer) {
      try job.fold(page)
      meter.reached(page.end)
    }
  }

  /// Stops the live projector at its checkpoint for as long as the last events take, and puts the
  /// built schema in the place of the live one.
  private func swap<P: Projection>(
    _ job: RebuildJob<P>, _ connection: PostgresConnection
  ) throws {
    _ = try CheckpointStore.lock(P.self, connection)
    try job.catchUp(with: reader, to: try reader.head())
    faults.reached(.rebuildBeforeSwap)
    try connection.execute(
      """
      ALTER SCHEMA \(quotedIdentifier(P.schema)) RENAME TO \(quotedIdentifier(P.schema + "_old"));
      ALTER SCHEMA \(quotedIdentifier(job.schema)) RENAME TO \(quotedIdentifier(P.schema));
      """)
    try CheckpointStore.resume(P.self, connection)
    try CheckpointStore.move(P.self, to: job.checkpoint, last: job.last, connection)
    try connection.execute(
      "UPDATE daybook.projections SET built_at = now() WHERE name = $1 AND version = $2",
      [.text(P.name), .int(Int64(P.version))])
    try CheckpointStore.announce([(P.self, job.checkpoint.position)], connection)
  }

  /// One rebuild of a projection at a time.
  private func takeTurn(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    let rows = try connection.query(
      "SELECT pg_try_advisory_xact_lock(hashtextextended('daybook rebuild ' || $1, 0))",
      [.text(projection.schema)])
    guard try rows.first?.bool(0) == true else {
      throw ProjectionError.rebuildRunning(projection: projection.name)
    }
  }
}

// MARK: - Checking

extension Rebuilder {
  private func check<P: Projection>(
    _ projection: P.Type, _ consumer: Int, _ feed: PageFeed, _ connection: PostgresConnection
  ) throws -> CheckReport {
    let meter = Meter(P.name, head: try reader.head(), report: progress)
    var report: CheckReport?
    do {
      // One snapshot sees the live rows at their checkpoint, whatever is projected meanwhile, and
      // its own rows beside them. Undone at the end, so nothing is left behind.
      try connection.transaction(isolation: .repeatableRead) {
        try takeTurn(projection, connection)
        guard let live = try CheckpointStore.read(projection, connection) else {
          throw ProjectionError.unknownProjection(P.name)
        }
        let job = try RebuildJob<P>(schema: P.schema + "_build", connection: connection)
        try fold(job, through: live.checkpoint.position, consumer, feed, meter)
        try job.finish(isIndexed: false)
        report = try CheckReport(
          projection: P.name, checkpoint: live.checkpoint, rebuilt: job.checkpoint,
          tables: P.tables.map {
            try TableComparison.compare($0.tableName, P.schema, job.schema, connection)
          })
        throw Undo()
      }
    } catch is Undo {}
    guard let report else { preconditionFailure("a check ends with its report") }
    try note(report, P.self, connection)
    return report
  }

  private struct Undo: Error {}

  private func fold<P: Projection>(
    _ job: RebuildJob<P>, through end: UInt64, _ consumer: Int, _ feed: PageFeed, _ meter: Meter
  ) throws {
    while job.checkpoint.position < end, let page = try feed.next(for: consumer) {
      try job.fold(page.prefix(through: end))
      meter.reached(page.end)
    }
    // The checkpoint may have moved since the feed was made.
    try job.finish(isIndexed: false)
    try job.catchUp(with: reader, to: end)
  }

  private func note<P: Projection>(
    _ report: CheckReport, _ projection: P.Type, _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET checked_at = now(), checked_position = $3, checked_equal = $4
      WHERE name = $1 AND version = $2
      """,
      [
        .text(P.name), .int(Int64(P.version)), .int(Int64(report.position)), .bool(report.isEqual),
      ])
  }
}

/// Counts a projection's way through the log.
private final class Meter {
  private let name: String
  private let head: UInt64
  private let report: (RebuildProgress) -> Void
  private let start = ContinuousClock.now
  private var position: UInt64 = 0
  private var phase = RebuildProgress.Phase.folding

  init(_ name: String, head: UInt64, report: @escaping (RebuildProgress) -> Void) {
    self.name = name
    self.head = head
    self.report = report
  }

  func reached(_ position: UInt64) {
    self.position = position
    tell()
  }

  func enter(_ phase: RebuildProgress.Phase) {
    self.phase = phase
    tell()
  }

  private func tell() {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    report(
      RebuildProgress(
        projection: name, phase: phase, position: position, head: head,
        eventsPerSecond: seconds > 0 ? Double(position) / seconds : 0))
  }
}

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
  /// Events that could not be applied, and those behind them.
  package let parkedCount: Int
}

/// Rebuilds read models from the log and checks them against it. The live rows serve all the while.
///
/// Several projections share one pass over the log, each on a connection and a thread of its own.
package struct Rebuilder: Sendable {
  let reader: any EventReader
  private let connectionString: String
  private let projections: [any Projection.Type]
  let progress: @Sendable (RebuildProgress) -> Void
  let finished: @Sendable (RebuildReport) -> Void
  let faults: FaultPoints
  private let rowLimit: Int

  /// `rowLimit`: rows in memory, of all projections together, before some are written early. `finished` is
  /// called as soon as one projection's new rows serve, while the others go on.
  package init(
    reader: any EventReader, connectionString: String, projections: [any Projection.Type],
    faults: FaultPoints = .none, rowLimit: Int = RowBudget.standardLimit,
    progress: @escaping @Sendable (RebuildProgress) -> Void = { _ in },
    finished: @escaping @Sendable (RebuildReport) -> Void = { _ in }
  ) {
    self.reader = reader
    self.connectionString = connectionString
    self.projections = projections
    self.faults = faults
    self.rowLimit = rowLimit
    self.progress = progress
    self.finished = finished
  }

  /// Builds each projection anew beside its live rows and swaps them in one transaction. Cancelling
  /// the task leaves everything as it was.
  ///
  /// - Throws: `ProjectionError`: of the first projection that failed; the others are done or undone
  ///   as a whole.
  @discardableResult
  package func rebuild() async throws -> [RebuildReport] {
    let cancellations = makeCancellations()
    let scribe = RebuildScribe(projections, cancellations, connectionString: connectionString)
    defer { scribe.close() }
    let writing = Task { await scribe.writeAllTheTime() }
    let result: Result<[RebuildReport], any Error>
    do {
      result = .success(
        try await perform(cancellations) { place, projection, connection in
          try rebuild(projection, place, scribe, connection)
        })
    } catch {
      result = .failure(error)
    }
    // What was said before must not be written after what is said last.
    writing.cancel()
    await writing.value
    // Where the database is away this cannot be written: the rebuild counts as left by a dead process.
    try? await Task { try await scribe.write() }.value
    return try result.get()
  }

  /// Folds the log anew up to each live checkpoint and compares the rows, table by table. Changes
  /// nothing but the note of when it was checked.
  package func check() async throws -> [CheckReport] {
    try await perform(makeCancellations()) { place, projection, connection in
      try check(projection, place, connection)
    }
  }

  private func makeCancellations() -> [String: Cancellation] {
    Dictionary(uniqueKeysWithValues: projections.map { ($0.name, Cancellation()) })
  }

  /// Runs `work` for each projection at once, over one feed.
  private func perform<Report: Sendable>(
    _ cancellations: [String: Cancellation],
    _ work:
      @escaping @Sendable (PageFeed.Place, any Projection.Type, PostgresConnection) throws
      -> Report
  ) async throws -> [Report] {
    let setUp = PostgresPool(connectionString: connectionString, size: 1)
    defer { setUp.close() }
    let projections = projections
    try await setUp.with { try Catalog.migrate($0, projections) }
    let pool = PostgresPool(
      connectionString: connectionString, size: max(1, projections.count), waitMillis: 60_000,
      options: PostgresConnection.Options(applicationName: "daybook rebuild"),
      prepare: { try Self.prepare($0) })
    defer { pool.close() }
    let feed = PageFeed(
      reader: reader, end: try reader.head(), types: Self.types(of: projections),
      consumerCount: projections.count)
    return try await run(work, cancellations, on: pool, feed)
  }

  private func run<Report: Sendable>(
    _ work:
      @escaping @Sendable (PageFeed.Place, any Projection.Type, PostgresConnection) throws
      -> Report,
    _ cancellations: [String: Cancellation], on pool: PostgresPool, _ feed: PageFeed
  ) async throws -> [Report] {
    let budget = RowBudget(limit: rowLimit)
    let consumers = projections.enumerated().map { consumer, projection in
      let cancellation = cancellations[projection.name] ?? Cancellation()
      return (
        PageFeed.Place(
          feed: feed, consumer: consumer, cancellation: cancellation, budget: budget), projection
      )
    }
    return try await withTaskCancellationHandler {
      try await withThrowingTaskGroup(of: (Int, Report).self) { group in
        for (place, projection) in consumers {
          group.addTask {
            defer { place.leave() }
            return (place.consumer, try await pool.with { try work(place, projection, $0) })
          }
        }
        var reports: [(Int, Report)] = []
        for try await report in group { reports.append(report) }
        return reports.sorted { $0.0 < $1.0 }.map(\.1)
      }
    } onCancel: {
      for (place, _) in consumers {
        place.cancellation.request()
        place.leave()
      }
    }
  }

  /// Sorting and index builds get memory of their own.
  private static func prepare(_ connection: PostgresConnection) throws {
    try connection.execute(
      "SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET jit = off;"
        // Rows that come back into memory are looked up by key, in tables that nobody analyzed yet.
        + "SET random_page_cost = 1.1")
  }

  /// The types that one of them looks at; nil: all.
  private static func types(of projections: [any Projection.Type]) -> Set<String>? {
    projections.reduce(into: Set<String>() as Set<String>?) { union, projection in
      guard let types = projection.eventTypes else { return union = nil }
      union?.formUnion(types)
    }
  }
}

// MARK: - Poison

extension Rebuilder {
  /// Runs `attempt` with the poison that is known; where it meets more, once again from the beginning,
  /// over a feed of its own.
  func aroundPoison<P: Projection, Result>(
    of _: P.Type, _ place: PageFeed.Place,
    _ attempt: (PageFeed.Place, KnownPoison) throws -> Result
  ) throws -> Result {
    var place = place
    var known = KnownPoison()
    while true {
      do {
        return try attempt(place, known)
      } catch {
        try learn(from: error, &known)
        place.leave()
        place = PageFeed.Place(
          feed: PageFeed(
            reader: reader, end: try reader.head(), types: P.eventTypes, consumerCount: 1),
          consumer: 0, cancellation: place.cancellation, budget: place.budget)
      }
    }
  }

  /// - Throws: `error`, where another attempt would end as this one did. Where Postgres refused something, the attempt
  ///   itself parks whatever does not fit.
  private func learn(from error: any Error, _ known: inout KnownPoison) throws {
    switch error {
    case _ where known.isRefused: throw error
    case ProjectionError.poison(_, let position, let reason)
    where known.poisons.count < KnownPoison.limit:
      known.poisons[position] = Poison(code: "projection_poison", reason: reason)
    case PostgresError.rejected(let rejection) where rejection.isPoison: known.isRefused = true
    default: throw error
    }
  }

  /// One rebuild of a projection at a time.
  func takeTurn(_ projection: any Projection.Type, _ connection: PostgresConnection) throws {
    let rows = try connection.query(
      "SELECT pg_try_advisory_xact_lock(hashtextextended('daybook rebuild ' || $1, 0))",
      [.text(projection.schema)])
    guard try rows.first?.bool(0) == true else {
      throw ProjectionError.rebuildRunning(projection: projection.name)
    }
  }
}

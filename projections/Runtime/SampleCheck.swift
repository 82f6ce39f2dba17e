package import Domain
internal import EventCodec
package import EventLog
package import Postgres

/// Folds one org's events anew and compares the org's rows with the live ones: a check that costs what
/// the org is large, not what the log is. Orgs are independent, so their rows can be judged alone.
package enum SampleCheck {
  /// An org to look at: each as likely as its share of the log's events, unless it has more than
  /// `eventLimit`. nil where there is none.
  package static func pickOrg(
    _ reader: any EventReader, eventLimit: UInt64 = 100_000
  ) throws -> Identifier? {
    let orgs = try reader.orgs().filter { $0.value <= eventLimit }.sorted { $0.key < $1.key }
    let total = orgs.reduce(UInt64(0)) { $0 + $1.value }
    guard total > 0 else { return nil }
    var place = UInt64.random(in: 0..<total)
    for (org, count) in orgs {
      if place < count { return Identifier(.org, org.value) }
      place -= count
    }
    return nil
  }

  /// - Throws: `ProjectionError`: `sweeping` and `erasing` where nothing can be said at this moment. Nothing is left
  ///   behind but the note of when it was checked.
  package static func run<P: Projection>(
    _ projection: P.Type, org: Identifier, _ reader: any EventReader,
    _ connection: PostgresConnection
  ) throws -> CheckReport {
    var report: CheckReport?
    do {
      // One snapshot, undone at the end, as for the check of everything.
      try connection.transaction(isolation: .repeatableRead) {
        report = try compare(projection, org, reader, connection)
        throw TrialPassed()
      }
    } catch is TrialPassed {}
    guard let report else { preconditionFailure("a check ends with its report") }
    try CheckReport.note(report, P.self, isSample: true, connection)
    return report
  }

  private static func compare<P: Projection>(
    _: P.Type, _ org: Identifier, _ reader: any EventReader, _ connection: PostgresConnection
  ) throws -> CheckReport {
    guard let live = try CheckpointStore.read(P.self, connection), live.state == .live else {
      throw ProjectionError.unknownProjection(P.name)
    }
    try SweepStore.requireNone(of: P.self, org: org, connection)
    let known = KnownPoison(
      poisons: try ParkedStore.poisons(of: P.self, org: org.value, connection))
    let job = try RebuildJob<P>(
      schema: P.schema + "_sample", knowing: known, budget: RowBudget(), connection: connection)
    try forEachBatch(of: org, through: live.checkpoint.position, reader) { try job.fold($0) }
    try job.finish(isIndexed: false)
    // Asked last: from then on nothing is read that such a request could have taken away.
    guard try !ErasedSubject.orgs(after: live.checkpoint.position, reader).contains(org.value)
    else { throw ProjectionError.erasing(projection: P.name) }
    return try CheckReport(
      projection: P.name, position: live.checkpoint.position, isSameHistory: true,
      tables: P.tables.map { table in
        try TableComparison.compare(
          P.self, table.tableName, job.schema, org: org, reader,
          through: live.checkpoint.position, connection)
      })
  }

  /// The org's events in order, up to a position of the log.
  static func forEachBatch(
    of org: Identifier, through end: UInt64, _ reader: any EventReader,
    _ body: (Batch) throws -> Void
  ) throws {
    var sequence: UInt64 = 0
    var start: UInt64 = 0
    while start < end {
      let events = try reader.readOrg(OrgID(org.value), from: sequence, limit: 10_000)
      guard let last = events.last else { return }
      let batch = Batch.decode(
        Page(events: events, scannedTo: last.position), after: start)
      try body(batch.prefix(through: end))
      sequence = last.orgSequence + 1
      start = last.position
    }
  }
}

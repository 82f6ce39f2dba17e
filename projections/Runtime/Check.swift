internal import Domain
internal import EventLog
internal import Postgres

extension Rebuilder {
  func check<P: Projection>(
    _ projection: P.Type, _ place: PageFeed.Place, _ connection: PostgresConnection
  ) throws -> CheckReport {
    let meter = Meter(P.name, head: try reader.head(), report: progress)
    let report = try aroundPoison(of: P.self, place) { place, known in
      try compare(P.self, place, known, meter, connection)
    }
    try CheckReport.note(report, P.self, isSample: false, connection)
    return report
  }

  private func compare<P: Projection>(
    _ projection: P.Type, _ place: PageFeed.Place, _ known: KnownPoison, _ meter: Meter,
    _ connection: PostgresConnection
  ) throws -> CheckReport {
    var report: CheckReport?
    do {
      // One snapshot sees the live rows at their checkpoint, whatever is projected meanwhile, and
      // its own rows beside them. Undone at the end, so nothing is left behind.
      try connection.transaction(isolation: .repeatableRead) {
        try takeTurn(projection, connection)
        guard let live = try CheckpointStore.read(projection, connection) else {
          throw ProjectionError.unknownProjection(P.name)
        }
        try SweepStore.requireNone(of: P.self, connection)
        let job = try RebuildJob<P>(
          schema: P.schema + "_build", knowing: known, budget: place.budget,
          connection: connection)
        try fold(job, through: live.checkpoint.position, place, meter)
        try job.finish(isIndexed: false)
        // Asked last: from then on nothing is read that such a request could have taken away.
        let unjudged = try ErasedSubject.orgs(after: live.checkpoint.position, reader)
        report = try CheckReport(
          projection: P.name, position: live.checkpoint.position,
          isSameHistory: live.checkpoint.root == job.checkpoint.root,
          tables: P.tables.map {
            try TableComparison.compare(
              P.self, $0.tableName, job.schema, org: nil, except: unjudged, reader,
              through: live.checkpoint.position, connection)
          }, unjudgedOrgs: unjudged.sorted().map { Identifier(.org, $0) })
        throw TrialPassed()
      }
    } catch is TrialPassed {}
    guard let report else { preconditionFailure("a check ends with its report") }
    return report
  }

  private func fold<P: Projection>(
    _ job: RebuildJob<P>, through end: UInt64, _ place: PageFeed.Place, _ meter: Meter
  ) throws {
    while job.checkpoint.position < end, let page = try place.next() {
      try job.fold(page.prefix(through: end))
      meter.reached(page.end)
    }
    // The checkpoint may have moved since the feed was made.
    try job.catchUp(with: reader, to: end, place.cancellation)
  }
}

internal import EventLog
internal import Postgres

extension Rebuilder {
  func rebuild<P: Projection>(
    _ projection: P.Type, _ place: PageFeed.Place, _ scribe: RebuildScribe,
    _ connection: PostgresConnection
  ) throws -> RebuildReport {
    do {
      let report = try buildAndSwap(P.self, place, scribe, connection)
      scribe.end(P.name, nil)
      finished(report)
      return report
    } catch {
      scribe.end(P.name, ProjectionError(error))
      throw error
    }
  }

  private func buildAndSwap<P: Projection>(
    _ projection: P.Type, _ place: PageFeed.Place, _ scribe: RebuildScribe,
    _ connection: PostgresConnection
  ) throws -> RebuildReport {
    let meter = Meter(P.name, head: try reader.head()) {
      scribe.take($0)
      progress($0)
    }
    let report = try aroundPoison(of: P.self, place) { place, known in
      try connection.transaction {
        try takeTurn(projection, connection)
        scribe.begin(P.name)
        let job = try build(P.self, place, known, meter, connection)
        meter.enter(.swapping)
        try swap(job, place.cancellation, connection)
        return RebuildReport(
          projection: P.name, position: job.checkpoint.position,
          consumedCount: job.consumedCount, parkedCount: job.parked.count)
      }
    }
    faults.reached(.rebuildAfterSwap)
    return report
  }

  /// Everything but the swap: readers and projector go on meanwhile.
  private func build<P: Projection>(
    _: P.Type, _ place: PageFeed.Place, _ known: KnownPoison, _ meter: Meter,
    _ connection: PostgresConnection
  ) throws -> RebuildJob<P> {
    let job = try RebuildJob<P>(
      schema: P.schema + "_build", knowing: known, budget: place.budget,
      connection: connection)
    try fold(job, place, meter)
    faults.reached(.rebuildFolded)
    meter.enter(.indexing)
    try job.finish(isIndexed: true)
    faults.reached(.rebuildIndexed)
    meter.enter(.catchingUp)
    try job.catchUp(with: reader, to: try reader.head(), place.cancellation)
    return job
  }

  private func fold<P: Projection>(
    _ job: RebuildJob<P>, _ place: PageFeed.Place, _ meter: Meter
  ) throws {
    while let page = try place.next() {
      try job.fold(page)
      meter.reached(page.end)
    }
  }

  /// Stops the live projector at its checkpoint for as long as the last events take, and puts the
  /// built schema in the place of the live one.
  private func swap<P: Projection>(
    _ job: RebuildJob<P>, _ cancellation: Cancellation, _ connection: PostgresConnection
  ) throws {
    try cancellation.check()
    guard let stored = try CheckpointStore.lock(P.self, connection) else {
      throw ProjectionError.unknownProjection(P.name)
    }
    try job.catchUp(with: reader, to: try reader.head(), cancellation)
    faults.reached(.rebuildBeforeSwap)
    try Generations.replace(P.self, by: job.schema, stored.state, connection)
    // What was replaced still has somebody who asked to be forgotten: there is no way back to it.
    let hasErased =
      try stored.checkpoint.position < job.purgedPosition
      || ParkedStore.holdsErasure(of: P.self, through: job.purgedPosition, connection)
    if hasErased {
      try Generations.dropOthers(P.self, connection)
    }
    try ParkedStore.replace(with: job.parked, of: P.self, connection)
    try CheckpointStore.move(
      [.init(projection: P.self, checkpoint: job.checkpoint, last: job.last)], nil, connection)
  }
}

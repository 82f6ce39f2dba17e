internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// A step of a sweep: some rows more that an earlier event concerns, in one transaction.
struct SweepRound {
  let projection: any Projection.Type
  let reader: any EventReader
  let lease: Lease
  /// How many rows it visits, and how long it may take.
  let stint: Stint
  let faults: FaultPoints

  /// - Returns: What the projection stands at afterwards; nil where somebody else holds it.
  func run(_ connection: PostgresConnection) throws -> LiveRound.Outcome? {
    do {
      return try connection.transaction { try step(projection, connection) }
    } catch ProjectionError.poison(_, let position, let reason) {
      return try stop(at: position, reason, connection)
    } catch PostgresError.rejected(let rejection) where rejection.isPoison {
      let open = try SweepStore.next(of: projection, reader, connection)
      return try stop(at: open?.event.position ?? 0, rejection.description, connection)
    }
  }

  private func step<P: Projection>(
    _: P.Type, _ connection: PostgresConnection
  ) throws -> LiveRound.Outcome? {
    try lease.extend(stint.patience, connection)
    guard let stored = try CheckpointStore.lock([projection], for: lease, connection).first else {
      return nil
    }
    var outcome = LiveRound.Outcome(stored)
    guard outcome.isRunning,
      var open = try SweepStore.next(of: projection, reader, connection)
    else { return outcome }
    let folder = Folder<P>(
      store: TableStore(connection: connection, schema: P.schema), chunkLimit: stint.stepLimit)
    try folder.step(&open)
    faults.reached(.sweepStepped)
    try SweepStore.move(open, of: projection, connection)
    outcome.hasOpenSweeps =
      try !open.isOver || SweepStore.next(of: projection, reader, connection) != nil
    return outcome
  }

  /// The rows that it visited before cannot be taken back: it stands still until it is mended.
  private func stop(
    at position: UInt64, _ reason: String, _ connection: PostgresConnection
  ) throws -> LiveRound.Outcome? {
    try connection.transaction {
      guard let stored = try CheckpointStore.lock([projection], for: lease, connection).first
      else { return nil }
      try CheckpointStore.stop(
        projection, at: position, code: CheckpointStore.floodedCode, reason: reason, connection)
      var outcome = LiveRound.Outcome(stored)
      outcome.state = .stopped
      return outcome
    }
  }
}

internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// One batch, applied to all projections in one transaction with their checkpoints.
struct LiveRound {
  let projections: [any Projection.Type]
  let batch: Batch
  let reader: any EventReader
  let lease: Lease
  /// How many rows a sweep looks at at once, and how long it may take.
  let stint: Stint
  /// Calls at named points, so that tests can die there.
  let faults: FaultPoints

  /// What a projection stands at afterwards.
  struct Outcome: Sendable {
    var position: UInt64
    var state: ProjectionState
    /// Another process projects it, or rebuilds it at this moment.
    var isElsewhere = false
    /// Somebody holds its checkpoint at this moment.
    var isHeld = false
    var parkedCount: Int64 = 0
    /// Some event is applied to a part of its rows.
    var hasOpenSweeps = false

    var isStopped: Bool { state == .stopped }
    var isRunning: Bool { state == .live && !isElsewhere }
  }

  /// - Returns: Where each projection stands now, by name.
  func run(_ connection: PostgresConnection) throws -> [String: Outcome] {
    do {
      return try connection.transaction { try apply(connection, isCareful: false) }
    } catch let error as ProjectionError where error.isPoison {
      return try connection.transaction { try apply(connection, isCareful: true) }
    } catch PostgresError.rejected(let rejection) where rejection.isPoison {
      return try connection.transaction { try apply(connection, isCareful: true) }
    }
  }

  /// `isCareful`: each projection in a savepoint of its own, so that poison is found and parked.
  private func apply(
    _ connection: PostgresConnection, isCareful: Bool
  ) throws -> [String: Outcome] {
    try lease.extend(stint.patience, connection)
    let stored = Dictionary(
      try CheckpointStore.lock(projections, for: lease, connection).map { ($0.name, $0) }
    ) { $1 }
    var outcomes: [String: Outcome] = [:]
    var moves: [CheckpointStore.Move] = []
    for projection in projections.sorted(by: { $0.name < $1.name }) {
      guard let found = stored[projection.name] else {
        outcomes[projection.name] = Outcome(
          position: 0, state: .live, isElsewhere: true, isHeld: true)
        continue
      }
      var outcome = Outcome(found)
      if outcome.isRunning, let move = try advance(projection, found, connection, isCareful) {
        moves.append(move.checkpoint)
        outcome = move.outcome
      }
      outcomes[projection.name] = outcome
    }
    try CheckpointStore.move(moves, lease, connection)
    faults.reached(.beforeCommit)
    return outcomes
  }

  /// nil where the batch is nothing for this projection at its place.
  private func advance(
    _ projection: any Projection.Type, _ stored: CheckpointStore.Stored,
    _ connection: PostgresConnection, _ isCareful: Bool
  ) throws -> (checkpoint: CheckpointStore.Move, outcome: Outcome)? {
    // One that is further behind than the batch begins: the next round begins at its place.
    guard stored.checkpoint.position >= batch.start, stored.checkpoint.position < batch.end
    else { return nil }
    let held =
      stored.parkedCount > 0 ? try ParkedStore.keys(of: projection, connection) : []
    let sweeps =
      stored.hasOpenSweeps ? try SweepStore.all(of: projection, reader, connection) : []
    let advance = Advance(
      projection: projection, checkpoint: stored.checkpoint, batch: batch, held: held,
      sweeps: sweeps, connection: connection, chunkLimit: stint.stepLimit, faults: faults)
    let result = try isCareful ? advance.carefully() : advance.atOnce(poisons: [:])
    switch result {
    case .moved(let checkpoint, let parked, let hasOpenSweeps):
      return (
        CheckpointStore.Move(
          projection: projection, checkpoint: checkpoint, last: batch.events.last),
        Outcome(
          position: checkpoint.position, state: .live,
          parkedCount: stored.parkedCount + Int64(parked), hasOpenSweeps: hasOpenSweeps)
      )
    case .flooded(let position, let poison):
      try CheckpointStore.stop(
        projection, at: position, code: CheckpointStore.floodedCode, reason: poison.reason,
        connection)
      return (
        CheckpointStore.Move(projection: projection, checkpoint: stored.checkpoint, last: nil),
        Outcome(position: stored.checkpoint.position, state: .stopped)
      )
    }
  }
}

extension LiveRound.Outcome {
  init(_ stored: CheckpointStore.Stored) {
    self.init(
      position: stored.checkpoint.position, state: stored.state,
      isElsewhere: stored.isElsewhere, parkedCount: stored.parkedCount,
      hasOpenSweeps: stored.hasOpenSweeps)
  }
}

/// One projection's part of a round.
private struct Advance {
  enum Result {
    case moved(Checkpoint, parkedCount: Int, hasOpenSweeps: Bool)
    /// So much is poison that something else must be wrong: `position` is the first of it. Or an event of an
    /// earlier batch is, whose sweep is open.
    case flooded(position: UInt64, Poison)
  }

  let projection: any Projection.Type
  let checkpoint: Checkpoint
  let batch: Batch
  let held: Set<ParkingKey>
  /// Open before the batch.
  let sweeps: [OpenSweep]
  let connection: PostgresConnection
  let chunkLimit: Int
  let faults: FaultPoints

  /// Poison of one batch; a defect that hits every event should not be folded four thousand times.
  private static let poisonLimit = 50

  func atOnce(poisons: [UInt64: Poison]) throws -> Result {
    let triage = Triage(
      batch, for: projection, after: checkpoint.position, held: held, poisons: poisons)
    let hasOpenSweeps = try apply(projection, triage.good[...])
    try ParkedStore.add(triage.parked, to: projection, connection)
    var next = checkpoint
    next.position = batch.end
    for event in triage.consumed { next.root.add(event) }
    next.recordedAtMicros = batch.events.last?.recordedAtMicros ?? checkpoint.recordedAtMicros
    return .moved(next, parkedCount: triage.parked.count, hasOpenSweeps: hasOpenSweeps)
  }

  /// All of it but what is poison, which is found one after the other.
  func carefully() throws -> Result {
    var poisons: [UInt64: Poison] = [:]
    while true {
      do {
        return try connection.savepoint { try atOnce(poisons: poisons) }
      } catch ProjectionError.poison(_, let position, let reason) {
        let poison = Poison(code: "projection_poison", reason: reason)
        guard position > checkpoint.position else { return .flooded(position: position, poison) }
        poisons[position] = poison
      } catch PostgresError.rejected(let rejection) where rejection.isPoison {
        poisons[try firstRejected(poisons)] = Poison(rejection)
      }
      if poisons.count > Self.poisonLimit, let first = poisons.min(by: { $0.key < $1.key }) {
        return .flooded(position: first.key, first.value)
      }
    }
  }

  private func firstRejected(_ poisons: [UInt64: Poison]) throws -> UInt64 {
    let triage = Triage(
      batch, for: projection, after: checkpoint.position, held: held, poisons: poisons)
    return try connection.firstRefused(of: triage.good) { _ = try apply(projection, $0) }
  }

  /// - Returns: Whether a sweep is open afterwards.
  private func apply<P: Projection>(
    _: P.Type, _ events: ArraySlice<RecordedDomainEvent>
  ) throws -> Bool {
    guard !events.isEmpty else { return !sweeps.isEmpty }
    let folder = Folder<P>(
      store: TableStore(connection: connection, schema: P.schema), chunkLimit: chunkLimit,
      sweeps: sweeps)
    try folder.fold(events)
    faults.reached(.afterFold)
    try folder.write()
    if try folder.purge() != nil { try Generations.dropOthers(P.self, connection) }
    try SweepStore.note(folder.sweeps, of: P.self, connection)
    faults.reached(.afterWrite)
    return !folder.sweeps.isEmpty
  }
}

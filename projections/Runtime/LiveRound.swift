internal import Domain
internal import EventCodec
internal import Postgres

/// One batch, applied to all projections in one transaction with their checkpoints.
struct LiveRound {
  let projections: [any Projection.Type]
  let batch: Batch
  /// Calls at named points, so that tests can die there.
  let faults: FaultPoints

  /// What a projection stands at afterwards.
  struct Outcome: Sendable {
    var position: UInt64
    var isStopped: Bool
  }

  /// - Returns: Where each projection stands now, by name; one that is missing in the database is
  ///   left out.
  func run(_ connection: PostgresConnection) throws -> [String: Outcome] {
    do {
      return try connection.transaction { try apply(connection, isCareful: false) }
    } catch let error as ProjectionError where error.isPoison {
      return try connection.transaction { try apply(connection, isCareful: true) }
    } catch PostgresError.rejected(let rejection) where rejection.isPoison {
      return try connection.transaction { try apply(connection, isCareful: true) }
    }
  }

  /// `isCareful`: each projection in a savepoint of its own, so that a poisoned one stops alone.
  private func apply(
    _ connection: PostgresConnection, isCareful: Bool
  ) throws -> [String: Outcome] {
    var outcomes: [String: Outcome] = [:]
    var moved: [(projection: any Projection.Type, position: UInt64)] = []
    for projection in projections.sorted(by: { $0.name < $1.name }) {
      guard let stored = try CheckpointStore.lock(projection, connection) else { continue }
      let before = stored.checkpoint.position
      var outcome = Outcome(position: before, isStopped: stored.isStopped)
      if !stored.isStopped, before < batch.end {
        outcome = try advance(projection, from: stored.checkpoint, connection, isCareful)
      }
      outcomes[projection.name] = outcome
      if outcome.position > before { moved.append((projection, outcome.position)) }
    }
    try CheckpointStore.announce(moved, connection)
    faults.reached(.beforeCommit)
    return outcomes
  }

  private func advance(
    _ projection: any Projection.Type, from checkpoint: Checkpoint,
    _ connection: PostgresConnection, _ isCareful: Bool
  ) throws -> Outcome {
    let first = batch.events.first?.position ?? batch.undecodable.first?.position ?? batch.end
    guard checkpoint.position + 1 >= first else {
      // It is further behind than the batch begins: the next round begins at its place.
      return Outcome(position: checkpoint.position, isStopped: false)
    }
    let barrier = batch.undecodable.first {
      $0.position > checkpoint.position && $0.concerns(projection)
    }
    let piece = barrier.map { batch.prefix(through: $0.position - 1) } ?? batch
    let advance = Advance(
      projection: projection, checkpoint: checkpoint, piece: piece, connection: connection,
      faults: faults)
    let outcome = try isCareful ? advance.carefully() : advance.atOnce()
    guard let barrier, !outcome.isStopped else { return outcome }
    try CheckpointStore.stop(
      projection, at: barrier.position, code: barrier.error.code,
      reason: barrier.error.description, connection)
    return Outcome(position: outcome.position, isStopped: true)
  }
}

/// One projection's part of a round.
private struct Advance {
  let projection: any Projection.Type
  let checkpoint: Checkpoint
  let piece: Batch
  let connection: PostgresConnection
  let faults: FaultPoints

  private var events: [RecordedDomainEvent] {
    piece.events.filter { $0.position > checkpoint.position }
  }

  func atOnce() throws -> LiveRound.Outcome {
    try apply(projection, events[...], through: piece.end, from: checkpoint)
    return LiveRound.Outcome(position: piece.end, isStopped: false)
  }

  /// All of it, or what comes before the first event that does not fit; then the projection stops.
  func carefully() throws -> LiveRound.Outcome {
    do {
      return try connection.savepoint { try atOnce() }
    } catch ProjectionError.poison(_, let position, let reason) {
      return try stop(at: position, code: "poison", reason: reason)
    } catch PostgresError.rejected(let rejection) where rejection.isPoison {
      return try stopAtFirstRejected()
    }
  }

  private func stop(
    at position: UInt64, code: String, reason: String
  ) throws -> LiveRound.Outcome {
    let good = events.prefix { $0.position < position }
    try apply(projection, good, through: position - 1, from: checkpoint)
    try CheckpointStore.stop(projection, at: position, code: code, reason: reason, connection)
    return LiveRound.Outcome(position: position - 1, isStopped: true)
  }

  /// Postgres does not say which event made the row that it refused: one after the other finds it.
  private func stopAtFirstRejected() throws -> LiveRound.Outcome {
    for count in 1...max(1, events.count) {
      do {
        try connection.savepoint {
          try apply(projection, events.prefix(count), through: piece.end, from: checkpoint)
          throw TrialPassed()
        }
      } catch is TrialPassed {
        continue
      } catch PostgresError.rejected(let rejection) where rejection.isPoison {
        return try stop(
          at: events[count - 1].position, code: PostgresError.rejected(rejection).code,
          reason: rejection.description)
      }
    }
    return try atOnce()
  }

  /// Undoes a trial.
  private struct TrialPassed: Error {}

  private func apply<P: Projection>(
    _ projection: P.Type, _ events: ArraySlice<RecordedDomainEvent>, through end: UInt64,
    from checkpoint: Checkpoint
  ) throws {
    let folder = Folder<P>(store: TableStore(connection: connection, schema: P.schema))
    try folder.fold(events)
    faults.reached(.afterFold)
    try folder.write()
    faults.reached(.afterWrite)
    var next = checkpoint
    next.position = end
    for event in events where P.consumes(event) { next.chain.append(event) }
    next.recordedAtMicros = events.last?.recordedAtMicros ?? checkpoint.recordedAtMicros
    try CheckpointStore.move(projection, to: next, last: events.last, connection)
  }
}

extension ProjectionError {
  fileprivate var isPoison: Bool {
    if case .poison = self { return true }
    return false
  }
}

extension PostgresError.Rejection {
  /// The rows are at fault, not the world.
  var isPoison: Bool {
    switch kind {
    case .uniqueViolation, .constraintViolation, .dataException: true
    // 54000: a row or an index entry that is too large.
    case .other: sqlState.hasPrefix("54")
    case .serializationFailure, .deadlock, .statementTimeout, .lockNotAvailable,
      .insufficientResources, .shuttingDown, .readOnly, .notPermitted, .undefinedObject,
      .staleStatement:
      false
    }
  }
}

/// Named points of the way from events to rows. Tests end the process there; otherwise nothing
/// happens.
package struct FaultPoints: Sendable {
  package enum Point: String, Sendable, CaseIterable {
    case afterFold, afterWrite, beforeCommit, afterCommit
    case rebuildFolded, rebuildIndexed, rebuildBeforeSwap, rebuildAfterSwap
  }

  private let handler: (@Sendable (Point) -> Void)?

  package static let none = FaultPoints(handler: nil)

  package init(handler: (@Sendable (Point) -> Void)?) { self.handler = handler }

  func reached(_ point: Point) { handler?(point) }
}

internal import Domain
internal import EventCodec
package import EventLog
package import Postgres

package struct DrainReport: Sendable, Equatable {
  package let projection: String
  package var appliedCount = 0
  /// What still waits.
  package var remainingCount = 0
}

/// Applies what is parked, in order, once whatever was wrong with it is mended. What cannot be applied
/// still stays where it is, with what is behind it; other keys go on.
package enum Drain {
  package static func run<P: Projection>(
    _: P.Type, _ reader: any EventReader, _ connection: PostgresConnection
  ) throws -> DrainReport {
    var report = DrainReport(projection: P.name)
    for key in try ParkedStore.waitingKeys(P.self, connection) {
      try connection.transaction {
        guard let stored = try CheckpointStore.lock(P.self, connection) else { return }
        let applied = try drain(P.self, key, reader, connection)
        var checkpoint = stored.checkpoint
        for event in applied.uncounted { checkpoint.root.add(event) }
        try CheckpointStore.move(
          [.init(projection: P.self, checkpoint: checkpoint, last: nil)], nil, connection)
        try ParkedStore.remove(applied.positions, key, from: P.self, connection)
        report.appliedCount += applied.positions.count
      }
    }
    try resumeIfFlooded(P.self, connection)
    report.remainingCount = Int(try CheckpointStore.read(P.self, connection)?.parkedCount ?? 0)
    return report
  }

  private struct Applied {
    var positions: [UInt64] = []
    /// Events that nobody could read when they were parked.
    var uncounted: [RecordedDomainEvent] = []
  }

  private static func drain<P: Projection>(
    _: P.Type, _ key: ParkingKey, _ reader: any EventReader, _ connection: PostgresConnection
  ) throws -> Applied {
    var applied = Applied()
    for (position, isCounted) in try ParkedStore.waiting(key, P.self, connection) {
      do {
        let event = try Batch.event(at: position, reader)
        if P.consumes(event) {
          try connection.savepoint { try apply(event, P.self, reader, connection) }
          if !isCounted { applied.uncounted.append(event) }
        }
        applied.positions.append(position)
      } catch {
        guard let poison = poison(error) else { throw error }
        try ParkedStore.blame(poison, at: position, key, of: P.self, connection)
        return applied
      }
    }
    return applied
  }

  private static func apply<P: Projection>(
    _ event: RecordedDomainEvent, _: P.Type, _ reader: any EventReader,
    _ connection: PostgresConnection
  ) throws {
    let folder = Folder<P>(
      store: TableStore(connection: connection, schema: P.schema),
      sweeps: try SweepStore.all(of: P.self, reader, connection))
    try folder.fold([event])
    try folder.write()
    try SweepStore.note(folder.sweeps, of: P.self, connection)
    if try folder.purge() != nil { try Generations.dropOthers(P.self, connection) }
  }

  private static func poison(_ error: any Error) -> Poison? {
    switch error {
    case ProjectionError.poison(_, _, let reason): Poison(code: "projection_poison", reason: reason)
    case ProjectionError.undecodable(_, let error):
      Poison(code: error.code, reason: error.description)
    case PostgresError.rejected(let rejection) where rejection.isPoison: Poison(rejection)
    default: nil
    }
  }

  /// One that stopped because nearly everything was poison tries again, too.
  private static func resumeIfFlooded(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET state = 'live', failed_position = NULL, failed_code = NULL,
        failed_reason = NULL, failed_at = NULL
      WHERE name = $1 AND version = $2 AND failed_code = $3
      """, CheckpointStore.key(projection) + [.text(CheckpointStore.floodedCode)])
  }
}

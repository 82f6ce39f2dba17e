internal import EventCodec
internal import EventLog
internal import Postgres

/// Whether a checkpoint belongs to this log: after a restore the log may be shorter, or have been
/// written on differently.
enum HistoryCheck {
  /// Stops a projection that consumed another history.
  static func stopIfForeign(
    _ projection: any Projection.Type, _ reader: any EventReader, _ connection: PostgresConnection
  ) throws {
    guard let stored = try CheckpointStore.read(projection, connection), stored.state == .live,
      let error = try mismatch(projection, stored, reader)
    else { return }
    try CheckpointStore.stop(
      projection, at: stored.checkpoint.position, code: error.code, reason: error.description,
      connection)
  }

  private static func mismatch(
    _ projection: any Projection.Type, _ stored: CheckpointStore.Stored, _ reader: any EventReader
  ) throws -> ProjectionError? {
    let head = try reader.head()
    let position = stored.checkpoint.position
    guard position <= head else {
      return .beyondHead(projection: projection.name, position: position, head: head)
    }
    guard let identity = stored.identity, let at = stored.identityPosition else { return nil }
    let batch = try Batch.read(reader, after: at - 1, limit: 1)
    guard let event = batch.events.first, event.position == at else { return nil }
    return HistoryRoot.identity(of: event) == identity
      ? nil : .differentHistory(projection: projection.name, position: at)
  }
}

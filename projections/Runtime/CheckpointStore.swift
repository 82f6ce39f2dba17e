internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// The rows of `daybook.projections`.
enum CheckpointStore {
  /// A projection's row as a batch finds it.
  struct Stored {
    let checkpoint: Checkpoint
    let isStopped: Bool
    let identity: [UInt8]?
    let identityPosition: UInt64?
  }

  /// Reads and locks the checkpoint, so that no other process applies the same events: the second one
  /// waits and then finds the checkpoint moved.
  static func lock(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> Stored? {
    try find(projection, connection, suffix: " FOR UPDATE")
  }

  static func read(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> Stored? {
    try find(projection, connection, suffix: "")
  }

  private static func find(
    _ projection: any Projection.Type, _ connection: PostgresConnection, suffix: String
  ) throws -> Stored? {
    let rows = try connection.query(
      """
      SELECT position, chain, recorded_at, state, identity, identity_position
      FROM daybook.projections WHERE name = $1 AND version = $2\(suffix)
      """, [.text(projection.name), .int(Int64(projection.version))])
    guard let row = rows.first else { return nil }
    return Stored(
      checkpoint: Checkpoint(
        position: UInt64(try row.int64("position")),
        chain: EventChain(digest: try row.bytes("chain")),
        recordedAtMicros: try row.optionalTimestampMicros("recorded_at")),
      isStopped: try row.text("state") == "stopped",
      identity: try row.optionalBytes("identity"),
      identityPosition: try row.optionalInt64("identity_position").map { UInt64($0) })
  }

  /// Moves the checkpoint within the transaction of the rows and tells whoever waits for it.
  /// `last`: the last event of the batch.
  static func move(
    _ projection: any Projection.Type, to checkpoint: Checkpoint, last: RecordedDomainEvent?,
    _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET position = $3, chain = $4, moved_at = now(),
        recorded_at = coalesce($5, recorded_at), identity = coalesce($6, identity),
        identity_position = coalesce($7, identity_position)
      WHERE name = $1 AND version = $2
      """,
      [
        .text(projection.name), .int(Int64(projection.version)),
        .int(Int64(checkpoint.position)), .bytes(checkpoint.chain.digest),
        checkpoint.recordedAtMicros.map(PostgresValue.timestampMicros) ?? .null,
        last.map { .bytes(EventChain.identity(of: $0)) } ?? .null,
        last.map { .int(Int64($0.position)) } ?? .null,
      ])
  }

  static func announce(
    _ moved: [(projection: any Projection.Type, position: UInt64)],
    _ connection: PostgresConnection
  ) throws {
    guard !moved.isEmpty else { return }
    let news = moved.map { "\($0.projection.name) \($0.projection.version) \($0.position)" }
    _ = try connection.query(
      "SELECT pg_notify($1, $2)",
      [.text(Catalog.channel), .text(news.joined(separator: "\n"))])
  }

  /// Makes a failure durable: the projection stands still and says why, the others go on.
  static func stop(
    _ projection: any Projection.Type, at position: UInt64, code: String, reason: String,
    _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET state = 'stopped', failed_position = $3, failed_code = $4,
        failed_reason = $5, failed_at = now()
      WHERE name = $1 AND version = $2
      """,
      [
        .text(projection.name), .int(Int64(projection.version)), .int(Int64(position)),
        .text(code), .text(reason),
      ])
  }

  /// Lets a stopped projection try again.
  static func resume(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET state = 'live', failed_position = NULL, failed_code = NULL,
        failed_reason = NULL, failed_at = NULL
      WHERE name = $1 AND version = $2
      """, [.text(projection.name), .int(Int64(projection.version))])
  }
}

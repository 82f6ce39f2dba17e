internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// The rows of `daybook.projections`.
enum CheckpointStore {
  /// A projection's row as a batch finds it.
  struct Stored {
    let name: String
    let checkpoint: Checkpoint
    let state: ProjectionState
    let identity: [UInt8]?
    let identityPosition: UInt64?
    let parkedCount: Int64
    let hasOpenSweeps: Bool
    /// Another process projects it.
    let isElsewhere: Bool
  }

  /// Where a projection goes to.
  struct Move {
    let projection: any Projection.Type
    let checkpoint: Checkpoint
    /// The last event of the batch.
    let last: RecordedDomainEvent?
  }

  private static let columns = """
    p.name, p.position, p.root, p.recorded_at, p.state, p.identity, p.identity_position,
    p.parked_count, EXISTS (SELECT 1 FROM daybook.sweeps w
      WHERE w.name = p.name AND w.version = p.version) AS sweeping
    """

  static func insert(
    _ projection: any Projection.Type, state: ProjectionState, serving: Int64?,
    _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      INSERT INTO daybook.projections (name, version, position, root, state, serves_version)
      VALUES ($1, $2, 0, $3, $4, $5)
      """,
      key(projection) + [
        .bytes(Checkpoint.start.root.bytes), .text(state.rawValue),
        serving.map(PostgresValue.int) ?? .null,
      ])
  }

  // MARK: Reading

  /// Reads and locks the checkpoints that `lease` may move, in one order for all processes. What
  /// another one holds at this moment, such as the swap of a rebuild, is left out.
  static func lock(
    _ projections: [any Projection.Type], for lease: Lease, _ connection: PostgresConnection
  ) throws -> [Stored] {
    try find(projections, lease, connection, suffix: " FOR UPDATE OF p SKIP LOCKED")
  }

  /// Where the projections stand, whoever moves them at this moment.
  static func read(
    _ projections: [any Projection.Type], for lease: Lease, _ connection: PostgresConnection
  ) throws -> [Stored] {
    try find(projections, lease, connection, suffix: "")
  }

  private static func find(
    _ projections: [any Projection.Type], _ lease: Lease, _ connection: PostgresConnection,
    suffix: String
  ) throws -> [Stored] {
    try connection.query(
      """
      SELECT \(columns), p.lease_holder <> $3 AND p.lease_until > clock_timestamp()
      FROM daybook.projections p JOIN unnest($1::text[], $2::bigint[]) AS w(name, version)
      USING (name, version) ORDER BY p.name\(suffix)
      """,
      [
        .textArray(projections.map { $0.name }),
        .intArray(projections.map { Int64($0.version) }), .text(lease.holder),
      ]
    ).map { try stored($0, isElsewhere: try $0.optionalBool(9) ?? false) }
  }

  /// Reads and locks one checkpoint, whoever projects it; waits for it.
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
    try connection.query(
      "SELECT \(columns) FROM daybook.projections p WHERE name = $1 AND version = $2\(suffix)",
      key(projection)
    ).first.map { try stored($0, isElsewhere: false) }
  }

  private static func stored(_ row: PostgresRow, isElsewhere: Bool) throws -> Stored {
    Stored(
      name: try row.text("name"),
      checkpoint: Checkpoint(
        position: UInt64(try row.int64("position")),
        root: HistoryRoot(bytes: try row.bytes("root")),
        recordedAtMicros: try row.optionalTimestampMicros("recorded_at")),
      state: try state(row.text("state")),
      identity: try row.optionalBytes("identity"),
      identityPosition: try row.optionalInt64("identity_position").map { UInt64($0) },
      parkedCount: try row.int64("parked_count"), hasOpenSweeps: try row.bool("sweeping"),
      isElsewhere: isElsewhere)
  }

  static func state(_ text: String) throws(RowError) -> ProjectionState {
    guard let state = ProjectionState(rawValue: text) else {
      throw RowError(table: "projections", reason: "state")
    }
    return state
  }

  // MARK: Moving

  /// Moves checkpoints within the transaction of their rows, renews the lease on them and tells
  /// whoever waits.
  static func move(_ moves: [Move], _ lease: Lease?, _ connection: PostgresConnection) throws {
    guard !moves.isEmpty else { return }
    let checkpoints = moves.map(\.checkpoint)
    _ = try connection.query(
      """
      WITH moved AS (
        UPDATE daybook.projections p SET position = w.position, root = decode(w.root, 'hex'),
          moved_at = now(),
          recorded_at = coalesce(
            timestamptz 'epoch' + nullif(w.micros, 0) * interval '1 microsecond', p.recorded_at),
          identity = coalesce(decode(nullif(w.identity, ''), 'hex'), p.identity),
          identity_position = coalesce(nullif(w.identity_position, 0), p.identity_position),
          failed_position = CASE WHEN p.state = 'stopped' THEN p.failed_position END,
          failed_code = CASE WHEN p.state = 'stopped' THEN p.failed_code END,
          failed_reason = CASE WHEN p.state = 'stopped' THEN p.failed_reason END,
          failed_at = CASE WHEN p.state = 'stopped' THEN p.failed_at END,
          lease_holder = coalesce($8, p.lease_holder),
          lease_until = CASE WHEN $8::text IS NULL THEN p.lease_until
            ELSE clock_timestamp() + interval '\(lease?.seconds ?? 0) seconds' END
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[],
          $7::bigint[]) AS w(name, version, position, root, micros, identity, identity_position)
        WHERE p.name = w.name AND p.version = w.version
        RETURNING p.name, p.version, p.position
      )
      SELECT pg_notify('\(Catalog.channel)', name || ' ' || version || ' ' || position) FROM moved
      """,
      [
        .textArray(moves.map { $0.projection.name }),
        .intArray(moves.map { Int64($0.projection.version) }),
        .intArray(checkpoints.map { Int64($0.position) }),
        .textArray(checkpoints.map { hex($0.root.bytes) }),
        .intArray(checkpoints.map { $0.recordedAtMicros ?? 0 }),
        .textArray(moves.map { $0.last.map { hex(HistoryRoot.identity(of: $0)) } ?? "" }),
        .intArray(moves.map { Int64($0.last?.position ?? 0) }),
        lease.map { .text($0.holder) } ?? .null,
      ])
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  // MARK: Stopping

  /// Nearly everything is poison, or what is spread over several transactions is. Draining tries again.
  static let floodedCode = "projection_flooded"

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
      """, key(projection) + [.int(Int64(position)), .text(code), .text(reason)])
  }

  /// One event takes longer than a session has. It is tried again, with more time.
  static let slowCode = "projection_slow"

  /// Says at what a projection hangs that goes on trying, until its checkpoint moves.
  static func tell(
    _ projection: any Projection.Type, hangsAt position: UInt64, reason: String,
    _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET failed_position = $3, failed_code = $4, failed_reason = $5,
        failed_at = now()
      WHERE name = $1 AND version = $2 AND state = 'live'
      """, key(projection) + [.int(Int64(position)), .text(slowCode), .text(reason)])
  }

  static func key(_ projection: any Projection.Type) -> [PostgresValue] {
    [.text(projection.name), .int(Int64(projection.version))]
  }
}

internal import Domain
internal import Postgres

/// The rows of `daybook.parked`. Whoever changes them holds the lock of the checkpoint.
enum ParkedStore {
  static func keys(
    of projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> Set<ParkingKey> {
    let rows = try connection.query(
      "SELECT DISTINCT org, key FROM daybook.parked WHERE name = $1 AND version = $2",
      CheckpointStore.key(projection))
    return Set(try rows.map { try parkingKey($0, from: 0) })
  }

  static func add(
    _ events: [ParkedEvent], to projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    guard !events.isEmpty else { return }
    try connection.execute(
      """
      INSERT INTO daybook.parked (name, version, org, key, position, type, code, reason,
        is_counted)
      SELECT $1, $2, w.org, w.key, w.position, w.type, nullif(w.code, ''), nullif(w.reason, ''),
        w.is_counted
      FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[],
        $9::boolean[]) AS w(org, key, position, type, code, reason, is_counted)
      """,
      CheckpointStore.key(projection) + [
        .textArray(events.map { UUIDText.encode($0.key.org) }),
        .textArray(events.map { UUIDText.encode($0.key.key) }),
        .intArray(events.map { Int64($0.position) }), .textArray(events.map(\.type)),
        .textArray(events.map { $0.poison?.code ?? "" }),
        .textArray(events.map { $0.poison?.reason ?? "" }),
        .textArray(events.map { $0.isCounted ? "t" : "f" }),
      ])
    try count(projection, connection)
  }

  /// All that is parked, instead of what was.
  static func replace(
    with events: [ParkedEvent], of projection: any Projection.Type,
    _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      "DELETE FROM daybook.parked WHERE name = $1 AND version = $2",
      CheckpointStore.key(projection))
    try add(events, to: projection, connection)
    try count(projection, connection)
  }

  /// The keys that something waits under, in the order of their first event.
  static func waitingKeys(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> [ParkingKey] {
    try connection.query(
      """
      SELECT org, key FROM daybook.parked WHERE name = $1 AND version = $2
      GROUP BY org, key ORDER BY min(position)
      """, CheckpointStore.key(projection)
    ).map { try parkingKey($0, from: 0) }
  }

  /// Whether a generation of the projection, live or not, has not carried out a request of up to `position` to erase
  /// somebody.
  static func holdsErasure(
    of projection: any Projection.Type, through position: UInt64,
    _ connection: PostgresConnection
  ) throws -> Bool {
    let rows = try connection.query(
      "SELECT 1 FROM daybook.parked WHERE name = $1 AND type = $2 AND position <= $3 LIMIT 1",
      [.text(projection.name), .text(ErasedSubject.eventType), .int(Int64(position))])
    return !rows.isEmpty
  }

  /// The positions that wait under a key, in order.
  static func waiting(
    _ key: ParkingKey, _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> [(position: UInt64, isCounted: Bool)] {
    try connection.query(
      """
      SELECT position, is_counted FROM daybook.parked
      WHERE name = $1 AND version = $2 AND org = $3::uuid AND key = $4::uuid ORDER BY position
      """, CheckpointStore.key(projection) + [.uuid(key.org), .uuid(key.key)]
    ).map { (UInt64(try $0.int64(0)), try $0.bool(1)) }
  }

  /// What of an org is known not to fit, by position.
  static func poisons(
    of projection: any Projection.Type, org: UInt128, _ connection: PostgresConnection
  ) throws -> [UInt64: Poison] {
    let rows = try connection.query(
      """
      SELECT position, code, reason FROM daybook.parked
      WHERE name = $1 AND version = $2 AND org = $3::uuid AND code IS NOT NULL
      """, CheckpointStore.key(projection) + [.uuid(org)])
    return Dictionary(
      try rows.map { row in
        (
          UInt64(try row.int64(0)),
          Poison(code: try row.text(1), reason: try row.optionalText(2) ?? "")
        )
      }
    ) { $1 }
  }

  static func remove(
    _ positions: [UInt64], _ key: ParkingKey, from projection: any Projection.Type,
    _ connection: PostgresConnection
  ) throws {
    guard !positions.isEmpty else { return }
    try connection.execute(
      """
      DELETE FROM daybook.parked WHERE name = $1 AND version = $2 AND org = $3::uuid
        AND key = $4::uuid AND position = ANY($5)
      """,
      CheckpointStore.key(projection) + [
        .uuid(key.org), .uuid(key.key), .intArray(positions.map { Int64($0) }),
      ])
    try count(projection, connection)
  }

  /// Why the first event that is left of a key cannot be applied.
  static func blame(
    _ poison: Poison, at position: UInt64, _ key: ParkingKey, of projection: any Projection.Type,
    _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.parked SET code = $6, reason = $7 WHERE name = $1 AND version = $2
        AND org = $3::uuid AND key = $4::uuid AND position = $5
      """,
      CheckpointStore.key(projection) + [
        .uuid(key.org), .uuid(key.key), .int(Int64(position)), .text(poison.code),
        .text(poison.reason),
      ])
  }

  private static func count(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET parked_count = (SELECT count(*) FROM daybook.parked k
        WHERE k.name = $1 AND k.version = $2)
      WHERE name = $1 AND version = $2
      """, CheckpointStore.key(projection))
  }

  private static func parkingKey(_ row: PostgresRow, from column: Int) throws -> ParkingKey {
    var reader = RowReader(row, table: "parked", from: column)
    return ParkingKey(org: try reader.uuid(), key: try reader.uuid())
  }
}

package import Domain
package import Postgres

/// What a generation of rows is; see `Generations`.
package enum ProjectionState: String, Sendable, Equatable {
  /// Kept up with the log.
  case live
  /// It cannot go on: another history, or too much poison.
  case stopped
  /// A new version without rows of its own yet.
  case building
  /// The version before serves until a rebuild.
  case rolledBack = "rolled_back"
  /// What a rebuild took the place of.
  case replaced
}

/// A row of `daybook projection list`.
package struct ProjectionStatus: Sendable, Equatable {
  package let name: String
  package let version: Int
  package let state: ProjectionState
  package let position: UInt64
  package let failedPosition: UInt64?
  package let failedCode: String?
  package let failedReason: String?
  /// When the log took the last applied event.
  package let recordedAtMicros: Micros?
  package let builtAtMicros: Micros
  package let checkedAtMicros: Micros?
  /// Whether the last check found the live rows to be what the log says.
  package let checkedEqual: Bool?
  /// Tables and indexes.
  package let byteCount: Int64

  /// How far it is behind the log's head.
  package func lagEvents(head: UInt64) -> UInt64 { head - min(position, head) }
}

package enum ProjectionAdmin {
  /// Every version of every projection that the database knows, by name and version.
  package static func list(_ connection: PostgresConnection) throws -> [ProjectionStatus] {
    try connection.query(
      """
      SELECT p.*, coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = p.name || '_v' || p.version AND c.relkind = 'r'), 0)::bigint AS bytes
      FROM daybook.projections p ORDER BY name, version
      """
    ).map { row in
      ProjectionStatus(
        name: try row.text("name"), version: Int(try row.int64("version")),
        state: try row.text("state"), position: UInt64(try row.int64("position")),
        failedPosition: try row.optionalInt64("failed_position").map { UInt64($0) },
        failedCode: try row.optionalText("failed_code"),
        failedReason: try row.optionalText("failed_reason"),
        recordedAtMicros: try row.optionalTimestampMicros("recorded_at"),
        builtAtMicros: try row.timestampMicros("built_at"),
        checkedAtMicros: try row.optionalTimestampMicros("checked_at"),
        checkedEqual: try row.optionalBool("checked_equal"), byteCount: try row.int64("bytes"))
    }
  }

  /// Lets a stopped projection try again from where it stopped, within a second.
  package static func resume(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    try CheckpointStore.resume(projection, connection)
  }
}

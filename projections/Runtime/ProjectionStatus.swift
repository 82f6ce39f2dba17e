package import Domain
package import EventLog
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
  /// Negative: what a rebuild of that version replaced.
  package let version: Int
  package let state: ProjectionState
  /// Whose rows are read while this version has none.
  package let servesVersion: Int?
  package let position: UInt64
  package let failedPosition: UInt64?
  package let failedCode: String?
  package let failedReason: String?
  /// Events that wait because one of them cannot be applied.
  package let parkedCount: Int
  /// Events that are applied to a part of the rows that they concern; see decision 0006.
  package let openSweepCount: Int
  /// Events a second, lately.
  package let rate: Double
  /// Tables and indexes.
  package let byteCount: Int64
  /// When the log took the last applied event.
  package let recordedAtMicros: Micros?
  package let builtAtMicros: Micros
  /// The last check, of all rows or of one org's.
  package let check: Check?
  /// The last rebuild: asked for, under way or over; nil where none is remembered.
  package let rebuild: Rebuild?

  package struct Rebuild: Sendable, Equatable {
    package let state: RebuildRecord.State
    package let phase: RebuildProgress.Phase?
    package let position: UInt64
    package let head: UInt64
    /// Events a second since its start.
    package let rate: Double
    package let reason: String?
    package let requestedAtMicros: Micros
    package let updatedAtMicros: Micros

    /// Somebody does it, or will.
    package var isOpen: Bool {
      switch state {
      case .requested, .running, .cancelling: true
      case .done, .failed, .cancelled: false
      }
    }
  }

  package struct Check: Sendable, Equatable {
    package let atMicros: Micros
    package let position: UInt64
    /// The live rows were what the log says.
    package let isEqual: Bool
  }

  /// How far it is behind the log's head.
  package func lagEvents(head: UInt64) -> UInt64 { head - min(position, head) }

  /// For how long the first event that is not applied yet has waited.
  package func lagMicros(_ reader: any EventReader, nowMicros: Micros) throws -> Micros {
    let next = try reader.read(after: position, limit: 1, filter: .all).events.first
    return next.map { max(0, nowMicros - $0.recordedAtMicros) } ?? 0
  }
}

/// An event that waits.
package struct ParkedStatus: Sendable, Equatable {
  package let projection: String
  package let org: Identifier
  /// Without its kind: the stream that it waits for.
  package let key: String
  package let position: UInt64
  package let type: String
  /// nil: it waits behind another one.
  package let code: String?
  package let reason: String?
  package let parkedAtMicros: Micros
}

package enum ProjectionAdmin {
  /// Every generation of every projection that the database knows, by name and version.
  package static func list(_ connection: PostgresConnection) throws -> [ProjectionStatus] {
    let exists = try connection.query("SELECT to_regclass('daybook.sweeps') IS NOT NULL")
    guard try exists.first?.bool(0) == true else { return [] }
    return try connection.query(
      """
      SELECT p.*, coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = p.name || '_v' || abs(p.version)
          || CASE WHEN p.version < 0 THEN '_old' ELSE '' END AND c.relkind = 'r'), 0)::bigint
        AS bytes,
        (SELECT count(*) FROM daybook.sweeps w WHERE w.name = p.name AND w.version = p.version)
        AS sweeps,
        r.state AS rebuild_state, r.phase AS rebuild_phase, r.position AS rebuild_position,
        r.head AS rebuild_head, r.rate AS rebuild_rate, r.reason AS rebuild_reason,
        r.requested_at AS rebuild_requested_at, r.updated_at AS rebuild_updated_at
      FROM daybook.projections p LEFT JOIN daybook.rebuilds r USING (name, version)
      ORDER BY name, abs(version), version DESC
      """
    ).map(status)
  }

  private static func status(_ row: PostgresRow) throws -> ProjectionStatus {
    ProjectionStatus(
      name: try row.text("name"), version: Int(try row.int64("version")),
      state: try CheckpointStore.state(row.text("state")),
      servesVersion: try row.optionalInt64("serves_version").map { Int($0) },
      position: UInt64(try row.int64("position")),
      failedPosition: try row.optionalInt64("failed_position").map { UInt64($0) },
      failedCode: try row.optionalText("failed_code"),
      failedReason: try row.optionalText("failed_reason"),
      parkedCount: Int(try row.int64("parked_count")),
      openSweepCount: Int(try row.int64("sweeps")), rate: try row.double("rate"),
      byteCount: try row.int64("bytes"),
      recordedAtMicros: try row.optionalTimestampMicros("recorded_at"),
      builtAtMicros: try row.timestampMicros("built_at"), check: try check(row),
      rebuild: try rebuild(row))
  }

  private static func rebuild(_ row: PostgresRow) throws -> ProjectionStatus.Rebuild? {
    guard let text = try row.optionalText("rebuild_state"),
      let state = RebuildRecord.State(rawValue: text)
    else { return nil }
    return ProjectionStatus.Rebuild(
      state: state,
      phase: try row.optionalText("rebuild_phase").flatMap(RebuildProgress.Phase.init),
      position: UInt64(try row.int64("rebuild_position")),
      head: UInt64(try row.int64("rebuild_head")), rate: try row.double("rebuild_rate"),
      reason: try row.optionalText("rebuild_reason"),
      requestedAtMicros: try row.timestampMicros("rebuild_requested_at"),
      updatedAtMicros: try row.timestampMicros("rebuild_updated_at"))
  }

  private static func check(_ row: PostgresRow) throws -> ProjectionStatus.Check? {
    guard let at = try row.optionalTimestampMicros("checked_at"),
      let position = try row.optionalInt64("checked_position"),
      let isEqual = try row.optionalBool("checked_equal")
    else { return nil }
    return ProjectionStatus.Check(atMicros: at, position: UInt64(position), isEqual: isEqual)
  }

  /// What is parked, by projection and position.
  package static func parked(_ connection: PostgresConnection) throws -> [ParkedStatus] {
    let exists = try connection.query("SELECT to_regclass('daybook.parked') IS NOT NULL")
    guard try exists.first?.bool(0) == true else { return [] }
    return try connection.query(
      """
      SELECT name, org, key, position, type, code, reason, parked_at FROM daybook.parked
      WHERE version > 0 ORDER BY name, position
      """
    ).map { row in
      var reader = RowReader(row, table: "parked", from: 1)
      return ParkedStatus(
        projection: try row.text(0), org: Identifier(.org, try reader.uuid()),
        key: try row.text("key"), position: UInt64(try row.int64("position")),
        type: try row.text("type"), code: try row.optionalText("code"),
        reason: try row.optionalText("reason"),
        parkedAtMicros: try row.timestampMicros("parked_at"))
    }
  }

  /// Puts back the rows that the live ones took the place of; see `Generations`.
  ///
  /// - Throws: `ProjectionError.nothingToRollBack`.
  package static func rollBack(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    try connection.transaction { try Generations.rollBack(projection, connection) }
  }
}

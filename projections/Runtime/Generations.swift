internal import Domain
internal import Postgres

/// The rows of a read model that take each other's place: a rebuild's for the old ones, a new
/// version's for those of the version before.
///
/// While a new version is built, its schema holds views of the old version's tables, where they have
/// the columns that the new code reads: readers of the new code are served from the first moment on.
/// What was replaced stays for `keptHours`, and until then the way back is one transaction.
enum Generations {
  /// A day to notice that the new rows are wrong.
  static let keptHours = 24

  static func oldSchema(_ projection: any Projection.Type) -> String { projection.schema + "_old" }

  // MARK: A version's first rows

  /// The first time that this version of a projection meets this database.
  static func begin(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    guard let older = try olderVersion(of: projection, connection) else {
      try Catalog.create(projection, schema: projection.schema, isIndexed: true, connection)
      try Catalog.verify(projection, schema: projection.schema, connection)
      return try CheckpointStore.insert(projection, state: .live, serving: nil, connection)
    }
    let serves = try bridge(projection, to: older, connection) ? older : nil
    try CheckpointStore.insert(projection, state: .building, serving: serves, connection)
  }

  private static func olderVersion(
    of projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> Int64? {
    try connection.query(
      """
      SELECT max(version) FROM daybook.projections
      WHERE name = $1 AND version > 0 AND version < $2 AND state IN ('live', 'stopped')
      """, CheckpointStore.key(projection)
    ).first?.optionalInt64(0)
  }

  /// Views of another version's tables in the place of this one's; false where they lack a column.
  private static func bridge(
    _ projection: any Projection.Type, to version: Int64, _ connection: PostgresConnection
  ) throws -> Bool {
    let source = "\(projection.name)_v\(version)"
    let schema = quotedIdentifier(projection.schema)
    let relations = relations(of: projection)
    for (name, columns) in relations {
      let found = try Catalog.columns(of: name, in: source, connection)
      guard columns.allSatisfy({ found.contains("\($0.name) \($0.type.rawValue)") }) else {
        return false
      }
    }
    try connection.execute(
      "CREATE SCHEMA \(schema); GRANT USAGE ON SCHEMA \(schema) TO \(Catalog.readerRole)")
    for (name, columns) in relations {
      let list = columns.map { quotedIdentifier($0.name) }.joined(separator: ", ")
      try connection.execute(
        """
        CREATE VIEW \(schema).\(quotedIdentifier(name)) WITH (security_invoker = true) AS
          SELECT \(list) FROM \(quotedIdentifier(source)).\(quotedIdentifier(name));
        GRANT SELECT ON \(schema).\(quotedIdentifier(name)) TO \(Catalog.readerRole)
        """)
    }
    return true
  }

  private static func relations(
    of projection: any Projection.Type
  ) -> [(name: String, columns: [Column])] {
    projection.tables.flatMap { table in
      let own = [(table.tableName, table.columns)]
      guard projection.history.contains(table.tableName) else { return own }
      return own + [
        (HistoryTable.name(of: table.tableName), table.columns + HistoryTable.ownColumns)
      ]
    }
  }

  // MARK: Taking the place

  /// Puts the schema `built` in the place of the live one, under the lock of the checkpoint. The live
  /// rows, their checkpoint and what is parked of them become what was replaced.
  static func replace(
    _ projection: any Projection.Type, by built: String, _ state: ProjectionState,
    _ connection: PostgresConnection
  ) throws {
    let live = quotedIdentifier(projection.schema)
    switch state {
    case .live, .stopped:
      try dropReplaced(projection, connection)
      try connection.execute(
        "ALTER SCHEMA \(live) RENAME TO \(quotedIdentifier(oldSchema(projection)))")
      try connection.execute(
        """
        INSERT INTO daybook.projections (name, version, position, root, identity,
          identity_position, recorded_at, state, built_at, parked_count)
        SELECT name, -version, position, root, identity, identity_position, recorded_at, 'replaced',
          built_at, parked_count FROM daybook.projections WHERE name = $1 AND version = $2
        """, CheckpointStore.key(projection))
      for table in Catalog.tablesOfGenerations where table != "projections" {
        try connection.execute(
          "UPDATE daybook.\(table) SET version = -version WHERE name = $1 AND version = $2",
          CheckpointStore.key(projection))
      }
    case .building, .rolledBack:
      try connection.execute("DROP SCHEMA IF EXISTS \(live) CASCADE")
    case .replaced:
      preconditionFailure("what was replaced is not rebuilt")
    }
    try connection.execute("ALTER SCHEMA \(quotedIdentifier(built)) RENAME TO \(live)")
    try connection.execute(
      """
      UPDATE daybook.projections SET state = 'live', serves_version = NULL, built_at = now(),
        checked_at = NULL, checked_position = NULL, checked_equal = NULL,
        failed_position = NULL, failed_code = NULL, failed_reason = NULL, failed_at = NULL
      WHERE name = $1 AND version = $2
      """, CheckpointStore.key(projection))
  }

  private static func dropReplaced(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      "DROP SCHEMA IF EXISTS \(quotedIdentifier(oldSchema(projection))) CASCADE")
    for table in Catalog.tablesOfGenerations {
      try connection.execute(
        "DELETE FROM daybook.\(table) WHERE name = $1 AND version = -$2::bigint",
        CheckpointStore.key(projection))
    }
  }

  // MARK: Going back

  /// Puts back what was replaced last: the rows before the last rebuild, which the projector brings up
  /// to date from where they stood; or else the rows of the version before, as they stand.
  ///
  /// - Throws: `ProjectionError.nothingToRollBack`.
  static func rollBack(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    guard let stored = try CheckpointStore.lock(projection, connection),
      stored.state == .live || stored.state == .stopped
    else { throw ProjectionError.nothingToRollBack(projection: projection.name) }
    if try Catalog.schemaExists(oldSchema(projection), connection) {
      try exchange(projection, connection)
    } else if let older = try olderVersion(of: projection, connection) {
      try giveWay(projection, to: older, connection)
    } else {
      throw ProjectionError.nothingToRollBack(projection: projection.name)
    }
  }

  private static func exchange(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    let live = quotedIdentifier(projection.schema)
    let old = quotedIdentifier(oldSchema(projection))
    let aside = quotedIdentifier(projection.schema + "_aside")
    try connection.execute(
      """
      ALTER SCHEMA \(live) RENAME TO \(aside); ALTER SCHEMA \(old) RENAME TO \(live);
      ALTER SCHEMA \(aside) RENAME TO \(old)
      """)
    for table in Catalog.tablesOfGenerations {
      // By way of 0, which no version is: the key is unique at every moment.
      for (from, to) in [("$2::bigint", "0"), ("-$2::bigint", "$2"), ("0", "-$2::bigint")] {
        try connection.execute(
          "UPDATE daybook.\(table) SET version = \(to) WHERE name = $1 AND version = \(from)"
            + " AND $2::bigint > 0", CheckpointStore.key(projection))
      }
    }
    try connection.execute(
      """
      UPDATE daybook.projections SET moved_at = now(),
        state = CASE WHEN version = $2 THEN 'live' ELSE 'replaced' END
      WHERE name = $1 AND version IN ($2, -$2::bigint)
      """, CheckpointStore.key(projection))
  }

  private static func giveWay(
    _ projection: any Projection.Type, to older: Int64, _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      ALTER SCHEMA \(quotedIdentifier(projection.schema))
        RENAME TO \(quotedIdentifier(oldSchema(projection)))
      """)
    guard try bridge(projection, to: older, connection) else {
      throw ProjectionError.nothingToRollBack(projection: projection.name)
    }
    try connection.execute(
      "DROP SCHEMA \(quotedIdentifier(oldSchema(projection))) CASCADE")
    for table in Catalog.tablesOfGenerations where table != "projections" {
      try connection.execute(
        "DELETE FROM daybook.\(table) WHERE name = $1 AND version = $2",
        CheckpointStore.key(projection))
    }
    try connection.execute(
      """
      UPDATE daybook.projections SET state = 'rolled_back', serves_version = $3, position = 0,
        root = $4, identity = NULL, identity_position = NULL, recorded_at = NULL, parked_count = 0
      WHERE name = $1 AND version = $2
      """,
      CheckpointStore.key(projection) + [.int(older), .bytes(Checkpoint.start.root.bytes)])
  }

  // MARK: Dropping

  /// Drops what nobody went back to in time: what a rebuild replaced, and older versions that no
  /// process projects any more while the present one serves.
  static func dropOutdated(
    _ projections: [any Projection.Type], _ connection: PostgresConnection
  ) throws {
    for projection in projections {
      let rows = try connection.query(
        """
        SELECT o.version FROM daybook.projections o
        JOIN daybook.projections p ON p.name = o.name AND p.version = $2
        WHERE o.name = $1 AND o.version < $2 AND p.state = 'live'
          AND o.lease_until < clock_timestamp()
          AND greatest(o.moved_at, p.built_at) < now() - interval '\(keptHours) hours'
        FOR UPDATE OF o SKIP LOCKED
        """, CheckpointStore.key(projection))
      for row in rows { try drop(projection.name, version: try row.int64(0), connection) }
    }
  }

  /// Drops every other generation of the projection that nobody projects: what was replaced is not kept for
  /// a way back that would bring erased people with it.
  static func dropOthers(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    let rows = try connection.query(
      """
      SELECT version FROM daybook.projections
      WHERE name = $1 AND version <> $2 AND (version < 0 OR lease_until < clock_timestamp())
        AND version NOT IN (SELECT serves_version FROM daybook.projections
          WHERE name = $1 AND serves_version IS NOT NULL)
      FOR UPDATE SKIP LOCKED
      """, CheckpointStore.key(projection))
    for row in rows { try drop(projection.name, version: try row.int64(0), connection) }
  }

  private static func drop(
    _ name: String, version: Int64, _ connection: PostgresConnection
  ) throws {
    let schema = version < 0 ? "\(name)_v\(-version)_old" : "\(name)_v\(version)"
    try connection.execute("DROP SCHEMA IF EXISTS \(quotedIdentifier(schema)) CASCADE")
    for table in Catalog.tablesOfGenerations {
      try connection.execute(
        "DELETE FROM daybook.\(table) WHERE name = $1 AND version = $2",
        [.text(name), .int(version)])
    }
  }
}

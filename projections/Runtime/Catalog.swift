package import Postgres

/// The runtime's own table, the role that readers act as, and the schemas of the read models.
///
/// Live rows of a projection are in `<name>_v<version>`. A rebuild fills `<name>_v<version>_build` in
/// one transaction, which also swaps the two; what was live is `<name>_v<version>_old` until it is
/// dropped. So a kill leaves at most an `_old` schema behind, and `dropLeftovers` takes it away.
package enum Catalog {
  /// The schema of `projections`, and of nothing else.
  package static let schema = "daybook"

  /// Owns nothing, may only SELECT, and sees no row without `SET daybook.org`.
  package static let readerRole = "daybook_reader"

  /// The channel on which every move of a checkpoint is announced: `name version position`.
  package static let channel = "daybook_checkpoint"

  /// Names the advisory lock under which schemas are made: "dayb" in ASCII.
  private static let migrationLock = 0x6461_7962

  /// Makes what is missing; a second call changes nothing. Any number of processes may call it at
  /// once.
  package static func migrate(
    _ connection: PostgresConnection, _ projections: [any Projection.Type]
  ) throws {
    try connection.transaction {
      _ = try connection.query("SELECT pg_advisory_xact_lock(\(migrationLock))")
      try connection.execute(systemSQL)
      for projection in projections { try migrate(connection, projection) }
    }
  }

  private static func migrate(
    _ connection: PostgresConnection, _ projection: any Projection.Type
  ) throws {
    if try !schemaExists(projection.schema, connection) {
      try create(projection, schema: projection.schema, isIndexed: true, connection)
      try connection.execute(
        """
        INSERT INTO daybook.projections (name, version, position, chain, state)
        VALUES ($1, $2, 0, $3, 'live')
        """,
        [
          .text(projection.name), .int(Int64(projection.version)),
          .bytes(Checkpoint.start.chain.digest),
        ])
    }
    try verify(projection, schema: projection.schema, connection)
  }

  /// Version N of a projection is `live`, or `stopped` at an event that it cannot apply.
  private static let systemSQL = """
    CREATE SCHEMA IF NOT EXISTS daybook;
    CREATE TABLE IF NOT EXISTS daybook.projections (
      name             text        NOT NULL,
      version          bigint      NOT NULL,
      position         bigint      NOT NULL,
      chain            bytea       NOT NULL,
      identity         bytea,       -- of the event at `identity_position`
      identity_position bigint,
      recorded_at      timestamptz, -- when the log took the last applied event
      state            text        NOT NULL CHECK (state IN ('live', 'stopped')),
      failed_position  bigint,
      failed_code      text,
      failed_reason    text,
      failed_at        timestamptz,
      built_at         timestamptz NOT NULL DEFAULT now(),
      moved_at         timestamptz NOT NULL DEFAULT now(),
      checked_at       timestamptz,
      checked_position bigint,
      checked_equal    boolean,
      PRIMARY KEY (name, version)
    ) WITH (fillfactor = 50);
    DO $$ BEGIN
      CREATE ROLE daybook_reader NOLOGIN NOINHERIT NOBYPASSRLS;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$;
    DO $$ BEGIN
      EXECUTE format('GRANT daybook_reader TO %I', current_user);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$;
    GRANT USAGE ON SCHEMA daybook TO daybook_reader;
    GRANT SELECT ON daybook.projections TO daybook_reader;
    """
}

// MARK: - Schemas of read models

extension Catalog {
  static func schemaExists(_ name: String, _ connection: PostgresConnection) throws -> Bool {
    try !connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [.text(name)]).isEmpty
  }

  /// Creates a schema with its tables, and with keys and indexes where `isIndexed`.
  static func create(
    _ projection: any Projection.Type, schema: String, isIndexed: Bool,
    _ connection: PostgresConnection
  ) throws {
    let script = SchemaScript(projection.schemaSQL)
    try connection.execute(
      """
      CREATE SCHEMA \(quotedIdentifier(schema));
      GRANT USAGE ON SCHEMA \(quotedIdentifier(schema)) TO \(readerRole);
      """)
    try run(script.tables, in: schema, connection)
    for table in projection.tables { try secure(table.tableName, in: schema, connection) }
    if isIndexed { try run(script.keys + script.indexes, in: schema, connection) }
  }

  /// Runs statements whose names carry no schema.
  static func run(
    _ statements: [String], in schema: String, _ connection: PostgresConnection
  ) throws {
    guard !statements.isEmpty else { return }
    try connection.execute(
      "SET LOCAL search_path = \(quotedIdentifier(schema));\n"
        + statements.joined(separator: ";\n") + ";\nRESET search_path")
  }

  /// A row is seen by its own org alone. The owner, who projects, is above that; readers are not.
  private static func secure(
    _ table: String, in schema: String, _ connection: PostgresConnection
  ) throws {
    let name = "\(quotedIdentifier(schema)).\(quotedIdentifier(table))"
    try connection.execute(
      """
      ALTER TABLE \(name) ENABLE ROW LEVEL SECURITY;
      CREATE POLICY org ON \(name) FOR SELECT TO \(readerRole)
        USING (org = nullif(current_setting('daybook.org', true), '')::uuid);
      GRANT SELECT ON \(name) TO \(readerRole);
      """)
  }

  /// - Throws: `ProjectionError.schemaMismatch` where a table lacks a column that its rows have, or
  ///   has it in another place or type.
  static func verify(
    _ projection: any Projection.Type, schema: String, _ connection: PostgresConnection
  ) throws {
    for table in projection.tables {
      let rows = try connection.query(
        """
        SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
        WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """, [.text("\(quotedIdentifier(schema)).\(quotedIdentifier(table.tableName))")])
      let found = try rows.map { "\(try $0.text(0)) \(try $0.text(1))" }
      let expected = table.columns.map { "\($0.name) \($0.type.rawValue)" }
      guard found == expected else {
        let first = zip(expected, found).first { $0 != $1 }
        throw ProjectionError.schemaMismatch(
          table: "\(schema).\(table.tableName)",
          reason: first.map { "expected \($0), found \($1)" }
            ?? "expected \(expected.count) columns, found \(found.count)")
      }
    }
  }

  /// Drops what a rebuild that was killed between its swap and its end left behind.
  static func dropLeftovers(
    of projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    for suffix in ["_build", "_old"] {
      try connection.execute(
        "DROP SCHEMA IF EXISTS \(quotedIdentifier(projection.schema + suffix)) CASCADE")
    }
  }
}

extension Projection {
  /// The projection's tables, empty: for their names and columns.
  static var tables: [any ProjectionTable] { Tables().all }
}

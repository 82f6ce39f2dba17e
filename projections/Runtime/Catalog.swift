package import Postgres

/// The runtime's own table, the role that readers act as, and the schemas of the read models.
///
/// Live rows of a projection are in `<name>_v<version>`. A rebuild fills `<name>_v<version>_build` in
/// one transaction, which also swaps the two, so that a kill leaves nothing behind; what was live is
/// `<name>_v<version>_old` until it is dropped, see `Generations`.
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
    guard let stored = try CheckpointStore.read(projection, connection) else {
      // Rows without a checkpoint are of no use to anybody.
      try connection.execute(
        "DROP SCHEMA IF EXISTS \(quotedIdentifier(projection.schema)) CASCADE")
      return try Generations.begin(projection, connection)
    }
    if stored.state == .live || stored.state == .stopped {
      try verify(projection, schema: projection.schema, connection)
    }
  }

  /// A line of `projections` is a generation of a read model's rows: version N is `live`; `stopped`
  /// (it consumed another history, or nearly everything that comes is poison); `building` for the
  /// first time; or `rolled_back` to an older version. Version -N is what N replaced. A table of an
  /// older layout is dropped: read models are made anew from the log.
  private static let systemSQL = """
    CREATE SCHEMA IF NOT EXISTS daybook;
    DO $$ BEGIN
      IF EXISTS (SELECT 1 FROM pg_attribute WHERE attname = 'chain'
        AND attrelid = to_regclass('daybook.projections')) THEN DROP TABLE daybook.projections;
      END IF;
    END $$;
    CREATE TABLE IF NOT EXISTS daybook.projections (
      name             text        NOT NULL,
      version          bigint      NOT NULL,
      position         bigint      NOT NULL,
      root             bytea       NOT NULL, -- of the consumed history, see HistoryRoot
      identity         bytea,       -- of the event at `identity_position`
      identity_position bigint,
      recorded_at      timestamptz, -- when the log took the last applied event
      state            text        NOT NULL CHECK (state IN
        ('live', 'stopped', 'building', 'rolled_back', 'replaced')),
      serves_version   bigint,      -- whose rows are read while this version has none
      failed_position  bigint,
      failed_code      text,
      failed_reason    text,
      failed_at        timestamptz,
      built_at         timestamptz NOT NULL DEFAULT now(),
      moved_at         timestamptz NOT NULL DEFAULT now(),
      checked_at       timestamptz,
      checked_position bigint,
      checked_equal    boolean,
      parked_count     bigint      NOT NULL DEFAULT 0, -- rows in `parked`
      rate             double precision NOT NULL DEFAULT 0, -- events a second, lately
      lease_holder     text,        -- the process that projects it
      lease_until      timestamptz NOT NULL DEFAULT '-infinity',
      PRIMARY KEY (name, version)
    ) WITH (fillfactor = 50);
    -- Events that could not be applied, and the later ones of their keys, which wait behind them.
    CREATE TABLE IF NOT EXISTS daybook.parked (
      name      text        NOT NULL,
      version   bigint      NOT NULL,
      org       uuid        NOT NULL,
      key       uuid        NOT NULL, -- the stream
      position  bigint      NOT NULL,
      type      text        NOT NULL,
      code      text,                 -- null: it waits behind another one
      reason    text,
      is_counted boolean    NOT NULL, -- the root has it: it could be read
      parked_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (name, version, org, key, position)
    );
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
    GRANT SELECT (name, version, org, key, position) ON daybook.parked TO daybook_reader;

    """ + RebuildRecord.tableSQL + SweepStore.tableSQL

  /// What belongs to a generation, beside its schema: it comes, stays and goes with it.
  static let tablesOfGenerations = ["projections", "parked", "sweeps", "swept"]
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
    let script = projection.schemaScript
    try connection.execute(
      """
      CREATE SCHEMA \(quotedIdentifier(schema));
      GRANT USAGE ON SCHEMA \(quotedIdentifier(schema)) TO \(readerRole);
      """)
    try run(script.tables, in: schema, connection)
    for table in projection.tables {
      try secure(table.tableName, in: schema, connection)
      try tend(table, script, in: schema, connection)
    }
    for name in projection.history.sorted() {
      try secure(HistoryTable.name(of: name), in: schema, connection)
    }
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

  /// Rows that change leave room for their next version on the same page, and what they leave behind
  /// is cleared away before it is a fifth of the table.
  private static func tend(
    _ table: any ProjectionTable, _ script: SchemaScript, in schema: String,
    _ connection: PostgresConnection
  ) throws {
    guard table.keyColumnCount > 0 else { return }
    var settings = ["autovacuum_vacuum_scale_factor = 0.05"]
    if !script.setsFillFactor(of: table.tableName) { settings.append("fillfactor = 85") }
    try connection.execute(
      """
      ALTER TABLE \(quotedIdentifier(schema)).\(quotedIdentifier(table.tableName)) \
      SET (\(settings.joined(separator: ", ")))
      """)
  }

  /// `name type` of each column, in order; empty where there is no such table.
  static func columns(
    of table: String, in schema: String, _ connection: PostgresConnection
  ) throws -> [String] {
    try connection.query(
      """
      SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
      WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
      """, [.text("\(quotedIdentifier(schema)).\(quotedIdentifier(table))")]
    ).map { try $0.text(0) }
  }

  /// - Throws: `ProjectionError.schemaMismatch` where a table lacks a column that its rows have, or
  ///   has it in another place or type.
  static func verify(
    _ projection: any Projection.Type, schema: String, _ connection: PostgresConnection
  ) throws {
    for table in projection.tables {
      let found = try columns(of: table.tableName, in: schema, connection)
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

}

extension Projection {
  /// The projection's tables, empty: for their names and columns.
  static var tables: [any ProjectionTable] { Tables().all }

  /// `schema.sql`, and the tables of the history that it asks for.
  static var schemaScript: SchemaScript {
    let tables = tables
    return history.sorted().reduce(into: SchemaScript(schemaSQL)) { script, name in
      guard let table = tables.first(where: { $0.tableName == name }) else {
        preconditionFailure("history of a table that \(Self.name) does not have: \(name)")
      }
      script.add(HistoryTable.statements(for: table))
    }
  }
}

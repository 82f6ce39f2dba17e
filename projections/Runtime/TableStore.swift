internal import Postgres

/// The tables of one schema: loads rows by key and writes changes, a few statements a table.
struct TableStore {
  let connection: PostgresConnection
  let schema: String
  /// Rows may be stored as if they had been there for ever: the tables were created in this very
  /// transaction (`COPY … FREEZE`).
  var isFrozen = false

  // MARK: Loading

  /// Loads what was declared and is not in memory: at most two queries. Gives the count of rows.
  func load(_ table: any ProjectionTable) throws -> Int {
    try loadKeys(table) + loadOrgs(table)
  }

  private func loadKeys(_ table: any ProjectionTable) throws -> Int {
    let keys = table.takeMissingKeys()
    guard !keys.isEmpty else { return 0 }
    let names = table.keyNames
    let arrays = keys.indices.map { "$\($0 + 1)::\(table.columns[$0].type.rawValue)[]" }
    let rows = try connection.query(
      """
      SELECT \(table.columnList("t.")) FROM unnest(\(arrays.joined(separator: ", "))) \
      AS k(\(names.joined(separator: ", "))) \
      JOIN \(qualified(table)) t ON \(table.keyCondition("t", "k"))
      """, keys.map(PostgresValue.textArray))
    return try absorb(rows, into: table)
  }

  private func loadOrgs(_ table: any ProjectionTable) throws -> Int {
    let orgs = table.takeMissingOrgs()
    guard !orgs.isEmpty else { return 0 }
    let rows = try connection.query(
      "SELECT \(table.columnList()) FROM \(qualified(table)) WHERE org = ANY($1::uuid[])",
      [.textArray(orgs.map(UUIDText.encode))])
    return try absorb(rows, into: table)
  }

  /// The org's next rows after `key` in the order of the key; the last one's key, or nil at the end.
  func loadChunk(
    _ table: any ProjectionTable, org: UInt128, after key: [String]?, limit: Int
  ) throws -> [String]? {
    let names = table.keyNames
    let start = key.map { key in
      let places = key.indices.map { "$\($0 + 2)::\(table.columns[$0].type.rawValue)" }
      return " AND (\(names.joined(separator: ", "))) > (\(places.joined(separator: ", ")))"
    }
    let rows = try connection.query(
      """
      SELECT \(table.columnList()) FROM \(qualified(table)) WHERE org = $1::uuid\(start ?? "") \
      ORDER BY \(names.joined(separator: ", ")) LIMIT \(limit)
      """, [.text(UUIDText.encode(org))] + (key ?? []).map(PostgresValue.text))
    _ = try absorb(rows, into: table)
    guard rows.count == limit, let last = rows.last else { return nil }
    return try names.indices.map { try last.text($0) }
  }

  private func absorb(_ rows: PostgresRows, into table: any ProjectionTable) throws -> Int {
    for row in rows {
      var reader = RowReader(row, table: table.tableName)
      try table.absorb(&reader)
    }
    return rows.count
  }

  // MARK: Writing

  /// A batch of the live projector is one piece.
  private static let pieceBytes = 8 << 20

  /// Writes what changed.
  func write(_ table: any ProjectionTable) throws {
    try table.changes(pieceBytes: Self.pieceBytes) { change, rows in
      switch change {
      case .delete: try delete(rows, from: table)
      case .insert: try insert(rows, into: table)
      case .update: try update(rows, in: table)
      }
    }
    try append(table)
  }

  /// Writes the lines that nobody looks at again: versions, and rows of a ledger.
  func append(_ table: any ProjectionTable) throws {
    let rows = table.takeVersions()
    guard rows.rowCount > 0 else { return }
    if table.keyColumnCount > 0 {
      try insertHistory(rows, of: table)
    } else {
      try insert(rows, into: table)
    }
  }

  private func insert(_ rows: RowWriter, into table: any ProjectionTable) throws {
    try connection.copyIn(
      table: table.tableName, columns: table.columns.map(\.name), schema: schema,
      isFrozen: isFrozen, binary: rows.copyChunks)
  }

  private func insertHistory(_ rows: RowWriter, of table: any ProjectionTable) throws {
    try connection.copyIn(
      table: HistoryTable.name(of: table.tableName),
      columns: table.columns.map(\.name) + HistoryTable.ownColumns.map(\.name), schema: schema,
      isFrozen: isFrozen, binary: rows.copyChunks)
  }

  private func update(_ rows: RowWriter, in table: any ProjectionTable) throws {
    let staging = try stage(rows, table, columns: table.columns, suffix: "")
    let values = table.columns.dropFirst(table.keyColumnCount).map {
      "\(quotedIdentifier($0.name)) = s.\(quotedIdentifier($0.name))"
    }
    let found = try connection.execute(
      """
      UPDATE \(qualified(table)) t SET \(values.joined(separator: ", ")) FROM \(staging) s \
      WHERE \(table.keyCondition("t", "s"))
      """, [])
    try requireAll(rows, found, table)
  }

  private func delete(_ keys: RowWriter, from table: any ProjectionTable) throws {
    let columns = Array(table.columns.prefix(table.keyColumnCount))
    let staging = try stage(keys, table, columns: columns, suffix: "_keys")
    let found = try connection.execute(
      "DELETE FROM \(qualified(table)) t USING \(staging) s WHERE \(table.keyCondition("t", "s"))",
      [])
    try requireAll(keys, found, table)
  }

  private func requireAll(
    _ rows: RowWriter, _ found: Int, _ table: any ProjectionTable
  ) throws(ProjectionError) {
    guard rows.rowCount == found else {
      throw .rowsDiverged(
        table: "\(schema).\(table.tableName)", expected: rows.rowCount, found: found)
    }
  }

  /// Puts rows into a table of this session, made when first needed and emptied at each commit. Goes
  /// over the wire in one message, because a batch is as slow as its round trips.
  private func stage(
    _ rows: RowWriter, _ table: any ProjectionTable, columns: [Column], suffix: String
  ) throws -> String {
    let name = "stage_\(schema)_\(table.tableName)\(suffix)"
    let definitions = columns.map { "\(quotedIdentifier($0.name)) \($0.type.rawValue)" }
    try connection.copyIn(
      table: name, columns: columns.map(\.name), schema: "pg_temp",
      preparation: """
        CREATE TEMP TABLE IF NOT EXISTS \(name) (\(definitions.joined(separator: ", "))) \
        ON COMMIT DELETE ROWS;
        DELETE FROM pg_temp.\(name);
        """,
      binary: rows.copyChunks)
    return "pg_temp.\(name)"
  }

  private func qualified(_ table: any ProjectionTable) -> String {
    "\(quotedIdentifier(schema)).\(quotedIdentifier(table.tableName))"
  }
}

extension RowWriter {
  fileprivate var copyChunks: [[UInt8]] { [Self.header, bytes, Self.trailer] }
}

extension ProjectionTable {
  var keyNames: [String] { columns.prefix(keyColumnCount).map { quotedIdentifier($0.name) } }

  func columnList(_ prefix: String = "") -> String {
    columns.map { prefix + quotedIdentifier($0.name) }.joined(separator: ", ")
  }

  func keyCondition(_ left: String, _ right: String) -> String {
    keyNames.map { "\(left).\($0) = \(right).\($0)" }.joined(separator: " AND ")
  }
}

internal import Domain
internal import EventCodec
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
    guard keys.rowCount > 0 else { return 0 }
    let columns = Array(table.columns.prefix(table.keyColumnCount))
    let rows = try connection.binaryQuery(
      """
      SELECT \(table.columnList("t.")) FROM \(Self.unnest(columns, as: "k")) \
      JOIN \(qualified(table)) t ON \(table.keyCondition("t", "k"))
      """, keys.arrays(of: columns))
    return try absorb(rows, into: table)
  }

  private func loadOrgs(_ table: any ProjectionTable) throws -> Int {
    let orgs = table.takeMissingOrgs()
    guard !orgs.isEmpty else { return 0 }
    let rows = try connection.binaryQuery(
      "SELECT \(table.columnList()) FROM \(qualified(table)) WHERE org = ANY($1::uuid[])",
      [.textArray(orgs.map(UUIDText.encode))])
    return try absorb(rows, into: table)
  }

  /// Loads the next rows that a sweep has before it, in the order of their ids, and gives those.
  func loadNext(
    of sweep: OpenSweep, in table: any SweptTable, for projection: any Projection.Type, limit: Int
  ) throws -> [UInt128] {
    let org = sweep.event.org
    precondition(table.items(of: org.value).isEmpty, "a step of a sweep begins with no rows")
    let id = "t.\(table.keyNames[1])"
    var conditions = Conditions()
    conditions.add("t.org = ?::uuid", .id(org))
    conditions.addIfPresent("\(id) > ?::uuid", sweep.after.map(PostgresValue.uuid))
    if sweep.isStored {
      conditions.add(
        """
        NOT EXISTS (SELECT 1 FROM daybook.swept s WHERE s.name = ? AND s.version = ? AND s.org = t.org
          AND s.position = ? AND s.id = \(id))
        """, .text(projection.name), .int(Int64(projection.version)),
        .int(Int64(sweep.event.position)))
    }
    let rows = try connection.binaryQuery(
      """
      SELECT \(table.columnList("t.")) FROM \(qualified(table)) t \(conditions.sql)
      ORDER BY \(id) LIMIT \(limit)
      """, conditions.parameters)
    _ = try absorb(rows, into: table)
    return table.items(of: org.value).sorted()
  }

  private func absorb(
    _ rows: PostgresBinaryRows, into table: any ProjectionTable
  ) throws -> Int {
    var fields: [UInt8] = []
    for row in 0..<rows.count {
      fields.removeAll(keepingCapacity: true)
      rows.appendFields(row: row, to: &fields)
      var reader = RowReader(fields: fields, table: table.tableName)
      try table.absorb(&reader)
    }
    return rows.count
  }

  // MARK: Writing

  /// A batch of the live projector is one piece.
  private static let pieceBytes = 4 << 20

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
    try table.takeVersions { rows in
      if table.keyColumnCount > 0 {
        try insertHistory(rows, of: table)
      } else {
        try insert(rows, into: table)
      }
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
    let values = table.columns.dropFirst(table.keyColumnCount).map { column in
      let name = quotedIdentifier(column.name)
      return "\(name) = s.\(name)" + (column.type == .textArray ? "::text[]" : "")
    }
    let found = try connection.execute(
      """
      UPDATE \(qualified(table)) t SET \(values.joined(separator: ", ")) \
      FROM \(Self.unnest(table.columns, as: "s")) WHERE \(table.keyCondition("t", "s"))
      """, rows.arrays(of: table.columns))
    try requireAll(rows, found, table)
  }

  private func delete(_ keys: RowWriter, from table: any ProjectionTable) throws {
    let columns = Array(table.columns.prefix(table.keyColumnCount))
    let found = try connection.execute(
      """
      DELETE FROM \(qualified(table)) t USING \(Self.unnest(columns, as: "s")) \
      WHERE \(table.keyCondition("t", "s"))
      """, keys.arrays(of: columns))
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

  /// Rows that come as parameters, an array for each column: one round trip, and a plan that is kept. A
  /// table of the session's own has to be emptied at each commit, which takes longer than a small batch.
  private static func unnest(_ columns: [Column], as name: String) -> String {
    let names = columns.map { quotedIdentifier($0.name) }.joined(separator: ", ")
    let arrays = columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
    return "unnest(\(arrays)) AS \(name)(\(names))"
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

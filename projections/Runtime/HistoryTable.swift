internal import Postgres

/// Every version that the rows of a table had: `<table>_history`, one line for each event and row that
/// it touched, written once.
///
/// A line holds the row as the event left it, or the key alone where the event deleted it. The version
/// at position p is the last line of the key up to p, whatever the batches were.
package enum HistoryTable {
  static let ownColumns = [Column("at_position", .bigint), Column("is_deleted", .boolean)]

  static func name(of table: String) -> String { table + "_history" }

  static func statements(for table: any ProjectionTable) -> (table: String, key: String) {
    precondition(table.keyColumnCount > 0, "\(table.tableName) is its own history")
    let columns = table.columns.enumerated().map { index, column in
      "\(quotedIdentifier(column.name)) \(column.type.rawValue)"
        + (index < table.keyColumnCount ? " NOT NULL" : "")
    }
    let own = ownColumns.map { "\($0.name) \($0.type.rawValue) NOT NULL" }
    let name = quotedIdentifier(name(of: table.tableName))
    let key = (table.keyNames + ["at_position"]).joined(separator: ", ")
    return (
      "CREATE TABLE \(name) (\((columns + own).joined(separator: ", ")))",
      "ALTER TABLE \(name) ADD PRIMARY KEY (\(key))"
    )
  }

  /// `row` nil: deleted. Gives where the row's own fields are.
  static func append<Row: KeyedRow>(
    _ row: Row?, key: Row.Key, at position: UInt64, to writer: inout RowWriter
  ) -> Range<Int> {
    writer.row(columnCount: Row.columns.count + ownColumns.count)
    let start = writer.bytes.count
    if let row {
      row.write(to: &writer)
    } else {
      key.write(to: &writer)
      for _ in Row.Key.columnCount..<Row.columns.count { writer.null() }
    }
    let end = writer.bytes.count
    writer.bigint(Int64(position))
    writer.boolean(row == nil)
    return start..<end
  }
}

extension KeyedRow {
  /// What a query reads its rows from: the table, or the rows as they were at a position. An alias
  /// follows.
  package static func source(_ schema: String, asOf position: UInt64?) -> String {
    let schema = quotedIdentifier(schema)
    guard let position else { return "\(schema).\(quotedIdentifier(table))" }
    let names = columns.map { quotedIdentifier($0.name) }.joined(separator: ", ")
    let key = columns.prefix(Key.columnCount).map { quotedIdentifier($0.name) }
    let order = key.map { $0 + " DESC" }.joined(separator: ", ")
    return """
      (SELECT \(names) FROM (
        SELECT DISTINCT ON (\(key.joined(separator: ", "))) * \
        FROM \(schema).\(quotedIdentifier(HistoryTable.name(of: table)))
        WHERE at_position <= \(Int64(clamping: position)) ORDER BY \(order), at_position DESC
      ) versions WHERE NOT is_deleted)
      """
  }
}

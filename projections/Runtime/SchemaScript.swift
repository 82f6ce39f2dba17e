/// A read model's `schema.sql`, taken apart: tables come first, rows next, keys and indexes after
/// them, because an index built at the end costs a fraction of one kept up row by row.
///
/// The file holds `CREATE TABLE`, `ALTER TABLE … ADD PRIMARY KEY` and `CREATE INDEX`, with names that
/// carry no schema. Row-level security, policies and grants are the runtime's: no file can forget them.
package struct SchemaScript: Sendable, Equatable {
  package private(set) var tables: [String]
  package private(set) var keys: [String]
  package let indexes: [String]

  package init(_ sql: String) {
    let statements = Self.statements(sql)
    tables = statements.filter { $0.hasPrefix("CREATE TABLE ") }
    keys = statements.filter {
      $0.hasPrefix("ALTER TABLE ") && $0.contains(" ADD PRIMARY KEY ")
    }
    indexes = statements.filter {
      $0.hasPrefix("CREATE INDEX ") || $0.hasPrefix("CREATE UNIQUE INDEX ")
    }
    precondition(
      tables.count + keys.count + indexes.count == statements.count,
      "a schema holds tables, primary keys and indexes")
    precondition(tables.count == keys.count, "every table has a primary key")
  }

  /// A table of the runtime's own, and its primary key.
  mutating func add(_ statements: (table: String, key: String)) {
    tables.append(statements.table)
    keys.append(statements.key)
  }

  /// Whether the file itself says how full the table's pages get.
  func setsFillFactor(of table: String) -> Bool {
    tables.contains { $0.hasPrefix("CREATE TABLE \(table) ") && $0.contains("fillfactor") }
  }

  /// The statements without their comments. Literals hold neither `;` nor `--`.
  private static func statements(_ sql: String) -> [String] {
    let code = sql.split(separator: "\n").map { line in
      String(line.firstRange(of: "--").map { line[..<$0.lowerBound] } ?? line)
    }.joined(separator: "\n")
    return code.split(separator: ";").map(trimmed).filter { !$0.isEmpty }
  }

  private static func trimmed(_ text: Substring) -> String {
    let start = text.drop(while: \.isWhitespace)
    let end = start.lastIndex { !$0.isWhitespace }
    return end.map { String(start[...$0]) } ?? ""
  }
}

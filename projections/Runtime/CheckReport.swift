internal import Postgres

/// Whether the live rows of a projection are what the log says.
package struct CheckReport: Sendable, Equatable {
  package struct Table: Sendable, Equatable {
    package let name: String
    package let live: Digest
    package let rebuilt: Digest
    /// The key of the first row, in the order of the key, that differs; nil where none does.
    package let firstDifference: String?

    package var isEqual: Bool { live == rebuilt }
  }

  /// A table's rows as a set: their count, and sums of their hashes, which no order changes.
  package struct Digest: Sendable, Equatable, CustomStringConvertible {
    package let rowCount: Int64
    package let sums: [String]

    package var description: String { "\(rowCount) rows, \(sums.joined(separator: "."))" }
  }

  package let projection: String
  package let position: UInt64
  /// The live projection consumed the very events that the log holds.
  package let isSameHistory: Bool
  package let tables: [Table]

  package var isEqual: Bool { isSameHistory && tables.allSatisfy(\.isEqual) }

  init(
    projection: String, checkpoint: Checkpoint, rebuilt: Checkpoint, tables: [Table]
  ) {
    self.projection = projection
    position = checkpoint.position
    isSameHistory = checkpoint.root == rebuilt.root
    self.tables = tables
  }
}

enum TableComparison {
  static func compare(
    _ table: String, _ live: String, _ rebuilt: String, _ connection: PostgresConnection
  ) throws -> CheckReport.Table {
    let liveDigest = try digest(of: table, in: live, connection)
    let rebuiltDigest = try digest(of: table, in: rebuilt, connection)
    return CheckReport.Table(
      name: table, live: liveDigest, rebuilt: rebuiltDigest,
      firstDifference: liveDigest == rebuiltDigest
        ? nil : try firstDifference(table, live, rebuilt, connection))
  }

  /// MD5 of each row's text, in two halves of 60 bits, each summed: equal for equal sets of rows. Not
  /// against an adversary, who could as well change the log's copy in the database.
  static func digest(
    of table: String, in schema: String, _ connection: PostgresConnection
  ) throws -> CheckReport.Digest {
    let rows = try connection.query(
      """
      SELECT count(*), coalesce(sum(('x' || substr(h, 1, 15))::bit(60)::bigint), 0)::text,
        coalesce(sum(('x' || substr(h, 16, 15))::bit(60)::bigint), 0)::text
      FROM (SELECT md5(t::text) AS h
        FROM \(quotedIdentifier(schema)).\(quotedIdentifier(table)) t) hashes
      """)
    guard let row = rows.first else { preconditionFailure("an aggregate has one row") }
    return CheckReport.Digest(
      rowCount: try row.int64(0), sums: [try row.text(1), try row.text(2)])
  }

  private static func firstDifference(
    _ table: String, _ live: String, _ rebuilt: String, _ connection: PostgresConnection
  ) throws -> String? {
    let key = try keyColumns(of: table, in: live, connection)
    let using = key.joined(separator: ", ")
    let rows = try connection.query(
      """
      SELECT concat_ws(' ', \(using)) FROM \(quotedIdentifier(live)).\(quotedIdentifier(table)) a
      FULL JOIN \(quotedIdentifier(rebuilt)).\(quotedIdentifier(table)) b USING (\(using))
      WHERE a::text IS DISTINCT FROM b::text ORDER BY \(using) LIMIT 1
      """)
    return try rows.first?.text(0)
  }

  private static func keyColumns(
    of table: String, in schema: String, _ connection: PostgresConnection
  ) throws -> [String] {
    try connection.query(
      """
      SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(number, place)
      JOIN pg_attribute a ON a.attnum = k.number
      WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid
      ORDER BY k.place
      """, [.text("\(quotedIdentifier(schema)).\(quotedIdentifier(table))")]
    ).map { quotedIdentifier(try $0.text(0)) }
  }
}

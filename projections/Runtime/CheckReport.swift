package import Domain
internal import EventLog
internal import Postgres

/// Whether the live rows of a projection are what the log says.
package struct CheckReport: Sendable, Equatable {
  package struct Table: Sendable, Equatable {
    package let name: String
    package let live: Digest
    package let rebuilt: Digest
    /// The key of the first row, in the order of the key, that differs; nil where none does.
    package let firstDifference: String?
    /// The event from which on that row is another one; nil where no event makes such a row.
    package let firstEvent: UInt64?
    /// Orgs whose rows differ, some of them.
    package let differingOrgs: [Identifier]

    package var isEqual: Bool { live == rebuilt }
  }

  /// A table's rows as a set: their count, and sums of their hashes, which no order changes.
  package struct Digest: Sendable, Equatable, CustomStringConvertible {
    package let rowCount: Int64
    package let sums: [UInt128]

    package var description: String {
      "\(rowCount) rows, \(sums.map { String($0, radix: 36) }.joined(separator: "."))"
    }

    init(rowCount: Int64, sums: [UInt128]) {
      self.rowCount = rowCount
      self.sums = sums
    }

    /// Of all rows together.
    init(_ parts: some Sequence<Digest>) {
      self = parts.reduce(Digest(rowCount: 0, sums: [0, 0])) { total, part in
        Digest(
          rowCount: total.rowCount + part.rowCount, sums: zip(total.sums, part.sums).map(+))
      }
    }
  }

  package let projection: String
  package let position: UInt64
  /// The live projection consumed the very events that the log holds.
  package let isSameHistory: Bool
  package let tables: [Table]
  /// Whose rows were left out: somebody there is being erased, and nobody can say what they should be.
  package let unjudgedOrgs: [Identifier]

  package var isEqual: Bool { isSameHistory && tables.allSatisfy(\.isEqual) }

  init(
    projection: String, position: UInt64, isSameHistory: Bool, tables: [Table],
    unjudgedOrgs: [Identifier] = []
  ) {
    self.projection = projection
    self.position = position
    self.isSameHistory = isSameHistory
    self.tables = tables
    self.unjudgedOrgs = unjudgedOrgs
  }

  /// Writes down when a projection was checked and what came of it. That some orgs' rows are right
  /// does not make others' right that were found wrong.
  static func note(
    _ report: CheckReport, _ projection: any Projection.Type, isSample: Bool,
    _ connection: PostgresConnection
  ) throws {
    try connection.execute(
      """
      UPDATE daybook.projections SET checked_at = now(), checked_position = $3,
        checked_equal = $4 AND NOT ($5 AND checked_equal IS FALSE)
      WHERE name = $1 AND version = $2
      """,
      CheckpointStore.key(projection) + [
        .int(Int64(report.position)), .bool(report.isEqual),
        .bool(isSample || !report.unjudgedOrgs.isEmpty),
      ])
  }
}

enum TableComparison {
  /// `org` nil: all rows, `except` those of some orgs. Where they differ, the first row that does and its event are
  /// looked for.
  static func compare<P: Projection>(
    _ projection: P.Type, _ table: String, _ rebuilt: String, org: Identifier?,
    except unjudged: Set<UInt128> = [], _ reader: any EventReader, through end: UInt64,
    _ connection: PostgresConnection
  ) throws -> CheckReport.Table {
    func digests(in schema: String) throws -> [UInt128: CheckReport.Digest] {
      try Self.digests(of: table, in: schema, org: org, connection)
        .filter { !unjudged.contains($0.key) }
    }
    let live = try digests(in: P.schema)
    let other = try digests(in: rebuilt)
    let orgs = Set(live.keys).union(other.keys).filter { live[$0] != other[$0] }.sorted()
    let place = try orgs.first.flatMap {
      try firstDifference(table, P.schema, rebuilt, org: $0, connection)
    }
    let event = try place.flatMap { place in
      try Divergence<P>(table: table, keyColumns: place.columns, key: place.key).event(
        reader, through: end,
        poisons: ParkedStore.poisons(of: P.self, org: orgs[0], connection), connection)
    }
    return CheckReport.Table(
      name: table, live: CheckReport.Digest(live.values), rebuilt: CheckReport.Digest(other.values),
      firstDifference: place?.key.joined(separator: " "), firstEvent: event,
      differingOrgs: orgs.prefix(10).map { Identifier(.org, $0) })
  }

  /// MD5 of each row's text, in two halves of 60 bits, each summed: equal for equal sets of rows. Not
  /// against an adversary, who could as well change the log's copy in the database.
  static func digests(
    of table: String, in schema: String, org: Identifier?, _ connection: PostgresConnection
  ) throws -> [UInt128: CheckReport.Digest] {
    let rows = try connection.query(
      """
      SELECT org, count(*), sum(('x' || substr(h, 1, 15))::bit(60)::bigint)::text,
        sum(('x' || substr(h, 16, 15))::bit(60)::bigint)::text
      FROM (SELECT org, md5(t::text) AS h
        FROM \(quotedIdentifier(schema)).\(quotedIdentifier(table)) t
        WHERE $1::uuid IS NULL OR org = $1::uuid) hashes
      GROUP BY org
      """, [org.map(PostgresValue.id) ?? .null])
    return Dictionary(
      try rows.map { row in
        var reader = RowReader(row, table: table)
        return (
          try reader.uuid(),
          CheckReport.Digest(
            rowCount: try row.int64(1), sums: try [row.text(2), row.text(3)].map(Self.number))
        )
      }
    ) { $1 }
  }

  private static func number(_ text: String) throws -> UInt128 {
    guard let number = UInt128(text) else { throw RowError(table: "digest", reason: "no number") }
    return number
  }

  private static func firstDifference(
    _ table: String, _ live: String, _ rebuilt: String, org: UInt128,
    _ connection: PostgresConnection
  ) throws -> (columns: [String], key: [String])? {
    let columns = try keyColumns(of: table, in: live, connection)
    let key = columns.map { quotedIdentifier($0) }
    let using = key.joined(separator: ", ")
    func rows(_ schema: String) -> String {
      """
      (SELECT \(using), t::text AS line FROM \(quotedIdentifier(schema)).\(quotedIdentifier(table)) t
        WHERE org = $1::uuid)
      """
    }
    let found = try connection.query(
      """
      SELECT \(key.map { $0 + "::text" }.joined(separator: ", "))
      FROM \(rows(live)) a FULL JOIN \(rows(rebuilt)) b USING (\(using))
      WHERE a.line IS DISTINCT FROM b.line ORDER BY \(using) LIMIT 1
      """, [.uuid(org)])
    return try found.first.map { row in (columns, try columns.indices.map { try row.text($0) }) }
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
    ).map { try $0.text(0) }
  }
}

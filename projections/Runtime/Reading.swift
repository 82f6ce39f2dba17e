package import Domain
package import Postgres

/// The read side of every read model: one org's rows, as a role that owns nothing.
package enum Reading {
  /// Runs `body` in a read-only transaction that sees the rows of `org` and no others: all of its questions see them as
  /// they were at the first.
  ///
  /// - Throws: What `body` throws; `PostgresError`.
  package static func read<Result: Sendable>(
    _ pool: PostgresPool, org: Identifier,
    _ body: @escaping @Sendable (PostgresConnection) throws -> Result
  ) async throws -> Result {
    try await pool.with { connection in
      try connection.transaction(isolation: .repeatableRead, isReadOnly: true) {
        try enter(org, connection)
        return try body(connection)
      }
    }
  }

  /// For the rest of the transaction. A uuid has no character that needs quoting.
  private static func enter(
    _ org: Identifier, _ connection: PostgresConnection
  ) throws(PostgresError) {
    precondition(org.kind == .org, "rows belong to an org")
    try connection.execute(
      """
      SET LOCAL ROLE \(Catalog.readerRole); SET LOCAL daybook.org = '\(UUIDText.encode(org.value))';
      SET LOCAL plan_cache_mode = force_custom_plan
      """)
  }
}

/// A stretch of a list: the rows in the direction in which it was walked, and whether there are more.
package struct QueryPage<Row: Sendable>: Sendable {
  package var rows: [Row]
  /// The place of each row: what `after` and `before` take. Opaque.
  package var cursors: [String]
  package var hasMore: Bool
  /// How many there are in all; nil where nobody asked.
  package var total: Int?

  package init(rows: [Row], cursors: [String], hasMore: Bool, total: Int? = nil) {
    precondition(rows.count == cursors.count, "every row has its place")
    self.rows = rows
    self.cursors = cursors
    self.hasMore = hasMore
    self.total = total
  }

  /// A page out of one row more than was asked for: the extra one says that there is more.
  package init(_ found: [Row], limit: Int, total: Int? = nil, cursor: (Row) -> Cursor) {
    let rows = Array(found.prefix(limit))
    self.init(
      rows: rows, cursors: rows.map { cursor($0).text }, hasMore: found.count > limit,
      total: total)
  }

  /// Where the next page begins; nil at the end of the list.
  package var next: String? { hasMore ? cursors.last : nil }

  package func map<Other: Sendable>(
    _ transform: (Row) throws -> Other
  ) rethrows -> QueryPage<Other> {
    QueryPage<Other>(
      rows: try rows.map(transform), cursors: cursors, hasMore: hasMore, total: total)
  }

  /// Without the rows that come to nothing; the places of the others stay.
  package func compactMap<Other: Sendable>(_ transform: (Row) -> Other?) -> QueryPage<Other> {
    var page = QueryPage<Other>(rows: [], cursors: [], hasMore: hasMore, total: total)
    for (row, cursor) in zip(rows, cursors) {
      guard let other = transform(row) else { continue }
      page.rows.append(other)
      page.cursors.append(cursor)
    }
    return page
  }
}

/// How much of a list, from where, and in which direction.
package struct PageRequest: Sendable, Equatable {
  package var limit: Int
  /// Begins behind this row in the direction of the walk; nil: at the list's end that comes first.
  package var after: String?
  package var isBackwards = false
  /// The list's order the other way round.
  package var isReversed = false
  /// Only what was there at this position of the log already.
  package var upTo: UInt64?
  /// The same, for lists that know their rows' time alone: the moment of that position on the org's clock.
  package var upToMicros: Int64?
  package var wantsTotal = false

  package init(limit: Int = 50, after: String? = nil) {
    self.limit = limit
    self.after = after
  }
}

/// The text is no cursor of this list.
package struct InvalidCursor: Error, Equatable {
  package init() {}

  package var code: String { "invalid_cursor" }
}

/// The place in a list: the sort key of the last row, as text. Opaque to callers and of one list: its
/// name is in front.
package struct Cursor: Sendable, Equatable {
  package let list: String
  package let parts: [String]

  package init(_ list: String, _ parts: [String]) {
    self.list = list
    self.parts = parts
  }

  /// Letters and digits: each byte as two hexadecimal digits.
  package var text: String {
    let joined = ([list] + parts).map { Array($0.utf8) }.joined(separator: [Self.separator])
    return joined.map { byte in
      String(UnicodeScalar(Self.digits[Int(byte >> 4)]))
        + String(UnicodeScalar(Self.digits[Int(byte & 15)]))
    }.joined()
  }

  private static let digits = Array("0123456789abcdef".utf8)
  /// In no text: a name may have any character, but UTF-8 never has this byte.
  private static let separator: UInt8 = 0xFF

  /// The parts of `text`, which has to be a cursor of `list` with `count` of them; nil for nil.
  package static func parts(
    of text: String?, _ list: String, count: Int
  ) throws(InvalidCursor) -> [String]? {
    guard let text else { return nil }
    guard let parts = decode(text), parts.count == count + 1, parts[0] == list else {
      throw InvalidCursor()
    }
    return Array(parts.dropFirst())
  }

  /// A part that is a moment. What no row has is refused here: the database would call it a failure.
  package static func micros(_ part: String) throws(InvalidCursor) -> Micros {
    guard let micros = Micros(part), Timestamp.fourDigitYears.contains(micros) else {
      throw InvalidCursor()
    }
    return micros
  }

  private static func decode(_ text: String) -> [String]? {
    let digits = text.utf8.map { UInt8(hexadecimal: $0) }
    guard digits.count.isMultiple(of: 2), digits.allSatisfy({ $0 != nil }) else { return nil }
    let values = digits.compactMap(\.self)
    let bytes = stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    let parts = bytes.split(separator: separator, omittingEmptySubsequences: false)
      .map { String(validating: $0, as: UTF8.self) }
    return parts.contains(nil) ? nil : parts.compactMap(\.self)
  }
}

extension UInt8 {
  fileprivate init?(hexadecimal digit: UInt8) {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self = digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): self = digit - UInt8(ascii: "a") + 10
    default: return nil
    }
  }
}

/// A `WHERE` clause in the making: conditions and their parameters in step.
package struct Conditions {
  package private(set) var clauses: [String] = []
  package private(set) var parameters: [PostgresValue] = []

  package init() {}

  /// Adds a condition; each `?` in it stands for the next of `values`.
  package mutating func add(_ clause: String, _ values: PostgresValue...) {
    var text = ""
    var rest = values[...]
    for character in clause {
      if character == "?", let value = rest.popFirst() {
        parameters.append(value)
        text += "$\(parameters.count)"
      } else {
        text.append(character)
      }
    }
    clauses.append(text)
  }

  /// Adds a parameter and gives what stands for it: `$3`.
  package mutating func parameter(_ value: PostgresValue) -> String {
    parameters.append(value)
    return "$\(parameters.count)"
  }

  package mutating func addIfPresent(_ clause: String, _ value: PostgresValue?) {
    if let value { add(clause, value) }
  }

  /// `WHERE …`, or nothing.
  package var sql: String {
    clauses.isEmpty ? "" : "WHERE " + clauses.map { "(\($0))" }.joined(separator: " AND ")
  }
}

extension PostgresValue {
  /// An id as a parameter of a `uuid` column's comparison.
  package static func id(_ id: Identifier) -> PostgresValue { .text(UUIDText.encode(id.value)) }

  package static func uuid(_ value: UInt128) -> PostgresValue { .text(UUIDText.encode(value)) }
}

extension KeyedRow {
  /// The columns for a `SELECT`, in the order that `init(from:)` reads them.
  package static func columnList(_ alias: String) -> String {
    columns.map { "\(alias).\(quotedIdentifier($0.name))" }.joined(separator: ", ")
  }

  /// The rows of an answer that begins with `columnList`.
  package static func rows(_ answer: PostgresRows) throws -> [Self] { try answer.map(row) }

  /// A line of such an answer.
  @Sendable
  package static func row(_ row: PostgresRow) throws -> Self {
    var reader = RowReader(row, table: table)
    return try Self(from: &reader)
  }
}

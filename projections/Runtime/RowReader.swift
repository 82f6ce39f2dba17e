package import Domain
package import JSON
package import Postgres

/// A stored row that is not what its Swift type expects: the schema and the code differ.
package struct RowError: Error, Equatable, CustomStringConvertible {
  package let table: String
  package let reason: String

  package init(table: String, reason: String) {
    self.table = table
    self.reason = reason
  }

  package var code: String { "row_invalid" }
  package var description: String { "\(code): \(table): \(reason)" }
}

/// The values of a stored row, one after the other in the order of the table's columns.
package struct RowReader {
  private let row: PostgresRow
  private let table: String
  private var column: Int

  /// Reads from `column` on: queries that join have other rows' columns in front.
  package init(_ row: PostgresRow, table: String, from column: Int = 0) {
    self.row = row
    self.table = table
    self.column = column
  }

  package mutating func uuid() throws(RowError) -> UInt128 {
    try required(optionalUUID(), "a uuid")
  }

  package mutating func optionalUUID() throws(RowError) -> UInt128? {
    guard let text = try optionalText() else { return nil }
    return try required(UUIDText.decode(text), "a uuid")
  }

  package mutating func bigint() throws(RowError) -> Int64 {
    try next { row, column throws(PostgresError) in try row.int64(column) }
  }

  package mutating func optionalBigint() throws(RowError) -> Int64? {
    try next { row, column throws(PostgresError) in try row.optionalInt64(column) }
  }

  package mutating func boolean() throws(RowError) -> Bool {
    try next { row, column throws(PostgresError) in try row.bool(column) }
  }

  package mutating func text() throws(RowError) -> String {
    try next { row, column throws(PostgresError) in try row.text(column) }
  }

  package mutating func optionalText() throws(RowError) -> String? {
    try next { row, column throws(PostgresError) in try row.optionalText(column) }
  }

  package mutating func textArray() throws(RowError) -> [String] {
    try next { row, column throws(PostgresError) in try row.textArray(column) }
  }

  package mutating func timestamp() throws(RowError) -> Micros {
    try next { row, column throws(PostgresError) in try row.timestampMicros(column) }
  }

  package mutating func optionalTimestamp() throws(RowError) -> Micros? {
    try next { row, column throws(PostgresError) in try row.optionalTimestampMicros(column) }
  }

  /// A `date`, as days since 1970-01-01.
  package mutating func dayNumber() throws(RowError) -> Int64 {
    let parts = try text().split(separator: "-").compactMap { Int64($0) }
    guard parts.count == 3 else { throw RowError(table: table, reason: "not a day") }
    return Day.number(year: parts[0], month: parts[1], day: parts[2])
  }

  package mutating func jsonb() throws(RowError) -> JSON {
    try required(optionalJSONB(), "JSON")
  }

  package mutating func optionalJSONB() throws(RowError) -> JSON? {
    let bytes = try next { row, column throws(PostgresError) in try row.optionalUTF8(column) }
    guard let bytes else { return nil }
    do {
      return try JSON(parsing: bytes)
    } catch {
      throw RowError(table: table, reason: "column \(column - 1) is not JSON")
    }
  }

  /// Leaves a column out that is computed from others.
  package mutating func skip() throws(RowError) { column += 1 }

  private mutating func next<Value>(
    _ read: (PostgresRow, Int) throws(PostgresError) -> Value
  ) throws(RowError) -> Value {
    defer { column += 1 }
    do {
      return try read(row, column)
    } catch {
      throw RowError(table: table, reason: "column \(column): \(error)")
    }
  }

  private func required<Value>(
    _ value: Value?, _ expected: String
  ) throws(RowError) -> Value {
    guard let value else {
      throw RowError(table: table, reason: "column \(column - 1) is not \(expected)")
    }
    return value
  }
}

extension Day {
  /// Days since 1970-01-01 of a date of the Gregorian calendar. Source: H. Hinnant,
  /// "chrono-compatible low-level date algorithms", days_from_civil.
  static func number(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month <= 2 ? year - 1 : year
    let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
    let yearOfEra = marchYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}

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

/// The values of a stored row, one after the other in the order of the table's columns: of an answer in
/// text form, or as `RowWriter` wrote them.
package struct RowReader {
  private let row: PostgresRow?
  private let table: String
  private var column: Int
  /// Without `row`: each field its 32-bit length (-1: null) and its bytes, from `offset` on.
  private let bytes: [UInt8]
  private var offset: Int

  /// Reads from `column` on: queries that join have other rows' columns in front.
  package init(_ row: PostgresRow, table: String, from column: Int = 0) {
    self.row = row
    self.table = table
    self.column = column
    bytes = []
    offset = 0
  }

  /// Reads fields as `RowWriter` writes them, the first of which begins at `offset`.
  package init(fields bytes: [UInt8], from offset: Int = 0, table: String) {
    row = nil
    self.table = table
    column = 0
    self.bytes = bytes
    self.offset = offset
  }

  package mutating func uuid() throws(RowError) -> UInt128 {
    try required(optionalUUID(), "a uuid")
  }

  package mutating func optionalUUID() throws(RowError) -> UInt128? {
    if row == nil {
      guard let field = try field(16) else { return nil }
      return UInt128(word(at: field.lowerBound)) << 64 | UInt128(word(at: field.lowerBound + 8))
    }
    guard let text = try optionalText() else { return nil }
    return try required(UUIDText.decode(text), "a uuid")
  }

  package mutating func bigint() throws(RowError) -> Int64 {
    try required(optionalBigint(), "a bigint")
  }

  package mutating func optionalBigint() throws(RowError) -> Int64? {
    if row == nil { return try field(8).map { Int64(bitPattern: word(at: $0.lowerBound)) } }
    return try next { row, column throws(PostgresError) in try row.optionalInt64(column) }
  }

  package mutating func boolean() throws(RowError) -> Bool {
    if row == nil { return try required(field(1), "a boolean").first.map { bytes[$0] } == 1 }
    return try next { row, column throws(PostgresError) in try row.bool(column) }
  }

  package mutating func text() throws(RowError) -> String {
    try required(optionalText(), "a text")
  }

  package mutating func optionalText() throws(RowError) -> String? {
    if row == nil {
      return try field().map { String(decoding: bytes[$0], as: UTF8.self) }
    }
    return try next { row, column throws(PostgresError) in try row.optionalText(column) }
  }

  package mutating func textArray() throws(RowError) -> [String] {
    if row == nil {
      let field = try required(field(), "an array of texts")
      return try required(texts(in: field), "an array of texts")
    }
    return try next { row, column throws(PostgresError) in try row.textArray(column) }
  }

  package mutating func timestamp() throws(RowError) -> Micros {
    try required(optionalTimestamp(), "a time")
  }

  package mutating func optionalTimestamp() throws(RowError) -> Micros? {
    if row == nil { return try optionalBigint().map { $0 + RowWriter.epochMicros } }
    return try next { row, column throws(PostgresError) in
      try row.optionalTimestampMicros(column)
    }
  }

  /// A `date`, as days since 1970-01-01.
  package mutating func dayNumber() throws(RowError) -> Int64 {
    if row == nil {
      let field = try required(field(4), "a day")
      return Int64(integer(at: field.lowerBound)) + RowWriter.epochDays
    }
    let parts = try text().split(separator: "-").compactMap { Int64($0) }
    guard parts.count == 3 else { throw RowError(table: table, reason: "not a day") }
    return Day.number(year: parts[0], month: parts[1], day: parts[2])
  }

  package mutating func jsonb() throws(RowError) -> JSON {
    try required(optionalJSONB(), "JSON")
  }

  package mutating func optionalJSONB() throws(RowError) -> JSON? {
    guard let text = try jsonText() else { return nil }
    do {
      return try JSON(parsing: text)
    } catch {
      throw RowError(table: table, reason: "column \(column - 1) is not JSON")
    }
  }

  private mutating func jsonText() throws(RowError) -> [UInt8]? {
    if row == nil {
      guard let field = try field() else { return nil }
      guard field.first.map({ bytes[$0] }) == RowWriter.jsonbVersion else {
        throw RowError(table: table, reason: "column \(column - 1) is no jsonb")
      }
      return Array(bytes[field.dropFirst()])
    }
    return try next { row, column throws(PostgresError) in try row.optionalUTF8(column) }
  }

  /// Leaves a column out that is computed from others.
  package mutating func skip() throws(RowError) {
    if row == nil { _ = try field() } else { column += 1 }
  }

  private mutating func next<Value>(
    _ read: (PostgresRow, Int) throws(PostgresError) -> Value
  ) throws(RowError) -> Value {
    defer { column += 1 }
    guard let row else { preconditionFailure("only an answer in text form is asked so") }
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

// MARK: - Binary fields

extension RowReader {
  /// Where the next field's bytes are; nil: null.
  private mutating func field(_ byteCount: Int? = nil) throws(RowError) -> Range<Int>? {
    defer { column += 1 }
    guard offset + 4 <= bytes.count else { throw malformed() }
    let count = Int(integer(at: offset))
    offset += 4
    guard count >= 0 else { return nil }
    guard offset + count <= bytes.count, byteCount.map({ $0 == count }) ?? true else {
      throw malformed()
    }
    offset += count
    return offset - count..<offset
  }

  private func malformed() -> RowError {
    RowError(table: table, reason: "column \(column) is of another type")
  }

  private func integer(at offset: Int) -> Int32 {
    var value: UInt32 = 0
    for index in offset..<offset + 4 { value = value << 8 | UInt32(bytes[index]) }
    return Int32(bitPattern: value)
  }

  private func word(at offset: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in offset..<offset + 8 { value = value << 8 | UInt64(bytes[index]) }
    return value
  }

  /// The elements of an array of texts of at most one dimension, without nulls. Source: arrayfuncs.c,
  /// array_send: dimensions, flags, type, then for each dimension its length and lower bound.
  private func texts(in field: Range<Int>) -> [String]? {
    guard field.count >= 12 else { return nil }
    guard integer(at: field.lowerBound) == 1 else {
      return integer(at: field.lowerBound) == 0 ? [] : nil
    }
    guard field.count >= 20 else { return nil }
    var place = field.lowerBound + 20
    var texts: [String] = []
    for _ in 0..<integer(at: field.lowerBound + 12) {
      guard place + 4 <= field.upperBound else { return nil }
      let count = Int(integer(at: place))
      place += 4
      guard count >= 0, place + count <= field.upperBound else { return nil }
      texts.append(String(decoding: bytes[place..<place + count], as: UTF8.self))
      place += count
    }
    return texts
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

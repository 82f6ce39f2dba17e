/// A parameter of a statement, or a field of a row to copy in.
package enum PostgresValue: Equatable, Sendable {
  case null
  case bool(Bool)
  /// Any integer type; Postgres refuses what does not fit.
  case int(Int64)
  case double(Double)
  /// `text`, `uuid`, `numeric`, `json`, `jsonb`, an enum, …: what the column makes of it.
  case text(String)
  /// UTF-8 that is already at hand: as `text`, without a String in between.
  case utf8([UInt8])
  /// `timestamptz`, in µs since 1970.
  case timestampMicros(Int64)
  case bytes([UInt8])
  case textArray([String])
  case intArray([Int64])
  /// A value in the binary form of the built-in type with this object identifier; see
  /// `PostgresColumns`.
  case binary([UInt8], type: UInt32)
}

/// Microseconds from 1970-01-01 to 2000-01-01, where Postgres counts from.
let postgresEpochMicros: Int64 = 946_684_800_000_000

/// Object identifiers of built-in types: pg_type.dat, which never change.
enum TypeID {
  static let infer: UInt32 = 0
  static let bytea: UInt32 = 17
  static let timestamptz: UInt32 = 1184
}

/// The parameters of one statement as libpq takes them: one buffer, and where each one lies in it.
struct EncodedParameters {
  /// All texts, each with a closing zero byte, and binary values one after the other.
  private(set) var bytes: [UInt8] = []
  /// Where each parameter starts in `bytes`, or nil for null.
  private(set) var offsets: [Int?] = []
  private(set) var lengths: [Int32] = []
  private(set) var formats: [Int32] = []
  private(set) var types: [UInt32] = []

  init(_ values: [PostgresValue]) throws(PostgresError) {
    for value in values { try append(value) }
  }

  private mutating func append(_ value: PostgresValue) throws(PostgresError) {
    switch value {
    case .null:
      offsets.append(nil)
      finish(length: 0, format: 0, type: TypeID.infer)
    case .bool(let value): try appendText(value ? "t" : "f")
    case .int(let value): try appendText(String(value))
    case .double(let value): try appendText(String(value))
    case .text(let value): try appendText(value)
    case .utf8(let value):
      let start = bytes.count
      bytes += value
      try finishText(from: start)
    case .timestampMicros(let micros):
      offsets.append(bytes.count)
      try bytes.appendBigEndian(sinceEpoch(micros))
      finish(length: 8, format: 1, type: TypeID.timestamptz)
    case .bytes(let value):
      offsets.append(bytes.count)
      bytes += value
      finish(length: value.count, format: 1, type: TypeID.bytea)
    case .textArray(let values): try appendText(arrayLiteral(values))
    case .intArray(let values):
      try appendText("{\(values.map { String($0) }.joined(separator: ","))}")
    case .binary(let value, let type):
      offsets.append(bytes.count)
      bytes += value
      finish(length: value.count, format: 1, type: type)
    }
  }

  private mutating func appendText(_ text: String) throws(PostgresError) {
    let start = bytes.count
    bytes.append(contentsOf: text.utf8)
    try finishText(from: start)
  }

  /// libpq reads a text up to its first zero byte: one inside would cut the value short.
  private mutating func finishText(from start: Int) throws(PostgresError) {
    guard !bytes[start...].contains(0) else {
      throw .invalidValue(column: "$\(offsets.count + 1)", expected: "a text without zero bytes")
    }
    offsets.append(start)
    finish(length: bytes.count - start, format: 0, type: TypeID.infer)
    bytes.append(0)
  }

  private mutating func finish(length: Int, format: Int32, type: UInt32) {
    lengths.append(Int32(length))
    formats.append(format)
    types.append(type)
  }

  private func sinceEpoch(_ micros: Int64) throws(PostgresError) -> Int64 {
    let (value, overflows) = micros.subtractingReportingOverflow(postgresEpochMicros)
    guard !overflows else {
      throw .invalidValue(column: "$\(offsets.count)", expected: "a time within 290,000 years")
    }
    return value
  }
}

/// An array literal: every element quoted, so that commas, braces and the word NULL mean themselves.
private func arrayLiteral(_ values: [String]) -> String {
  let quoted = values.map { value in
    "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
  return "{" + quoted.joined(separator: ",") + "}"
}

extension [UInt8] {
  mutating func appendBigEndian(_ value: some FixedWidthInteger) {
    var shift = value.bitWidth - 8
    while shift >= 0 {
      append(UInt8(truncatingIfNeeded: value >> shift))
      shift -= 8
    }
  }
}

/// `name` as an SQL identifier, quoted. Traps for a zero byte, which no identifier can hold.
package func quotedIdentifier(_ name: String) -> String {
  precondition(!name.utf8.contains(0), "an identifier without zero bytes")
  // Nearly all have none, and a round of the projector names a hundred columns.
  guard name.utf8.contains(UInt8(ascii: "\"")) else { return "\"\(name)\"" }
  return "\"" + name.replacing("\"", with: "\"\"") + "\""
}

/// `text` as an SQL literal, for the statements that take no parameters (`CREATE ROLE`, `SET`).
package func quotedLiteral(_ text: String) -> String {
  precondition(!text.utf8.contains(0), "a literal without zero bytes")
  let quoted = "'" + text.replacing("'", with: "''").replacing("\\", with: "\\\\") + "'"
  return text.contains("\\") ? "E" + quoted : quoted
}

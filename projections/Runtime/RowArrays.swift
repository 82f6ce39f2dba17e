// The binary form of an array: its dimensions, whether it has nulls, the type of its elements; for each
// dimension its length and lower bound; then for each element its length (-1: null) and its bytes, which
// are those that COPY has. Source: PostgreSQL 15, arrayfuncs.c, array_send.

internal import Postgres

extension RowWriter {
  /// The rows as parameters of a statement: for each column an array of its values. A column of arrays
  /// becomes an array of texts, because an array of arrays would be taken apart as one: cast it back.
  func arrays(of columns: [Column]) -> [PostgresValue] {
    var arrays = columns.map { BinaryArray(of: $0.type, count: rowCount) }
    var place = Self.fieldOffset
    for _ in 0..<rowCount {
      for column in columns.indices {
        let length = Int(length(at: place))
        let end = place + 4 + max(0, length)
        arrays[column].append(bytes[place..<end], isNull: length < 0)
        place = end
      }
      place += Self.fieldOffset
    }
    return arrays.map(\.value)
  }

  /// The first fields of the first row, as parameters one by one.
  func parameters(of columns: [Column]) -> [PostgresValue] {
    var place = Self.fieldOffset
    return columns.map { column in
      let length = length(at: place)
      guard length >= 0 else { preconditionFailure("no column of a key is null") }
      defer { place += 4 + Int(length) }
      return .binary(
        Array(bytes[place + 4..<place + 4 + Int(length)]), type: column.type.elementType)
    }
  }

  private func length(at place: Int) -> Int32 {
    var value: UInt32 = 0
    for index in place..<place + 4 { value = value << 8 | UInt32(bytes[index]) }
    return Int32(bitPattern: value)
  }
}

private struct BinaryArray {
  private static let headerCount = 20
  /// Where the flag stands that says whether there are nulls: the last byte of the second word.
  private static let flagOffset = 7

  private let type: ColumnType
  private var bytes: [UInt8] = []

  init(of type: ColumnType, count: Int) {
    self.type = type
    bytes.reserveCapacity(Self.headerCount + count * 20)
    for word in [1, 0, type.elementType, UInt32(count), 1] { append(word) }
  }

  /// A field as COPY has it: its length and its bytes.
  mutating func append(_ field: ArraySlice<UInt8>, isNull: Bool) {
    if isNull { bytes[Self.flagOffset] = 1 }
    guard type == .textArray, !isNull else { return bytes.append(contentsOf: field) }
    let literal = Self.literal(field)
    append(UInt32(literal.count))
    bytes.append(contentsOf: literal)
  }

  private mutating func append(_ word: UInt32) {
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
  }

  var value: PostgresValue { .binary(bytes, type: type.arrayType) }

  /// An array of texts as Postgres reads it: every element in quotes.
  private static func literal(_ field: ArraySlice<UInt8>) -> [UInt8] {
    var reader = RowReader(fields: Array(field), table: "")
    // What RowWriter wrote, RowReader reads.
    guard let texts = try? reader.textArray() else { preconditionFailure("an array of texts") }
    var literal = [UInt8(ascii: "{")]
    for (index, text) in texts.enumerated() {
      if index > 0 { literal.append(UInt8(ascii: ",")) }
      literal.append(UInt8(ascii: "\""))
      for byte in text.utf8 {
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
          literal.append(UInt8(ascii: "\\"))
        }
        literal.append(byte)
      }
      literal.append(UInt8(ascii: "\""))
    }
    literal.append(UInt8(ascii: "}"))
    return literal
  }
}

extension ColumnType {
  /// Object identifiers of built-in types, which never change. Source: pg_type.dat.
  fileprivate var elementType: UInt32 {
    switch self {
    case .uuid: 2950
    case .bigint: 20
    case .boolean: 16
    case .date: 1082
    case .jsonb: 3802
    case .text, .textArray: 25
    case .timestamp: 1184
    }
  }

  fileprivate var arrayType: UInt32 {
    switch self {
    case .uuid: 2951
    case .bigint: 1016
    case .boolean: 1000
    case .date: 1182
    case .jsonb: 3807
    case .text, .textArray: 1009
    case .timestamp: 1185
    }
  }
}

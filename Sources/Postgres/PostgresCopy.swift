// The binary form of COPY: a header, rows, a trailer, all integers big-endian. Source: PostgreSQL 15
// documentation, "COPY", Binary Format; the fields' own forms are those of each type's send function.
//
//   "PGCOPY\n\xff\r\n\0"  int32 flags = 0  int32 extension length = 0
//   row: int16 field count, then for each field: int32 length (-1 for null), bytes
//   int16 -1

extension PostgresConnection {
  /// Streams rows into a table with one binary COPY: all of them or none.
  ///
  ///     try connection.copyIn(table: "contacts", columns: ["id", "name"], schema: "live") { rows in
  ///       for contact in contacts { try rows.append([.text(contact.id), .text(contact.name)]) }
  ///     }
  ///
  /// - Returns: The count of rows.
  /// - Throws: What `body` throws, or `PostgresError`; no row is stored then.
  @discardableResult
  package func copyIn(
    table: String, columns: [String], schema: String? = nil, isFrozen: Bool = false,
    rows body: (inout PostgresCopyWriter) throws -> Void
  ) throws -> Int {
    let target =
      (schema.map { quotedIdentifier($0) + "." } ?? "") + quotedIdentifier(table)
    let types = try columnTypes(of: target, columns: columns)
    let names = columns.map { quotedIdentifier($0) }.joined(separator: ", ")
    let freeze = isFrozen ? ", FREEZE" : ""
    _ = try session.execute("COPY \(target) (\(names)) FROM STDIN (FORMAT binary\(freeze))")
    var writer = PostgresCopyWriter(session: session, columns: columns, types: types)
    do {
      try body(&writer)
      try writer.finish()
    } catch {
      // The server answers an aborted COPY with an error of its own; the caller's says more.
      if !isBroken { _ = try? session.endCopy(isAborted: true) }
      throw error
    }
    return try session.endCopy(isAborted: false).affectedRowCount
  }

  private func columnTypes(
    of target: String, columns: [String]
  ) throws(PostgresError) -> [PostgresCopyWriter.ColumnType] {
    let rows = try query(
      """
      SELECT a.attname, t.typname, t.typtype FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
      """, [.text(target)])
    var types: [String: PostgresCopyWriter.ColumnType] = [:]
    for row in rows {
      let name = try row.text("typname")
      types[try row.text("attname")] =
        try row.text("typtype") == "e" ? .text : PostgresCopyWriter.ColumnType(rawValue: name)
    }
    var found: [PostgresCopyWriter.ColumnType] = []
    for column in columns {
      guard let type = types[column] else {
        throw .invalidValue(column: column, expected: "a column of a type that COPY is written for")
      }
      found.append(type)
    }
    return found
  }
}

/// Takes the rows of one COPY. Keeps 64 KiB back, so memory does not grow with the rows.
package struct PostgresCopyWriter: ~Copyable {
  /// The types that can be written, by their names in `pg_type`.
  enum ColumnType: String {
    case bool, int2, int4, int8, float8, text, varchar, bpchar, name, json, jsonb, bytea
    case timestamptz, date, uuid, numeric
    case textArray = "_text"
    case int8Array = "_int8"
  }

  private static let flushByteCount = 64 << 10

  private let session: Session
  private let columns: [String]
  private let types: [ColumnType]
  private var buffer: [UInt8] = []
  private var column = 0
  /// Rows begun so far.
  package private(set) var rowCount = 0

  init(session: Session, columns: [String], types: [ColumnType]) {
    self.session = session
    self.columns = columns
    self.types = types
    buffer.reserveCapacity(Self.flushByteCount + 4096)
    buffer += "PGCOPY\n".utf8
    buffer += [0xff, 0x0d, 0x0a, 0x00]
    buffer += [UInt8](repeating: 0, count: 8)
    column = columns.count
  }

  /// Adds a row: one value for each column, in their order.
  package mutating func append(_ row: [PostgresValue]) throws(PostgresError) {
    try beginRow()
    for value in row { try append(value) }
  }

  /// Begins a row; one `append` for each column follows. The quick way: no array for a row.
  package mutating func beginRow() throws(PostgresError) {
    precondition(column == columns.count, "the row before has \(column) of \(columns.count) values")
    if buffer.count >= Self.flushByteCount { try flush() }
    buffer.appendBigEndian(Int16(columns.count))
    column = 0
    rowCount += 1
  }

  package mutating func append(_ value: PostgresValue) throws(PostgresError) {
    switch value {
    case .null: appendNull()
    case .bool(let value): try append(value)
    case .int(let value): try append(value)
    case .double(let value):
      try field([.float8], "a number")
      appendFixed(value.bitPattern)
    case .text(let value): try append(value)
    case .utf8(let value): try append(utf8: value)
    case .timestampMicros(let micros): try append(timestampMicros: micros)
    case .bytes(let value):
      try field([.bytea], "bytes")
      appendBytes(value)
    case .textArray(let values):
      try field([.textArray], "an array of texts")
      appendArray(values, elementType: 25) { $0.appendBytes(Array($1.utf8)) }
    case .intArray(let values):
      try field([.int8Array], "an array of integers")
      appendArray(values, elementType: 20) { $0.appendFixed($1) }
    case .binary(let value, _):
      nextColumn()
      appendBytes(value)
    }
  }

  package mutating func appendNull() {
    nextColumn()
    buffer.appendBigEndian(Int32(-1))
  }

  package mutating func append(_ value: Bool) throws(PostgresError) {
    try field([.bool], "a boolean")
    appendFixed(UInt8(value ? 1 : 0))
  }

  /// An integer, as the column has it: 2, 4 or 8 bytes, or numeric.
  package mutating func append(_ value: Int64) throws(PostgresError) {
    switch nextColumn() {
    case .int8: appendFixed(value)
    case .int4:
      guard let value = Int32(exactly: value) else { throw mismatch("an integer of 32 bits") }
      appendFixed(value)
    case .int2:
      guard let value = Int16(exactly: value) else { throw mismatch("an integer of 16 bits") }
      appendFixed(value)
    case .float8: appendFixed(Double(value).bitPattern)
    case .numeric: appendNumeric(value)
    default: throw mismatch("an integer")
    }
  }

  package mutating func append(_ value: String) throws(PostgresError) {
    switch nextColumn() {
    case .text, .varchar, .bpchar, .name, .json: appendText(value)
    case .jsonb: appendJSONB(value.utf8)
    case .uuid:
      guard let uuid = uuidBytes(value) else { throw mismatch("a UUID") }
      appendBytes(uuid)
    case .date:
      guard let micros = PostgresText.timestampMicros(value + " 00:00:00+00") else {
        throw mismatch("a date")
      }
      appendFixed(Int32((micros - postgresEpochMicros) / 86_400_000_000))
    default: throw mismatch("a text")
    }
  }

  /// A text, `json` or `jsonb` as UTF-8.
  package mutating func append(utf8 value: [UInt8]) throws(PostgresError) {
    switch nextColumn() {
    case .text, .varchar, .bpchar, .name, .json: appendBytes(value)
    case .jsonb: appendJSONB(value)
    default: throw mismatch("a text")
    }
  }

  package mutating func append(timestampMicros micros: Int64) throws(PostgresError) {
    try field([.timestamptz], "a time")
    let (value, overflows) = micros.subtractingReportingOverflow(postgresEpochMicros)
    guard !overflows else { throw mismatch("a time within 290,000 years") }
    appendFixed(value)
  }

  mutating func finish() throws(PostgresError) {
    precondition(column == columns.count, "the last row has \(column) of \(columns.count) values")
    buffer.appendBigEndian(Int16(-1))
    try flush()
  }

  private mutating func flush() throws(PostgresError) {
    try session.putCopyData(buffer)
    buffer.removeAll(keepingCapacity: true)
  }

  // MARK: Fields

  @discardableResult
  private mutating func nextColumn() -> ColumnType {
    precondition(column < columns.count, "a row has \(columns.count) values")
    column += 1
    return types[column - 1]
  }

  private mutating func field(
    _ allowed: [ColumnType], _ expected: String
  ) throws(PostgresError) {
    guard allowed.contains(nextColumn()) else { throw mismatch(expected) }
  }

  private func mismatch(_ expected: String) -> PostgresError {
    .invalidValue(
      column: columns[column - 1], expected: "\(expected) (\(types[column - 1].rawValue))")
  }

  private mutating func appendFixed(_ value: some FixedWidthInteger) {
    buffer.appendBigEndian(Int32(value.bitWidth / 8))
    buffer.appendBigEndian(value)
  }

  private mutating func appendBytes(_ bytes: [UInt8]) {
    buffer.appendBigEndian(Int32(bytes.count))
    buffer += bytes
  }

  private mutating func appendText(_ text: String) {
    buffer.appendBigEndian(Int32(text.utf8.count))
    buffer.append(contentsOf: text.utf8)
  }

  /// `jsonb` carries the version of its form in front.
  private mutating func appendJSONB(_ bytes: some Collection<UInt8>) {
    buffer.appendBigEndian(Int32(bytes.count + 1))
    buffer.append(1)
    buffer.append(contentsOf: bytes)
  }

  /// One dimension, no nulls, lower bound 1. Source: arrayfuncs.c, array_send.
  private mutating func appendArray<Element>(
    _ values: [Element], elementType: UInt32, _ append: (inout Self, Element) -> Void
  ) {
    let start = buffer.count
    buffer.appendBigEndian(Int32(0))
    buffer.appendBigEndian(Int32(values.isEmpty ? 0 : 1))
    buffer.appendBigEndian(Int32(0))
    buffer.appendBigEndian(elementType)
    if !values.isEmpty {
      buffer.appendBigEndian(Int32(values.count))
      buffer.appendBigEndian(Int32(1))
    }
    for value in values { append(&self, value) }
    let length = UInt32(buffer.count - start - 4)
    for index in 0..<4 {
      buffer[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index))
    }
  }

  /// Digits to the base of 10,000. Source: numeric.c, numeric_send.
  private mutating func appendNumeric(_ value: Int64) {
    var digits: [Int16] = []
    var rest = value.magnitude
    while rest > 0 {
      digits.append(Int16(rest % 10_000))
      rest /= 10_000
    }
    buffer.appendBigEndian(Int32(8 + 2 * digits.count))
    buffer.appendBigEndian(Int16(digits.count))
    buffer.appendBigEndian(Int16(max(0, digits.count - 1)))
    buffer.appendBigEndian(UInt16(value < 0 ? 0x4000 : 0))
    buffer.appendBigEndian(Int16(0))
    for digit in digits.reversed() { buffer.appendBigEndian(digit) }
  }
}

private func uuidBytes(_ text: String) -> [UInt8]? {
  let digits = text.utf8.filter { $0 != UInt8(ascii: "-") }
  guard text.utf8.count == 36, digits.count == 32 else { return nil }
  return PostgresText.bytes("\\x" + String(decoding: digits, as: UTF8.self).lowercased())
}

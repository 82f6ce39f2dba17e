/// The rows of a query. Immutable, and free to go to another thread.
package struct PostgresRows: Sendable, RandomAccessCollection {
  private let answer: ServerAnswer
  package let columnNames: [String]
  /// Rows inserted, updated, deleted or selected.
  package let affectedRowCount: Int
  package let count: Int

  init(_ answer: ServerAnswer) {
    self.answer = answer
    columnNames = answer.columnNames
    affectedRowCount = answer.affectedRowCount
    count = answer.rowCount
  }

  package var startIndex: Int { 0 }
  package var endIndex: Int { count }

  package subscript(row: Int) -> PostgresRow {
    precondition(row >= 0 && row < count, "a row of the answer")
    return PostgresRow(answer: answer, columnNames: columnNames, row: row)
  }
}

/// The rows of a query whose fields came in binary form. Immutable.
package struct PostgresBinaryRows: Sendable {
  private let answer: ServerAnswer
  package let count: Int

  init(_ answer: ServerAnswer) {
    self.answer = answer
    count = answer.rowCount
  }

  /// Appends a row's fields as COPY has them: each its 32-bit length (-1: null) and its bytes.
  package func appendFields(row: Int, to bytes: inout [UInt8]) {
    precondition(row >= 0 && row < count, "a row of the answer")
    answer.appendFields(row: row, to: &bytes)
  }
}

/// One row. The getters take a column's name, or its place from 0 on.
package struct PostgresRow: Sendable {
  fileprivate let answer: ServerAnswer
  fileprivate let columnNames: [String]
  fileprivate let row: Int

  package func isNull(_ column: some PostgresColumn) throws(PostgresError) -> Bool {
    try answer.text(row: row, column: index(of: column)) == nil
  }

  package func text(_ column: some PostgresColumn) throws(PostgresError) -> String {
    try required(column, "a text", optionalText(column))
  }

  package func optionalText(_ column: some PostgresColumn) throws(PostgresError) -> String? {
    answer.text(row: row, column: try index(of: column))
  }

  /// The UTF-8 of a text, `json` or `jsonb`, without a String in between.
  package func utf8(_ column: some PostgresColumn) throws(PostgresError) -> [UInt8] {
    try required(column, "a text", optionalUTF8(column))
  }

  package func optionalUTF8(_ column: some PostgresColumn) throws(PostgresError) -> [UInt8]? {
    answer.utf8(row: row, column: try index(of: column))
  }

  package func int64(_ column: some PostgresColumn) throws(PostgresError) -> Int64 {
    try required(column, "an integer", optionalInt64(column))
  }

  package func optionalInt64(_ column: some PostgresColumn) throws(PostgresError) -> Int64? {
    try parsed(column, "an integer") { Int64($0) }
  }

  package func double(_ column: some PostgresColumn) throws(PostgresError) -> Double {
    try required(column, "a number", optionalDouble(column))
  }

  package func optionalDouble(_ column: some PostgresColumn) throws(PostgresError) -> Double? {
    try parsed(column, "a number") { Double($0) }
  }

  package func bool(_ column: some PostgresColumn) throws(PostgresError) -> Bool {
    try required(column, "a boolean", optionalBool(column))
  }

  package func optionalBool(_ column: some PostgresColumn) throws(PostgresError) -> Bool? {
    try parsed(column, "a boolean") { $0 == "t" ? true : $0 == "f" ? false : nil }
  }

  /// A `timestamptz`, in µs since 1970.
  package func timestampMicros(_ column: some PostgresColumn) throws(PostgresError) -> Int64 {
    try required(column, "a time", optionalTimestampMicros(column))
  }

  package func optionalTimestampMicros(
    _ column: some PostgresColumn
  ) throws(PostgresError) -> Int64? {
    try parsed(column, "a time") { PostgresText.timestampMicros($0) }
  }

  package func bytes(_ column: some PostgresColumn) throws(PostgresError) -> [UInt8] {
    try required(column, "bytes", optionalBytes(column))
  }

  package func optionalBytes(_ column: some PostgresColumn) throws(PostgresError) -> [UInt8]? {
    try parsed(column, "bytes") { PostgresText.bytes($0) }
  }

  /// A one-dimensional `text[]` without nulls.
  package func textArray(_ column: some PostgresColumn) throws(PostgresError) -> [String] {
    try required(column, "an array of texts", optionalTextArray(column))
  }

  package func optionalTextArray(
    _ column: some PostgresColumn
  ) throws(PostgresError) -> [String]? {
    try parsed(column, "an array of texts") { PostgresText.textArray($0) }
  }

  private func index(of column: some PostgresColumn) throws(PostgresError) -> Int {
    guard let index = column.index(in: columnNames) else {
      throw .unexpectedResult(column: column.columnDescription, expected: "a column of the answer")
    }
    return index
  }

  private func required<Value>(
    _ column: some PostgresColumn, _ expected: String, _ value: Value?
  ) throws(PostgresError) -> Value {
    guard let value else {
      throw .unexpectedResult(column: column.columnDescription, expected: expected)
    }
    return value
  }

  private func parsed<Value>(
    _ column: some PostgresColumn, _ expected: String, _ parse: (String) -> Value?
  ) throws(PostgresError) -> Value? {
    guard let text = answer.text(row: row, column: try index(of: column)) else { return nil }
    return try required(column, expected, parse(text))
  }
}

/// How a column is named: by its name or by its place.
package protocol PostgresColumn {
  func index(in names: [String]) -> Int?
  var columnDescription: String { get }
}

extension String: PostgresColumn {
  package func index(in names: [String]) -> Int? { names.firstIndex(of: self) }
  package var columnDescription: String { self }
}

extension Int: PostgresColumn {
  package func index(in names: [String]) -> Int? { names.indices.contains(self) ? self : nil }
  package var columnDescription: String { "column \(self)" }
}

/// Postgres' text forms. Every session has `DateStyle` ISO and `TimeZone` UTC.
enum PostgresText {
  /// `2026-11-21 02:13:08.807123+00`. Nil for a time before our era and for `infinity`.
  static func timestampMicros(_ text: String) -> Int64? {
    let halves = text.split(separator: " ")
    guard halves.count == 2, halves[1].hasSuffix("+00") else { return nil }
    let date = halves[0].split(separator: "-").map { Int64($0) }
    let clock = halves[1].dropLast(3).split(separator: ":")
    guard
      date.count == 3, let year = date[0], let month = date[1], let day = date[2],
      clock.count == 3, let hour = Int64(clock[0]), let minute = Int64(clock[1]),
      let secondMicros = micros(ofSeconds: clock[2])
    else { return nil }
    let seconds =
      daysSince1970(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60
    let (whole, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000)
    return overflows ? nil : whole + secondMicros
  }

  private static func micros(ofSeconds text: Substring) -> Int64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard let whole = Int64(parts[0]) else { return nil }
    guard parts.count == 2 else { return parts.count == 1 ? whole * 1_000_000 : nil }
    guard parts[1].count <= 6, let fraction = Int64(parts[1]) else { return nil }
    return (parts[1].count..<6).reduce(fraction) { value, _ in value * 10 } + whole * 1_000_000
  }

  /// Days of the Gregorian calendar. Source: H. Hinnant, "chrono-compatible low-level date
  /// algorithms", days_from_civil: years start in March, eras have 400 of them.
  private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month <= 2 ? year - 1 : year
    let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
    let yearOfEra = marchYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// `\x` and hexadecimal digits.
  static func bytes(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0, digits.starts(with: "\\x".utf8) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2 - 1)
    for index in stride(from: 2, to: digits.count, by: 2) {
      guard let high = hexValue(digits[index]), let low = hexValue(digits[index + 1]) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }

  /// `{plain,"quoted \" one"}`. Nil for nested arrays and for null elements.
  static func textArray(_ text: String) -> [String]? {
    let bytes = Array(text.utf8)
    guard bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}") else { return nil }
    var reader = ArrayReader(bytes: bytes.dropFirst().dropLast())
    return reader.elements()
  }

  private struct ArrayReader {
    var bytes: ArraySlice<UInt8>

    mutating func elements() -> [String]? {
      var elements: [String] = []
      guard !bytes.isEmpty else { return elements }
      while true {
        guard let element = element() else { return nil }
        elements.append(element)
        guard let separator = bytes.popFirst() else { return elements }
        guard separator == UInt8(ascii: ",") else { return nil }
      }
    }

    private mutating func element() -> String? {
      if bytes.first == UInt8(ascii: "\"") { return quoted() }
      let plain = bytes.prefix { $0 != UInt8(ascii: ",") }
      guard !plain.isEmpty, plain.first != UInt8(ascii: "{") else { return nil }
      bytes = bytes.dropFirst(plain.count)
      let text = String(decoding: plain, as: UTF8.self)
      return text == "NULL" ? nil : text
    }

    private mutating func quoted() -> String? {
      bytes.removeFirst()
      var element: [UInt8] = []
      while let byte = bytes.popFirst() {
        if byte == UInt8(ascii: "\"") { return String(decoding: element, as: UTF8.self) }
        guard byte == UInt8(ascii: "\\") else {
          element.append(byte)
          continue
        }
        guard let escaped = bytes.popFirst() else { return nil }
        element.append(escaped)
      }
      return nil
    }
  }
}

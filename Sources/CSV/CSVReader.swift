/// Reads a CSV file as people have it: any of four delimiters, UTF-8, UTF-16 or Windows-1252, with or
/// without a byte order mark, any line end, quoted line ends, a line `sep=;`.
///
///     var reader = try CSVReader(bytes: bytes)
///     while let record = try reader.next() {
///       if let problem = record.problem { print("line \(record.line): \(problem)") }
///     }
///
/// A damaged record is handed out with its problem, and the next one is read; only a file that is no
/// table at all is an error.
package struct CSVReader: Sendable {
  package struct Limits: Sendable {
    package var byteCount = 256 << 20
    package var recordByteCount = 1 << 20
    package var fieldCount = 1000
    package var recordCount = 1_000_000

    package init() {}
  }

  package let dialect: CSVDialect
  /// The names of the columns, without the spaces around them.
  package let header: [String]
  package let headerLine: Int
  private let limits: Limits
  private var tokenizer: CSVTokenizer
  private let textByteCount: Int
  private var recordCount = 0

  /// What is not given is detected.
  ///
  /// - Throws: `.tooLarge`, and `.noHeader` where there is not one record.
  package init(
    bytes: [UInt8], delimiter: CSVDialect.Delimiter? = nil, encoding: CSVEncoding? = nil,
    limits: Limits = Limits()
  ) throws(CSVError) {
    guard bytes.count <= limits.byteCount else {
      throw .tooLarge(limitBytes: limits.byteCount)
    }
    let encoding = encoding ?? CSVEncoding.detect(bytes)
    let text = encoding.utf8(bytes)
    let delimiter = delimiter ?? CSVDialect.Delimiter.detect(text, limits: limits)
    dialect = CSVDialect(delimiter: delimiter, encoding: encoding)
    self.limits = limits
    textByteCount = text.count
    tokenizer = CSVTokenizer(text: text, delimiter: delimiter.rawValue, limits: limits)
    if CSVDialect.Delimiter.named(in: text) != nil { tokenizer.skipLine() }
    guard let record = tokenizer.next() else { throw .noHeader }
    if let problem = record.problem { throw .badHeader(line: record.line, problem) }
    header = record.fields.map { trimmed($0) }
    headerLine = record.line
  }

  /// The next record that is not blank, or nil at the end. One with more or fewer fields than the
  /// header has the problem `.fieldCount`.
  package mutating func next() throws(CSVError) -> CSVRecord? {
    guard var record = tokenizer.next() else { return nil }
    recordCount += 1
    guard recordCount <= limits.recordCount else {
      throw .tooManyRecords(limit: limits.recordCount)
    }
    if record.problem == nil && record.fields.count != header.count {
      record.problem = .fieldCount(expected: header.count, actual: record.fields.count)
    }
    return record
  }

  /// How much has been read, from 0 to 1.
  package var progress: Double {
    textByteCount == 0 ? 1 : Double(tokenizer.position) / Double(textByteCount)
  }
}

/// One record: its fields as texts, and the physical line on which it starts, from 1.
package struct CSVRecord: Equatable, Sendable {
  package let line: Int
  package let fields: [String]
  package internal(set) var problem: CSVProblem?

  /// Whether no field has anything but white space in it.
  var isBlank: Bool {
    fields.allSatisfy { $0.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 } }
  }
}

/// What is wrong with one record.
package enum CSVProblem: Equatable, Sendable, CustomStringConvertible {
  case fieldCount(expected: Int, actual: Int)
  /// A quote opens and never closes. The record is the one physical line; its fields are those before.
  case unterminatedQuote
  /// Something follows a closing quote; it is kept as part of the field.
  case strayQuote
  case tooLong
  case tooManyFields(limit: Int)
  /// A zero byte, which no text holds.
  case zeroByte

  package var code: String {
    switch self {
    case .fieldCount: "csv_field_count"
    case .unterminatedQuote: "csv_unterminated_quote"
    case .strayQuote: "csv_stray_quote"
    case .tooLong: "csv_record_too_long"
    case .tooManyFields: "csv_too_many_fields"
    case .zeroByte: "csv_zero_byte"
    }
  }

  package var description: String {
    switch self {
    case .fieldCount(let expected, let actual):
      "\(actual) fields where the header has \(expected)"
    case .unterminatedQuote: "a quotation mark that opens is never closed"
    case .strayQuote: "something follows a closing quotation mark"
    case .tooLong: "the record is too long; is a quotation mark missing?"
    case .tooManyFields(let limit): "more than \(limit) fields"
    case .zeroByte: "a zero byte"
    }
  }
}

/// Why a file is no table.
package enum CSVError: Error, Equatable, CustomStringConvertible {
  case noHeader
  case badHeader(line: Int, CSVProblem)
  case tooLarge(limitBytes: Int)
  case tooManyRecords(limit: Int)

  package var code: String {
    switch self {
    case .noHeader: "csv_no_header"
    case .badHeader: "csv_bad_header"
    case .tooLarge: "csv_too_large"
    case .tooManyRecords: "csv_too_many_records"
    }
  }

  /// The same file is refused again.
  package var isRetryable: Bool { false }

  package var description: String {
    switch self {
    case .noHeader: "\(code): the file is empty"
    case .badHeader(let line, let problem): "\(code): line \(line): \(problem)"
    case .tooLarge(let limit): "\(code): the file is longer than \(limit) bytes"
    case .tooManyRecords(let limit): "\(code): the file has more than \(limit) records"
    }
  }
}

private func trimmed(_ text: String) -> String {
  let start = text.drop { $0.isWhitespace }
  let rest = start.reversed().drop { $0.isWhitespace }
  return String(rest.reversed())
}

/// Cuts UTF-8 text into records (RFC 4180, and what people write instead). Blank records are passed
/// over.
struct CSVTokenizer {
  private let text: [UInt8]
  private let delimiter: UInt8
  private let limits: CSVReader.Limits
  /// The offset of the next record.
  private(set) var position = 0
  /// The physical line of the next record, from 1. CR, LF and CRLF each end one.
  private(set) var line = 1

  private static let quote = UInt8(ascii: "\"")
  private static let lineFeed: UInt8 = 0x0a
  private static let carriageReturn: UInt8 = 0x0d
  private static let space: UInt8 = 0x20

  init(text: [UInt8], delimiter: UInt8, limits: CSVReader.Limits) {
    self.text = text
    self.delimiter = delimiter
    self.limits = limits
  }

  mutating func next() -> CSVRecord? {
    while position < text.count {
      let record = record()
      if record.problem != nil || !record.isBlank { return record }
    }
    return nil
  }

  /// Passes over one physical line.
  mutating func skipLine() {
    while position < text.count && !isLineEnd(text[position]) { position += 1 }
    if position < text.count { endLine() }
  }

  private mutating func record() -> CSVRecord {
    let start = (position: position, line: line)
    var fields: [String] = []
    var problem: CSVProblem?
    while true {
      let (bytes, fieldProblem) = field(recordStart: start.position)
      problem = problem ?? fieldProblem
      if fieldProblem == .unterminatedQuote || fieldProblem == .tooLong {
        // One bad quote would swallow the rest of the file: go on at the next physical line.
        (position, line) = start
        skipLine()
        return CSVRecord(line: start.line, fields: fields, problem: problem)
      }
      if bytes.contains(0) { problem = problem ?? .zeroByte }
      if fields.count < limits.fieldCount {
        fields.append(String(decoding: bytes, as: UTF8.self))
      } else {
        problem = problem ?? .tooManyFields(limit: limits.fieldCount)
      }
      guard position < text.count else { break }
      if text[position] == delimiter {
        position += 1
      } else {
        endLine()
        break
      }
    }
    return CSVRecord(line: start.line, fields: fields, problem: problem)
  }

  /// Reads a field; stops at its delimiter, its line end or the end of the text.
  private mutating func field(recordStart: Int) -> ([UInt8], CSVProblem?) {
    var first = position
    // Hand-made files have spaces in front of a quote.
    while first < text.count && text[first] == Self.space { first += 1 }
    guard first < text.count && text[first] == Self.quote else {
      let start = position
      skipPlain()
      return isTooLong(since: recordStart) ? ([], .tooLong) : (Array(text[start..<position]), nil)
    }
    position = first + 1
    return quotedField(recordStart: recordStart)
  }

  private mutating func quotedField(recordStart: Int) -> ([UInt8], CSVProblem?) {
    let startLine = line
    var bytes: [UInt8] = []
    while true {
      let start = position
      while position < text.count && text[position] != Self.quote {
        if isLineEnd(text[position]) { endLine() } else { position += 1 }
      }
      guard !isTooLong(since: recordStart) else { return ([], .tooLong) }
      guard position < text.count else { return ([], .unterminatedQuote) }
      bytes += text[start..<position]
      position += 1
      guard position < text.count && text[position] == Self.quote else { break }
      bytes.append(Self.quote)
      position += 1
    }
    let end = position
    skipPlain()
    let rest = text[end..<position]
    guard rest.contains(where: { $0 != Self.space }) else { return (bytes, nil) }
    // Where lines lie between, the quote that seems to close opens a field of a later record.
    return line == startLine ? (bytes + rest, .strayQuote) : ([], .unterminatedQuote)
  }

  private mutating func skipPlain() {
    while position < text.count && text[position] != delimiter && !isLineEnd(text[position]) {
      position += 1
    }
  }

  private func isTooLong(since start: Int) -> Bool {
    position - start > limits.recordByteCount
  }

  private func isLineEnd(_ byte: UInt8) -> Bool {
    byte == Self.lineFeed || byte == Self.carriageReturn
  }

  /// Passes over CR, LF or CRLF.
  private mutating func endLine() {
    let isPair =
      text[position] == Self.carriageReturn && position + 1 < text.count
      && text[position + 1] == Self.lineFeed
    position += isPair ? 2 : 1
    line += 1
  }
}

/// Writes records (RFC 4180): UTF-8, CRLF, quotes where they are needed.
///
/// Fields are written as they are. One that begins with `=`, `+`, `-` or `@` is not defused for
/// spreadsheets: that would change it (and every phone number).
package struct CSVWriter: Sendable {
  package let delimiter: CSVDialect.Delimiter
  /// What was written and not yet taken.
  private var bytes: [UInt8] = []

  private static let quote = UInt8(ascii: "\"")

  /// A byte order mark lets Excel see that the text is UTF-8.
  package init(delimiter: CSVDialect.Delimiter = .comma, hasByteOrderMark: Bool = false) {
    self.delimiter = delimiter
    if hasByteOrderMark { bytes = [0xef, 0xbb, 0xbf] }
  }

  package mutating func append(_ fields: [String]) {
    for (index, field) in fields.enumerated() {
      if index > 0 { bytes.append(delimiter.rawValue) }
      // One empty field alone would read as a blank line.
      append(field, isAlone: fields.count == 1)
    }
    bytes += [0x0d, 0x0a]
  }

  /// The bytes written since the last call.
  package mutating func take() -> [UInt8] {
    defer { bytes.removeAll(keepingCapacity: true) }
    return bytes
  }

  private mutating func append(_ field: String, isAlone: Bool) {
    let text = Array(field.utf8)
    guard needsQuotes(text) || (isAlone && text.isEmpty) else {
      bytes += text
      return
    }
    bytes.append(Self.quote)
    for byte in text {
      if byte == Self.quote { bytes.append(byte) }
      bytes.append(byte)
    }
    bytes.append(Self.quote)
  }

  /// Also where spaces lie at an end, which some readers drop.
  private func needsQuotes(_ text: [UInt8]) -> Bool {
    text.first == 0x20 || text.last == 0x20
      || text.contains { $0 == delimiter.rawValue || $0 == Self.quote || $0 == 0x0a || $0 == 0x0d }
  }
}

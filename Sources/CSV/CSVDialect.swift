/// How a file is written: what separates its fields, and how its bytes mean characters.
package struct CSVDialect: Equatable, Sendable {
  package enum Delimiter: UInt8, CaseIterable, Sendable {
    case comma = 0x2c
    case semicolon = 0x3b
    case tab = 0x09
    case bar = 0x7c
  }

  package var delimiter: Delimiter
  package var encoding: CSVEncoding

  package init(delimiter: Delimiter = .comma, encoding: CSVEncoding = .utf8) {
    self.delimiter = delimiter
    self.encoding = encoding
  }
}

/// How bytes mean characters.
package enum CSVEncoding: String, CaseIterable, Sendable {
  case utf8 = "utf-8"
  case utf16LittleEndian = "utf-16le"
  case utf16BigEndian = "utf-16be"
  /// What Windows programs mean by "ANSI"; Latin-1 text reads the same in it.
  case windows1252 = "windows-1252"

  /// What `bytes` are: by their byte order mark, else by the zero bytes of UTF-16, else UTF-8 where
  /// they are valid as such, else Windows-1252, which takes anything.
  static func detect(_ bytes: [UInt8]) -> CSVEncoding {
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { return .utf8 }
    if bytes.starts(with: [0xff, 0xfe]) { return .utf16LittleEndian }
    if bytes.starts(with: [0xfe, 0xff]) { return .utf16BigEndian }
    // Without a mark: a header's first letters are ASCII, so every other byte of them is zero.
    if bytes.count >= 4 && bytes.count % 2 == 0 {
      let isZero = bytes.prefix(4).map { $0 == 0 }
      if isZero == [false, true, false, true] { return .utf16LittleEndian }
      if isZero == [true, false, true, false] { return .utf16BigEndian }
    }
    return String(validating: bytes, as: UTF8.self) == nil ? .windows1252 : .utf8
  }

  /// `bytes` as UTF-8, without the byte order mark. What is not valid becomes U+FFFD.
  func utf8(_ bytes: [UInt8]) -> [UInt8] {
    switch self {
    case .utf8:
      let text = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? Array(bytes.dropFirst(3)) : bytes
      if String(validating: text, as: UTF8.self) != nil { return text }
      return Array(String(decoding: text, as: UTF8.self).utf8)
    case .utf16LittleEndian: return utf16(bytes) { UInt16($0) | UInt16($1) << 8 }
    case .utf16BigEndian: return utf16(bytes) { UInt16($0) << 8 | UInt16($1) }
    case .windows1252: return Array(windows1252(bytes).utf8)
    }
  }

  private func utf16(_ bytes: [UInt8], _ unit: (UInt8, UInt8) -> UInt16) -> [UInt8] {
    var units = stride(from: 0, to: bytes.count - 1, by: 2).map { unit(bytes[$0], bytes[$0 + 1]) }
    // Half a character at the end is damage, which shows.
    if bytes.count % 2 == 1 { units.append(0xfffd) }
    let hasMark = units.first == 0xfeff
    return Array(String(decoding: hasMark ? units.dropFirst() : units[...], as: UTF16.self).utf8)
  }

  private func windows1252(_ bytes: [UInt8]) -> String {
    var scalars = String.UnicodeScalarView()
    for byte in bytes {
      let value = (0x80...0x9f).contains(byte) ? Self.c1[Int(byte) - 0x80] : UInt32(byte)
      scalars.append(Unicode.Scalar(value) ?? "\u{fffd}")
    }
    return String(scalars)
  }

  /// 0x80 to 0x9f; its five gaps are the control characters, as the WHATWG Encoding Standard has it.
  private static let c1: [UInt32] = [
    0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039,
    0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
  ]
}

extension CSVDialect.Delimiter {
  /// How many records are looked at.
  private static let sampleRecordCount = 50

  /// The one that a first line `sep=;` names (as Excel writes it), else the one that cuts the first
  /// records most evenly into more than one field, else the comma.
  static func detect(_ text: [UInt8], limits: CSVReader.Limits) -> CSVDialect.Delimiter {
    if let named = named(in: text) { return named }
    var best: (delimiter: CSVDialect.Delimiter, score: Score)?
    for delimiter in allCases {
      let score = score(delimiter, text, limits: limits)
      if score.headerFieldCount > 1 && score > best?.score ?? .nothing {
        best = (delimiter, score)
      }
    }
    return best?.delimiter ?? .comma
  }

  /// The delimiter of a first line `sep=;`.
  static func named(in text: [UInt8]) -> CSVDialect.Delimiter? {
    guard text.count >= 5, text.starts(with: "sep=".utf8) else { return nil }
    let isLine = text.count == 5 || text[5] == 0x0a || text[5] == 0x0d
    return isLine ? CSVDialect.Delimiter(rawValue: text[4]) : nil
  }

  private struct Score: Comparable {
    /// Of 1000 records, those with as many fields as the header.
    let evenPerMille: Int
    let headerFieldCount: Int

    static let nothing = Score(evenPerMille: -1, headerFieldCount: 0)

    static func < (left: Score, right: Score) -> Bool {
      (left.evenPerMille, left.headerFieldCount) < (right.evenPerMille, right.headerFieldCount)
    }
  }

  private static func score(
    _ delimiter: CSVDialect.Delimiter, _ text: [UInt8], limits: CSVReader.Limits
  ) -> Score {
    var tokenizer = CSVTokenizer(text: text, delimiter: delimiter.rawValue, limits: limits)
    var counts: [Int] = []
    while counts.count < sampleRecordCount, let record = tokenizer.next() {
      counts.append(record.fields.count)
    }
    guard let header = counts.first else { return .nothing }
    let even = counts.count { $0 == header }
    return Score(evenPerMille: even * 1000 / counts.count, headerFieldCount: header)
  }
}

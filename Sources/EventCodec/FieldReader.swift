import Domain
import JSON

/// Reads a payload's fields in the order in which they were written, straight from the bytes: no tree,
/// no look-up, and no allocation but for the texts themselves.
///
/// The format is our own encoder's: compact, in a fixed order. Anything else is an error that names
/// the field which was due.
struct FieldReader {
  private let type: String
  private let bytes: [UInt8]
  private var index = 0
  /// A comma is due before the next field or element.
  private var needsComma = false

  /// Positions at the first field of the object that `bytes` hold.
  init(_ bytes: [UInt8], type: String) throws(CodecError) {
    self.bytes = bytes
    self.type = type
    guard take(UInt8(ascii: "{")) else { throw error("{}") }
  }

  /// Makes sure that nothing is left.
  mutating func finish() throws(CodecError) {
    guard take(UInt8(ascii: "}")), index == bytes.count else { throw error("{}") }
  }

  func error(_ field: StaticString) -> CodecError {
    .invalidField(type: type, field: field.description)
  }
}

// MARK: - Fields

extension FieldReader {
  mutating func string(_ name: StaticString) throws(CodecError) -> String {
    try due(name)
    return try stringValue(name)
  }

  mutating func optionalString(_ name: StaticString) throws(CodecError) -> String? {
    takeKey(name) ? try stringValue(name) : nil
  }

  mutating func int64(_ name: StaticString) throws(CodecError) -> Int64 {
    try due(name)
    return try intValue(name)
  }

  mutating func optionalInt64(_ name: StaticString) throws(CodecError) -> Int64? {
    takeKey(name) ? try intValue(name) : nil
  }

  mutating func int(_ name: StaticString) throws(CodecError) -> Int { Int(try int64(name)) }

  mutating func uint64(_ name: StaticString) throws(CodecError) -> UInt64 {
    guard let value = UInt64(exactly: try int64(name)) else { throw error(name) }
    return value
  }

  mutating func bool(_ name: StaticString) throws(CodecError) -> Bool {
    try due(name)
    let isTrue = take("true")
    guard isTrue || take("false") else { throw error(name) }
    needsComma = true
    return isTrue
  }

  /// Whether the field is there, as `true`.
  mutating func isSet(_ name: StaticString) throws(CodecError) -> Bool {
    guard takeKey(name) else { return false }
    guard take("true") else { throw error(name) }
    needsComma = true
    return true
  }

  /// One of a closed set of words.
  mutating func word<Word: RawRepresentable<String>>(
    _ name: StaticString, _: Word.Type = Word.self
  ) throws(CodecError) -> Word {
    guard let word = Word(rawValue: try string(name)) else { throw error(name) }
    return word
  }

  mutating func optionalWord<Word: RawRepresentable<String>>(
    _ name: StaticString, _: Word.Type = Word.self
  ) throws(CodecError) -> Word? {
    guard let text = try optionalString(name) else { return nil }
    guard let word = Word(rawValue: text) else { throw error(name) }
    return word
  }

  mutating func identifier(
    _ name: StaticString, _ kind: Identifier.Kind
  ) throws(CodecError) -> Identifier {
    try due(name)
    return try identifierValue(name, kind)
  }

  mutating func optionalIdentifier(
    _ name: StaticString, _ kind: Identifier.Kind
  ) throws(CodecError) -> Identifier? {
    takeKey(name) ? try identifierValue(name, kind) : nil
  }

  mutating func identifier(ofAnyKind name: StaticString) throws(CodecError) -> Identifier {
    guard let identifier = Identifier(try string(name)) else { throw error(name) }
    return identifier
  }

  mutating func identifiers(
    _ name: StaticString, _ kind: Identifier.Kind
  ) throws(CodecError) -> [Identifier] {
    try array(name) { reader throws(CodecError) in try reader.identifierValue(name, kind) }
  }

  mutating func strings(_ name: StaticString) throws(CodecError) -> [String] {
    try array(name) { reader throws(CodecError) in try reader.stringValue(name) }
  }

  mutating func optionalStrings(_ name: StaticString) throws(CodecError) -> [String]? {
    guard takeKey(name) else { return nil }
    return try arrayValue(name) { reader throws(CodecError) in try reader.stringValue(name) }
  }

  mutating func optionalInt64s(_ name: StaticString) throws(CodecError) -> [Int64]? {
    guard takeKey(name) else { return nil }
    return try arrayValue(name) { reader throws(CodecError) in try reader.intValue(name) }
  }

  /// Any value as a tree: for what is rare or nests.
  mutating func json(_ name: StaticString) throws(CodecError) -> JSON {
    try due(name)
    return try jsonValue(name)
  }

  mutating func optionalJSON(_ name: StaticString) throws(CodecError) -> JSON? {
    // Spelled out: in an expression, `nil` would be the JSON value null.
    guard takeKey(name) else { return Optional<JSON>.none }
    return try jsonValue(name)
  }

  mutating func object<Value>(
    _ name: StaticString, _ read: (inout FieldReader) throws(CodecError) -> Value
  ) throws(CodecError) -> Value {
    try due(name)
    return try objectValue(name, read)
  }

  mutating func optionalObject<Value>(
    _ name: StaticString, _ read: (inout FieldReader) throws(CodecError) -> Value
  ) throws(CodecError) -> Value? {
    takeKey(name) ? try objectValue(name, read) : nil
  }

  mutating func objects<Value>(
    _ name: StaticString, _ read: (inout FieldReader) throws(CodecError) -> Value
  ) throws(CodecError) -> [Value] {
    try array(name) { reader throws(CodecError) in try reader.objectValue(name, read) }
  }

  private mutating func array<Value>(
    _ name: StaticString, _ element: (inout FieldReader) throws(CodecError) -> Value
  ) throws(CodecError) -> [Value] {
    try due(name)
    return try arrayValue(name, element)
  }

  private mutating func arrayValue<Value>(
    _ name: StaticString, _ element: (inout FieldReader) throws(CodecError) -> Value
  ) throws(CodecError) -> [Value] {
    guard take(UInt8(ascii: "[")) else { throw error(name) }
    var values: [Value] = []
    if !take(UInt8(ascii: "]")) {
      repeat { values.append(try element(&self)) } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "]")) else { throw error(name) }
    }
    needsComma = true
    return values
  }
}

// MARK: - Bytes

extension FieldReader {
  private mutating func due(_ name: StaticString) throws(CodecError) {
    guard takeKey(name) else { throw error(name) }
  }

  /// Passes `"name":` where that comes next.
  private mutating func takeKey(_ name: StaticString) -> Bool {
    var cursor = index
    if needsComma {
      guard cursor < bytes.count, bytes[cursor] == UInt8(ascii: ",") else { return false }
      cursor += 1
    }
    let end = cursor + 1 + name.utf8CodeUnitCount
    guard end + 1 < bytes.count, bytes[cursor] == UInt8(ascii: "\""),
      bytes[end] == UInt8(ascii: "\""), bytes[end + 1] == UInt8(ascii: ":"),
      holds(name, at: cursor + 1)
    else { return false }
    index = end + 2
    needsComma = false
    return true
  }

  /// Whether the name's bytes stand at `start`; there is room for them.
  private func holds(_ name: StaticString, at start: Int) -> Bool {
    name.withUTF8Buffer { name in
      for offset in name.indices where unsafe bytes[start + offset] != name[offset] {
        return false
      }
      return true
    }
  }

  private mutating func stringValue(_ name: StaticString) throws(CodecError) -> String {
    guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else { throw error(name) }
    let start = index + 1
    var end = start
    while end < bytes.count, bytes[end] != UInt8(ascii: "\"") {
      if bytes[end] == UInt8(ascii: "\\") { return try escapedString(name) }
      end += 1
    }
    guard end < bytes.count, let text = text(start..<end) else { throw error(name) }
    index = end + 1
    needsComma = true
    return text
  }

  /// nil where the bytes are not UTF-8. By a span: `String(validating:)` is generic and measured slower.
  private func text(_ range: Range<Int>) -> String? {
    guard let utf8 = try? UTF8Span(validating: bytes.span.extracting(range)) else { return nil }
    return String(copying: utf8)
  }

  private mutating func escapedString(_ name: StaticString) throws(CodecError) -> String {
    guard case .string(let text) = try jsonValue(name) else { throw error(name) }
    return text
  }

  private mutating func intValue(_ name: StaticString) throws(CodecError) -> Int64 {
    let isNegative = take(UInt8(ascii: "-"))
    var cursor = index
    var value: Int64 = 0
    while cursor < bytes.count, case let digit = bytes[cursor] &- UInt8(ascii: "0"), digit < 10 {
      // Downwards: the smallest Int64 has no positive counterpart.
      let (shifted, isTooLarge) = value.multipliedReportingOverflow(by: 10)
      let (next, isBeyond) = shifted.subtractingReportingOverflow(Int64(digit))
      guard !isTooLarge, !isBeyond else { throw error(name) }
      value = next
      cursor += 1
    }
    guard cursor > index, isNegative || value > .min else { throw error(name) }
    index = cursor
    needsComma = true
    return isNegative ? value : -value
  }

  private mutating func identifierValue(
    _ name: StaticString, _ kind: Identifier.Kind
  ) throws(CodecError) -> Identifier {
    guard take(UInt8(ascii: "\"")), take(kind.rawValue), take(UInt8(ascii: "_")),
      let value = takeBase32(), take(UInt8(ascii: "\""))
    else { throw error(name) }
    needsComma = true
    return Identifier(kind, value)
  }

  /// The 26 characters of an id, as `Base32` writes them. Here rather than there, because a generic
  /// function of another module costs most of an event's decoding (measured: 1 µs an id).
  private mutating func takeBase32() -> UInt128? {
    guard index + 26 <= bytes.count, bytes[index] <= UInt8(ascii: "7") else { return nil }
    var value: UInt128 = 0
    for byte in bytes[index..<index + 26] {
      let digit = Self.base32Digits[Int(byte)]
      guard digit < 32 else { return nil }
      value = value &<< 5 | UInt128(digit)
    }
    index += 26
    return value
  }

  /// By byte; 255 for what is no digit.
  private static let base32Digits: [UInt8] = (0...UInt8.max).map { byte in
    Array("0123456789abcdefghjkmnpqrstvwxyz".utf8).firstIndex(of: byte).map(UInt8.init) ?? 255
  }

  private mutating func objectValue<Value>(
    _ name: StaticString, _ read: (inout FieldReader) throws(CodecError) -> Value
  ) throws(CodecError) -> Value {
    guard take(UInt8(ascii: "{")) else { throw error(name) }
    needsComma = false
    let value = try read(&self)
    guard take(UInt8(ascii: "}")) else { throw error(name) }
    needsComma = true
    return value
  }

  private mutating func jsonValue(_ name: StaticString) throws(CodecError) -> JSON {
    let start = index
    skipValue()
    guard let value = try? JSON(parsing: Array(bytes[start..<index])) else { throw error(name) }
    needsComma = true
    return value
  }

  /// Moves behind the value at the cursor: to the comma or bracket that ends it.
  private mutating func skipValue() {
    var depth = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""): skipString()
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return }
        depth -= 1
      case UInt8(ascii: ","):
        if depth == 0 { return }
      default: break
      }
      index += 1
    }
    // A text without an end: the parser says no to what there is.
    index = bytes.count
  }

  /// Moves to the closing quote of the text that opens at the cursor.
  private mutating func skipString() {
    index += 1
    while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
      index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  private mutating func take(_ word: String) -> Bool {
    let word = word.utf8
    guard index + word.count <= bytes.count else { return false }
    var cursor = index
    for byte in word {
      guard bytes[cursor] == byte else { return false }
      cursor += 1
    }
    index = cursor
    return true
  }
}

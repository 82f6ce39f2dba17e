/// Why bytes are not JSON: what was expected, and where.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  package let message: String
  /// Byte offset, from 0; line and column, from 1.
  package let offset: Int
  package let line: Int
  package let column: Int

  package var description: String { "\(message) at line \(line), column \(column)" }
}

extension JSON {
  /// Parses a whole document: strict RFC 8259, UTF-8 only, no duplicate keys, at most 64 levels deep.
  package init(parsing bytes: [UInt8]) throws(JSONError) {
    var parser = JSONParser(bytes)
    self = try parser.document()
  }

  package init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }
}

/// The names of an object so far. Few are looked through faster than hashed; many would take quadratic time.
private struct SeenNames {
  private static let fewCount = 12
  private var all: Set<String> = []

  mutating func isNew(_ name: String, after fields: [(key: String, value: JSON)]) -> Bool {
    if fields.count < Self.fewCount { return !fields.contains { $0.key == name } }
    if all.isEmpty { all = Set(fields.map(\.key)) }
    return all.insert(name).inserted
  }
}

/// A recursive-descent parser. Errors name the first byte that does not fit.
struct JSONParser {
  static let depthLimit = 64
  /// Of a document: no growing by doubling from one.
  private static let usualFieldCount = 8

  private let bytes: [UInt8]
  private var index = 0
  private var depth = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(JSONError) -> JSON {
    let value = try self.value()
    skipBlanks()
    guard index == bytes.count else { throw error("unexpected text after the value") }
    return value
  }

  private mutating func value() throws(JSONError) -> JSON {
    skipBlanks()
    guard index < bytes.count else { throw error("unexpected end") }
    switch bytes[index] {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"):
      try literal("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try literal("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try literal("null")
      return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("a value must start here")
    }
  }

  private mutating func object() throws(JSONError) -> JSON {
    try descend()
    defer { depth -= 1 }
    var fields: [(key: String, value: JSON)] = []
    var names = SeenNames()
    skipBlanks()
    if take(UInt8(ascii: "}")) { return .object(JSONObject()) }
    if depth == 1 { fields.reserveCapacity(Self.usualFieldCount) }
    while true {
      skipBlanks()
      guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else {
        throw error("a field name in double quotes must start here")
      }
      let start = index
      let key = try string()
      guard names.isNew(key, after: fields) else {
        throw error("the field name was used before in this object", at: start)
      }
      skipBlanks()
      guard take(UInt8(ascii: ":")) else { throw error("a colon must follow a field name") }
      fields.append((key, try value()))
      skipBlanks()
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "}")) else { throw error("a comma or a closing brace must follow") }
      return .object(JSONObject(fields))
    }
  }

  private mutating func array() throws(JSONError) -> JSON {
    try descend()
    defer { depth -= 1 }
    var items: [JSON] = []
    skipBlanks()
    if take(UInt8(ascii: "]")) { return .array([]) }
    while true {
      items.append(try value())
      skipBlanks()
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "]")) else { throw error("a comma or a closing bracket must follow") }
      return .array(items)
    }
  }

  private mutating func descend() throws(JSONError) {
    depth += 1
    guard depth <= Self.depthLimit else { throw error("nested more than 64 levels deep") }
    index += 1
  }

  private mutating func literal(_ text: StaticString) throws(JSONError) {
    let start = index
    let expected = Array(text.description.utf8)
    guard bytes.count - index >= expected.count,
      bytes[index..<index + expected.count].elementsEqual(expected)
    else { throw error("a value must start here", at: start) }
    index += expected.count
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = index
    _ = take(UInt8(ascii: "-"))
    let wholeStart = index
    skipDigits()
    let wholeCount = index - wholeStart
    guard wholeCount > 0, wholeCount == 1 || bytes[wholeStart] != UInt8(ascii: "0") else {
      throw error("not a number", at: start)
    }
    var isWhole = true
    if take(UInt8(ascii: ".")) {
      isWhole = false
      guard skipDigits() > 0 else { throw error("digits must follow the point") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isWhole = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard skipDigits() > 0 else { throw error("digits must follow the exponent") }
    }
    // Only ASCII digits and signs were let through.
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    if isWhole, let value = Int64(text) { return .int(value) }
    // One that is so small that nothing is left of it would come back as another.
    guard let value = Double(text), value.isFinite, value != 0 || Self.isZero(text) else {
      throw error("the number is out of range", at: start)
    }
    return .double(value)
  }

  private static func isZero(_ text: String) -> Bool {
    text.prefix { $0 != "e" && $0 != "E" }.allSatisfy { "-.0".contains($0) }
  }

  @discardableResult
  private mutating func skipDigits() -> Int {
    let start = index
    while index < bytes.count, bytes[index] >= UInt8(ascii: "0"), bytes[index] <= UInt8(ascii: "9")
    {
      index += 1
    }
    return index - start
  }

  private mutating func string() throws(JSONError) -> String {
    index += 1
    let start = index
    var highest: UInt8 = 0
    while index < bytes.count {
      let byte = bytes[index]
      highest |= byte
      if byte == UInt8(ascii: "\"") {
        defer { index += 1 }
        guard highest < 0x80 else { return try validated(bytes[start..<index], at: start) }
        // ASCII is valid, and to have that proven takes longer than all the rest.
        return unsafe String(
          copying: UTF8Span(
            unchecked: bytes.span.extracting(start..<index), isKnownASCII: true))
      }
      if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
      guard byte >= 0x20 else { throw error("control characters must be escaped") }
      index += 1
    }
    throw error("the text has no closing quote", at: start - 1)
  }

  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    var buffer = Array(bytes[start..<index])
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return try validated(buffer[...], at: start)
      case UInt8(ascii: "\\"):
        buffer.append(contentsOf: try escape())
      case 0..<0x20:
        throw error("control characters must be escaped")
      default:
        buffer.append(byte)
        index += 1
      }
    }
    throw error("the text has no closing quote", at: start - 1)
  }

  private mutating func escape() throws(JSONError) -> [UInt8] {
    let start = index
    guard index + 1 < bytes.count else { throw error("unexpected end") }
    let kind = bytes[index + 1]
    index += 2
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [kind]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return Array(String(try unicodeEscape(at: start)).utf8)
    default: throw error("unknown escape", at: start)
    }
  }

  private mutating func unicodeEscape(at start: Int) throws(JSONError) -> Unicode.Scalar {
    let first = try hexUnit(at: start)
    if let scalar = Unicode.Scalar(UInt32(first)) { return scalar }
    guard (0xD800..<0xDC00).contains(first), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u"))
    else {
      throw error("half of a surrogate pair", at: start)
    }
    let second = try hexUnit(at: start)
    guard (0xDC00..<0xE000).contains(second) else {
      throw error("half of a surrogate pair", at: start)
    }
    let combined = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
    guard let scalar = Unicode.Scalar(combined) else {
      preconditionFailure("every surrogate pair is a scalar")
    }
    return scalar
  }

  private mutating func hexUnit(at start: Int) throws(JSONError) -> UInt16 {
    guard index + 4 <= bytes.count else { throw error("four hex digits must follow", at: start) }
    let digits = bytes[index..<index + 4]
    guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw error("four hex digits must follow", at: start) }
    index += 4
    return unit
  }

  private func validated(_ slice: ArraySlice<UInt8>, at start: Int) throws(JSONError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw error("the text is not valid UTF-8", at: start)
    }
    return text
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  private mutating func skipBlanks() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0A, 0x0D: index += 1
      default: return
      }
    }
  }

  private func error(_ message: String, at offset: Int? = nil) -> JSONError {
    let offset = offset ?? index
    let before = bytes[..<min(offset, bytes.count)]
    let line = 1 + before.count { $0 == 0x0A }
    let lineStart = (before.lastIndex(of: 0x0A) ?? -1) + 1
    return JSONError(message: message, offset: offset, line: line, column: offset - lineStart + 1)
  }
}

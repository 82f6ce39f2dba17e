/// Builds JSON bytes without an intermediate tree: compact, fields in the order of the calls.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.field("id", "con_…")
///     writer.endObject()
package struct JSONWriter {
  package private(set) var bytes: [UInt8] = []
  private var needsComma = false

  /// Most objects fit: no growing by doubling from nothing.
  private static let usualBytes = 480

  package init() { bytes.reserveCapacity(Self.usualBytes) }

  package mutating func beginObject() { open(UInt8(ascii: "{")) }
  package mutating func endObject() { close(UInt8(ascii: "}")) }
  package mutating func beginArray() { open(UInt8(ascii: "[")) }
  package mutating func endArray() { close(UInt8(ascii: "]")) }

  package mutating func key(_ name: String) {
    appendQuoted(name, isKey: true)
    needsComma = false
  }

  package mutating func field(_ name: String, _ value: String) {
    key(name)
    string(value)
  }

  package mutating func field(_ name: String, _ value: Int64) {
    key(name)
    int(value)
  }

  package mutating func field(_ name: String, _ value: Bool) {
    key(name)
    bool(value)
  }

  package mutating func field(_ name: String, _ value: JSON) {
    key(name)
    json(value)
  }

  package mutating func string(_ value: String) {
    appendQuoted(value, isKey: false)
    needsComma = true
  }

  package mutating func int(_ value: Int64) {
    separate()
    appendDigits(value)
    needsComma = true
  }

  package mutating func bool(_ value: Bool) {
    separate()
    bytes.append(contentsOf: value ? "true".utf8 : "false".utf8)
    needsComma = true
  }

  package mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
    needsComma = true
  }

  package mutating func json(_ value: JSON) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .int(let value): int(value)
    case .double(let value):
      separate()
      // JSON has no infinities; the parser lets none in, so one here is our own mistake.
      precondition(value.isFinite, "JSON numbers are finite")
      bytes.append(contentsOf: value.description.utf8)
      needsComma = true
    case .string(let value): string(value)
    case .array(let items):
      beginArray()
      for item in items { json(item) }
      endArray()
    case .object(let object):
      beginObject()
      for (name, value) in object.fields { field(name, value) }
      endObject()
    }
  }

  private mutating func open(_ byte: UInt8) {
    separate()
    bytes.append(byte)
    needsComma = false
  }

  private mutating func close(_ byte: UInt8) {
    bytes.append(byte)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = false
  }

  private mutating func appendDigits(_ value: Int64) {
    if value >= 0, value < 10 {
      bytes.append(UInt8(ascii: "0") + UInt8(value))
    } else {
      bytes.append(contentsOf: String(value).utf8)
    }
  }

  /// The comma before it and the colon after it included: one look at the room that is left for all.
  private mutating func appendQuoted(_ text: String, isKey: Bool) {
    let hasComma = needsComma
    var text = text
    text.withUTF8 { utf8 in
      guard unsafe Self.isPlain(utf8) else { return unsafe appendEscaped(utf8, isKey: isKey) }
      bytes.append(addingCapacity: utf8.count + 4) { room in
        if hasComma { room.append(UInt8(ascii: ",")) }
        room.append(UInt8(ascii: "\""))
        unsafe room.withUnsafeMutableBufferPointer { all, count in
          _ = unsafe UnsafeMutableBufferPointer(rebasing: all[count...]).update(
            fromContentsOf: utf8)
          count += utf8.count
        }
        room.append(UInt8(ascii: "\""))
        if isKey { room.append(UInt8(ascii: ":")) }
      }
    }
  }

  private mutating func appendEscaped(_ utf8: UnsafeBufferPointer<UInt8>, isKey: Bool) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    unsafe utf8.forEach { appendEscaped($0) }
    bytes.append(UInt8(ascii: "\""))
    if isKey { bytes.append(UInt8(ascii: ":")) }
  }

  /// Whether every byte stands for itself: eight at a time, the last eight perhaps twice.
  private static func isPlain(_ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
    let count = utf8.count
    guard count >= 8 else {
      return unsafe utf8.allSatisfy { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }
    }
    let raw = UnsafeRawBufferPointer(utf8)
    var offset = 0
    while offset < count - 8 {
      if hasSpecial(unsafe raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) {
        return false
      }
      offset += 8
    }
    return !hasSpecial(unsafe raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
  }

  /// Whether one of the eight bytes is below 0x20, a quote or a backslash. Source: "Bit Twiddling Hacks" by Sean Eron Anderson,
  /// `hasless` and `haszero`, which are exact in whether there is one.
  private static func hasSpecial(_ word: UInt64) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let quotes = word ^ (ones &* 0x22)
    let backslashes = word ^ (ones &* 0x5C)
    let low = (word &- (ones &* 0x20)) & ~word
    let found = low | ((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes)
    return found & (ones &* 0x80) != 0
  }

  private mutating func appendEscaped(_ byte: UInt8) {
    switch byte {
    case 0x22: bytes.append(contentsOf: "\\\"".utf8)
    case 0x5C: bytes.append(contentsOf: "\\\\".utf8)
    case 0x0A: bytes.append(contentsOf: "\\n".utf8)
    case 0x0D: bytes.append(contentsOf: "\\r".utf8)
    case 0x09: bytes.append(contentsOf: "\\t".utf8)
    case 0..<0x20:
      let hex = String(byte, radix: 16)
      bytes.append(contentsOf: (hex.count == 1 ? "\\u000" : "\\u00").utf8)
      bytes.append(contentsOf: hex.utf8)
    default: bytes.append(byte)
    }
  }
}

extension JSON {
  /// The value as compact JSON.
  package func bytes() -> [UInt8] {
    var writer = JSONWriter()
    writer.json(self)
    return writer.bytes
  }

  /// The value as compact JSON text.
  package var text: String { String(decoding: bytes(), as: UTF8.self) }
}

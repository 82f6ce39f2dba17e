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
    separate()
    appendQuoted(name)
    bytes.append(UInt8(ascii: ":"))
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
    separate()
    appendQuoted(value)
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

  private mutating func appendQuoted(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { utf8 in
      let plain = unsafe utf8.allSatisfy { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }
      if plain {
        unsafe bytes.append(contentsOf: utf8)
      } else {
        unsafe utf8.forEach { appendEscaped($0) }
      }
    }
    bytes.append(UInt8(ascii: "\""))
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

/// Builds JSON bytes without an intermediate tree: compact, fields in the order of the calls.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.field("id", "con_…")
///     writer.endObject()
package struct JSONWriter {
  /// How a `double` that is whole is written.
  package enum Form: Sendable {
    /// `12`, for people and clients.
    case shown
    /// `12.0`, as in all that was hashed, sealed or laid beside other bytes before.
    case stored
  }

  package private(set) var bytes: [UInt8] = []
  private var needsComma = false
  private let form: Form

  /// Where most objects fit into `capacityBytes`, there is no growing by doubling from nothing.
  package init(capacityBytes: Int = 480, form: Form = .shown) {
    self.form = form
    bytes.reserveCapacity(capacityBytes)
  }

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
    literal(value ? "true" : "false")
  }

  package mutating func null() { literal("null") }

  package mutating func json(_ value: JSON) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .int(let value): int(value)
    case .double(let value): double(value)
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

  /// The shortest digits that are read as the same number.
  private mutating func double(_ value: Double) {
    separate()
    // JSON has no infinities; the parser lets none in, so one here is our own mistake.
    precondition(value.isFinite, "JSON numbers are finite")
    // Nobody means the zero below zero.
    let digits = (form == .shown && value == 0 ? 0 : value).description
    let isWhole = form == .shown && digits.hasSuffix(".0")
    bytes.append(contentsOf: isWhole ? digits.utf8.dropLast(2) : digits.utf8[...])
    needsComma = true
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

  private mutating func literal(_ text: StaticString) {
    separate()
    unsafe bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    needsComma = true
  }

  private mutating func appendDigits(_ value: Int64) {
    var rest = value.magnitude
    var digitCount = 1
    var scale = rest
    while scale >= 10 {
      scale /= 10
      digitCount += 1
    }
    bytes.append(addingCapacity: digitCount + 1) { room in
      if value < 0 { room.append(UInt8(ascii: "-")) }
      unsafe room.withUnsafeMutableBufferPointer { all, count in
        for place in (count..<count + digitCount).reversed() {
          unsafe all[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
          rest /= 10
        }
        count += digitCount
      }
    }
  }

  /// The comma before it and the colon after it included: one look at the room that is left for all.
  private mutating func appendQuoted(_ text: String, isKey: Bool) {
    var text = text
    text.withUTF8 { unsafe appendQuoted($0, isKey: isKey) }
  }

  private mutating func appendQuoted(_ utf8: UnsafeBufferPointer<UInt8>, isKey: Bool) {
    let hasComma = needsComma
    var isPlain = true
    bytes.append(addingCapacity: utf8.count + 4) { room in
      unsafe room.withUnsafeMutableBufferPointer { all, count in
        guard let target = all.baseAddress else { return }
        let start = hasComma ? count + 2 : count + 1
        guard unsafe Self.copyPlain(utf8, to: target + start) else {
          isPlain = false
          return
        }
        if hasComma { unsafe target[count] = UInt8(ascii: ",") }
        unsafe target[start - 1] = UInt8(ascii: "\"")
        count = start + utf8.count
        unsafe target[count] = UInt8(ascii: "\"")
        count += 1
        guard isKey else { return }
        unsafe target[count] = UInt8(ascii: ":")
        count += 1
      }
    }
    if !isPlain { unsafe appendEscaped(utf8, isKey: isKey) }
  }

  private mutating func appendEscaped(_ utf8: UnsafeBufferPointer<UInt8>, isKey: Bool) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    unsafe utf8.forEach { appendEscaped($0) }
    bytes.append(UInt8(ascii: "\""))
    if isKey { bytes.append(UInt8(ascii: ":")) }
  }

  /// Copies `utf8`, looking at it in the same go. False, and `target` holds nothing of use, where a byte does not
  /// stand for itself.
  @inline(__always)
  private static func copyPlain(
    _ utf8: UnsafeBufferPointer<UInt8>, to target: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    guard utf8.count < 8 else { return unsafe copyPlain(utf8, to: target, by: UInt64.self) }
    guard utf8.count < 4 else { return unsafe copyPlain(utf8, to: target, by: UInt32.self) }
    for index in utf8.indices {
      let byte = unsafe utf8[index]
      guard byte >= 0x20 && byte != 0x22 && byte != 0x5C else { return false }
      unsafe target[index] = byte
    }
    return true
  }

  /// So many bytes at a time as `Word` has, the last ones perhaps twice.
  @inline(__always)
  private static func copyPlain<Word: FixedWidthInteger>(
    _ utf8: UnsafeBufferPointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, by _: Word.Type
  ) -> Bool {
    let (source, size) = (UnsafeRawBufferPointer(utf8), MemoryLayout<Word>.size)
    let raw = UnsafeMutableRawPointer(target)
    var offset = 0
    while true {
      let word = unsafe source.loadUnaligned(fromByteOffset: offset, as: Word.self)
      guard !hasSpecial(word) else { return false }
      unsafe raw.storeBytes(of: word, toByteOffset: offset, as: Word.self)
      guard offset + size < utf8.count else { return true }
      offset = min(offset + size, utf8.count - size)
    }
  }

  /// Whether one of the bytes is below 0x20, a quote or a backslash. Source: "Bit Twiddling Hacks" by Sean Eron Anderson,
  /// `hasless` and `haszero`, which are exact in whether there is one.
  @inline(__always)
  private static func hasSpecial<Word: FixedWidthInteger>(_ word: Word) -> Bool {
    let ones = Word(truncatingIfNeeded: 0x0101_0101_0101_0101 as UInt64)
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
  package func bytes(_ form: JSONWriter.Form = .shown) -> [UInt8] {
    var writer = JSONWriter(form: form)
    writer.json(self)
    return writer.bytes
  }

  /// The value as compact JSON text.
  package var text: String { String(decoding: bytes(), as: UTF8.self) }
}

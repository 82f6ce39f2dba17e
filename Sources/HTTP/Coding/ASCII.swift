/// Byte classes of the HTTP grammar.
enum ASCII {
  static func lowercased(_ byte: UInt8) -> UInt8 {
    (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
  }

  static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(lowercased(byte)) }

  /// A byte of a method or a field name. Source: RFC 9110, section 5.6.2.
  static func isToken(_ byte: UInt8) -> Bool {
    let bits = byte < 64 ? tokensBelow64 : byte < 128 ? tokensBelow128 : 0
    return bits >> UInt64(byte & 63) & 1 == 1
  }

  /// - 0...9 and ! # $ % & ' * + .
  private static let tokensBelow64: UInt64 = 0x03ff_6cfa_0000_0000
  /// A...Z a...z and ^ _ ` | ~
  private static let tokensBelow128: UInt64 = 0x57ff_ffff_c7ff_fffe

  /// Whether all bytes of `text` are those of a name, and there are some.
  static func isToken(_ text: String) -> Bool {
    guard !text.isEmpty else { return false }
    return unsafe text.utf8.withContiguousStorageIfAvailable { unsafe $0.allSatisfy(isToken) }
      ?? text.utf8.allSatisfy(isToken)
  }

  /// Whether no byte is a control character but a tab.
  static func isPlain(_ text: String) -> Bool {
    !hasControl(text) || text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
  }

  static func hasControl(_ text: String) -> Bool {
    unsafe text.utf8.withContiguousStorageIfAvailable { unsafe hasControl($0) }
      ?? text.utf8.contains { $0 < 0x20 || $0 == 0x7f }
  }

  /// Whether a byte is a control character: eight at a time, the last ones perhaps twice. Source: "Bit Twiddling Hacks" by
  /// Sean Eron Anderson, `hasless` and `haszero`, which are exact in whether there is one.
  private static func hasControl(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard text.count >= 8 else { return unsafe text.contains { $0 < 0x20 || $0 == 0x7f } }
    let ones: UInt64 = 0x0101_0101_0101_0101
    let raw = UnsafeRawBufferPointer(text)
    var offset = 0
    while true {
      let word = unsafe raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let deletes = word ^ (ones &* 0x7f)
      let found = (word &- (ones &* 0x20)) & ~word | (deletes &- ones) & ~deletes
      if found & (ones &* 0x80) != 0 { return true }
      guard offset + 8 < text.count else { return false }
      offset = min(offset + 8, text.count - 8)
    }
  }

  static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  static func trimmed(_ text: Substring) -> Substring {
    let isSpace = { (character: Character) in character == " " || character == "\t" }
    var rest = text.drop(while: isSpace)
    while let last = rest.last, isSpace(last) { rest.removeLast() }
    return rest
  }
}

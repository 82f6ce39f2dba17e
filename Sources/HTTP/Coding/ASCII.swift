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

  /// Whether no byte is a control character or DEL: eight at a time. Source: "Bit Twiddling Hacks" by Sean Eron Anderson,
  /// `hasless` and `haszero`, which are exact in whether there is one.
  static func isPlain(_ text: Span<UInt8>) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    func hasControl(_ word: UInt64) -> Bool {
      let deletes = word ^ (ones &* 0x7f)
      let found = (word &- (ones &* 0x20)) & ~word | (deletes &- ones) & ~deletes
      return found & (ones &* 0x80) != 0
    }
    let bytes = unsafe text.bytes
    guard text.count >= 8 else {
      return text.indices.allSatisfy { text[$0] >= 0x20 && text[$0] != 0x7f }
    }
    // The last eight are perhaps looked at twice.
    for start in stride(from: 0, to: text.count - 8, by: 8) {
      let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt64.self)
      if hasControl(word) { return false }
    }
    let last = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: text.count - 8, as: UInt64.self)
    return !hasControl(last)
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

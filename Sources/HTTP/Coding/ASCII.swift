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

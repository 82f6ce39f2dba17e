/// Base64 (RFC 4648): the standard alphabet with padding, and the url-safe one without.
///
/// Decoding accepts exactly what encoding gives: no white space, no missing or extra padding, no
/// stray bits at the end. Two texts never mean the same bytes.
package enum Base64 {
  private static let standard = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let urlSafe = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
  private static let standardValues = values(of: standard)
  private static let urlSafeValues = values(of: urlSafe)
  private static let padding = UInt8(ascii: "=")
  private static let invalid: UInt8 = 0xff

  package static func encode(_ bytes: [UInt8]) -> String {
    encode(bytes, alphabet: standard, isPadded: true)
  }

  /// Url-safe, without padding.
  package static func encodeURL(_ bytes: [UInt8]) -> String {
    encode(bytes, alphabet: urlSafe, isPadded: false)
  }

  /// - Throws: `.malformedEncoding`.
  package static func decode(_ text: some StringProtocol) throws(CryptoError) -> [UInt8] {
    var digits = Array(text.utf8)
    guard digits.count % 4 == 0 else { throw .malformedEncoding }
    for _ in 0..<2 where digits.last == padding { digits.removeLast() }
    return try decode(digits, values: standardValues)
  }

  /// Url-safe, without padding.
  ///
  /// - Throws: `.malformedEncoding`.
  package static func decodeURL(_ text: some StringProtocol) throws(CryptoError) -> [UInt8] {
    try decode(Array(text.utf8), values: urlSafeValues)
  }

  private static func values(of alphabet: [UInt8]) -> [UInt8] {
    var values = [UInt8](repeating: invalid, count: 256)
    for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
    return values
  }

  private static func encode(_ bytes: [UInt8], alphabet: [UInt8], isPadded: Bool) -> String {
    var digits: [UInt8] = []
    digits.reserveCapacity((bytes.count + 2) / 3 * 4)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for byte in bytes {
      bits = bits << 8 | UInt32(byte)
      bitCount += 8
      while bitCount >= 6 {
        bitCount -= 6
        digits.append(alphabet[Int(bits >> bitCount & 63)])
      }
    }
    if bitCount > 0 { digits.append(alphabet[Int(bits << (6 - bitCount) & 63)]) }
    while isPadded && digits.count % 4 != 0 { digits.append(padding) }
    return String(decoding: digits, as: UTF8.self)
  }

  private static func decode(
    _ digits: [UInt8], values: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    guard digits.count % 4 != 1 else { throw .malformedEncoding }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count * 3 / 4)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for digit in digits {
      let value = values[Int(digit)]
      guard value != invalid else { throw .malformedEncoding }
      bits = bits << 6 | UInt32(value)
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
      }
    }
    guard bits & ((1 << bitCount) - 1) == 0 else { throw .malformedEncoding }
    return bytes
  }
}

/// Hexadecimal, lower case when written, either case when read.
package enum Hex {
  package static func encode(_ bytes: [UInt8]) -> String {
    unsafe String(unsafeUninitializedCapacity: 2 * bytes.count) { text in
      for index in bytes.indices {
        unsafe text[2 * index] = digit(bytes[index] >> 4)
        unsafe text[2 * index + 1] = digit(bytes[index] & 15)
      }
      return 2 * bytes.count
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// - Throws: `.malformedEncoding` for an odd count or another character.
  package static func decode(_ text: some StringProtocol) throws(CryptoError) -> [UInt8] {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { throw .malformedEncoding }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
      bytes.append(try value(digits[index]) << 4 | value(digits[index + 1]))
    }
    return bytes
  }

  private static func value(_ digit: UInt8) throws(CryptoError) -> UInt8 {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: throw .malformedEncoding
    }
  }
}

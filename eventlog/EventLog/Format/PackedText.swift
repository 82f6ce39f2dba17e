/// A text that ends in 128 bits written out (request ids do), taken apart: the digits cost 16 bytes
/// instead of 26 or 36 that hardly compress.
enum PackedText {
  /// The low two bits of a text's code in the directory.
  enum Form: Int {
    case whole = 0
    /// Ends in a UUID in lower case.
    case uuid = 1
    /// Ends in 26 digits of Crockford's base 32 in lower case.
    case base32 = 2
  }

  private static let hexDigits = Array("0123456789abcdef".utf8)
  private static let base32Alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
  private static let uuidCount = 36
  private static let base32Count = 26
  private static let hexValues = values(of: hexDigits)
  private static let base32Values = values(of: base32Alphabet)

  /// 0xff: not a digit.
  private static func values(of digits: [UInt8]) -> [UInt8] {
    var values = [UInt8](repeating: 0xff, count: 256)
    for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
    return values
  }

  /// What comes before the digits, and their value; `unpack` gives back the same text.
  static func pack(_ text: String) -> (form: Form, prefix: String, value: UInt128) {
    let bytes = Array(text.utf8)
    if let value = uuid(bytes) { return (.uuid, prefix(bytes, uuidCount), value) }
    if let value = base32(bytes) { return (.base32, prefix(bytes, base32Count), value) }
    return (.whole, text, 0)
  }

  static func unpack(_ form: Form, prefix: [UInt8], value: UInt128) -> String {
    let high = UInt64(truncatingIfNeeded: value >> 64)
    let low = UInt64(truncatingIfNeeded: value)
    let digits: [UInt8]
    switch form {
    case .whole: digits = []
    case .uuid: digits = uuidDigits(high, low)
    case .base32: digits = base32Digits(high, low)
    }
    return String(decoding: prefix + digits, as: UTF8.self)
  }

  private static func uuidDigits(_ high: UInt64, _ low: UInt64) -> [UInt8] {
    var digits = [UInt8](repeating: 0x2d, count: uuidCount)
    var offset = 0
    for index in 0..<32 {
      if index == 8 || index == 12 || index == 16 || index == 20 { offset &+= 1 }
      let half = index < 16 ? high : low
      let nibble = (half &>> UInt64(60 &- 4 &* (index & 15))) & 15
      digits[offset] = hexDigits[Int(nibble)]
      offset &+= 1
    }
    return digits
  }

  private static func base32Digits(_ high: UInt64, _ low: UInt64) -> [UInt8] {
    var digits = [UInt8](repeating: 0, count: base32Count)
    var high = high
    var low = low
    for index in stride(from: base32Count - 1, through: 0, by: -1) {
      digits[index] = base32Alphabet[Int(low & 31)]
      low = low &>> 5 | high &<< 59
      high = high &>> 5
    }
    return digits
  }

  private static func prefix(_ bytes: [UInt8], _ digitCount: Int) -> String {
    String(decoding: bytes.dropLast(digitCount), as: UTF8.self)
  }

  private static func uuid(_ bytes: [UInt8]) -> UInt128? {
    guard bytes.count >= uuidCount else { return nil }
    let start = bytes.count - uuidCount
    var value: UInt128 = 0
    for index in 0..<uuidCount {
      let byte = bytes[start + index]
      if index == 8 || index == 13 || index == 18 || index == 23 {
        guard byte == 0x2d else { return nil }
        continue
      }
      let digit = hexValues[Int(byte)]
      guard digit < 16 else { return nil }
      value = value << 4 | UInt128(digit)
    }
    return value
  }

  private static func base32(_ bytes: [UInt8]) -> UInt128? {
    guard bytes.count >= base32Count else { return nil }
    let start = bytes.count - base32Count
    // 26 digits are 130 bits: the first one holds three.
    guard base32Values[Int(bytes[start])] < 8 else { return nil }
    var value: UInt128 = 0
    for byte in bytes[start...] {
      let digit = base32Values[Int(byte)]
      guard digit < 32 else { return nil }
      value = value << 5 | UInt128(digit)
    }
    return value
  }
}

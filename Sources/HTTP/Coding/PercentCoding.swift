/// Percent coding of URLs. Source: RFC 3986, section 2.
package enum PercentCoding {
  /// `text` with everything but letters, digits and `-._~` as `%XX` of its UTF-8 bytes: safe in any
  /// part of a URL.
  package static func encode(_ text: String) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      if isUnreserved(byte) { bytes.append(byte) } else { append(escaped: byte, to: &bytes) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The text that `encoded` stands for, or nil where a `%` has no two hexadecimal digits or the
  /// bytes are not UTF-8.
  package static func decode(_ encoded: some StringProtocol) -> String? {
    guard hasEscapes(encoded) else { return String(encoded) }
    let bytes = Array(encoded.utf8)
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if bytes[index] == 0x25 {
        guard let byte = escape(in: bytes, at: index) else { return nil }
        decoded.append(byte)
        index += 3
      } else {
        decoded.append(bytes[index])
        index += 1
      }
    }
    return String(validating: decoded, as: UTF8.self)
  }

  static func hasEscapes(_ text: some StringProtocol) -> Bool {
    text.utf8.withContiguousStorageIfAvailable { unsafe $0.contains(0x25) }
      ?? text.utf8.contains(0x25)
  }

  static func isUnreserved(_ byte: UInt8) -> Bool {
    ASCII.isLetter(byte) || ASCII.isDigit(byte) || "-._~".utf8.contains(byte)
  }

  static func append(escaped byte: UInt8, to bytes: inout [UInt8]) {
    let digits = Array("0123456789ABCDEF".utf8)
    bytes.append(0x25)
    bytes.append(digits[Int(byte >> 4)])
    bytes.append(digits[Int(byte & 15)])
  }

  /// The byte that the `%XX` at `index` stands for.
  static func escape(in bytes: [UInt8], at index: Int) -> UInt8? {
    guard index + 2 < bytes.count, let high = ASCII.hexValue(bytes[index + 1]),
      let low = ASCII.hexValue(bytes[index + 2])
    else { return nil }
    return high << 4 | low
  }
}

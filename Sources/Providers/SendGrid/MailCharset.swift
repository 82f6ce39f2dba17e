import Foundation

/// The character sets of mail, by the names that mails give them.
enum MailCharset {
  /// What `bytes` say in the charset of that name; in UTF-8 where nobody knows it, or they are none of it. A byte that no
  /// character stands for becomes U+FFFD.
  static func text(_ bytes: [UInt8], in name: String?) -> String {
    guard let encoding = name.flatMap(encoding) else {
      return String(decoding: bytes, as: UTF8.self)
    }
    if let text = String(bytes: bytes, encoding: encoding.value) { return text }
    guard encoding.isOfSingleBytes else { return String(decoding: bytes, as: UTF8.self) }
    return text(bytes, by: characters(of: encoding.value))
  }

  /// Each byte's character.
  private static func characters(of encoding: String.Encoding) -> [Unicode.Scalar] {
    (0...255).map { byte in
      String(bytes: [UInt8(byte)], encoding: encoding)?.unicodeScalars.first ?? "\u{FFFD}"
    }
  }

  /// Anybody may send a mail of many megabytes: nothing is made for a byte of its own.
  private static func text(_ bytes: [UInt8], by characters: [Unicode.Scalar]) -> String {
    var text = String.UnicodeScalarView()
    text.reserveCapacity(bytes.count)
    for byte in bytes { text.append(characters[Int(byte)]) }
    return String(text)
  }

  private struct Encoding {
    let value: String.Encoding
    var isOfSingleBytes = false
  }

  private static func encoding(_ name: String) -> Encoding? {
    let name = name.lowercased()
    if let found = ofSeveralBytes[name] { return found }
    if let number = ofSingleBytes[name] ?? numbered(name) {
      // Foundation's numbers for Core Foundation's encodings begin here.
      return Encoding(
        value: String.Encoding(rawValue: 0x8000_0000 | number), isOfSingleBytes: true)
    }
    return nil
  }

  private static let ofSeveralBytes: [String: Encoding] = [
    "utf-16": Encoding(value: .utf16), "utf-16le": Encoding(value: .utf16LittleEndian),
    "utf-16be": Encoding(value: .utf16BigEndian), "iso-2022-jp": Encoding(value: .iso2022JP),
    "shift_jis": Encoding(value: .shiftJIS), "shift-jis": Encoding(value: .shiftJIS),
    "euc-kr": coreFoundation(0x0422), "ks_c_5601-1987": coreFoundation(0x0422),
    "big5": coreFoundation(0x0A03),
    // One holds the other two.
    "gb2312": coreFoundation(0x0632), "gbk": coreFoundation(0x0632),
    "gb18030": coreFoundation(0x0632),
  ]

  private static func coreFoundation(_ number: UInt) -> Encoding {
    Encoding(value: String.Encoding(rawValue: 0x8000_0000 | number))
  }

  private static let ofSingleBytes: [String: UInt] = [
    // Whoever says one of these three means the last (WHATWG, Encoding, 4.2).
    "us-ascii": 0x0500, "iso-8859-1": 0x0500, "latin1": 0x0500,
    "koi8-r": 0x0A02, "koi8-u": 0x0A08, "tis-620": 0x041D,
  ]

  /// Source: CFStringEncodingExt.h, whose numbers of Windows' code pages begin with 1252, 1250, 1251.
  private static func numbered(_ name: String) -> UInt? {
    if name.hasPrefix("windows-125") || name.hasPrefix("cp125"),
      let digit = name.last?.wholeNumberValue
    {
      return switch digit {
      case 0: 0x0501
      case 1: 0x0502
      case 2: 0x0500
      case 3...8: 0x0500 + UInt(digit)
      default: nil
      }
    }
    guard name.hasPrefix("iso-8859-"), let part = UInt(name.dropFirst("iso-8859-".count)),
      (2...16).contains(part), part != 12
    else { return nil }
    return 0x0200 + part
  }
}

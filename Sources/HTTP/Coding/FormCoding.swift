/// One name and value of a query string or a form. Names may repeat; order counts.
package struct QueryItem: Sendable, Equatable {
  package let name: String
  package let value: String

  package init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}

/// `application/x-www-form-urlencoded`, as forms, query strings and Twilio's API write it.
/// Source: WHATWG URL, section 5.
package enum FormCoding {
  package static let contentType = "application/x-www-form-urlencoded"

  /// The items in `text`, in order. Total, as the standard asks: a `%` without two digits stands for
  /// itself, and bytes that are not UTF-8 become U+FFFD.
  package static func decode(_ text: some StringProtocol) -> [QueryItem] {
    decode(bytes: Array(text.utf8))
  }

  package static func decode(bytes: [UInt8]) -> [QueryItem] {
    bytes.split(separator: UInt8(ascii: "&")).map { pair in
      let name = pair.prefix { $0 != UInt8(ascii: "=") }
      return QueryItem(name: text(of: name), value: text(of: pair.dropFirst(name.count + 1)))
    }
  }

  package static func encode(_ items: [QueryItem]) -> String {
    items.map { "\(encode($0.name))=\(encode($0.value))" }.joined(separator: "&")
  }

  private static func encode(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x20: bytes.append(UInt8(ascii: "+"))
      case _ where ASCII.isLetter(byte) || ASCII.isDigit(byte) || "*-._".utf8.contains(byte):
        bytes.append(byte)
      default: PercentCoding.append(escaped: byte, to: &bytes)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func text(of encoded: ArraySlice<UInt8>) -> String {
    let bytes = Array(encoded)
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), let byte = PercentCoding.escape(in: bytes, at: index) {
        decoded.append(byte)
        index += 3
      } else {
        decoded.append(bytes[index] == UInt8(ascii: "+") ? 0x20 : bytes[index])
        index += 1
      }
    }
    return String(decoding: decoded, as: UTF8.self)
  }
}

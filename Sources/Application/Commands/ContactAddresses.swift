import Domain

/// The normal forms of what contacts are reached at.
package enum ContactAddresses {
  /// - Throws: `invalid`.
  package static func e164(
    _ raw: String, _ numbers: any NumberingPlan
  ) throws(CommandError) -> String {
    guard let phone = numbers.e164(raw) else {
      throw .invalid(
        field: "phone", code: "invalid_phone",
        message: "Not a phone number. Use E.164 such as +13055550123, "
          + "or a US number with its area code.")
    }
    return phone
  }

  /// - Throws: `invalid`.
  package static func email(_ raw: String) throws(CommandError) -> String {
    let text = raw.trimmingBlanks()
    guard isPlausible(Array(text.utf8)), hasPlainSigns(text) else {
      throw .invalid(
        field: "email", code: "invalid_email",
        message: "Not an email address: it needs a name, one @ and a domain.")
    }
    return text
  }

  /// An address as addresses of `channel` are compared.
  ///
  /// - Throws: `invalid`.
  package static func key(
    _ raw: String, on channel: Channel, _ numbers: any NumberingPlan
  ) throws(CommandError) -> String {
    channel == .email ? channel.key(try email(raw)) : try e164(raw, numbers)
  }

  /// A name, one @ and a domain with a dot inside; at most 254 bytes.
  private static func isPlausible(_ text: [UInt8]) -> Bool {
    let (sign, dot) = (UInt8(ascii: "@"), UInt8(ascii: "."))
    guard text.count <= 254, let place = text.firstIndex(of: sign), place > 0 else { return false }
    let domain = text[(place + 1)...]
    return domain.first != dot && domain.last != dot && domain.contains(dot)
      && !domain.contains(sign)
  }

  /// No blanks, and no mark on an @ or a dot, which would make another character of it.
  ///
  /// Characters are only looked at where there is more than ASCII: it takes long to tell them apart.
  private static func hasPlainSigns(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.allSatisfy({ $0 < 0x80 }) else {
      let signs = bytes.count { $0 == UInt8(ascii: "@") || $0 == UInt8(ascii: ".") }
      return !text.contains { $0.isWhitespace } && text.count { $0 == "@" || $0 == "." } == signs
    }
    return !bytes.contains { $0 == 0x20 || (0x09...0x0d).contains($0) }
  }
}

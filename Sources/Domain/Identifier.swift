/// A sortable id with a prefix that says what it names: `con_01JD3X…` (prefix, then 26 characters of
/// Crockford base32 in lower case). 48 bits of milliseconds lead, so ids sort by creation.
package struct Identifier: Hashable, Sendable, Codable {
  package enum Kind: String, Sendable, CaseIterable, Codable {
    case org = "acc"
    case user = "usr"
    case apiKey = "key"
    case role = "rol"
    case contact = "con"
    case message = "msg"
    case wallet = "wal"
    case campaign = "cmp"
    case segment = "seg"
    case workflow = "wf"
    case run = "run"
    case timer = "tmr"
    case webhookEndpoint = "whk"
    case inboundHook = "hook"
    case importJob = "job"
    case template = "tpl"
    case payment = "pay"
    case auditExport = "exp"
    /// The erasure of the contact with the same value.
    case erasure = "ers"
    case event = "evt"
    case request = "req"
  }

  package let kind: Kind
  // Two halves, not one UInt128: an async closure that captures several values aligned to 16 bytes
  // calls through a null pointer (Swift 6.3.1).
  private let high: UInt64
  private let low: UInt64

  package var value: UInt128 { UInt128(high) << 64 | UInt128(low) }

  package init(_ kind: Kind, _ value: UInt128) {
    self.kind = kind
    high = UInt64(truncatingIfNeeded: value >> 64)
    low = UInt64(truncatingIfNeeded: value)
  }

  /// An id of `kind` for `millis` since 1970, with 80 bits that the caller drew at random.
  package init(_ kind: Kind, millis: Int64, random: UInt128) {
    let randomBits = random & ((1 << 80) - 1)
    self.init(kind, UInt128(truncatingIfNeeded: millis) << 80 | randomBits)
  }

  /// nil where `text` is not an id.
  package init?(_ text: String) {
    guard let underscore = text.utf8.lastIndex(of: UInt8(ascii: "_")),
      let kind = Kind(rawValue: String(text[..<underscore])),
      let value = Base32.decode(text.utf8[text.utf8.index(after: underscore)...])
    else { return nil }
    self.init(kind, value)
  }

  /// nil where `text` is not an id of `kind`.
  package init?(_ text: String, kind: Kind) {
    self.init(text)
    guard self.kind == kind else { return nil }
  }

  package var text: String {
    let prefix = kind.rawValue.utf8
    return unsafe String(unsafeUninitializedCapacity: prefix.count + 1 + Base32.length) { bytes in
      var next = 0
      for byte in prefix {
        unsafe bytes[next] = byte
        next += 1
      }
      unsafe bytes[next] = UInt8(ascii: "_")
      unsafe Base32.write(high, low, to: UnsafeMutableBufferPointer(rebasing: bytes[(next + 1)...]))
      return next + 1 + Base32.length
    }
  }

  /// The lower half is random: the rest would make every look-up dearer, and tell nothing apart.
  package func hash(into hasher: inout Hasher) { hasher.combine(low) }
}

extension Identifier: Comparable {
  package static func < (left: Identifier, right: Identifier) -> Bool {
    guard left.kind == right.kind else { return left.kind.rawValue < right.kind.rawValue }
    return (left.high, left.low) < (right.high, right.low)
  }
}

extension Identifier: CustomStringConvertible {
  package var description: String { text }
}

/// 128 bits as 26 characters: Crockford's alphabet in lower case, most significant first.
package enum Base32 {
  static let length = 26

  package static func encode(_ value: UInt128) -> String {
    unsafe String(unsafeUninitializedCapacity: length) { bytes in
      unsafe write(
        UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value), to: bytes)
      return length
    }
  }

  /// Writes the `length` characters of the number whose halves are `high` and `low`.
  static func write(
    _ high: UInt64, _ low: UInt64, to characters: UnsafeMutableBufferPointer<UInt8>
  ) {
    var (high, low) = (high, low)
    for place in (0..<length).reversed() {
      unsafe characters[place] = alphabet.utf8Start[Int(truncatingIfNeeded: low & 31)]
      low = low >> 5 | high << 59
      high >>= 5
    }
  }

  /// Without i, l, o and u.
  private static let alphabet: StaticString = "0123456789abcdefghjkmnpqrstvwxyz"

  /// nil where the text is not 26 characters of the alphabet or exceeds 128 bits.
  package static func decode(_ text: some Collection<UInt8>) -> UInt128? {
    guard text.count == 26, let first = text.first, first <= UInt8(ascii: "7") else { return nil }
    var value: UInt128 = 0
    for byte in text {
      guard let digit = digit(byte) else { return nil }
      value = value << 5 | UInt128(digit)
    }
    return value
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "h"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "j"), UInt8(ascii: "k"): byte - UInt8(ascii: "j") + 18
    case UInt8(ascii: "m"), UInt8(ascii: "n"): byte - UInt8(ascii: "m") + 20
    case UInt8(ascii: "p")...UInt8(ascii: "t"): byte - UInt8(ascii: "p") + 22
    case UInt8(ascii: "v")...UInt8(ascii: "z"): byte - UInt8(ascii: "v") + 27
    default: nil
    }
  }
}

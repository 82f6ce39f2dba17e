import Crypto
import Domain

/// What our links in emails carry: which message, which link, and a code that nobody else can make.
///
/// A token is base64url of: kind (1 byte), org (16), message (16), index (2), and the first 16 bytes of
/// HMAC-SHA256 over those.
package struct LinkTokens: Sendable {
  package enum Kind: UInt8, Sendable {
    case open = 1
    case click = 2
    case unsubscribe = 3
  }

  package struct Link: Sendable, Equatable {
    package let kind: Kind
    package let org: Identifier
    package let message: Identifier
    /// The link's place in the HTML text, from 0.
    package let index: Int

    package init(_ kind: Kind, _ org: Identifier, _ message: Identifier, index: Int = 0) {
      self.kind = kind
      self.org = org
      self.message = message
      self.index = index
    }
  }

  private static let codeByteCount = 16
  private static let linkByteCount = 35
  private let secret: [UInt8]

  package init(secret: [UInt8]) { self.secret = secret }

  /// A key that follows from the same secret, and is another one for each purpose. `purpose` begins with a letter, which
  /// no link does.
  package func key(for purpose: String) -> [UInt8] {
    HMACSHA256.authenticate(Array(purpose.utf8), key: secret)
  }

  package func token(_ link: Link) -> String {
    precondition((0...0xFFFF).contains(link.index), "an email has fewer links")
    let bytes =
      [link.kind.rawValue] + Self.bytes(link.org.value) + Self.bytes(link.message.value)
      + [UInt8(link.index >> 8), UInt8(link.index & 0xFF)]
    return Base64.encodeURL(bytes + code(of: bytes))
  }

  /// nil where the token is none of ours, or of another kind.
  package func link(_ kind: Kind, in token: String) -> Link? {
    guard let bytes = try? Base64.decodeURL(token),
      bytes.count == Self.linkByteCount + Self.codeByteCount
    else { return nil }
    let named = Array(bytes[..<Self.linkByteCount])
    guard constantTimeEqual(Array(bytes[Self.linkByteCount...]), code(of: named)),
      named[0] == kind.rawValue
    else { return nil }
    return Link(
      kind, Identifier(.org, Self.value(named[1..<17])),
      Identifier(.message, Self.value(named[17..<33])),
      index: Int(named[33]) << 8 | Int(named[34]))
  }

  private func code(of bytes: [UInt8]) -> [UInt8] {
    Array(HMACSHA256.authenticate(bytes, key: secret).prefix(Self.codeByteCount))
  }

  private static func bytes(_ value: UInt128) -> [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: value >> UInt128((15 - $0) * 8)) }
  }

  private static func value(_ bytes: ArraySlice<UInt8>) -> UInt128 {
    bytes.reduce(0) { $0 << 8 | UInt128($1) }
  }
}

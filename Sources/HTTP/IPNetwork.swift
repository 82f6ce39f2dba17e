/// An address or a network in CIDR notation: `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`.
package struct IPNetwork: Sendable, Equatable {
  private let prefix: [UInt8]
  private let bitCount: Int

  /// nil where `text` is neither.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let address = SocketAddress.bytes(text: String(parts[0])) else {
      return nil
    }
    prefix = address
    guard parts.count == 2 else {
      bitCount = address.count * 8
      return
    }
    guard let bits = Int(parts[1]), (0...address.count * 8).contains(bits) else { return nil }
    bitCount = bits
  }

  /// Whether `address`, as in `HTTPRequest.remoteAddress`, is in it.
  package func contains(_ address: String) -> Bool {
    guard let bytes = SocketAddress.bytes(text: address), bytes.count == prefix.count else {
      return false
    }
    for bit in 0..<bitCount {
      let mask = UInt8(0x80) >> UInt8(bit % 8)
      guard (bytes[bit / 8] ^ prefix[bit / 8]) & mask == 0 else { return false }
    }
    return true
  }
}

/// Where a message of an account in test mode would arrive.
package enum TestReach: String, Sendable, CaseIterable, Codable {
  /// The provider is a simulator on this machine: nobody is behind any address.
  case simulator
  /// The address is set aside for tests.
  case reserved
  /// Somebody.
  case person

  package init(_ address: String, on channel: Channel, providerURL: String) {
    if Self.isLoopback(providerURL) {
      self = .simulator
    } else {
      let isReserved = channel == .email ? Self.isTestMailbox(address) : Self.isTestNumber(address)
      self = isReserved ? .reserved : .person
    }
  }

  static func isLoopback(_ url: String) -> Bool {
    guard let start = url.firstRange(of: "://")?.upperBound else { return false }
    let authority = url[start...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    // What stands before an @ is a user, not a host.
    guard !authority.contains("@") else { return false }
    if authority.hasPrefix("[") { return authority.hasPrefix("[::1]") }
    let host = authority.prefix { $0 != ":" }
    if host == "localhost" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// 555-0100 to 555-0199 of every area code are kept for fiction (ATIS-0300115); +1 500 555 0000 to
  /// 0009 are Twilio's magic numbers.
  static func isTestNumber(_ address: String) -> Bool {
    let digits = Array(address.utf8)
    guard address.hasPrefix("+1"), digits.count == 12 else { return false }
    return address.hasPrefix("+1500555000") || address.dropFirst(5).hasPrefix("55501")
  }

  /// RFC 2606 and RFC 6761.
  static func isTestMailbox(_ address: String) -> Bool {
    let labels = address.lowercased().split(separator: "@").last?.split(separator: ".") ?? []
    guard let top = labels.last else { return false }
    if ["test", "example", "invalid", "localhost"].contains(top) { return true }
    return labels.count > 1 && labels[labels.count - 2] == "example"
      && ["com", "net", "org"].contains(top)
  }
}

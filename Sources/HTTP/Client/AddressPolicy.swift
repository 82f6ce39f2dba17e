/// Which addresses a client connects to, whatever the host's name resolves to. Asked for each connection, with the
/// very address that it then goes to: what a name resolves to a moment later is another connection's matter.
package struct AddressPolicy: Sendable {
  /// 4 or 16 bytes in network order; nil: of another family.
  private let isAllowed: @Sendable ([UInt8]?) -> Bool
  /// One service that may be reached besides.
  private var service: (address: [UInt8], port: Int)?

  package init(_ isAllowed: @escaping @Sendable ([UInt8]?) -> Bool) { self.isAllowed = isAllowed }

  package static let any = AddressPolicy { _ in true }
  /// Our own network too, but not those who can be reached on one link alone: machines of a cloud are told their
  /// credentials there, by whoever asks (169.254.169.254). Nor the addresses beside them that clouds do this at.
  package static let anyButLinkLocal = AddressPolicy { address in
    guard let address else { return true }
    return !isLinkLocal(address)
  }
  /// Only addresses of the public Internet: for URLs that strangers choose, which must not reach our
  /// own network.
  package static let publicOnly = AddressPolicy { address in
    guard let address else { return false }
    return address.count == 4 ? isPublicV4(address) : isPublicV6(address)
  }

  /// The same, and one service at `address`, 4 or 16 bytes in network order.
  package func admitting(_ address: [UInt8], port: Int) -> AddressPolicy {
    var policy = self
    policy.service = (address, port)
    return policy
  }

  /// Whether `address`, 4 or 16 bytes in network order, may be connected to.
  package func allows(_ address: [UInt8]?, port: Int? = nil) -> Bool {
    if let service, service.address == address, service.port == port { return true }
    return isAllowed(address)
  }

  private struct Range {
    let prefix: [UInt8]
    let bitCount: Int

    func contains(_ address: [UInt8]) -> Bool {
      for bit in 0..<bitCount {
        let mask = UInt8(0x80) >> UInt8(bit % 8)
        guard (prefix[bit / 8] ^ address[bit / 8]) & mask == 0 else { return false }
      }
      return true
    }
  }

  /// Source: IANA IPv4 Special-Purpose Address Registry; multicast and class E added.
  private static let specialV4 = [
    Range(prefix: [0], bitCount: 8), Range(prefix: [10], bitCount: 8),
    Range(prefix: [100, 64], bitCount: 10), Range(prefix: [127], bitCount: 8),
    Range(prefix: [169, 254], bitCount: 16), Range(prefix: [172, 16], bitCount: 12),
    Range(prefix: [192, 0, 0], bitCount: 24), Range(prefix: [192, 0, 2], bitCount: 24),
    Range(prefix: [192, 88, 99], bitCount: 24), Range(prefix: [192, 168], bitCount: 16),
    Range(prefix: [198, 18], bitCount: 15), Range(prefix: [198, 51, 100], bitCount: 24),
    Range(prefix: [203, 0, 113], bitCount: 24), Range(prefix: [224], bitCount: 3),
    // Public in form alone: Azure's machines are told of themselves there.
    azureWireServer,
  ]

  private static let azureWireServer = Range(prefix: [168, 63, 129, 16], bitCount: 32)
  /// Beside the link-local ones. Source: the manuals of Azure and Alibaba Cloud, and of Amazon EC2 and Google Cloud.
  private static let metadataV4 = [
    azureWireServer, Range(prefix: [100, 100, 100, 200], bitCount: 32),
  ]
  private static let metadataV6 = [
    Range(prefix: [0xfd, 0x00, 0x0e, 0xc2], bitCount: 32),
    Range(prefix: [0xfd, 0x20, 0x00, 0xce], bitCount: 32),
  ]

  /// Within 2000::/3. Source: IANA IPv6 Special-Purpose Address Registry.
  private static let specialV6 = [
    Range(prefix: [0x20, 0x01, 0x00], bitCount: 23),
    Range(prefix: [0x20, 0x01, 0x0d, 0xb8], bitCount: 32),
    Range(prefix: [0x3f, 0xff, 0x00], bitCount: 20),
  ]

  private static let linkLocalV4 = Range(prefix: [169, 254], bitCount: 16)
  private static let linkLocalV6 = Range(prefix: [0xfe, 0x80], bitCount: 10)
  private static let globalUnicast = Range(prefix: [0x20], bitCount: 3)
  private static let mappedV4 = Range(
    prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], bitCount: 96)
  private static let translatedV4 = Range(
    prefix: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], bitCount: 96)
  private static let sixToFour = Range(prefix: [0x20, 0x02], bitCount: 16)

  private static func isLinkLocal(_ address: [UInt8]) -> Bool {
    guard address.count == 16 else {
      return linkLocalV4.contains(address) || metadataV4.contains { $0.contains(address) }
    }
    if mappedV4.contains(address) || translatedV4.contains(address) {
      return isLinkLocal(Array(address[12...]))
    }
    if sixToFour.contains(address) { return isLinkLocal(Array(address[2..<6])) }
    return linkLocalV6.contains(address) || metadataV6.contains { $0.contains(address) }
  }

  private static func isPublicV4(_ address: [UInt8]) -> Bool {
    !specialV4.contains { $0.contains(address) }
  }

  private static func isPublicV6(_ address: [UInt8]) -> Bool {
    guard address.count == 16 else { return false }
    if mappedV4.contains(address) || translatedV4.contains(address) {
      return isPublicV4(Array(address[12...]))
    }
    if sixToFour.contains(address) { return isPublicV4(Array(address[2..<6])) }
    return globalUnicast.contains(address) && !specialV6.contains { $0.contains(address) }
  }
}

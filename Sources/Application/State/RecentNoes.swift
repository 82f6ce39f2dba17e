import Domain

/// When the noes of the last weeks were said: a yes that is found late, on a provider's list, takes none back that came
/// after it.
struct RecentNoes: Codable {
  private var byAddress: [DispatchQueueIndex.Address: Micros] = [:]
  private var byContact: [Identifier: Micros] = [:]
  /// The text that was found on a provider's list last, and when it was sent: what it says was said then.
  private var listed: Listed?
  private var cleanedAtMicros: Micros = 0

  private struct Listed: Codable {
    let message: Identifier
    let atMicros: Micros
  }

  /// Longer than a look goes back (`TextLook.longestMicros`).
  private static let lengthMicros: Int64 = 31 * 86_400_000_000

  /// What came, at `atMicros` by the org's clock, which is `offsetMicros` ahead. The second no of who said it before is on
  /// record there alone.
  mutating func note(
    _ inbound: InboundMessage, _ message: Identifier, atMicros: Micros, offsetMicros: Int64
  ) {
    listed = inbound.sentAtMicros.map { Listed(message: message, atMicros: $0 - offsetMicros) }
    guard inbound.mayBeNo else { return }
    note(
      address: inbound.content.value.map { .init($0.address, inbound.channel) },
      contact: inbound.contact, message: message, atMicros: atMicros - offsetMicros)
  }

  /// A no, at an address or of a person, that was recorded at `atMicros` (real time). `message`: the text that said it.
  mutating func note(
    address: DispatchQueueIndex.Address? = nil, contact: Identifier? = nil,
    message: Identifier? = nil, atMicros: Micros
  ) {
    clean(atMicros)
    let saidMicros: Micros
    if let listed, listed.message == message {
      saidMicros = listed.atMicros
    } else {
      // By the provider's clock it may have been later: what is in doubt is a no.
      saidMicros = atMicros + OrgExecutor.lookBackMicros
    }
    if let address { byAddress[address] = max(byAddress[address] ?? .min, saidMicros) }
    if let contact { byContact[contact] = max(byContact[contact] ?? .min, saidMicros) }
  }

  /// Whether one was said at `sinceMicros` or later.
  func hasAny(
    at address: DispatchQueueIndex.Address, of contacts: [Identifier], sinceMicros: Micros
  ) -> Bool {
    (byAddress[address] ?? .min) >= sinceMicros
      || contacts.contains { (byContact[$0] ?? .min) >= sinceMicros }
  }

  private mutating func clean(_ nowMicros: Micros) {
    guard nowMicros - cleanedAtMicros >= 86_400_000_000 else { return }
    cleanedAtMicros = nowMicros
    byAddress = byAddress.filter { $0.value >= nowMicros - Self.lengthMicros }
    byContact = byContact.filter { $0.value >= nowMicros - Self.lengthMicros }
  }
}

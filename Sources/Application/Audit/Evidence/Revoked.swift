import Domain
import EventCodec

/// Whom a revocation is about: others' messages and consents, which may stand in the same evidence of a number, say nothing
/// of it.
struct Revoked {
  let channel: Channel
  /// With which the person said it; nil where it came otherwise.
  let message: Identifier?
  /// Where it is one of a list.
  private let entry: Suppression?
  /// nil where it is an entry of a list: it is about whoever has the address.
  private let contact: Identifier?
  /// As addresses are compared. nil where nobody can read it any more, or where the person had none.
  private let address: String?

  /// nil where the event is none. `holders`: as they were before it.
  init?(_ event: RecordedDomainEvent, holders: AddressHolders) {
    switch event.event {
    case .contact(.optedOut(let optOut)):
      (channel, message, entry) = (optOut.channel, optOut.message, nil)
      contact = event.stream
      // The one that it was said from: theirs may be another by then.
      address =
        optOut.address.value.map(optOut.channel.key)
        ?? holders.address(of: event.stream, optOut.channel)
    case .org(.suppressed(let listed)):
      (channel, message, entry) = (listed.channel, nil, listed)
      (contact, address) = (nil, listed.address.value.map(listed.channel.key))
    default: return nil
    }
  }

  func isTakenOff(by lifted: Suppression) -> Bool {
    guard let entry else { return false }
    return lifted.list == entry.list && lifted.channel == entry.channel
      && lifted.address == entry.address
  }

  /// Whether a message is one that it forbids. Where its address cannot be read any more, it may be.
  func isMeant(_ plan: MessagePlan) -> Bool {
    guard plan.channel == channel else { return false }
    if plan.contact == contact { return true }
    guard let sentTo = plan.content.value?.address else { return contact == nil }
    return address.map { $0 == channel.key(sentTo) } ?? (contact == nil)
  }

  /// Whether a consent ends it: of the same person, or of whoever has the address by then.
  func isTakenBack(by consent: Consent, of person: Identifier, _ holders: AddressHolders) -> Bool {
    guard consent.channel == channel else { return false }
    return person == contact || address != nil && holders.address(of: person, channel) == address
  }
}

/// Who has which number and mailbox, as far as their events tell.
struct AddressHolders {
  private var phones: [Identifier: String] = [:]
  private var emails: [Identifier: String] = [:]

  mutating func learn(_ event: RecordedDomainEvent) {
    guard case .contact(let change) = event.event else { return }
    switch change {
    case .created(let details, _):
      phones[event.stream] = details.value?.phone
      emails[event.stream] = details.value?.email
    case .updated(_, let changes):
      for change in changes.value ?? [] {
        let text: String? = if case .text(let text) = change.value { text } else { nil }
        if change.field == "phone" { phones[event.stream] = text }
        if change.field == "email" { emails[event.stream] = text }
      }
    default: break
    }
  }

  /// As addresses are compared.
  func address(of contact: Identifier, _ channel: Channel) -> String? {
    (channel == .email ? emails[contact] : phones[contact]).map(channel.key)
  }
}

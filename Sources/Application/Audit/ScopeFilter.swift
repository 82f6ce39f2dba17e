import Domain
import EventCodec
import EventLog

/// Which events of an org's book a scope is about. Asked in the order of the book: what belongs to a
/// contact or a campaign is learnt on the way.
struct ScopeFilter {
  private let scope: AuditScope
  private let contacts: Set<Identifier>
  private let addresses: Set<DispatchQueueIndex.Address>
  private var messages: Set<Identifier> = []
  private var runs: Set<Identifier> = []

  /// `contacts`: whom the scope is about. `addresses`: where they are or were reached, on the lists of the account
  /// perhaps long before anybody had them.
  init(
    _ scope: AuditScope, contacts: Set<Identifier>,
    addresses: Set<DispatchQueueIndex.Address>
  ) {
    self.scope = scope
    self.contacts = contacts
    self.addresses = addresses
    if case .message(let message) = scope { messages = [message] }
  }

  mutating func matches(_ recorded: RecordedEvent) throws(CommandError) -> Bool {
    switch scope {
    case .account: return true
    case .period(let fromMicros, let untilMicros):
      return recorded.recordedAtMicros >= fromMicros && recorded.recordedAtMicros < untilMicros
    case .contact, .message, .campaign, .number:
      // A type that this program does not know names nobody that it knows of.
      guard EventCodec.knows(recorded.type) else { return false }
      let event = try StreamFold.decode(recorded)
      return matches(event.event, of: event.stream)
    }
  }

  private mutating func matches(_ event: DomainEvent, of stream: Identifier) -> Bool {
    switch event {
    case .contact: return contacts.contains(stream)
    case .message(let change):
      learn(change, of: stream)
      return messages.contains(stream)
    case .run(let change):
      if case .started(_, _, let contact, _) = change, isAboutContacts, contacts.contains(contact) {
        runs.insert(stream)
      }
      return runs.contains(stream)
    case .campaign:
      guard case .campaign(let campaign) = scope else { return false }
      return stream == campaign
    case .org(.suppressed(let entry)), .org(.unsuppressed(let entry)):
      return entry.address.value.map { addresses.contains(.init($0, entry.channel)) } ?? false
    default:
      // What belongs to the account as a whole is in exports of the account.
      return false
    }
  }

  private var isAboutContacts: Bool {
    switch scope {
    case .contact, .number: true
    case .account, .message, .campaign, .period: false
    }
  }

  private mutating func learn(_ change: Message.Event, of message: Identifier) {
    switch change {
    case .planned(let plan):
      let isOfCampaign =
        if case .campaign(let campaign) = scope { plan.campaign == campaign } else { false }
      if isOfCampaign || (isAboutContacts && contacts.contains(plan.contact)) {
        messages.insert(message)
      }
    case .received(let inbound):
      if isAboutContacts, contacts.contains(inbound.contact) { messages.insert(message) }
    default:
      // Only these two name a contact or a campaign.
      break
    }
  }
}

import Domain
import EventCodec
import EventLog

/// Which events of an org's book a scope is about. Asked in the order of the book: what belongs to a
/// contact or a campaign is learnt on the way.
struct ScopeFilter {
  private let scope: AuditScope
  private let contacts: Set<Identifier>
  private var messages: Set<Identifier> = []
  private var runs: Set<Identifier> = []

  /// `messageContact`: whom the message is to or from, where the scope is one message.
  init(_ scope: AuditScope, messageContact: Identifier? = nil) {
    self.scope = scope
    switch scope {
    case .contact(let contact): contacts = [contact]
    case .number(let all): contacts = Set(all)
    case .message(let message):
      contacts = messageContact.map { [$0] } ?? []
      messages = [message]
    case .account, .campaign, .period: contacts = []
    }
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

import Domain
import EventCodec
import EventLog

/// Proves over the log itself what may never happen: a message handed out after its address said no,
/// a wallet below zero, a campaign that does not add up. Reads events in order and keeps what it
/// needs; knows nothing of the code that wrote them.
package struct RuleVerifier {
  package struct Violation: Equatable, Sendable {
    package let position: UInt64
    /// `intent_after_opt_out`, `wallet_negative`, `wallet_not_conserved`, `campaign_not_conserved`,
    /// `verdict_missing`.
    package let rule: String
    package let subject: Identifier
  }

  package private(set) var violations: [Violation] = []
  package private(set) var eventCount: UInt64 = 0
  /// Intents that were checked: messages queued or handed out.
  package private(set) var intentCount: UInt64 = 0
  package private(set) var optOutCount: UInt64 = 0

  private var orgs: [Identifier: OrgBook] = [:]

  package init() {}

  package mutating func check(_ event: RecordedDomainEvent) {
    eventCount += 1
    var book = orgs.removeValue(forKey: event.org) ?? OrgBook()
    defer { orgs[event.org] = book }
    switch event.event {
    case .contact(let change): check(change, event, &book)
    case .message(let change): check(change, event, &book)
    case .wallet(let change): check(change, event, &book)
    case .campaign(let change): check(change, event, &book)
    case .org, .user, .apiKey, .role, .segment, .workflow, .run, .timer, .webhookEndpoint,
      .importJob,
      .template, .payment:
      break
    }
  }

  private mutating func report(_ rule: String, _ event: RecordedDomainEvent) {
    violations.append(Violation(position: event.position, rule: rule, subject: event.stream))
  }

  /// What one org's events add up to, as far as the rules need it.
  private struct OrgBook {
    /// Addresses, and contacts, that said no per channel.
    var optedOutAddresses: [Channel: Set<String>] = [:]
    var optedOutContacts: [Channel: Set<Identifier>] = [:]
    /// Messages that did not come to an end.
    var messages: [Identifier: OpenMessage] = [:]
    var campaigns: [Identifier: CampaignBook] = [:]
    var balanceMicros: Int64 = 0
    var holds: [Identifier: Int64] = [:]
    var heldMicros: Int64 = 0
  }

  private struct OpenMessage {
    let contact: Identifier
    let channel: Channel
    let address: String?
    let campaign: Identifier?
    var status: Message.Status
  }

  private struct CampaignBook {
    var plannedCount = 0
    var endedCount = 0
  }
}

// MARK: - Consent

extension RuleVerifier {
  private mutating func check(
    _ change: Contact.Event, _ event: RecordedDomainEvent, _ book: inout OrgBook
  ) {
    switch change {
    case .optedOut(let optOut):
      optOutCount += 1
      book.optedOutContacts[optOut.channel, default: []].insert(event.stream)
      if let address = optOut.address.value, !address.isEmpty {
        book.optedOutAddresses[optOut.channel, default: []].insert(optOut.channel.key(address))
      }
    case .optedIn(let consent):
      book.optedOutContacts[consent.channel]?.remove(event.stream)
      if let address = consent.evidence.value?.address {
        book.optedOutAddresses[consent.channel]?.remove(consent.channel.key(address))
      }
    case .created, .updated, .tagged, .untagged, .optOutSuspected, .optOutDismissed:
      break
    }
  }

  private mutating func check(
    _ change: Message.Event, _ event: RecordedDomainEvent, _ book: inout OrgBook
  ) {
    switch change {
    case .planned(let plan):
      book.messages[event.stream] = OpenMessage(
        contact: plan.contact, channel: plan.channel,
        address: plan.content.value.map { plan.channel.key($0.address) },
        campaign: plan.campaign, status: .planned)
    case .queued(let verdict, _), .dispatched(_, let verdict):
      checkIntent(verdict, event, book)
      move(event.stream, to: .queued, &book)
    case .held: move(event.stream, to: .held, &book)
    case .skipped: move(event.stream, to: .skipped, &book)
    case .sent: move(event.stream, to: .sent, &book)
    case .delivered: move(event.stream, to: .delivered, &book)
    case .failed: move(event.stream, to: .failed, &book)
    case .cancelled: move(event.stream, to: .cancelled, &book)
    case .callEnded(let result, _):
      move(event.stream, to: result.wasAnswered ? .delivered : .failed, &book)
    case .accepted, .retryScheduled, .unknown, .received, .opened, .clicked, .complained:
      break
    }
  }

  private mutating func checkIntent(
    _ verdict: Verdict, _ event: RecordedDomainEvent, _ book: OrgBook
  ) {
    intentCount += 1
    if !verdict.isAllowed { report("verdict_missing", event) }
    guard let message = book.messages[event.stream] else { return }
    let isRevoked =
      message.address.map { book.optedOutAddresses[message.channel]?.contains($0) == true } == true
      || book.optedOutContacts[message.channel]?.contains(message.contact) == true
    if isRevoked { report("intent_after_opt_out", event) }
  }

  /// Keeps a campaign's count of ended recipients; drops messages that nothing can follow.
  private func move(_ id: Identifier, to status: Message.Status, _ book: inout OrgBook) {
    guard var message = book.messages[id] else { return }
    if let campaign = message.campaign, message.status.isEnded != status.isEnded {
      book.campaigns[campaign]?.endedCount += status.isEnded ? 1 : -1
    }
    message.status = status
    let isOver = status == .failed || status == .skipped || status == .cancelled
    book.messages[id] = isOver ? nil : message
  }
}

// MARK: - Conservation

extension RuleVerifier {
  private mutating func check(
    _ change: Wallet.Event, _ event: RecordedDomainEvent, _ book: inout OrgBook
  ) {
    switch change {
    case .opened, .waived:
      break
    case .funded(let amountMicros, _, _):
      book.balanceMicros += amountMicros
    case .refunded(_, let charge):
      book.balanceMicros += charge.amountMicros
    case .held(let message, let amountMicros):
      if book.holds.updateValue(amountMicros, forKey: message) != nil {
        report("wallet_not_conserved", event)
      }
      book.heldMicros += amountMicros
    case .settled(let message, let charge):
      let held = book.holds.removeValue(forKey: message)
      if (held ?? 0) < charge.amountMicros { report("wallet_not_conserved", event) }
      book.heldMicros -= held ?? 0
      book.balanceMicros -= charge.amountMicros
    case .released(let message, let amountMicros):
      if book.holds.removeValue(forKey: message) != amountMicros {
        report("wallet_not_conserved", event)
      }
      book.heldMicros -= amountMicros
    case .debited(let charge):
      book.balanceMicros -= charge.amountMicros
    }
    if book.heldMicros > book.balanceMicros || book.balanceMicros < 0 {
      report("wallet_negative", event)
    }
  }

  private mutating func check(
    _ change: Campaign.Event, _ event: RecordedDomainEvent, _ book: inout OrgBook
  ) {
    switch change {
    case .launched(_, let plannedCount):
      book.campaigns[event.stream] = CampaignBook(plannedCount: plannedCount)
    case .completed(let outcome):
      guard let campaign = book.campaigns.removeValue(forKey: event.stream) else { return }
      if outcome.endedCount != campaign.plannedCount
        || campaign.endedCount != campaign.plannedCount
      {
        report("campaign_not_conserved", event)
      }
    case .cancelled:
      book.campaigns[event.stream] = nil
    case .created, .audienceRecorded, .batchPlanned:
      break
    }
  }
}

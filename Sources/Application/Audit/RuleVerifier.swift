import Domain
import EventCodec
import EventLog
import Merkle

/// Proves over the log itself what may never happen: a message handed out after its address said no, or
/// at night, or while sending was halted; a wallet below zero; a campaign that does not add up. Reads
/// events in order and keeps what it needs; knows nothing of the code that wrote them. What it keeps grows with the people who
/// said no or are listed, with what waits or is under way, and by 8 bytes a charge: a message that went out is forgotten.
package struct RuleVerifier {
  package struct Violation: Equatable, Sendable {
    package let position: UInt64
    /// `intent_not_planned`, `intent_after_opt_out`, `intent_while_in_doubt`, `intent_to_suppressed`, `intent_to_reassigned`,
    /// `intent_to_landline`, `intent_to_erased`, `intent_while_halted`, `intent_after_kill_switch`,
    /// `intent_of_stopped_campaign`, `intent_outside_hours`, `verdict_missing`, `verdict_wrong`, `wallet_negative`,
    /// `wallet_not_conserved`, `charged_twice`, `campaign_not_conserved`, `history_not_continued`.
    package let rule: String
    package let subject: Identifier
  }

  package private(set) var violations: [Violation] = []
  package private(set) var eventCount: UInt64 = 0
  /// Intents that were checked: messages queued or handed out.
  package private(set) var intentCount: UInt64 = 0
  package private(set) var optOutCount: UInt64 = 0

  private var orgs: [Identifier: OrgBook] = [:]
  /// By events that tell of a restore.
  private var quotedHeads: [QuotedHead] = []

  private struct QuotedHead {
    let head: Checkpoint
    let event: RecordedDomainEvent
  }
  private let numbers: any NumberingPlan
  private let clock: any ZoneClock

  package init(numbers: any NumberingPlan, clock: any ZoneClock) {
    self.numbers = numbers
    self.clock = clock
  }

  package mutating func check(_ event: RecordedDomainEvent) {
    eventCount += 1
    var book = orgs.removeValue(forKey: event.org) ?? OrgBook()
    defer { orgs[event.org] = book }
    switch event.event {
    case .contact(let change): check(change, event, &book)
    case .message(let change): check(change, event, &book)
    case .wallet(let change): check(change, event, &book)
    case .campaign(let change): check(change, event, &book)
    case .org(.historyRestored(let restore)): check(restore, event, &book)
    case .org(let change): Self.apply(change, to: &book)
    case .user, .apiKey, .role, .segment, .workflow, .run, .timer, .webhookEndpoint, .importJob,
      .template, .payment, .inboundHook:
      break
    }
  }

  /// Of the messages that were read, those that are kept in mind.
  package var openMessageCount: Int { orgs.values.reduce(0) { $0 + $1.messages.count } }

  private static func apply(_ change: Org.Event, to book: inout OrgBook) {
    switch change {
    case .sendingHalted(let scope, let mode, _, _):
      book.halts.insert(scope)
      guard mode == .skip else { return }
      book.kills.insert(scope)
      book.killed.formUnion(book.messages.filter { $0.value.status.isWaiting }.keys)
    case .sendingResumed(let scope, _):
      book.halts.remove(scope)
      book.kills.remove(scope)
    case .suppressed(let entry):
      guard let address = entry.address.value else { return }
      book.listed[entry.list, default: [:]][entry.channel, default: []].insert(
        entry.channel.key(address))
    case .unsuppressed(let entry):
      guard let address = entry.address.value else { return }
      book.listed[entry.list]?[entry.channel]?.remove(entry.channel.key(address))
    case .created, .smsConfigured, .providerConfigured, .providerRemoved, .detailsChanged,
      .letterWritten, .clientAdded, .requestHadNoEffect, .readModelOrdered, .postalAddressSet,
      .autoRechargeSet,
      .statusChanged,
      .checkpointPublished, .auditExported, .historyRestored, .rateLimitSet, .accessRefused,
      .clockAdvanced, .sendingRulesSet, .priceSet:
      break
    case .addressKeyDrawn(let key):
      book.keyedOptOuts.hasher = key.value.map(AddressHasher.init)
    }
  }

  /// Another history of a book has a higher number than the one before, and what it quotes of it is a checkpoint of it.
  private mutating func check(
    _ restore: HistoryRestore, _ event: RecordedDomainEvent, _ book: inout OrgBook
  ) {
    let head = restore.lastCheckpoint.flatMap { try? Checkpoint(text: $0) }
    let quoted = head.flatMap { BookHistory($0.origin)?.incarnation }
    guard restore.incarnation > book.incarnation,
      restore.lastCheckpoint == nil || Int64(quoted ?? .max) < restore.incarnation
    else { return report("history_not_continued", event) }
    book.incarnation = restore.incarnation
    if let head { quotedHeads.append(QuotedHead(head: head, event: event)) }
  }

  /// Whether the book has the root that a restore quotes, where the restore has lost nothing of that checkpoint: asked of the log
  /// once all of it was read.
  package mutating func checkQuotedHeads(_ log: some LogProver) throws(EventLogError) {
    for quoted in quotedHeads where quoted.head.size <= quoted.event.orgSequence {
      let org = OrgID(quoted.event.org.value)
      guard try log.root(of: org, size: quoted.head.size) != quoted.head.root else { continue }
      report("history_not_continued", quoted.event)
    }
  }

  private mutating func report(_ rule: String, _ event: RecordedDomainEvent) {
    violations.append(Violation(position: event.position, rule: rule, subject: event.stream))
  }

  /// What one org's events add up to, as far as the rules need it.
  private struct OrgBook {
    var incarnation: Int64 = 1
    /// Addresses, and contacts, that said no per channel.
    var optedOutAddresses: [Channel: Set<String>] = [:]
    /// ... and what erasures left of such addresses.
    var keyedOptOuts = KeyedOptOuts()
    var listed: [Suppression.List: [Channel: Set<String>]] = [:]
    /// People who asked to be forgotten.
    var erased: Set<Identifier> = []
    var halts: Set<HaltScope> = []
    /// What waited when the sending was stopped for good.
    var killed: Set<Identifier> = []
    /// ... and who stopped it so, still.
    var kills: Set<HaltScope> = []
    /// Paused or cancelled.
    var stoppedCampaigns: Set<Identifier> = []
    /// What was charged, by resource, until it is given back: hashes under this process's key. Of a thousand million charges
    /// two others meet with a chance of one in thirty-seven.
    var charged: Set<Int> = []
    var optedOutContacts: [Channel: Set<Identifier>] = [:]
    /// Addresses at which advertising ended: by a STOP on another channel, or by a no after which they said yes to
    /// messages that are none.
    var endedAddresses: [Channel: Set<String>] = [:]
    /// Contacts that ended it so on this channel.
    var serviceOnly: [Channel: Set<Identifier>] = [:]
    /// ... and those whose STOP ended it on all.
    var stops: [Identifier: Stops] = [:]
    /// People whose words may have been a no.
    var inDoubt: [Identifier: Set<Channel>] = [:]
    /// Messages that wait or are under way. What is over cannot be handed out again.
    var messages: [Identifier: OpenMessage] = [:]
    var campaigns: [Identifier: CampaignBook] = [:]
    var balanceMicros: Int64 = 0
    var holds: [Identifier: Int64] = [:]
    var heldMicros: Int64 = 0
  }

  /// The STOPs of one person that they have not taken back: while there is one, advertising needs a yes since.
  private struct Stops {
    var channels: Set<Channel> = []
    /// Where they said yes to advertising since the last one.
    var allowed: Set<Channel> = []
  }

  private struct OpenMessage {
    let contact: Identifier
    let channel: Channel
    let purpose: Purpose
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
      book.inDoubt[event.stream]?.remove(optOut.channel)
      if optOut.scope == .seller { Self.endMarketing(optOut, event.stream, &book) }
    case .optedIn(let consent):
      Self.lift(consent, event.stream, &book)
    case .optOutSuspected(let channel, _):
      book.inDoubt[event.stream, default: []].insert(channel)
    case .optOutDismissed(let channel):
      book.inDoubt[event.stream]?.remove(channel)
    case .erasureRequested(let request):
      let addresses = request.addresses.value ?? []
      book.keyedOptOuts.apply(addresses)
      Self.takeBack(KeyedOptOuts.Lifted(addresses, book.keyedOptOuts.hasher), &book)
      book.erased.insert(event.stream)
    case .created, .updated, .tagged, .untagged, .dataDestroyed, .erased, .leadCaptured, .archived,
      .restored:
      break
    }
  }

  /// A STOP ends advertising on every channel: to the person, and to the number that it came from.
  private static func endMarketing(
    _ optOut: OptOut, _ contact: Identifier, _ book: inout OrgBook
  ) {
    book.stops[contact, default: Stops()].channels.insert(optOut.channel)
    book.stops[contact]?.allowed = []
    guard let address = optOut.address.value, !address.isEmpty else { return }
    for channel in optOut.channel.sharingAddress {
      book.endedAddresses[channel, default: []].insert(channel.key(address))
    }
  }

  /// The person's yes took back somebody else's no, and cannot be read any more.
  private static func takeBack(_ lifted: KeyedOptOuts.Lifted, _ book: inout OrgBook) {
    guard !lifted.isEmpty else { return }
    for channel in Channel.allCases {
      book.optedOutAddresses[channel] = book.optedOutAddresses[channel]?.filter {
        !lifted.contains($0, channel, .transactional)
      }
      book.endedAddresses[channel] = book.endedAddresses[channel]?.filter {
        !lifted.contains($0, channel, .marketing)
      }
    }
  }

  private static func lift(
    _ consent: Consent, _ contact: Identifier, _ book: inout OrgBook
  ) {
    // What others say of somebody takes no word of theirs back.
    guard consent.method.isByPerson else { return }
    let address = consent.evidence.value?.address
    let hadOptedOut = book.optedOutContacts[consent.channel]?.remove(contact) != nil
    book.inDoubt[contact]?.remove(consent.channel)
    var hadOptedOutAddress = false
    if let address {
      let key = consent.channel.key(address)
      hadOptedOutAddress = book.optedOutAddresses[consent.channel]?.remove(key) != nil
      book.keyedOptOuts.lift(.init(address, consent.channel), consent.purpose)
    }
    guard consent.purpose == .marketing else {
      // The no was to everything, and advertising is not what they said yes to.
      if hadOptedOut { book.serviceOnly[consent.channel, default: []].insert(contact) }
      if hadOptedOutAddress, let address {
        book.endedAddresses[consent.channel, default: []].insert(consent.channel.key(address))
      }
      return
    }
    book.serviceOnly[consent.channel]?.remove(contact)
    book.stops[contact]?.channels.remove(consent.channel)
    book.stops[contact]?.allowed.insert(consent.channel)
    if book.stops[contact]?.channels.isEmpty == true { book.stops[contact] = nil }
    if let address { book.endedAddresses[consent.channel]?.remove(consent.channel.key(address)) }
  }

  private mutating func check(
    _ change: Message.Event, _ event: RecordedDomainEvent, _ book: inout OrgBook
  ) {
    switch change {
    case .planned(let plan):
      book.messages[event.stream] = OpenMessage(
        contact: plan.contact, channel: plan.channel, purpose: plan.purpose,
        address: plan.content.value.map { plan.channel.key($0.address) },
        campaign: plan.campaign, status: .planned)
    case .queued(let verdict, _):
      checkIntent(verdict, event, book)
      move(event.stream, to: .queued, &book)
    case .dispatched(_, let verdict):
      checkIntent(verdict, event, book)
      checkHandOut(verdict, event, book)
      move(event.stream, to: .dispatched, &book)
    case .retryScheduled:
      move(event.stream, to: .queued, &book)
      if !book.kills.isEmpty { book.killed.insert(event.stream) }
    case .held: move(event.stream, to: .held, &book)
    case .skipped: move(event.stream, to: .skipped, &book)
    case .sent: move(event.stream, to: .sent, &book)
    case .delivered: move(event.stream, to: .delivered, &book)
    case .failed: move(event.stream, to: .failed, &book)
    case .cancelled: move(event.stream, to: .cancelled, &book)
    case .callEnded(let result, _):
      move(event.stream, to: result.wasAnswered ? .delivered : .failed, &book)
    case .accepted, .unknown, .received, .opened, .clicked, .complained:
      break
    }
  }

  private mutating func checkIntent(
    _ verdict: Verdict, _ event: RecordedDomainEvent, _ book: OrgBook
  ) {
    intentCount += 1
    if !verdict.isAllowed { report("verdict_missing", event) }
    let rules = Gate.ruleSets.first { $0.version == verdict.ruleSet }
    if rules.map({ Gate.judge(verdict.facts, by: $0).outcome }) != .allowed {
      report("verdict_wrong", event)
    }
    guard let message = book.messages[event.stream] else {
      return report("intent_not_planned", event)
    }
    if Self.isRevoked(message, book) { report("intent_after_opt_out", event) }
    if message.purpose == .marketing, book.inDoubt[message.contact]?.isEmpty == false {
      report("intent_while_in_doubt", event)
    }
    if book.erased.contains(message.contact) { report("intent_to_erased", event) }
    if let rule = Self.listing(of: message, book) { report(rule, event) }
  }

  /// Which rule of the account's lists a message to its address breaks: a suppression list ends everything, do-not-call advertising
  /// by text and call alike (47 CFR 64.1200(d)). Numbers that are another's by now (64.1200(m)) and landlines are listed for texts.
  private static func listing(of message: OpenMessage, _ book: OrgBook) -> String? {
    guard let address = message.address else { return nil }
    func isListed(_ list: Suppression.List, _ channel: Channel) -> Bool {
      book.listed[list]?[channel]?.contains(address) == true
    }
    if isListed(.suppression, message.channel)
      || message.purpose == .marketing
        && message.channel.sharingAddress.contains(where: { isListed(.doNotCall, $0) })
    {
      return "intent_to_suppressed"
    }
    guard message.channel != .email else { return nil }
    if isListed(.reassignedNumber, .sms) { return "intent_to_reassigned" }
    return message.channel == .sms && isListed(.landline, .sms) ? "intent_to_landline" : nil
  }

  private static func isRevoked(_ message: OpenMessage, _ book: OrgBook) -> Bool {
    let channel = message.channel
    if book.optedOutContacts[channel]?.contains(message.contact) == true { return true }
    let isMarketing = message.purpose == .marketing
    if isMarketing {
      if book.serviceOnly[channel]?.contains(message.contact) == true { return true }
      if let stops = book.stops[message.contact], !stops.allowed.contains(channel) { return true }
    }
    guard let address = message.address else { return false }
    if book.optedOutAddresses[channel]?.contains(address) == true { return true }
    if book.keyedOptOuts.contains(.init(address, channel)) { return true }
    return isMarketing
      && (book.endedAddresses[channel]?.contains(address) == true
        || book.keyedOptOuts.endsMarketing(.init(address, channel)))
  }

  /// The moment that counts: what the provider gets now.
  private mutating func checkHandOut(
    _ verdict: Verdict, _ event: RecordedDomainEvent, _ book: OrgBook
  ) {
    if !book.halts.isEmpty { report("intent_while_halted", event) }
    if book.killed.contains(event.stream) { report("intent_after_kill_switch", event) }
    guard let message = book.messages[event.stream] else { return }
    if let campaign = message.campaign, book.stoppedCampaigns.contains(campaign) {
      report("intent_of_stopped_campaign", event)
    }
    guard message.channel != .email, !verdict.facts.isReply, let address = message.address,
      let rules = Gate.ruleSets.first(where: { $0.version == verdict.ruleSet })
    else { return }
    // What the record knew may add places; those of the number itself are found anew. A number
    // without a place says nothing.
    let regions = numbers.regions(of: address)
    let own = regions == ["US"] ? [] : numbers.zones(of: address)
    let isOpen = Set(verdict.facts.zones.map(\.zone) + own).allSatisfy { zone in
      clock.time(
        in: zone, atMicros: event.context.occurredAtMicros, opensAtMinute: rules.windowStartMinute
      ).map {
        Gate.isOpen($0, regions: verdict.facts.regions, purpose: message.purpose, rules)
      } ?? false
    }
    if !isOpen { report("intent_outside_hours", event) }
  }

  /// Keeps a campaign's count of ended recipients; drops messages that are over: news of them changes no count.
  private func move(_ id: Identifier, to status: Message.Status, _ book: inout OrgBook) {
    guard status.isEnded else {
      book.messages[id]?.status = status
      return
    }
    guard let message = book.messages.removeValue(forKey: id) else { return }
    book.killed.remove(id)
    if let campaign = message.campaign { book.campaigns[campaign]?.endedCount += 1 }
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
      book.charged.remove(charge.name.hashValue)
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
      if !book.charged.insert(charge.name.hashValue).inserted { report("charged_twice", event) }
    case .released(let message, let amountMicros):
      if book.holds.removeValue(forKey: message) != amountMicros {
        report("wallet_not_conserved", event)
      }
      book.heldMicros -= amountMicros
    case .debited(let charge):
      book.balanceMicros -= charge.amountMicros
      if !book.charged.insert(charge.name.hashValue).inserted { report("charged_twice", event) }
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
      book.stoppedCampaigns.insert(event.stream)
    case .paused:
      book.stoppedCampaigns.insert(event.stream)
    case .resumed:
      book.stoppedCampaigns.remove(event.stream)
    case .created, .audienceRecorded, .batchPlanned, .paceSet, .updated, .deleted:
      break
    }
  }
}

import Domain
import EventCodec

/// What an org's log adds up to, as far as deciding needs it: a fold, rebuilt at every start.
///
/// Owned by the org's executor. Messages that came to an end are dropped once that is on disk; whoever
/// asks for one again gets it folded from its stream.
///
/// `@unchecked Sendable`: built by one thread, then handed over once and for all to the executor,
/// whose isolation every later access passes (`OrgExecutor.withState`).
final class OrgState: Codable, @unchecked Sendable {
  let org: Identifier
  var tables = Tables()
  let contacts: ContactTable
  var wallet = Wallet.State()
  var walletID: Identifier?
  /// Leaf index of the org's next event.
  var nextOrgSequence: UInt64 = 0
  /// Position of the last event known to be on disk.
  var lastPosition: UInt64 = 0

  /// Addresses that said no, whoever carries them now.
  private var optedOutAddresses: [DispatchQueueIndex.Address: AddressNo] = [:]
  /// Addresses at which advertising alone ended: the person said so on another channel.
  private var endedMarketing: Set<DispatchQueueIndex.Address> = []
  /// Addresses whose no, to everything or to advertising, somebody took back who did not say it: once the yes cannot be
  /// read any more, the no is still there to be read.
  private var liftedNoes: [Purpose: Set<DispatchQueueIndex.Address>] = [:]
  /// What is on the list of suppressions because somebody said no whose address nobody carried.
  private var closedByNo: Set<DispatchQueueIndex.Address> = []
  /// Addresses that said no and to which something is queued or held still.
  private(set) var revokedWaiting: Set<DispatchQueueIndex.Address> = []
  /// What erasures left of the noes of people who are gone.
  private var keyedOptOuts = KeyedOptOuts()
  /// People whose erasure is not over, by the org sequence of what began it.
  private(set) var openErasures: [Identifier: UInt64] = [:]
  /// Addresses on the org's lists.
  private(set) var suppressed: [Suppression.List: Set<DispatchQueueIndex.Address>] = [:]
  /// Contacts whose words may have been a no, by the message and the moment.
  private(set) var suspectedOptOuts: [Identifier: [Channel: SuspectedOptOut]] = [:]
  /// Cancelled campaigns of which something is queued or held still.
  private(set) var cancelledWaiting: Set<Identifier> = []
  /// Who got advertising within the last day.
  private(set) var recent = RecentMessages()
  /// What was spent or set aside on the latest day (UTC).
  private(set) var daySpending = DaySpending()
  /// What carriers count of a day.
  private(set) var carrierSegments = CarrierSegments()
  /// What waited when the sending was stopped for good, and is not on record as skipped yet.
  private(set) var killedWaiting: Set<Identifier> = []
  private(set) var news = OrgNews()
  var queue = DispatchQueueIndex()
  private(set) var campaigns = CampaignIndex()
  private(set) var runs = RunIndex()
  /// Webhook endpoints with the org sequence of their creation: they hear what came after it.
  private(set) var webhooks: [Identifier: UInt64] = [:]
  /// Where each was resumed or enabled last: what it hears of before that has waited for it.
  private(set) var webhookResumptions: [Identifier: UInt64] = [:]
  private(set) var timers = MinHeap<Due>()
  /// Tokens of the provider of texts that new ones of the same account took the place of.
  private var rolledTokens: [RolledToken] = []
  /// At which numbers people text the org, and did until lately, in the order in which they were set up.
  private(set) var textNumbers: [TextNumber] = []
  /// What was said lately that a yes of before must not take back.
  private var recentNoes = RecentNoes()
  private var ended = EndedMessages()

  init(org: Identifier, contacts memory: ContactMemory = ContactMemory()) {
    self.org = org
    contacts = ContactTable(memory)
  }

  var settings: Org.State { tables.orgs[org] ?? Org.State() }

  /// Throws where nothing that was asked of the contacts, or folded into them, has a meaning.
  func requireSound() throws(CommandError) {
    if let fault = contacts.fault { throw .contactsUnreadable(fault) }
  }

  func nowMicros(real: Micros) -> Micros { real + settings.clockOffsetMicros }

  /// Folds one event in. Events of a commit come in order; positions never repeat.
  func apply(_ event: DomainEvent, of stream: Identifier, at place: EventPlace) {
    noteActivity(event, of: stream, at: place)
    switch event {
    case .org(let event):
      // Of the world, not of a test account's clock, and the same when the log is read again: its own time comes later.
      let realMicros = place.occurredAtMicros - settings.clockOffsetMicros
      noteTokens(before: event, atMicros: realMicros)
      textNumbers.note(event, before: settings.sms, atMicros: realMicros)
      news.apply(event, atMicros: realMicros)
      apply(event, of: stream, atMicros: realMicros)
    case .user(let event): fold(User.self, event, stream)
    case .apiKey(let event): fold(APIKey.self, event, stream)
    case .role(let event): fold(Role.self, event, stream)
    case .contact(let event): apply(event, of: stream, at: place)
    case .message(let event): apply(event, of: stream, at: place)
    case .wallet(let event):
      walletID = stream
      wallet.apply(event)
      daySpending.apply(event, atMicros: place.occurredAtMicros)
    case .segment(let event): fold(Segment.self, event, stream)
    case .campaign(let event):
      fold(Campaign.self, event, stream)
      apply(event, of: stream, at: place)
    case .workflow(let event):
      fold(Workflow.self, event, stream)
      runs.apply(event, of: stream, orgSequence: place.orgSequence)
    case .run(let event): apply(event, of: stream, at: place)
    case .timer(let event): apply(event, of: stream)
    case .webhookEndpoint(let event):
      fold(WebhookEndpoint.self, event, stream)
      switch event {
      case .created: webhooks[stream] = place.orgSequence
      case .enabled, .resumed: webhookResumptions[stream] = place.orgSequence
      default: break
      }
    case .importJob(let event): fold(ImportJob.self, event, stream)
    case .template(let event): fold(Template.self, event, stream)
    case .payment(let event): fold(Payment.self, event, stream)
    case .inboundHook(let event): fold(InboundHook.self, event, stream)
    }
  }

  private func fold<Aggregate: Tabled>(
    _: Aggregate.Type, _ event: Aggregate.Event, _ stream: Identifier
  ) {
    let table = Aggregate.table
    let state = tables[keyPath: table][stream] ?? Aggregate.initialState
    tables[keyPath: table][stream] = Aggregate.evolve(state, with: event)
  }
}

/// The no of an address.
private struct AddressNo: Codable {
  let method: OptOut.Method
  /// Who said it; nil where several did.
  let contact: Identifier?
}

/// Where an event stands in the log and in time.
struct EventPlace {
  let orgSequence: UInt64
  let occurredAtMicros: Micros
  let recordedAtMicros: Micros
  /// How many reactions lie between it and the outside world.
  let depth: UInt16
}

/// Messages that came to an end, in the order in which they did.
private struct EndedMessages: Codable {
  private struct Entry: Codable {
    let message: Identifier
    let sequence: UInt64
  }

  private var entries: [Entry] = []
  private var start = 0

  mutating func append(_ message: Identifier, sequence: UInt64) {
    entries.append(Entry(message: message, sequence: sequence))
  }

  mutating func popFirst(through sequence: UInt64) -> Identifier? {
    guard start < entries.count, entries[start].sequence <= sequence else { return nil }
    let message = entries[start].message
    start += 1
    // Nothing is left of what is gone once all of it is, whenever that was: the same log adds up to the same bytes.
    if start == entries.count || start > 1_024 && start > entries.count / 2 {
      entries.removeFirst(start)
      start = 0
    }
    return message
  }
}

// MARK: - Contacts

/// A text that reads like a no; a human decides.
package struct SuspectedOptOut: Sendable, Equatable, Codable {
  package let message: Identifier
  package let atMicros: Micros
}

extension OrgState {
  /// What a filter is judged on, for a contact whose state is `contact`.
  func facts(of id: Identifier, _ contact: Contact.State) -> ContactFacts {
    let record = contacts[id] ?? ContactRecord()
    return ContactFacts(
      contact, createdAtMicros: record.createdAtMicros, activity: record.activity)
  }

  /// Before the event is folded: a run that ends is forgotten with it.
  private func noteActivity(
    _ event: DomainEvent, of stream: Identifier, at place: EventPlace
  ) {
    guard let kind = event.activity, let contact = contact(of: event, stream) else { return }
    contacts.note(contact) { $0.activity.record(kind, atMicros: place.occurredAtMicros) }
  }

  private func contact(of event: DomainEvent, _ stream: Identifier) -> Identifier? {
    switch event {
    // Noted where it is applied.
    case .contact: nil
    case .message(.received(let inbound)): inbound.contact
    case .message: tables.messages[stream]?.contact
    case .run(.started(_, _, let contact, _)): contact
    case .run: tables.runs[stream]?.contact
    case .org, .user, .apiKey, .role, .wallet, .segment, .campaign, .workflow, .timer,
      .webhookEndpoint,
      .importJob, .template, .payment, .inboundHook:
      nil
    }
  }

  private struct RolledToken: Codable {
    let token: Personal<String>
    let atMicros: Micros
  }

  /// An account's provider signs with the old token until the new one is promoted there, and what it could not deliver
  /// meanwhile it does not bring again. A token that was stolen is of no use any more after this.
  private static let rolledTokenMicros: Int64 = 3 * 86_400_000_000

  func rolledTokens(realMicros: Micros) -> [Personal<String>] {
    rolledTokens.filter { realMicros - $0.atMicros < Self.rolledTokenMicros }.map(\.token)
  }

  private func noteTokens(before event: Org.Event, atMicros: Micros) {
    switch event {
    case .smsConfigured(let next):
      let before = (settings.sms.map { [$0] } ?? []) + settings.formerSMS
      let rolled = before.filter {
        $0.accountSID == next.accountSID && $0.authToken != next.authToken
      }
      rolledTokens += rolled.map {
        RolledToken(token: $0.authToken, atMicros: atMicros)
      }
      rolledTokens = rolledTokens.suffix(Org.formerLimit)
    case .providerRemoved(.sms, isForgotten: true): rolledTokens = []
    default: break
    }
  }

  private func apply(_ event: Org.Event, of stream: Identifier, atMicros: Micros) {
    fold(Org.self, event, stream)
    switch event {
    case .suppressed(let entry):
      guard let address = entry.address.value else { return }
      suppressed[entry.list, default: []].insert(.init(address, entry.channel))
      keyedOptOuts.show(.init(address, entry.channel))
      guard entry.isNo else { return }
      closedByNo.insert(.init(address, entry.channel))
      recentNoes.note(address: .init(address, entry.channel), atMicros: atMicros)
    case .unsuppressed(let entry):
      guard let address = entry.address.value else { return }
      suppressed[entry.list]?.remove(.init(address, entry.channel))
      if entry.list == .suppression { closedByNo.remove(.init(address, entry.channel)) }
    case .addressKeyDrawn(let key):
      keyedOptOuts.hasher = key.value.map(AddressHasher.init)
    case .sendingHalted(_, .skip, _, _):
      for waiting in queue.stoppable.values { killedWaiting.formUnion(waiting) }
    case .created, .smsConfigured, .providerConfigured, .providerRemoved, .detailsChanged,
      .letterWritten, .clientAdded, .requestHadNoEffect, .readModelOrdered, .postalAddressSet,
      .autoRechargeSet,
      .statusChanged,
      .checkpointPublished, .auditExported, .historyRestored, .rateLimitSet, .accessRefused,
      .clockAdvanced, .sendingHalted, .sendingResumed, .sendingRulesSet, .priceSet:
      break
    }
  }

  private func apply(_ event: Contact.Event, of stream: Identifier, at place: EventPlace) {
    let isErased = contacts.apply(event, to: stream) { record in
      if case .created = event { record.createdAtMicros = place.occurredAtMicros }
      guard let kind = event.activity else { return }
      record.activity.record(kind, atMicros: place.occurredAtMicros)
    }
    if isErased { noteErasure(of: stream, orgSequence: place.orgSequence) }
    let realMicros = place.occurredAtMicros - settings.clockOffsetMicros
    switch event {
    case .optedOut(let optOut):
      if optOut.scope == .seller, let details = contacts[stream]?.state.details {
        endMarketing(at: details, optOut, atMicros: realMicros)
      }
      recentNoes.note(
        address: optOut.address.value.map { .init($0, optOut.channel) }, contact: stream,
        message: optOut.message, atMicros: realMicros)
      guard let text = optOut.address.value, !text.isEmpty else { return noteSuspicion(of: stream) }
      let address = DispatchQueueIndex.Address(text, optOut.channel)
      let isAnothers = optedOutAddresses[address].map { $0.contact != stream } ?? false
      optedOutAddresses[address] = AddressNo(
        method: optOut.method, contact: isAnothers ? nil : stream)
      if queue.stoppable[address] != nil { revokedWaiting.insert(address) }
    case .optedIn(let consent):
      guard let text = consent.evidence.value?.address else { return noteSuspicion(of: stream) }
      let address = DispatchQueueIndex.Address(text, consent.channel)
      let no = optedOutAddresses.removeValue(forKey: address)
      if let no, no.contact != stream { liftedNoes[.transactional, default: []].insert(address) }
      if consent.purpose == .marketing {
        let hadEnded = endedMarketing.remove(address) != nil
        if hadEnded { liftedNoes[.marketing, default: []].insert(address) }
      } else if no != nil {
        // The no was to everything, and advertising is not what they said yes to.
        endedMarketing.insert(address)
      }
      keyedOptOuts.lift(address, consent.purpose)
      revokedWaiting.remove(address)
    case .optOutSuspected(let channel, let message):
      suspectedOptOuts[stream, default: [:]][channel] = SuspectedOptOut(
        message: message, atMicros: place.occurredAtMicros)
      recentNoes.note(contact: stream, message: message, atMicros: realMicros)
    case .erasureRequested(let request):
      let addresses = request.addresses.value ?? []
      keyedOptOuts.apply(addresses)
      takeBack(addresses)
      openErasures[stream] = place.orgSequence
      contacts.note(stream) { record in
        record.activity = Activity()
        record.lastInboundMicros = [:]
      }
    case .created, .updated, .tagged, .untagged, .optOutDismissed, .dataDestroyed, .erased,
      .leadCaptured, .archived, .restored:
      break
    }
    noteSuspicion(of: stream)
  }

  /// The person's yes took back somebody else's no, and cannot be read any more.
  private func takeBack(_ addresses: [KeyedAddress]) {
    let lifted = KeyedOptOuts.Lifted(addresses, keyedOptOuts.hasher)
    guard !lifted.isEmpty else { return }
    optedOutAddresses = optedOutAddresses.filter {
      !lifted.contains($0.key.key, $0.key.channel, .transactional)
    }
    endedMarketing = endedMarketing.filter { !lifted.contains($0.key, $0.channel, .marketing) }
  }

  /// A person whose key is gone without a request counts too: the log is older than the erasure.
  private func noteErasure(of contact: Identifier, orgSequence: UInt64) {
    guard let state = contacts[contact]?.state else { return }
    guard state.erasure?.status != .erased else { return openErasures[contact] = nil }
    if openErasures[contact] == nil { openErasures[contact] = orgSequence }
  }

  /// A STOP ends advertising wherever else the person is reached, whoever comes to have those addresses.
  private func endMarketing(
    at details: ContactDetails, _ optOut: OptOut, atMicros: Micros
  ) {
    for channel in Channel.allCases where channel != optOut.channel {
      let isSameNumber = channel.ofAddress == optOut.channel.ofAddress
      let addresses = [details.key(of: channel), isSameNumber ? optOut.address.value : nil]
      for case let address? in addresses where !address.isEmpty {
        endedMarketing.insert(.init(address, channel))
        recentNoes.note(
          address: .init(address, channel), message: optOut.message, atMicros: atMicros)
      }
    }
  }

  /// What an erasure has to keep of an address; nil where there is nothing to keep. `purpose`: what the no is
  /// about, everything or advertising alone.
  func keyed(
    _ address: String, of channel: Channel, _ purpose: Purpose, saidNo: Bool,
    _ hasher: AddressHasher
  ) -> KeyedAddress? {
    let hash = hasher.hash(address, channel, purpose)
    let isNo =
      switch purpose {
      case .transactional: hasOptedOut(address, of: channel)
      case .marketing: hasEndedMarketing(address, of: channel)
      }
    if saidNo || isNo { return KeyedAddress(channel: channel, hash: hash, isOptedOut: true) }
    let isLifted =
      keyedOptOuts.isLifted(hash, channel)
      || liftedNoes[purpose]?.contains(.init(address, channel)) == true
    guard isLifted else { return nil }
    return KeyedAddress(channel: channel, hash: hash, isOptedOut: false)
  }

  /// What the contact itself does not suspect any more is off the list.
  private func noteSuspicion(of contact: Identifier) {
    guard let listed = suspectedOptOuts[contact] else { return }
    let open = contacts[contact]?.state.suspectedOptOuts ?? []
    let left = listed.filter { open.contains($0.key) }
    suspectedOptOuts[contact] = left.isEmpty ? nil : left
  }

  /// Whether the address itself said no, whoever carries it now.
  func hasOptedOut(_ address: String, of channel: Channel) -> Bool {
    let address = DispatchQueueIndex.Address(address, channel)
    return optedOutAddresses[address] != nil || keyedOptOuts.contains(address)
  }

  /// Whether a no that stands there, or of one of `holders`, was said at `sinceMicros` (real time) or later, as far as
  /// anybody can tell: of the noes of erased people nothing is kept but that they were said.
  func hasSaidNo(
    _ address: String, of channel: Channel, holders: [Identifier], sinceMicros: Micros
  ) -> Bool {
    let address = DispatchQueueIndex.Address(address, channel)
    return recentNoes.hasAny(at: address, of: holders, sinceMicros: sinceMicros)
      || keyedOptOuts.contains(address) || keyedOptOuts.endsMarketing(address)
  }

  /// Whether advertising to the address ended with what its holder said on another channel.
  func hasEndedMarketing(_ address: String, of channel: Channel) -> Bool {
    let address = DispatchQueueIndex.Address(address, channel)
    return endedMarketing.contains(address) || keyedOptOuts.endsMarketing(address)
  }

  /// Whether the holder of the address, whoever it is, must say yes before `purpose` has one.
  func isRevoked(_ address: String, of channel: Channel, for purpose: Purpose) -> Bool {
    hasOptedOut(address, of: channel)
      || purpose == .marketing && hasEndedMarketing(address, of: channel)
  }

  func isClosedByNo(_ address: String, of channel: Channel) -> Bool {
    closedByNo.contains(.init(address, channel))
  }

  /// How the address came to its end, where nobody said no in words.
  func ending(of address: String, on channel: Channel) -> GateFacts.Ending? {
    switch optedOutAddresses[.init(address, channel)]?.method {
    case .bounce: .bounced
    case .complaint: .complained
    case .keyword, .text, .link, .call, .staff, .api, .provider, .importList, nil: nil
    }
  }

  /// What the org's lists say of a number. A landline is called, not texted.
  func numberFault(_ address: String, of channel: Channel) -> GateFacts.NumberFault? {
    guard channel != .email else { return nil }
    // A number is one, whatever is sent to it: its faults are listed for texts.
    if isListed(address, of: .sms, on: .reassignedNumber) { return .reassigned }
    return channel == .sms && isListed(address, of: .sms, on: .landline) ? .landline : nil
  }

  /// A suppression list stops everything; do-not-call stops advertising, be it texts or calls: the law knows
  /// one list of numbers (47 CFR 64.1200(c), (d), (e)).
  func isSuppressed(_ address: String, of channel: Channel, for purpose: Purpose) -> Bool {
    if isListed(address, of: channel, on: .suppression) { return true }
    return purpose == .marketing
      && channel.sharingAddress.contains { isListed(address, of: $0, on: .doNotCall) }
  }

  /// As a list shows it: of somebody who was erased, and whose address nobody has since, a part of its hash.
  func listed(_ address: DispatchQueueIndex.Address) -> String {
    guard let hash = keyedOptOuts.shown(address) else { return address.key }
    let isHeld =
      address.channel == .email
      ? !contacts.contacts(withEmail: address.key).isEmpty
      : !contacts.contacts(withPhone: address.key).isEmpty
    return isHeld ? address.key : hash
  }

  func isListed(_ address: String, of channel: Channel, on list: Suppression.List) -> Bool {
    suppressed[list]?.contains(.init(address, channel)) ?? false
  }
}

// MARK: - Messages, runs, timers

extension OrgState {
  private func apply(_ event: Message.Event, of stream: Identifier, at place: EventPlace) {
    let before = tables.messages[stream]
    var after = Message.evolve(before ?? Message.initialState, with: event)
    // In the log for whoever wants it: the facts are most of a message, and tens of thousands may wait.
    after.verdict = nil
    let realMicros = place.occurredAtMicros - settings.clockOffsetMicros
    queue.apply(
      stream, from: before, to: after, occurredAtMicros: realMicros,
      recordedAtMicros: place.recordedAtMicros)
    campaigns.apply(from: before, to: after, of: stream)
    recent.apply(
      event, of: stream, after, atMicros: place.occurredAtMicros,
      keepsTexts: settings.sendingRules.duplicateHours != nil)
    carrierSegments.apply(event, of: stream, atMicros: place.occurredAtMicros)
    if case .received(let inbound) = event { note(inbound, stream, at: place) }
    tables.messages[stream] = after
    noteWaiting(stream, after)
    if mayForget(after) { ended.append(stream, sequence: place.orgSequence) }
  }

  private func note(_ inbound: InboundMessage, _ message: Identifier, at place: EventPlace) {
    let sentMicros = inbound.sentAtMicros ?? place.occurredAtMicros
    contacts.note(inbound.contact) { record in
      let channel = inbound.channel.ofAddress
      record.lastInboundMicros[channel] = max(record.lastInboundMicros[channel] ?? .min, sentMicros)
    }
    recentNoes.note(
      inbound, message, atMicros: place.occurredAtMicros, offsetMicros: settings.clockOffsetMicros)
  }

  /// Where a no or a cancellation left something over, it is on record until that is gone too.
  private func noteWaiting(_ id: Identifier, _ message: Message.State) {
    guard let channel = message.channel else { return }
    if message.status?.isWaiting != true {
      killedWaiting.remove(id)
    } else if !settings.kills.isEmpty {
      // It was under way when the sending was stopped for good, and comes back.
      killedWaiting.insert(id)
    }
    if !revokedWaiting.isEmpty {
      let address = DispatchQueueIndex.Address(message.address ?? "", channel)
      if queue.stoppable[address] == nil { revokedWaiting.remove(address) }
    }
    if let campaign = message.campaign, queue.stoppableByCampaign[campaign] == nil {
      cancelledWaiting.remove(campaign)
    }
  }

  private func apply(_ event: Campaign.Event, of stream: Identifier, at place: EventPlace) {
    fold(Campaign.self, event, stream)
    // In order: the same book adds up to the same bytes.
    let realMicros = place.occurredAtMicros - settings.clockOffsetMicros
    for message in campaigns.apply(event, of: stream, atRealMicros: realMicros).sorted() {
      ended.append(message, sequence: place.orgSequence)
    }
    if case .cancelled = event, queue.stoppableByCampaign[stream] != nil {
      cancelledWaiting.insert(stream)
    }
  }

  /// What has ended is asked for rarely: it can be folded from its stream. A sent message that never
  /// gets its receipt counts too. A running campaign keeps its own: news that comes late still counts.
  private func mayForget(_ message: Message.State) -> Bool {
    if let campaign = message.campaign, campaigns.running.contains(campaign) { return false }
    return message.status?.isEnded == true
  }

  /// Drops what ended up to `sequence`, which is on disk. Not before: a stream is read from disk, and a
  /// second callback must not find the message as it was before the first.
  func forgetEnded(
    through sequence: UInt64, onDrop: (Identifier, Message.State) -> Void = { _, _ in }
  ) {
    while let message = ended.popFirst(through: sequence) {
      guard let state = tables.messages[message], mayForget(state) else { continue }
      tables.messages[message] = nil
      onDrop(message, state)
    }
  }

  /// Takes back a message that was dropped and has news after all.
  func revive(_ messages: [Identifier: Message.State]) {
    for (id, message) in messages where tables.messages[id] == nil { tables.messages[id] = message }
  }

  private func apply(_ event: WorkflowRun.Event, of stream: Identifier, at place: EventPlace) {
    fold(WorkflowRun.self, event, stream)
    guard let run = tables.runs[stream] else { return }
    runs.apply(event, of: stream, state: run, at: place)
    if run.status == .completed || run.status == .failed { tables.runs[stream] = nil }
  }

  private func apply(_ event: Timer.Event, of stream: Identifier) {
    switch event {
    case .scheduled(let owner, let dueMicros):
      tables.timers[stream] = .pending(owner: owner, dueMicros: dueMicros)
      timers.insert(Due(atMicros: dueMicros, id: stream.value))
    case .fired, .cancelled:
      tables.timers[stream] = nil
    }
  }

  /// The pending timers that are due, earliest first, at most `limit`, without those that rest. Those that were
  /// cancelled are dropped on the way.
  func dueTimers(
    nowMicros: Micros, limit: Int, except resting: Set<Identifier> = []
  ) -> [Identifier] {
    var due: [Identifier] = []
    var kept: [Due] = []
    while due.count < limit, let next = timers.first, next.atMicros <= nowMicros {
      _ = timers.popFirst()
      let timer = Identifier(.timer, next.id)
      guard tables.timers[timer] != nil else { continue }
      if !resting.contains(timer) { due.append(timer) }
      // Still pending until its `fired` is decided, which may fail: it stays in the heap.
      kept.append(next)
    }
    for entry in kept { timers.insert(entry) }
    return due
  }

  /// When the earliest pending timer is due; nil without one.
  func nextTimerMicros() -> Micros? {
    while let next = timers.first {
      if tables.timers[Identifier(.timer, next.id)] != nil { return next.atMicros }
      _ = timers.popFirst()
    }
    return nil
  }
}

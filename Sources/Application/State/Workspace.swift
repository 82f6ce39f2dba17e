import Domain
import EventCodec
import EventLog

/// One command's view of an org: the org's state plus what the command itself has decided so far.
/// Dropped without a trace when the command is refused.
package struct Workspace {
  let state: OrgState
  let log: any EventReader
  let tools: Tools
  package let actor: String
  package let depth: UInt16
  /// The org's own clock.
  package let nowMicros: Micros

  private(set) var decided: [RecordedChange] = []
  /// Why, where the call does not say it: stored with every event of the commit.
  var reason: String?
  /// Whether the command has decided anything so far.
  package var hasChanges: Bool { !decided.isEmpty }
  private var newIDs: Set<Identifier> = []
  private var overlay = Overlay()
  /// Whom this command gave an address to that they did not have: by the field and the folded address.
  var takenAddresses: [String: Identifier] = [:]
  /// Messages that were not at hand any more and got news.
  private(set) var revived: [Identifier: Message.State] = [:]
  private var walletChange: WalletChange?
  /// Contacts that this command created, by E.164 and by folded email.
  private(set) var newContactsByPhone: [String: Identifier] = [:]
  private(set) var newContactsByEmail: [String: Identifier] = [:]
  /// Advertising that this command queued, by address.
  private var newMarketing: [DispatchQueueIndex.Address: [Identifier]] = [:]
  /// Texts that this command queued, by address, where the org does not say the same twice.
  private var newTexts: [DispatchQueueIndex.Address: [(message: Identifier, text: TextPrint)]] =
    [:]
  /// How long what is sent to somebody is an answer to what they wrote.
  static let replyMicros: Int64 = 86_400_000_000

  /// Who wrote to us with this command, and how.
  private(set) var heardFrom: [Identifier: Set<Channel>] = [:]
  /// Segments that this command handed out and that a carrier counts.
  private(set) var newCarrierSegmentCount = 0
  /// Bytes of the texts that this command planned: a commit takes so many (`CommitRules.maxCommitBytes`).
  var plannedByteCount = 0
  /// When what it takes in came, where that was earlier, by the real clock: ids say how old what follows from it is, and
  /// what may have been sent in a part of history that is lost is asked about.
  var idMicros: Micros?
  /// What this command spent or set aside.
  private var committedMicros: Int64 = 0

  /// The wallet as this command left it so far. Its tables may be large, so only the holds that were touched are kept,
  /// and the names that were added.
  private struct WalletChange {
    var balanceMicros: Int64
    var heldMicros: Int64
    var isOpen: Bool
    var paymentIDs: Set<String>
    var waived: Set<String>
    var holds: [Identifier: Int64?] = [:]
  }

  init(
    state: OrgState, log: any EventReader, tools: Tools, actor: String, depth: UInt16,
    nowMicros: Micros
  ) {
    self.state = state
    self.log = log
    self.tools = tools
    self.actor = actor
    self.depth = depth
    self.nowMicros = nowMicros
  }

  package var org: Identifier { state.org }

  /// The org itself, as of before this command.
  package var settings: Org.State { state.settings }
  package var news: OrgNews { state.news }

  package func newID(_ kind: Identifier.Kind) -> Identifier {
    let nowMicros = tools.clock.nowMicros()
    return Identifier(
      kind, millis: min(idMicros ?? nowMicros, nowMicros) / 1_000, random: tools.random.next())
  }

  /// Whether `id` was drawn by this command.
  func isNew(_ id: Identifier) -> Bool { newIDs.contains(id) }
  mutating func tellNew(_ id: Identifier) { newIDs.insert(id) }

  /// An aggregate's state as of now; folded from its stream where it is not at hand.
  func current<Aggregate: Housed>(
    _: Aggregate.Type, _ id: Identifier
  ) throws(CommandError) -> Aggregate.State {
    if let state = Aggregate.changed(id, in: overlay) ?? Aggregate.held(id, in: state) {
      return state
    }
    return try StreamFold.state(Aggregate.self, id, org: org, log: log)
  }

  /// Decides `command` on the aggregate and keeps the events. `isNew` spares the look into the log
  /// for an id that was drawn just now.
  @discardableResult
  mutating func run<Aggregate: Housed>(
    _: Aggregate.Type, _ id: Identifier, _ command: Aggregate.Command, isNew: Bool = false
  ) throws(CommandError) -> [Aggregate.Event] {
    let before = isNew ? Aggregate.initialState : try current(Aggregate.self, id)
    if isNew { newIDs.insert(id) }
    var after = before
    let events: [Aggregate.Event]
    do {
      events = try Aggregate.decide(command, given: before)
    } catch {
      throw Aggregate.refuse(error)
    }
    for event in events {
      after = Aggregate.evolve(consume after, with: event)
      let event = Aggregate.wrap(event)
      decided.append(RecordedChange(stream: id, event: event))
      note(event, of: id)
    }
    guard !events.isEmpty else { return [] }
    if let before = before as? Message.State, !isNew, state.tables.messages[id] == nil,
      overlay.tables.messages[id] == nil
    {
      revived[id] = before
    }
    Aggregate.keep(after, id, in: &overlay)
    return events
  }

  private mutating func note(_ event: DomainEvent, of id: Identifier) {
    if case .message(let event) = event { noteMessage(event, of: id) }
    guard case .contact(.created(.known(let details), _)) = event else { return }
    if let phone = details.phone { newContactsByPhone[phone] = id }
    if let email = details.email?.lowercased() { newContactsByEmail[email] = id }
  }

  private mutating func noteMessage(_ event: Message.Event, of id: Identifier) {
    switch event {
    case .queued: noteQueued(id)
    case .dispatched(_, let verdict):
      newCarrierSegmentCount += verdict.facts.carrier?.segmentCount ?? 0
    case .received(let inbound):
      // What was found long after it came is answered at an hour for it.
      guard nowMicros - (inbound.sentAtMicros ?? nowMicros) < Self.replyMicros else { return }
      heardFrom[inbound.contact, default: []].insert(inbound.channel.ofAddress)
    case .planned, .held, .skipped, .accepted, .retryScheduled, .unknown, .sent, .delivered,
      .failed, .cancelled, .callEnded, .opened, .clicked, .complained:
      break
    }
  }

  private mutating func noteQueued(_ id: Identifier) {
    guard let plan = overlay.tables.messages[id]?.plan ?? newPlan(of: id),
      let content = plan.content.value
    else { return }
    let address = RecentMessages.address(content.address, plan.channel)
    if plan.purpose == .marketing { newMarketing[address, default: []].append(id) }
    if state.settings.sendingRules.duplicateHours != nil {
      newTexts[address, default: []].append((id, TextPrint(content)))
    }
  }

  /// The plan that this command decided for `id`, before it is in the overlay.
  private func newPlan(of id: Identifier) -> MessagePlan? {
    guard let last = decided.dropLast().last, last.stream == id,
      case .message(.planned(let plan)) = last.event
    else { return state.tables.messages[id]?.plan }
    return plan
  }

  /// When advertising to `address` was queued or handed out within a day, oldest first.
  func recentMicros(
    to address: String, of channel: Channel, except id: Identifier?
  ) -> [Micros] {
    // Beyond this no cap counts.
    let limit = 100
    let address = RecentMessages.address(address, channel)
    let known = state.recent.moments(address, nowMicros: nowMicros, except: id)
    let new = newMarketing[address, default: []].count { $0 != id }
    return (known + Array(repeating: nowMicros, count: new)).suffix(limit)
  }

  /// When the same was queued for or handed out to `address` last, within a day.
  func sameTextMicros(
    _ text: TextPrint, to address: String, of channel: Channel, except id: Identifier?
  ) -> Micros? {
    let address = RecentMessages.address(address, channel)
    let isNew = newTexts[address, default: []].contains { $0.message != id && $0.text == text }
    return isNew
      ? nowMicros : state.recent.lastMicros(of: text, to: address, nowMicros: nowMicros, except: id)
  }

  /// A campaign's definition, as this command knows it.
  func definition(ofCampaign id: Identifier) -> CampaignDefinition? {
    (overlay.tables.campaigns[id] ?? state.tables.campaigns[id])?.definition
  }

  /// What was spent or set aside today (UTC), by this command too.
  var spentTodayMicros: Int64 {
    state.daySpending.micros(onDayOf: nowMicros) + committedMicros
  }

  /// Whether the price of a message that waits is among that.
  func isSpentToday(_ message: Identifier) -> Bool {
    state.daySpending.counts(message, onDayOf: nowMicros)
  }

  /// The contacts of the org with what this command changed.
  func contact(_ id: Identifier) throws(CommandError) -> Contact.State {
    let contact = try current(Contact.self, id)
    guard contact.exists else { throw .notFound(id) }
    return contact
  }
}

// MARK: - Wallet

extension Workspace {
  /// Decides on the org's wallet. Opens it with the first command where there is none.
  @discardableResult
  mutating func runWallet(_ command: Wallet.Command) throws(CommandError) -> [Wallet.Event] {
    let id = walletID
    var wallet = walletState(touching: command)
    let events: [Wallet.Event]
    do {
      events = try Wallet.decide(command, given: wallet)
    } catch {
      throw .wallet(error)
    }
    // What is held here and was not before is of this command, and so of today.
    let isNew = command.message.map { wallet.holds[$0] != nil && state.wallet.holds[$0] == nil }
    for event in events {
      wallet.apply(event)
      committedMicros += state.daySpending.committedMicros(
        event, onDayOf: nowMicros, isNew: isNew == true)
      decided.append(RecordedChange(stream: id, event: .wallet(event)))
    }
    if !events.isEmpty { keep(wallet, touching: command) }
    return events
  }

  /// One wallet an org; a stream of its own, next to the org's.
  var walletID: Identifier { state.walletID ?? Identifier(.wallet, org.value ^ 1) }

  var walletAvailableMicros: Int64 {
    guard let change = walletChange else { return state.wallet.availableMicros }
    return change.balanceMicros - change.heldMicros
  }

  /// What this command, and the pages of a trial before it, set aside.
  var trialSpending: TrialSpending {
    TrialSpending(
      heldMicros: (walletChange?.heldMicros ?? state.wallet.heldMicros) - state.wallet.heldMicros,
      committedMicros: committedMicros)
  }

  /// Decides as if so much were set aside already.
  mutating func adopt(_ spending: TrialSpending) {
    precondition(!hasChanges, "a trial's page begins with what those before it left")
    committedMicros = spending.committedMicros
    walletChange = WalletChange(
      balanceMicros: state.wallet.balanceMicros,
      heldMicros: state.wallet.heldMicros + spending.heldMicros, isOpen: state.wallet.isOpen,
      paymentIDs: [], waived: [])
  }

  private func walletState(touching command: Wallet.Command) -> Wallet.State {
    var wallet = Wallet.State()
    wallet.isOpen = walletChange?.isOpen ?? state.wallet.isOpen
    wallet.balanceMicros = walletChange?.balanceMicros ?? state.wallet.balanceMicros
    wallet.heldMicros = walletChange?.heldMicros ?? state.wallet.heldMicros
    if let name = command.paymentID,
      state.wallet.paymentIDs.contains(name) || walletChange?.paymentIDs.contains(name) == true
    {
      wallet.paymentIDs = [name]
    }
    if let name = command.chargeName,
      state.wallet.waived.contains(name) || walletChange?.waived.contains(name) == true
    {
      wallet.waived = [name]
    }
    if let message = command.message {
      wallet.holds[message] = walletChange?.holds[message] ?? state.wallet.holds[message]
    }
    return wallet
  }

  private mutating func keep(_ wallet: Wallet.State, touching command: Wallet.Command) {
    var change =
      walletChange
      ?? WalletChange(
        balanceMicros: 0, heldMicros: 0, isOpen: false, paymentIDs: [], waived: [])
    // Given up here, so that its table is not copied for each of a thousand holds.
    walletChange = nil
    change.balanceMicros = wallet.balanceMicros
    change.heldMicros = wallet.heldMicros
    change.isOpen = wallet.isOpen
    change.paymentIDs.formUnion(wallet.paymentIDs)
    change.waived.formUnion(wallet.waived)
    if let message = command.message {
      change.holds.updateValue(wallet.holds[message], forKey: message)
    }
    walletChange = change
  }
}

extension Wallet.Command {
  fileprivate var message: Identifier? {
    switch self {
    case .hold(let message, _), .settle(let message, _), .release(let message),
      .refund(let message, _):
      message
    case .open, .fund, .credit, .debit: nil
    }
  }

  fileprivate var paymentID: String? {
    switch self {
    case .fund(_, let paymentID, _), .credit(_, let paymentID, _): paymentID
    case .open, .hold, .settle, .release, .debit, .refund: nil
    }
  }

  fileprivate var chargeName: String? {
    switch self {
    case .debit(let charge), .refund(_, let charge): charge.name
    case .open, .fund, .credit, .hold, .settle, .release: nil
    }
  }
}

/// Reads an aggregate's stream.
enum StreamFold {
  private static let pageSize = 500

  static func state<Aggregate: Housed>(
    _: Aggregate.Type, _ id: Identifier, org: Identifier, log: any EventReader,
    upTo version: UInt64 = .max
  ) throws(CommandError) -> Aggregate.State {
    var state = Aggregate.initialState
    try forEach(Aggregate.self, id, org: org, log: log, upTo: version) { event, _ in
      state = Aggregate.evolve(consume state, with: event)
    }
    return state
  }

  /// The stream's events in order, those after version `known` up to `version`.
  static func forEach<Aggregate: Housed>(
    _: Aggregate.Type, _ id: Identifier, org: Identifier, log: any EventReader,
    after known: UInt64 = 0, upTo version: UInt64 = .max,
    _ body: (Aggregate.Event, RecordedEvent) -> Void
  ) throws(CommandError) {
    var from = known + 1
    while from <= version {
      let events: [RecordedEvent]
      do {
        events = try log.readStream(
          org: OrgID(org.value), stream: StreamID(id.value), from: from, limit: pageSize,
          direction: .forwards)
      } catch {
        throw .log(error)
      }
      for recorded in events where recorded.streamVersion <= version {
        guard let event = Aggregate.unwrap(try decode(recorded).event) else { continue }
        body(event, recorded)
      }
      guard let last = events.last, events.count == pageSize else { return }
      from = last.streamVersion + 1
    }
  }

  static func decode(_ recorded: RecordedEvent) throws(CommandError) -> RecordedDomainEvent {
    do {
      return try EventCodec.decode(recorded)
    } catch {
      throw .unreadable(reason: "position \(recorded.position): \(error)")
    }
  }
}

import Domain
import EventCodec
import EventLog

// What reactors ask an executor: what there is to do, found in the org's state.

extension OrgExecutor {
  struct TimerWork: Sendable {
    /// Due timers by the depth of the reaction that each of them is.
    let due: [UInt16: [Identifier]]
    /// Until the next one is due; nil without one.
    let nextInMicros: Int64?
  }

  func dueTimers(
    limit: Int, except resting: Set<Identifier>
  ) throws(CommandError) -> TimerWork {
    let nowMicros = nowMicros
    return try withState { state in
      let due = state.dueTimers(nowMicros: nowMicros, limit: limit, except: resting)
      let next = state.nextTimerMicros().map { max(0, $0 - nowMicros) }
      return TimerWork(
        due: Dictionary(grouping: due) { state.depth(ofTimer: $0) }, nextInMicros: next)
    }
  }

  struct CampaignWork: Sendable {
    /// Something waits that can no longer go out.
    let mustSweep: Bool
    /// One of each campaign that has some.
    let batches: [OrgState.OpenBatch]
    let finished: [Identifier]
  }

  func campaignWork() throws(CommandError) -> CampaignWork {
    try withState { state in
      let mustSweep =
        !state.cancelledWaiting.isEmpty || !state.revokedWaiting.isEmpty
        || !state.killedWaiting.isEmpty
      guard !state.campaigns.running.isEmpty else {
        return CampaignWork(mustSweep: mustSweep, batches: [], finished: [])
      }
      return CampaignWork(
        mustSweep: mustSweep, batches: state.nextOpenBatches(),
        finished: state.finishedCampaigns())
    }
  }

  /// What bounds the hand-out, beside the providers' own limits.
  struct Control: Equatable, Sendable {
    let isHalted: Bool
    /// Messages a minute of the campaigns that have a pace and something queued.
    let paces: [Identifier: Int]
    let paused: Set<Identifier>
    let messagesPerSecond: Int?
    let sender: String
    /// Calls that may begin now, beside those that ring or are spoken.
    let callRoom: Int
  }

  func control() throws(CommandError) -> Control {
    try withState { state in
      var paces: [Identifier: Int] = [:]
      var paused: Set<Identifier> = []
      for campaign in state.queue.queuedCampaigns {
        guard let known = state.tables.campaigns[campaign] else { continue }
        if let pace = known.pacePerMinute { paces[campaign] = pace }
        if known.status == .paused { paused.insert(campaign) }
      }
      return Control(
        isHalted: !state.settings.halts.isEmpty, paces: paces, paused: paused,
        messagesPerSecond: state.settings.sendingRules.messagesPerSecond,
        sender: state.settings.sms?.from ?? "",
        callRoom: max(
          0,
          (state.settings.sendingRules.concurrentCalls ?? SendingRules.standardConcurrentCalls)
            - state.queue.openCalls.count))
    }
  }

  struct DispatchWork: Sendable {
    let messages: [Ticket]
    let nextInMicros: Int64?
  }

  /// A queued message that was taken out.
  struct Ticket: Sendable {
    let message: Identifier
    let campaign: Identifier?
    let channel: Channel
    let address: String
  }

  /// Takes queued messages out: the caller dispatches them or puts them back. Nil, and nothing is taken, where
  /// `control` is no longer what holds: a campaign that was launched meanwhile has a pace that the caller cannot
  /// know. What is in `calling` stays: the answer to its last call is being recorded.
  func takeQueued(
    limit: Int, room: DispatchQueueIndex.Room, under control: Control,
    except calling: Set<Identifier>
  ) throws(CommandError) -> DispatchWork? {
    guard try self.control() == control else { return nil }
    let nowMicros = nowMicros
    return try withState { state in
      var messages = state.queue.take(
        limit: limit, nowMicros: nowMicros, room: room
      ) {
        state.tables.messages[$0]?.status == .queued
      }
      let waiting = state.waiting(of: messages).union(calling.intersection(messages))
      messages.removeAll(where: waiting.contains)
      for message in waiting.sorted() {
        state.queue.putBack(
          message, state.tables.messages[message], notBeforeMicros: nowMicros + 1_000_000)
      }
      let next = state.queue.nextMicros(room: room).map { max(0, $0 - nowMicros) }
      return DispatchWork(
        messages: messages.compactMap { id in
          guard let message = state.tables.messages[id], let channel = message.channel else {
            return nil
          }
          return Ticket(
            message: id, campaign: message.campaign, channel: channel,
            address: message.address ?? "")
        }, nextInMicros: next)
    }
  }

  /// Back into the queue, `afterMicros` from now.
  func putBack(_ messages: [Identifier], afterMicros: Int64 = 0) {
    let notBeforeMicros = afterMicros > 0 ? nowMicros + afterMicros : 0
    // A state that has to be reloaded has its queue anew.
    try? withState { state in
      for message in messages {
        state.queue.putBack(
          message, state.tables.messages[message], notBeforeMicros: notBeforeMicros)
      }
    }
  }

  struct SilentWork: Sendable {
    struct Entry: Sendable {
      let message: Identifier
      /// Whose provider took it, by `Channel.ofAddress`.
      let service: Channel
      let sinceMicros: Micros
    }

    /// Taken by the provider, and nothing heard of since then.
    let messages: [Entry]
    /// When the oldest of the others was taken; nil without one.
    let oldestMicros: Micros?
  }

  /// Takes out what the provider took at or before `untilMicros` (real time) without a receipt.
  func takeSilent(untilMicros: Micros) throws(CommandError) -> SilentWork {
    try withState { state in
      let silent = state.queue.takeSilent(untilMicros: untilMicros) {
        state.tables.messages[$0]?.status == .accepted
      }
      return SilentWork(
        messages: silent.compactMap { receipt in
          guard let channel = state.tables.messages[receipt.message]?.channel else { return nil }
          return SilentWork.Entry(
            message: receipt.message, service: channel.ofAddress, sinceMicros: receipt.sinceMicros)
        },
        oldestMicros: state.queue.oldestReceiptMicros)
    }
  }

  /// Messages without a recorded answer, but for `calling`; those to one address together, in order.
  func unanswered(
    except calling: Set<Identifier>
  ) throws(CommandError) -> [[Identifier]] {
    try withState { state in
      let doubtful = state.queue.unanswered.subtracting(calling).sorted()
      return Dictionary(grouping: doubtful) { state.tables.messages[$0]?.address ?? "" }
        .values.sorted { $0[0] < $1[0] }
    }
  }

  /// How often a dispatched message was handed out, this time included.
  func attempt(of message: Identifier) -> Int {
    state.tables.messages[message]?.attempt ?? 1
  }

  /// Whose provider has to be asked about it, by `Channel.ofAddress`.
  func service(of message: Identifier) -> Channel? {
    state.tables.messages[message]?.channel?.ofAddress
  }

  func plan(of message: Identifier) -> MessagePlan? { state.tables.messages[message]?.plan }

  /// When the campaign that the message belongs to was launched, by the real clock; nil where it belongs to none.
  func launchMicros(of message: Identifier) -> Micros? {
    state.tables.messages[message]?.campaign.flatMap { state.campaigns.launchMicros[$0] }
  }

  /// How many others are in doubt that the provider's list cannot tell from `message`, and whose words are different: to
  /// take one for the other would be to say the one's twice and the other's never.
  func rivalCount(of message: Identifier) -> Int {
    let plan = state.tables.messages[message]?.plan
    guard let traits = plan?.listedTraits else { return 0 }
    return state.queue.unanswered.count {
      guard let other = state.tables.messages[$0]?.plan, other.listedTraits == traits else {
        return false
      }
      return $0 != message && other.content != plan?.content
    }
  }

  /// The call for a dispatched message, and through whom; nil where the org has no credentials or the
  /// person is gone.
  struct OutboundCallPlan: Sendable {
    let provider: String
    let message: OutboundMessage
  }

  func outbound(
    _ message: Identifier, links: OutboundLinks
  ) throws(CommandError) -> OutboundCallPlan? {
    try withState { state in
      guard let plan = state.tables.messages[message]?.plan else { return nil }
      return state.outbound(message, plan, links)
    }
  }

  /// A call whose answer nobody knows, as the provider has to be asked about it.
  struct Doubt: Sendable {
    /// nil where nobody can be asked any more: the provider was removed, or the person is gone.
    let call: OutboundCallPlan?
    /// Which time it was handed out.
    let attempt: Int
    let sinceMicros: Micros
    /// nil where the provider may not even have it.
    let providerID: String?
    /// No call was made: it may have been, in what a restore lost.
    let isOfLostHistory: Bool

    /// Why a message is in doubt that may have been sent in a part of history that is lost.
    static let restored = "restored"
  }

  func doubt(
    about message: Identifier, links: OutboundLinks, log: any EventReader
  ) throws(CommandError) -> Doubt? {
    let found = try withState {
      state -> (call: OutboundCallPlan?, attempt: Int, providerID: String?)? in
      guard let held = state.tables.messages[message], let status = held.status,
        status == .dispatched || status == .unknown || status == .accepted, let plan = held.plan
      else { return nil }
      return (state.outbound(message, plan, links), held.attempt, held.providerID)
    }
    guard let (call, attempt, providerID) = found else { return nil }
    let events: [RecordedEvent]
    do {
      events = try log.readStream(
        org: OrgID(org.value), stream: StreamID(message.value), from: .max, limit: 20,
        direction: .backwards)
    } catch {
      throw .log(error)
    }
    guard let index = events.firstIndex(where: { $0.type == "message.dispatched" }) else {
      return nil
    }
    // What came of it, where anything did.
    var isOfLostHistory = false
    for recorded in events[..<index] {
      let event = try StreamFold.decode(recorded).event
      if case .message(.unknown(attempt, Doubt.restored)) = event { isOfLostHistory = true }
    }
    return Doubt(
      call: call, attempt: attempt,
      sinceMicros: events[index].recordedAtMicros - Self.lookBackMicros, providerID: providerID,
      isOfLostHistory: isOfLostHistory)
  }

  /// Providers keep times to the second, and by their own clock, which ours may be ahead of; after a restore, a message
  /// may have been sent with others, whose events came last, before its own could be recorded. What a longer look
  /// finds besides belongs to other messages, whose ids are known.
  static let lookBackMicros: Int64 = 60_000_000

  /// Those of `ids` that belong to another message already.
  func knownProviderIDs(
    _ ids: [String], except message: Identifier
  ) throws(CommandError) -> Set<String> {
    try withState { state in
      Set(ids.filter { state.queue.isKnown($0, except: message) })
    }
  }

  /// The real time, not the org's own.
  var realMicros: Micros { tools.clock.nowMicros() }
}

extension MessagePlan {
  /// What a provider that knows no id of ours lists of a message.
  struct ListedTraits: Hashable {
    let channel: Channel
    let from: String
    let to: String
    /// nil: calls are listed without a word of what is said.
    let body: String?
  }

  /// nil: the provider lists it under our own id.
  var listedTraits: ListedTraits? {
    guard let content = content.value, channel != .email else { return nil }
    return ListedTraits(
      channel: channel, from: from, to: content.address,
      body: channel == .sms ? content.body : nil)
  }
}

extension Org.ProvidedService {
  /// What goes out through it.
  fileprivate var channels: Set<Channel> {
    switch self {
    case .sms: [.sms, .voice]
    case .email: [.email]
    case .payment: []
    }
  }
}

extension OrgState {
  /// Those of `messages` that must wait for the answer about another one, which the provider's list could not tell from
  /// them if that answer was lost.
  fileprivate func waiting(of messages: [Identifier]) -> Set<Identifier> {
    guard !messages.isEmpty else { return [] }
    var open = Set(queue.unanswered.compactMap { tables.messages[$0]?.plan?.listedTraits })
    return Set(
      messages.filter {
        guard let traits = tables.messages[$0]?.plan?.listedTraits else { return false }
        return !open.insert(traits).inserted
      })
  }

  /// A run that waits a short while only goes on with its chain of reactions; a long wait ends it.
  func depth(ofTimer timer: Identifier) -> UInt16 {
    guard case .pending(let owner, _) = tables.timers[timer], let run = tables.runs[owner],
      let workflow = run.workflow, let step = run.step,
      case .wait(let durationMicros) = tables.workflows[workflow]?.versions[run.version]?
        .step(step)?.action,
      durationMicros < Workspace.chainEndsAfterMicros
    else { return 0 }
    return (runs.depth[owner] ?? 0) + 1
  }

  /// Whether something waits that only the provider of this service can carry out.
  func isAwaited(_ service: Org.ProvidedService) -> Bool {
    if service == .payment { return tables.payments.contains { $0.value.isOpen } }
    return queue.stoppable.keys.contains { service.channels.contains($0.channel) }
      || isInDoubt(service)
  }

  /// Whether another account could not take over what is under way.
  func isBound(to service: ProviderSettings.Service) -> Bool {
    switch service {
    case .email: isInDoubt(.email)
    case .payment: isAwaited(.payment)
    }
  }

  /// Whether a message was handed to the provider of this service that has not answered yet.
  func isInDoubt(_ service: Org.ProvidedService) -> Bool {
    queue.unanswered.contains {
      tables.messages[$0]?.channel.map(service.channels.contains) == true
    }
  }

  var credentials: SMSCredentials? {
    guard let sms = settings.sms, let token = sms.authToken.value else { return nil }
    return SMSCredentials(accountSID: sms.accountSID, authToken: token, baseURL: sms.baseURL)
  }
}

extension OrgExecutor {
  /// The secrets with which the org's providers of texts and calls sign what they send: today's and those of
  /// before, who may still bring a STOP. Empty where SMS was never set up.
  ///
  /// - Throws: While the org's state has to be read again. That is no missing secret: who takes it for one
  ///   turns a provider away for good, and a person's STOP with it.
  package func providerTokens() throws(CommandError) -> [String] {
    try withState { state in
      let today = state.settings.sms.map { [$0.authToken] } ?? []
      let former = state.settings.formerSMS.reversed().map(\.authToken)
      return (today + state.rolledTokens(realMicros: realMicros) + former).compactMap(\.value)
    }
  }

  /// How the org reaches and reached `provider`, for a service that it is or was set up for: today's settings, then those
  /// of before, the last ones first. Any of them may have signed what it still brings.
  ///
  /// - Throws: As `providerTokens`.
  package func credentials(
    of provider: String, for service: ProviderSettings.Service
  ) throws(CommandError) -> [ProviderCredentials] {
    try withState { state in
      let known =
        (state.settings.providers[service].map { [$0] } ?? [])
        + state.settings.formerProviders.reversed()
      return known.filter { $0.service == service && $0.provider == provider }
        .compactMap(ProviderCredentials.init)
    }
  }
}

extension OrgExecutor {
  /// Where people text the org, or did until lately.
  func textInboxes() throws(CommandError) -> [TextInbox] {
    let nowMicros = realMicros
    return try withState { $0.textInboxes(nowMicros: nowMicros) }
  }
}

extension OrgExecutor {
  package struct QueueCounts: Sendable {
    /// Messages that are queued or held.
    package let waiting: Int
    /// Calls to the provider without a recorded answer.
    package let unanswered: Int
    package let timers: Int
  }

  /// nil while the org's state is being read again.
  package func queueCounts() -> QueueCounts? {
    try? withState { state in
      QueueCounts(
        waiting: state.queue.stoppable.values.reduce(0) { $0 + $1.count },
        unanswered: state.queue.unanswered.count, timers: state.tables.timers.count)
    }
  }
}

import Domain
import EventLog

/// How reactors behave; the numbers are defaults that the settings may change.
package struct ReactorSettings: Sendable {
  /// Where providers and people reach us.
  package var links: OutboundLinks
  /// Provider calls of one org at the same time.
  package var concurrentCallCount = 48
  /// How long a provider may take to list a message that it took in doubt: as long as it may take to answer.
  package var doubtGraceMillis: Int64 = 15_000
  /// How long a stop waits for calls that are under way before it cuts them off.
  package var stopGraceMillis: Int64 = 2_000
  /// How long a message may be without a receipt before the provider is asked about it.
  package var receiptDeadlineMillis: Int64 = 3_600_000
  /// ... and before it is closed without one. Carriers try for three days at most.
  package var receiptLimitMillis: Int64 = 72 * 3_600_000
  /// How long a provider may try to bring a text before it is looked for: Twilio tries for 15 seconds.
  package var webhookGraceMillis: Int64 = 20_000
  /// How long nothing goes out after a start while it is looked for what people said meanwhile.
  package var firstLookMillis: Int64 = 30_000
  package var rates = RateTable()

  package init(links: OutboundLinks) { self.links = links }
}

/// Everything of one org that goes on by itself: timers, campaign batches, the dispatcher, and
/// calls in doubt. Its only memory is which calls are running; all work is found in the org's state,
/// which is a fold of the log, so a restart goes on where it stopped.
///
/// Nothing polls: an org in which nothing happens costs nothing.
actor OrgReactor {
  let executor: OrgExecutor
  let providers: MessageProviders
  let log: any EventReader
  let settings: ReactorSettings
  let restored: RestoreRecord?
  let report: @Sendable (String) -> Void
  /// An answer came in.
  private let answered = ChangeSignal()

  /// Messages whose call is being made or not recorded yet.
  private(set) var calling: Set<Identifier> = []
  private var calls: [Identifier: Task<Void, Never>] = [:]
  private var outcomes: [CallOutcome] = []
  /// Those of `calling` that are mails.
  private var mailing: Set<Identifier> = []
  /// Unanswered calls that the provider was asked about.
  var questions: [Identifier: Question] = [:]
  /// Services, by `Channel.ofAddress`, whose provider did not answer a question of this round.
  var silentServices: Set<Channel> = []
  /// Messages without a receipt that the provider was asked about, or is to be.
  var silent: [Identifier: Silence] = [:]
  /// Messages from before a restore that the provider was asked about.
  private var reconciled: Set<Identifier> = []
  /// One for texts and calls, one for mail: a provider that takes nothing keeps nothing back but its own.
  private var circuits: [Channel: Circuit] = [:]
  /// When campaigns are tried again that could not go on (real time).
  private var campaignRests: [Identifier: Micros] = [:]
  /// Timers that were refused by themselves.
  private var timerRests: [Identifier: Micros] = [:]
  /// What each campaign with a pace may hand out.
  private var paces: [Identifier: TokenBucket] = [:]
  private let desk: RateDesk
  private let texts: TextLook

  private struct CallOutcome: Sendable {
    let message: Identifier
    let outcome: DispatchOutcome
    var news: AddressNews?
  }

  init(
    executor: OrgExecutor, providers: MessageProviders, log: any EventReader,
    settings: ReactorSettings, desk: RateDesk, restored: RestoreRecord?, texts: CursorFile,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.texts = TextLook(
      executor: executor, providers: providers, settings: settings, cursor: texts, report: report)
    self.executor = executor
    self.providers = providers
    self.log = log
    self.settings = settings
    self.desk = desk
    self.restored = restored
    self.report = report
  }

  /// Works until the task is cancelled; nothing of it runs any more when this returns.
  func run() async {
    let work = executor.work
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.texts.run() }
      // Whoever wrote a no while nobody was here gets nothing more. A provider that cannot be asked, or has too much to say,
      // keeps nothing back.
      await texts.looked.wait(beyond: 0, timeout: .milliseconds(settings.firstLookMillis))
      group.addTask { await self.repeatedly(work) { await self.dispatchNext() } }
      group.addTask { await self.repeatedly(work) { await self.fireTimers() } }
      group.addTask { await self.repeatedly(work) { await self.runCampaigns() } }
      group.addTask { await self.repeatedly(work) { await self.settleDoubts() } }
      group.addTask { await self.repeatedly(self.answered) { await self.recordOutcomes() } }
    }
    await drain()
  }

  /// What a round of work left behind.
  enum Next {
    case again
    /// Until something changes, or until this time has passed.
    case idle(forMicros: Int64?)
    /// Until this time has passed, whatever changes: something outside does not answer.
    case pause(forMicros: Int64)
  }

  private func repeatedly(_ signal: ChangeSignal, _ work: @Sendable () async -> Next) async {
    while !Task.isCancelled {
      let seen = signal.generation
      switch await work() {
      case .again: continue
      case .idle(let micros):
        // Clocks are set: what waits for a moment looks again every minute.
        let timeout = micros.map { Duration.microseconds(min($0, 60_000_000)) }
        await signal.wait(beyond: seen, timeout: timeout)
      case .pause(let micros):
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: .microseconds(micros))
      }
    }
  }

  /// Runs a command of ours. A failure is reported and tried again a little later.
  func attempt<Output: Sendable>(
    _ what: String, _ call: Call,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async -> Result<Output?, CommandError> {
    do {
      return .success(try await executor.perform(call, body).output)
    } catch {
      report("\(what): \(error)")
      return .failure(error)
    }
  }
}

// MARK: - Timers and campaigns

extension OrgReactor {
  private func fireTimers() async -> Next {
    do {
      let nowMicros = await executor.realMicros
      timerRests = timerRests.filter { $0.value > nowMicros }
      let work = try await executor.dueTimers(limit: 64, except: Set(timerRests.keys))
      guard !work.due.isEmpty else {
        // The one that is due next may be one that rests.
        return .idle(forMicros: timerRests.isEmpty ? work.nextInMicros : 1_000_000)
      }
      var firedCount = 0
      for (depth, timers) in work.due.sorted(by: { $0.key < $1.key }) {
        firedCount += await fire(timers, depth: depth)
      }
      return firedCount > 0 ? .again : .pause(forMicros: 1_000_000)
    } catch {
      report("timers: \(error)")
      return .pause(forMicros: 1_000_000)
    }
  }

  /// How many of them fired. One that cannot must not hold up the others.
  private func fire(_ timers: [Identifier], depth: UInt16) async -> Int {
    let call = Call(actor: "system:timer", origin: "timer", correlation: "", depth: depth)
    let fired = await attempt("timers", call) { workspace throws(CommandError) in
      for timer in timers { try workspace.fire(timer) }
    }
    switch fired {
    case .success: return timers.count
    case .failure(.log(.invalidCommit)): break
    case .failure(.log): return 0
    case .failure: break
    }
    guard timers.count > 1 else {
      timerRests[timers[0]] = await executor.realMicros + Self.timerRestMicros
      return 0
    }
    var firedCount = 0
    for timer in timers { firedCount += await fire([timer], depth: depth) }
    return firedCount
  }

  /// What is refused once is refused again a moment later: the others come first.
  private static let timerRestMicros: Int64 = 60_000_000

  private func runCampaigns() async -> Next {
    do {
      let work = try await executor.campaignWork()
      if work.mustSweep {
        let call = Call(actor: "system:campaigns", origin: "reactor", correlation: "", depth: 1)
        _ = try await executor.perform(call) { workspace throws(CommandError) in
          try workspace.sweep()
        }
        return .again
      }
      let nowMicros = await executor.realMicros
      // One that cannot go on, for want of a provider say, keeps no other one waiting.
      for batch in work.batches where campaignRests[batch.campaign] ?? 0 <= nowMicros {
        if await plan(batch) {
          campaignRests[batch.campaign] = nil
          return .again
        }
        campaignRests[batch.campaign] = nowMicros + Self.campaignRestMicros
      }
      for campaign in work.finished {
        let call = Call(
          actor: "system:campaigns", origin: "reactor", correlation: campaign.text, depth: 1)
        _ = try await executor.perform(call) { workspace throws(CommandError) in
          try workspace.completeCampaign(campaign)
        }
      }
      guard work.batches.isEmpty else { return .idle(forMicros: Self.campaignRestMicros) }
      campaignRests = [:]
      return .idle(forMicros: nil)
    } catch {
      report("campaigns: \(error)")
      return .pause(forMicros: 1_000_000)
    }
  }

  /// A campaign whose messages cannot be planned is tried again so late.
  private static let campaignRestMicros: Int64 = 1_000_000

  private func plan(_ batch: OrgState.OpenBatch) async -> Bool {
    let key = IdempotencyName("campaign-batch:\(batch.campaign):\(batch.ordinal)")
    let call = Call(
      actor: "system:campaigns", origin: "reactor", correlation: batch.campaign.text,
      depth: 1, idempotencyKey: key)
    let planned = await attempt("campaign \(batch.campaign)", call) {
      workspace throws(CommandError) in
      try workspace.planBatch(batch.ordinal, of: batch.campaign)
    }
    if case .success = planned { return true }
    return false
  }
}

// MARK: - Dispatch

extension OrgReactor {
  /// Hands out what is queued: a commit that says so first, then the calls.
  private func dispatchNext() async -> Next {
    let nowMicros = await executor.nowMicros
    let room = settings.concurrentCallCount - calling.count
    // A call that ends raises `work`.
    guard room > 0 else { return .idle(forMicros: nil) }
    guard services(at: nowMicros).values.contains(where: { $0 > 0 }) else {
      return .idle(forMicros: circuitWaitMicros(at: nowMicros))
    }
    do {
      let control = try await executor.control()
      // A release raises `work`.
      if control.isHalted { return .idle(forMicros: nil) }
      return try await dispatch(upTo: room, control)
    } catch {
      report("dispatch: \(error)")
      return .pause(forMicros: 1_000_000)
    }
  }

  /// How many calls may start now, by service.
  private func services(at nowMicros: Micros) -> [Channel: Int] {
    let callingCounts = [Channel.sms: calling.count - mailing.count, .email: mailing.count]
    return Dictionary(
      uniqueKeysWithValues: callingCounts.map { service, count in
        (service, circuits[service]?.room(at: nowMicros, callingCount: count) ?? .max)
      })
  }

  /// Until one of the providers may be tried again; nil where that depends on a call that is under way.
  private func circuitWaitMicros(at nowMicros: Micros) -> Int64? {
    circuits.values.compactMap { $0.waitMicros(at: nowMicros) }.min()
  }

  private func dispatch(upTo room: Int, _ control: OrgExecutor.Control) async throws -> Next {
    let realMicros = await executor.realMicros
    let nowMicros = await executor.nowMicros
    let rooms = DispatchQueueIndex.Room(
      campaigns: rooms(control, nowMicros: realMicros), calls: control.callRoom,
      services: services(at: nowMicros))
    let taken = try await executor.takeQueued(
      limit: room, room: rooms, under: control, except: calling)
    guard let work = taken else { return .again }
    let paceWait = paces.values.map { $0.waitMicros(at: realMicros) }.filter { $0 > 0 }.min()
    let nextInMicros = [work.nextInMicros, paceWait, circuitWaitMicros(at: nowMicros)]
      .compactMap(\.self).min()
    guard !work.messages.isEmpty else { return .idle(forMicros: nextInMicros) }
    let admission = desk.admit(
      work.messages, of: executor.org, sender: control.sender,
      senderPerSecond: control.messagesPerSecond, nowMicros: realMicros)
    await executor.putBack(admission.refused, afterMicros: admission.waitMicros)
    guard !admission.admitted.isEmpty else { return .idle(forMicros: admission.waitMicros) }
    for ticket in admission.admitted {
      if let campaign = ticket.campaign { paces[campaign]?.take() }
    }
    let messages = admission.admitted.map(\.message)
    calling.formUnion(messages)
    mailing.formUnion(admission.admitted.filter { $0.channel == .email }.map(\.message))
    return await dispatch(messages) ? .again : .pause(forMicros: 1_000_000)
  }

  /// How many messages the campaigns may have that are paused or have a pace.
  private func rooms(
    _ control: OrgExecutor.Control, nowMicros: Micros
  ) -> [Identifier: Int] {
    // A campaign whose queue is empty for a moment has no new permit for that.
    paces = paces.filter { control.paces[$0.key] != nil || !$0.value.isFull(at: nowMicros) }
    var rooms: [Identifier: Int] = [:]
    for (campaign, perMinute) in control.paces {
      let rate = Double(perMinute) / 60
      paces[campaign, default: TokenBucket(nowMicros: nowMicros)].refill(
        perSecond: rate, nowMicros: nowMicros)
      rooms[campaign] = paces[campaign]?.available
    }
    for campaign in control.paused { rooms[campaign] = 0 }
    return rooms
  }

  private func dispatch(_ messages: [Identifier]) async -> Bool {
    let call = Call(actor: "system:dispatcher", origin: "reactor", correlation: "", depth: 1)
    let done = await attempt("dispatch", call) { workspace throws(CommandError) in
      try workspace.dispatch(messages)
    }
    guard case .success(let output) = done else {
      end(messages)
      await executor.putBack(messages)
      return false
    }
    let dispatched = output ?? []
    let others = Set(messages).subtracting(dispatched)
    end(others)
    // Some came to another end; what is queued still was halted or paused meanwhile.
    await executor.putBack(others.sorted())
    for message in dispatched { calls[message] = Task { await self.send(message) } }
    return true
  }

  private func end(_ messages: some Sequence<Identifier>) {
    calling.subtract(messages)
    mailing.subtract(messages)
  }

  private func send(_ message: Identifier) async {
    outcomes.append(await call(for: message))
    calls[message] = nil
    answered.raise()
  }

  private func call(for message: Identifier) async -> CallOutcome {
    let plan: OrgExecutor.OutboundCallPlan?
    do {
      plan = try await executor.outbound(message, links: settings.links)
    } catch {
      // No call was made: what the org looks like has to be read again first.
      let retryAtMicros = await executor.nowMicros + 1_000_000
      return CallOutcome(
        message: message, outcome: .notTaken(code: "not_called", retryAtMicros: retryAtMicros))
    }
    guard let plan else {
      return CallOutcome(message: message, outcome: .refused(code: "no_credentials"))
    }
    guard let provider = providers.provider(named: plan.provider, for: plan.message.channel) else {
      return CallOutcome(message: message, outcome: .refused(code: "unknown_provider"))
    }
    if await mayHaveBeenSent(message), reconciled.insert(message).inserted {
      // The provider is asked first, as about any call whose answer nobody knows.
      return CallOutcome(message: message, outcome: .inDoubt(reason: OrgExecutor.Doubt.restored))
    }
    return await translated(
      await provider.send(plan.message), for: message, on: plan.message.channel.ofAddress,
      by: provider)
  }

  /// Sent after the backup was made that this home was restored from, perhaps.
  func mayHaveBeenSent(_ message: Identifier) async -> Bool {
    guard let restored, let plan = await executor.plan(of: message) else { return false }
    do {
      return try restored.mayHaveSent(message, plan) { run in
        try restored.waitedMicros(of: run, in: executor.org, log)
      }
    } catch {
      // Whoever cannot be told from what was sent is asked about.
      report("restore \(message): \(error)")
      return true
    }
  }

  private func translated(
    _ outcome: SendOutcome, for message: Identifier, on service: Channel,
    by provider: any MessageProvider
  ) async -> CallOutcome {
    switch outcome {
    case .accepted(let providerID):
      circuits[service] = nil
      return CallOutcome(message: message, outcome: .accepted(providerID: providerID))
    case .refused(let code):
      circuits[service] = nil
      return CallOutcome(
        message: message, outcome: .refused(code: code), news: provider.news(in: code))
    case .notTaken(let code, let retryAfterMillis):
      let nowMicros = await executor.nowMicros
      let waitMicros = circuits[service, default: Circuit()].open(
        at: nowMicros, askedMicros: (retryAfterMillis ?? 0) * 1_000)
      let backOffMicros = Circuit.backOffMicros(after: await executor.attempt(of: message))
      return CallOutcome(
        message: message,
        outcome: .notTaken(code: code, retryAtMicros: nowMicros + max(waitMicros, backOffMicros)))
    case .inDoubt(let reason):
      // A provider that fails in this way is not helped by more calls either.
      let nowMicros = await executor.nowMicros
      _ = circuits[service, default: Circuit()].open(at: nowMicros, askedMicros: 0)
      return CallOutcome(message: message, outcome: .inDoubt(reason: reason))
    }
  }

  /// Records answers, many in one commit: whatever came in while the last commit was flushed.
  private func recordOutcomes() async -> Next {
    guard !outcomes.isEmpty else { return .idle(forMicros: nil) }
    let batch = outcomes
    outcomes = []
    guard await record(batch) else {
      // Kept: what a provider answered is not asked twice.
      outcomes.insert(contentsOf: batch, at: 0)
      return .pause(forMicros: 200_000)
    }
    end(batch.map(\.message))
    executor.work.raise()
    return .again
  }

  /// False where the log does not take anything now.
  private func record(_ batch: [CallOutcome]) async -> Bool {
    let call = Call(actor: "system:dispatcher", origin: "reactor", correlation: "", depth: 1)
    let recorded = await attempt("outcomes", call) { workspace throws(CommandError) in
      for entry in batch {
        try workspace.record(entry.outcome, for: entry.message, news: entry.news)
      }
    }
    switch recorded {
    case .success: return true
    case .failure(.log): return false
    case .failure:
      // One that is refused must not keep the others; it is looked up as a call in doubt.
      guard batch.count > 1 else { return true }
      for entry in batch {
        guard await record([entry]) else { return false }
      }
      return true
    }
  }

  /// Waits for the calls that are under way, cuts off those that take long, and records the answers.
  /// What could not be recorded is reconciled after the next start.
  private func drain() async {
    let running = Array(calls.values)
    let deadline = Task { [grace = settings.stopGraceMillis] in
      // Cancelled as soon as all calls have ended.
      guard (try? await Task.sleep(for: .milliseconds(grace))) != nil else { return }
      for call in running { call.cancel() }
    }
    for call in running { await call.value }
    deadline.cancel()
    await deadline.value
    if !outcomes.isEmpty, await record(outcomes) { outcomes = [] }
  }
}

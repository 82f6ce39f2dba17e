import Domain
import EventLog

/// How reactors behave; the numbers are defaults that the settings may change.
package struct ReactorSettings: Sendable {
  /// Where providers reach us, without a slash at the end.
  package var publicURL: String
  /// Provider calls of one org at the same time.
  package var concurrentCallCount = 48
  /// How long a provider may take to list a message that it took in doubt.
  package var doubtGraceMillis: Int64 = 5_000

  package init(publicURL: String) { self.publicURL = publicURL }
}

/// Everything of one org that goes on by itself: timers, campaign batches, the dispatcher, and
/// calls in doubt. Its only memory is which calls are running; all work is found in the org's state,
/// which is a fold of the log, so a restart goes on where it stopped.
actor OrgReactor {
  private let executor: OrgExecutor
  private let provider: any MessageProvider
  private let log: any EventReader
  private let settings: ReactorSettings
  private let report: @Sendable (String) -> Void
  private let wake = ChangeSignal()

  private var calling: Set<Identifier> = []
  private var outcomes: [CallOutcome] = []
  /// Unanswered calls that the provider did not list, with the moment of the first look.
  private var missingSince: [Identifier: Micros] = [:]
  private var circuit = Circuit()

  private struct CallOutcome: Sendable {
    let message: Identifier
    let outcome: DispatchOutcome
    let isOptOut: Bool
  }

  init(
    executor: OrgExecutor, provider: any MessageProvider, log: any EventReader,
    settings: ReactorSettings, report: @escaping @Sendable (String) -> Void
  ) {
    self.executor = executor
    self.provider = provider
    self.log = log
    self.settings = settings
    self.report = report
  }

  /// Works until the task is cancelled.
  func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.repeatedly(self.executor.changes) { await self.dispatchNext() } }
      group.addTask { await self.repeatedly(self.executor.changes) { await self.fireTimers() } }
      group.addTask { await self.repeatedly(self.executor.changes) { await self.runCampaigns() } }
      group.addTask { await self.repeatedly(self.wake) { await self.recordOutcomes() } }
      group.addTask { await self.repeatedly(self.wake) { await self.settleDoubts() } }
    }
  }

  /// What a round of work left behind.
  private enum Next {
    case again
    case idle(forMicros: Int64?)
  }

  private func repeatedly(_ signal: ChangeSignal, _ work: @Sendable () async -> Next) async {
    while !Task.isCancelled {
      let seen = signal.generation
      switch await work() {
      case .again: continue
      case .idle(let micros):
        await signal.wait(beyond: seen, timeout: .microseconds(min(micros ?? .max, 60_000_000)))
      }
    }
  }

  private func call(_ correlation: String = "") -> Call {
    Call(actor: "system:reactor", origin: "reactor", correlation: correlation)
  }

  /// Runs a command of ours. A failure is reported and tried again a little later.
  private func attempt<Output: Sendable>(
    _ what: String, _ call: Call,
    _ body: @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async -> Output? {
    do {
      return try await executor.perform(call, body).output
    } catch {
      report("\(what): \(error)")
      return nil
    }
  }
}

// MARK: - Timers and campaigns

extension OrgReactor {
  private func fireTimers() async -> Next {
    do {
      let work = try await executor.dueTimers(limit: 32)
      guard !work.due.isEmpty else { return .idle(forMicros: work.nextInMicros) }
      do {
        _ = try await executor.perform(timerCall) { workspace throws(CommandError) in
          for timer in work.due { try workspace.fire(timer) }
        }
        return .again
      } catch {
        return await fireOneByOne(work.due)
      }
    } catch {
      report("timers: \(error)")
      return .idle(forMicros: 1_000_000)
    }
  }

  private var timerCall: Call {
    Call(actor: "system:timer", origin: "timer", correlation: "")
  }

  /// One timer that cannot fire must not hold up the others.
  private func fireOneByOne(_ timers: [Identifier]) async -> Next {
    var firedCount = 0
    for timer in timers {
      let fired: Void? = await attempt("timer \(timer)", timerCall) {
        workspace throws(CommandError) in
        try workspace.fire(timer)
      }
      if fired != nil { firedCount += 1 }
    }
    return firedCount > 0 ? .again : .idle(forMicros: 1_000_000)
  }

  private func runCampaigns() async -> Next {
    do {
      let work = try await executor.campaignWork()
      if let batch = work.batch {
        let key = IdempotencyName("campaign-batch:\(batch.campaign):\(batch.ordinal)")
        let call = Call(
          actor: "system:campaigns", origin: "reactor", correlation: batch.campaign.text,
          depth: 1, idempotencyKey: key)
        _ = try await executor.perform(call) { workspace throws(CommandError) in
          try workspace.planBatch(batch.ordinal, of: batch.campaign)
        }
        return .again
      }
      for campaign in work.finished {
        let call = Call(
          actor: "system:campaigns", origin: "reactor", correlation: campaign.text, depth: 1)
        _ = try await executor.perform(call) { workspace throws(CommandError) in
          try workspace.completeCampaign(campaign)
        }
      }
      return .idle(forMicros: nil)
    } catch {
      report("campaigns: \(error)")
      return .idle(forMicros: 1_000_000)
    }
  }
}

// MARK: - Dispatch

extension OrgReactor {
  /// Hands out what is queued: a commit that says so first, then the calls.
  private func dispatchNext() async -> Next {
    let nowMicros = await executor.nowMicros
    let room = min(settings.concurrentCallCount - calling.count, circuit.room(at: nowMicros))
    guard room > 0 else { return .idle(forMicros: circuit.waitMicros(at: nowMicros) ?? 5_000) }
    do {
      let work = try await executor.takeQueued(limit: room)
      guard !work.messages.isEmpty else { return .idle(forMicros: work.nextInMicros) }
      calling.formUnion(work.messages)
      await dispatch(work.messages)
      return .again
    } catch {
      report("dispatch: \(error)")
      return .idle(forMicros: 1_000_000)
    }
  }

  private func dispatch(_ messages: [Identifier]) async {
    let call = Call(actor: "system:dispatcher", origin: "reactor", correlation: "", depth: 1)
    let dispatched: [Identifier]
    do {
      let done = try await executor.perform(call) { workspace throws(CommandError) in
        try workspace.dispatch(messages)
      }
      dispatched = done.output ?? []
    } catch {
      report("dispatch: \(error)")
      calling.subtract(messages)
      await executor.putBack(messages)
      return
    }
    calling.subtract(Set(messages).subtracting(dispatched))
    for message in dispatched {
      Task { await self.send(message) }
    }
  }

  private func send(_ message: Identifier) async {
    let result: CallOutcome
    if let request = await executor.outboundSMS(message, publicURL: settings.publicURL) {
      let outcome = await provider.send(request)
      result = await translated(outcome, for: message)
    } else {
      result = CallOutcome(
        message: message, outcome: .refused(code: "no_credentials"), isOptOut: false)
    }
    outcomes.append(result)
    wake.raise()
  }

  private func translated(_ outcome: SendOutcome, for message: Identifier) async -> CallOutcome {
    let nowMicros = await executor.nowMicros
    switch outcome {
    case .accepted(let providerID):
      circuit.close()
      return CallOutcome(
        message: message, outcome: .accepted(providerID: providerID), isOptOut: false)
    case .refused(let code):
      circuit.close()
      return CallOutcome(
        message: message, outcome: .refused(code: code),
        isOptOut: provider.optOutCodes.contains(code))
    case .notTaken(let code, let retryAfterMillis):
      let waitMicros = circuit.open(at: nowMicros, askedMicros: (retryAfterMillis ?? 0) * 1_000)
      return CallOutcome(
        message: message,
        outcome: .notTaken(code: code, retryAtMicros: nowMicros + waitMicros), isOptOut: false)
    case .inDoubt(let reason):
      return CallOutcome(message: message, outcome: .inDoubt(reason: reason), isOptOut: false)
    }
  }

  /// Records answers, many in one commit: whatever came in while the last commit was flushed.
  private func recordOutcomes() async -> Next {
    guard !outcomes.isEmpty else { return .idle(forMicros: nil) }
    let batch = outcomes
    outcomes = []
    let call = Call(actor: "provider:twilio", origin: "reactor", correlation: "", depth: 1)
    let recorded: Void? = await attempt("outcomes", call) { workspace throws(CommandError) in
      for entry in batch {
        try workspace.record(entry.outcome, for: entry.message, isOptOut: entry.isOptOut)
      }
    }
    guard recorded != nil else {
      // Kept: what a provider answered is not asked twice.
      outcomes.insert(contentsOf: batch, at: 0)
      return .idle(forMicros: 200_000)
    }
    for entry in batch { calling.remove(entry.message) }
    executor.changes.raise()
    return .again
  }
}

// MARK: - Doubt

extension OrgReactor {
  /// Asks the provider about calls whose answer never came: of a process that died, or lost on the
  /// way. Nothing is sent again before the provider said that it has no such message.
  private func settleDoubts() async -> Next {
    do {
      let doubtful = try await executor.unanswered().subtracting(calling)
      guard !doubtful.isEmpty else { return .idle(forMicros: 2_000_000) }
      for message in doubtful.sorted() where !Task.isCancelled {
        await settle(message)
      }
      return .idle(forMicros: 1_000_000)
    } catch {
      report("reconcile: \(error)")
      return .idle(forMicros: 2_000_000)
    }
  }

  private func settle(_ message: Identifier) async {
    do {
      guard let doubt = try await executor.doubt(about: message, log: log) else { return }
      let listed = try await provider.find(doubt.query)
      let known = try await executor.knownProviderIDs(listed.map(\.providerID), except: message)
      let match = listed.last {
        $0.body == doubt.body && $0.to == doubt.query.to && !known.contains($0.providerID)
      }
      if let match {
        missingSince[message] = nil
        await adopt(match, as: message)
      } else {
        await giveUp(message)
      }
    } catch {
      report("reconcile \(message): \(error)")
    }
  }

  private func adopt(_ found: ProviderMessage, as message: Identifier) async {
    let call = Call(actor: "system:reconciler", origin: "reactor", correlation: "", depth: 1)
    _ = await attempt("reconcile", call) { workspace throws(CommandError) in
      try workspace.record(
        ProviderStatus(
          kind: found.status ?? .accepted, providerID: found.providerID,
          errorCode: found.errorCode, atMicros: workspace.nowMicros),
        for: message)
    }
  }

  /// The provider does not list it: after a grace period in which a call may still have been on its
  /// way through the provider, it is queued again.
  private func giveUp(_ message: Identifier) async {
    let nowMicros = await executor.realMicros
    let since = missingSince[message] ?? nowMicros
    missingSince[message] = since
    guard nowMicros - since >= settings.doubtGraceMillis * 1_000 else { return }
    missingSince[message] = nil
    let call = Call(actor: "system:reconciler", origin: "reactor", correlation: "", depth: 1)
    _ = await attempt("reconcile", call) { workspace throws(CommandError) in
      try workspace.record(
        .notTaken(code: "not_found_at_provider", retryAtMicros: workspace.nowMicros),
        for: message, isOptOut: false)
    }
  }
}

import Domain
import EventLog

// Calls whose answer never came: of a process that died, or lost on the way.

extension OrgReactor {
  /// Asks the provider about them. Nothing is sent again before the provider said that it has no such
  /// message.
  func settleDoubts() async -> Next {
    do {
      let doubtful = try await executor.unanswered(except: calling)
      let all = Set(doubtful.joined())
      missing = missing.filter { all.contains($0.key) }
      try await settle(doubtful)
      let nextMicros = try await askForReceipts()
      guard !doubtful.isEmpty else { return .idle(forMicros: nextMicros) }
    } catch {
      report("reconcile: \(error)")
      return .pause(forMicros: 5_000_000)
    }
    return .pause(forMicros: 1_000_000)
  }

  /// After a crash hundreds may be in doubt, each a question away from its end.
  private static let questionsAtOnce = 16

  /// Several addresses at once; what went to one of them in its order, since the provider's list may not tell one
  /// from the other.
  ///
  /// - Throws: Where the provider or the log do not answer now; the others would fare no better.
  private func settle(_ doubtful: [[Identifier]]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      var rest = doubtful[...]
      for messages in rest.prefix(Self.questionsAtOnce) {
        group.addTask { try await self.settle(inOrder: messages) }
      }
      rest = rest.dropFirst(Self.questionsAtOnce)
      while try await group.next() != nil {
        guard !Task.isCancelled, let messages = rest.popFirst() else { continue }
        group.addTask { try await self.settle(inOrder: messages) }
      }
    }
  }

  private func settle(inOrder messages: [Identifier]) async throws {
    for message in messages where !Task.isCancelled { try await settle(message) }
  }

  /// Changes nothing where the message is not in doubt (any more).
  func settle(_ message: Identifier) async throws {
    let nowMicros = await executor.realMicros
    if let known = missing[message], known.askAtMicros > nowMicros { return }
    guard !(await executor.isTwin(message, of: calling)),
      let doubt = try await executor.doubt(about: message, links: settings.links, log: log),
      doubt.providerID == nil,
      // Handed out since the list of doubts was asked for: its call is being made, and the provider, asked now,
      // might not have it yet.
      !calling.contains(message),
      let provider = providers.provider(
        named: doubt.call.provider, for: doubt.call.message.channel)
    else { return }
    var sinceMicros = doubt.sinceMicros
    if let restored, await mayHaveBeenSent(message) {
      sinceMicros = min(sinceMicros, restored.dataUpToMicros - Self.lookBackMicros)
    }
    let listed = try await provider.find(doubt.call.message, sinceMicros: sinceMicros)
    let known = try await executor.knownProviderIDs(listed.map(\.providerID), except: message)
    let match = listed.last { !known.contains($0.providerID) }
    if let match {
      missing[message] = nil
      await adopt(match, as: message, by: provider)
    } else {
      let listingMillis = provider.listingDelayMillis(of: doubt.call.message)
      await giveUp(
        message, attempt: doubt.attempt,
        afterMillis: max(settings.doubtGraceMillis, listingMillis))
    }
  }

  /// A message may have been sent with others, whose events came last, before its own could be recorded.
  private static let lookBackMicros: Int64 = 60_000_000

  private var call: Call {
    Call(actor: "system:reconciler", origin: "reactor", correlation: "", depth: 1)
  }

  private func adopt(
    _ found: ProviderMessage, as message: Identifier, by provider: any MessageProvider
  ) async {
    let news = found.errorCode.flatMap { provider.news(in: $0) }
    _ = await attempt("reconcile \(message)", call) { workspace throws(CommandError) in
      // A call is charged by its minutes, not by what was held for the longest one.
      if let result = found.call {
        return try workspace.record(result, providerID: found.providerID, for: message)
      }
      try workspace.record(
        ProviderStatus(
          kind: found.status ?? .accepted, providerID: found.providerID,
          errorCode: found.errorCode, atMicros: workspace.nowMicros, address: news),
        for: message)
    }
  }

  /// The provider does not list it: after a grace period in which a call may still have been on its
  /// way through the provider, or on its list, it is queued again.
  private func giveUp(
    _ message: Identifier, attempt: Int, afterMillis graceMillis: Int64
  ) async {
    let nowMicros = await executor.realMicros
    let known = missing[message].flatMap { $0.attempt == attempt ? $0 : nil }
    let sinceMicros = known?.sinceMicros ?? nowMicros
    let endMicros = sinceMicros + graceMillis * 1_000
    guard nowMicros >= endMicros else {
      // Less and less often, and once more at the end.
      let waitMicros = min(max(nowMicros - sinceMicros, 1_000_000), 60_000_000)
      missing[message] = Missing(
        attempt: attempt, sinceMicros: sinceMicros,
        askAtMicros: min(nowMicros + waitMicros, endMicros))
      return
    }
    missing[message] = nil
    let backOffMicros = Circuit.backOffMicros(after: attempt)
    _ = await self.attempt("reconcile \(message)", call) { workspace throws(CommandError) in
      try workspace.record(
        .notTaken(
          code: "not_found_at_provider", retryAtMicros: workspace.nowMicros + backOffMicros),
        for: message, ofAttempt: attempt)
    }
  }
}

/// An unanswered call that the provider did not list.
struct Missing {
  /// Which time it was handed out.
  let attempt: Int
  /// When it was first looked for (real time).
  let sinceMicros: Micros
  /// When to look again.
  let askAtMicros: Micros
}

// MARK: - Receipts

/// A message that the provider took, and of which it never said what became of it.
struct Silence {
  let sinceMicros: Micros
  /// When to ask next (real time).
  var askAtMicros: Micros
}

extension OrgReactor {
  /// Asks about messages without a receipt, each less and less often. Until the next question; nil
  /// without one.
  private func askForReceipts() async throws -> Int64? {
    let nowMicros = await executor.realMicros
    let deadlineMicros = settings.receiptDeadlineMillis * 1_000
    let work = try await executor.takeSilent(untilMicros: nowMicros - deadlineMicros)
    for (message, sinceMicros) in work.messages {
      silent[message] = Silence(sinceMicros: sinceMicros, askAtMicros: nowMicros)
    }
    for (message, silence) in silent.sorted(by: { $0.key < $1.key })
    where silence.askAtMicros <= nowMicros && !Task.isCancelled {
      try await ask(about: message, silence, nowMicros: nowMicros)
    }
    let next =
      silent.values.map(\.askAtMicros)
      + [work.oldestMicros.map { $0 + deadlineMicros }]
      .compactMap(\.self)
    return next.min().map { max(0, $0 - nowMicros) }
  }

  /// - Throws: Where the provider does not answer now, and may later.
  private func ask(
    about message: Identifier, _ silence: Silence, nowMicros: Micros
  ) async throws {
    guard
      let doubt = try await executor.doubt(about: message, links: settings.links, log: log),
      let providerID = doubt.providerID
    else {
      silent[message] = nil
      return
    }
    if let (provider, all) = try await listed(doubt),
      let found = all.first(where: { $0.providerID == providerID }), found.hasNews
    {
      silent[message] = nil
      return await adopt(found, as: message, by: provider)
    }
    let ageMicros = nowMicros - silence.sinceMicros
    if ageMicros >= settings.receiptLimitMillis * 1_000 {
      silent[message] = nil
      return await closeWithoutReceipt(message, providerID)
    }
    let limitMicros = settings.receiptLimitMillis * 1_000
    silent[message]?.askAtMicros = min(
      nowMicros + max(ageMicros, settings.receiptDeadlineMillis * 1_000),
      silence.sinceMicros + limitMicros)
  }

  /// nil where the provider will never tell, whoever asks how often.
  private func listed(
    _ doubt: OrgExecutor.Doubt
  ) async throws -> (provider: any MessageProvider, messages: [ProviderMessage])? {
    guard
      let provider = providers.provider(named: doubt.call.provider, for: doubt.call.message.channel)
    else { return nil }
    do {
      let found = try await provider.find(doubt.call.message, sinceMicros: doubt.sinceMicros)
      return (provider, found)
    } catch {
      guard !error.isRetryable else { throw error }
      report("receipts: \(error)")
      return nil
    }
  }

  /// Nobody will ever say what became of it: it counts as failed, which costs nothing, under a code of
  /// its own.
  private func closeWithoutReceipt(_ message: Identifier, _ providerID: String) async {
    _ = await attempt("receipts \(message)", call) { workspace throws(CommandError) in
      try workspace.record(
        ProviderStatus(
          kind: .failed, providerID: providerID, errorCode: "no_receipt",
          atMicros: workspace.nowMicros),
        for: message)
    }
  }
}

import Domain
import EventLog

// Calls whose answer never came: of a process that died, or lost on the way.

extension OrgReactor {
  /// Asks the provider about them. Nothing is sent again before the provider said that it has no such
  /// message.
  func settleDoubts() async -> Next {
    do {
      silentServices = []
      let doubtful = try await executor.unanswered(except: calling)
      let all = Set(doubtful.joined())
      questions = questions.filter { all.contains($0.key) }
      try await settle(doubtful)
      let nextMicros = try await askForReceipts()
      guard silentServices.isEmpty else { return .pause(forMicros: 5_000_000) }
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
  /// - Throws: Where the log does not answer now; the others would fare no better.
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
    if let known = questions[message] {
      guard known.askAtMicros <= nowMicros else { return }
      // No look into the log for each of thousands, as long as nobody answers.
      if known.endsAtMicros > nowMicros, await isSilent(message) { return }
    }
    guard let doubt = try await executor.doubt(about: message, links: settings.links, log: log),
      doubt.providerID == nil,
      // Handed out since the list of doubts was asked for: its call is being made, and the provider, asked now,
      // might not have it yet.
      !calling.contains(message)
    else { return }
    let asked = questions[message].flatMap { $0.attempt == doubt.attempt ? $0 : nil }
    let question =
      asked ?? Question(attempt: doubt.attempt, firstMicros: nowMicros, askAtMicros: nowMicros)
    switch await list(doubt, for: message) {
    case .silent:
      await keep(question, about: message, doubt, waitMicros: 0)
    case .refused(let isForGood):
      if isForGood, await isNew(message, doubt) { return await putBack(message, doubt) }
      await keep(
        question, about: message, doubt, waitMicros: question.waitMicros(at: nowMicros))
    case .listed(let provider, var listed):
      // Ids of what was sent since are not known for ever.
      if doubt.isOfLostHistory, let restored { listed = listed.filter(restored.mayBeLost) }
      let known = try await executor.knownProviderIDs(listed.map(\.providerID), except: message)
      let unknown = listed.filter { !known.contains($0.providerID) }
      if unknown.isEmpty {
        await giveUp(message, question, doubt, provider)
      } else if unknown.count > (await executor.rivalCount(of: message)) {
        questions[message] = nil
        await adopt(unknown[unknown.count - 1], as: message, by: provider)
      } else {
        // Some were taken, and the list does not tell which: only a callback can.
        await keep(
          question, about: message, doubt, waitMicros: question.waitMicros(at: nowMicros))
      }
    }
  }

  /// What a question came to.
  private enum Listing {
    case listed(any MessageProvider, [ProviderMessage])
    /// The provider answers nobody now, and may in the next round.
    case silent
    /// It will not say, or there is nobody any more who could be asked. `isForGood`: it never will, such as a list that
    /// the account has not bought; what people can mend, such as a token, hides what may have been sent.
    case refused(isForGood: Bool)
  }

  /// A provider that does not answer is left alone for the rest of the round; the others' messages are asked about all
  /// the same.
  private func list(_ doubt: OrgExecutor.Doubt, for message: Identifier) async -> Listing {
    guard let call = doubt.call,
      let provider = providers.provider(named: call.provider, for: call.message.channel)
    else { return .refused(isForGood: false) }
    let service = call.message.channel.ofAddress
    guard !silentServices.contains(service) else { return .silent }
    var sinceMicros = doubt.sinceMicros
    if doubt.providerID == nil, let restored, await mayHaveBeenSent(message) {
      sinceMicros = min(sinceMicros, restored.dataUpToMicros - OrgExecutor.lookBackMicros)
    }
    do {
      return .listed(provider, try await provider.find(call.message, sinceMicros: sinceMicros))
    } catch {
      report("reconcile \(message): \(error)")
      guard error.isRetryable else {
        // Of mails alone a list is something apart, which accounts buy, or may not ask for.
        return .refused(isForGood: call.message.channel == .email && error.isNotServed)
      }
      silentServices.insert(service)
      return .silent
    }
  }

  /// Whether nobody has called the provider for it in this history, and the campaign was launched in it.
  private func isNew(_ message: Identifier, _ doubt: OrgExecutor.Doubt) async -> Bool {
    guard doubt.isOfLostHistory, let restored else { return false }
    return restored.isNew(launchMicros: await executor.launchMicros(of: message))
  }

  /// What nobody answers for is closed when a receipt would be, and never sent again: it may have been taken.
  private func keep(
    _ question: Question, about message: Identifier, _ doubt: OrgExecutor.Doubt,
    waitMicros: Int64
  ) async {
    let nowMicros = await executor.realMicros
    let endsAtMicros = max(
      doubt.sinceMicros + settings.receiptLimitMillis * 1_000,
      question.firstMicros + settings.receiptDeadlineMillis * 1_000)
    guard nowMicros >= endsAtMicros else {
      questions[message] = question
      questions[message]?.askAtMicros = nowMicros + waitMicros
      questions[message]?.endsAtMicros = endsAtMicros
      return
    }
    await end(message, doubt, .refused(code: "no_answer"))
  }

  /// Whoever was off for days does not take the first failure to connect for an answer.
  private func hasAskedLong(since firstMicros: Micros, _ nowMicros: Micros) -> Bool {
    nowMicros - firstMicros >= settings.receiptDeadlineMillis * 1_000
  }

  private func isSilent(_ message: Identifier) async -> Bool {
    guard !silentServices.isEmpty else { return false }
    return await executor.service(of: message).map(silentServices.contains) ?? false
  }

  private var call: Call {
    Call(actor: "system:reconciler", origin: "reactor", correlation: "", depth: 1)
  }

  private func adopt(
    _ found: ProviderMessage, as message: Identifier, by provider: any MessageProvider
  ) async {
    let news = found.errorCode.flatMap { provider.news(in: $0) }
    _ = await attempt("reconcile \(message)", call) { workspace throws(CommandError) in
      // Its id first: without it a failure may be taken for that of another attempt.
      try workspace.record(.accepted(providerID: found.providerID), for: message)
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
  /// way through the provider, or on its list, it is queued again, or, where that list is no proof, closed.
  private func giveUp(
    _ message: Identifier, _ question: Question, _ doubt: OrgExecutor.Doubt,
    _ provider: any MessageProvider
  ) async {
    guard let call = doubt.call else { return }
    let nowMicros = await executor.realMicros
    let sinceMicros = question.absentSinceMicros ?? nowMicros
    let graceMillis = max(
      settings.doubtGraceMillis, provider.listingDelayMillis(of: call.message))
    let endMicros = sinceMicros + graceMillis * 1_000
    guard nowMicros >= endMicros else {
      // Less and less often, and once more at the end.
      let waitMicros = min(max(nowMicros - sinceMicros, 1_000_000), 60_000_000)
      var next = question
      next.absentSinceMicros = sinceMicros
      next.askAtMicros = min(nowMicros + waitMicros, endMicros)
      questions[message] = next
      return
    }
    let isProven: Bool
    do {
      isProven = try await provider.provesAbsence(
        of: call.message, handedOverAtMicros: doubt.sinceMicros)
    } catch {
      report("reconcile \(message): \(error)")
      if error.isRetryable { silentServices.insert(call.message.channel.ofAddress) }
      return await keep(
        question, about: message, doubt, waitMicros: question.waitMicros(at: nowMicros))
    }
    if !isProven, !(await isNew(message, doubt)) {
      return await end(message, doubt, .refused(code: "not_listed"))
    }
    await putBack(message, doubt)
  }

  private func putBack(_ message: Identifier, _ doubt: OrgExecutor.Doubt) async {
    let retryAtMicros = await executor.nowMicros + Circuit.backOffMicros(after: doubt.attempt)
    await end(
      message, doubt, .notTaken(code: "not_found_at_provider", retryAtMicros: retryAtMicros))
  }

  private func end(
    _ message: Identifier, _ doubt: OrgExecutor.Doubt, _ outcome: DispatchOutcome
  ) async {
    questions[message] = nil
    _ = await attempt("reconcile \(message)", call) { workspace throws(CommandError) in
      try workspace.record(outcome, for: message, ofAttempt: doubt.attempt)
    }
  }
}

/// A message in doubt that the provider was asked about.
struct Question {
  /// Which time it was handed out.
  let attempt: Int
  /// When it was first asked about (real time).
  let firstMicros: Micros
  /// Since when the provider says that it has no such message.
  var absentSinceMicros: Micros?
  /// When to ask again.
  var askAtMicros: Micros
  /// When it is closed if nobody answers until then; as far as it is known.
  var endsAtMicros: Micros = .min

  /// Less and less often, down to once an hour: for people to mend what keeps the provider from answering.
  fileprivate func waitMicros(at nowMicros: Micros) -> Int64 {
    min(max(nowMicros - firstMicros, 1_000_000), 3_600_000_000)
  }
}

// MARK: - Receipts

/// A message that the provider took, and of which it never said what became of it.
struct Silence {
  /// Whose provider took it, by `Channel.ofAddress`.
  let service: Channel
  let sinceMicros: Micros
  /// When it was first to be asked about (real time).
  let firstMicros: Micros
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
    for entry in work.messages {
      silent[entry.message] = Silence(
        service: entry.service, sinceMicros: entry.sinceMicros, firstMicros: nowMicros,
        askAtMicros: nowMicros)
    }
    var questionCount = 0
    let due = silent.filter { $0.value.askAtMicros <= nowMicros }.sorted { $0.key < $1.key }
    for (message, silence) in due
    where !Task.isCancelled && questionCount < Self.receiptQuestionLimit
      && (isOverdue(silence, nowMicros) || !silentServices.contains(silence.service))
    {
      questionCount += 1
      try await ask(about: message, silence, nowMicros: nowMicros)
    }
    let next =
      silent.values.map(\.askAtMicros)
      + [work.oldestMicros.map { $0 + deadlineMicros }]
      .compactMap(\.self)
    return next.min().map { max(0, $0 - nowMicros) }
  }

  /// As many in a round: a call in doubt must not wait for the answers about a whole campaign.
  private static let receiptQuestionLimit = 500

  /// Whether it is closed even where nobody answers.
  private func isOverdue(_ silence: Silence, _ nowMicros: Micros) -> Bool {
    nowMicros - silence.sinceMicros >= settings.receiptLimitMillis * 1_000
      && hasAskedLong(since: silence.firstMicros, nowMicros)
  }

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
    var isOverdue = nowMicros - silence.sinceMicros >= settings.receiptLimitMillis * 1_000
    switch await list(doubt, for: message) {
    case .listed(let provider, let all):
      if let found = all.first(where: { $0.providerID == providerID }), found.hasNews {
        silent[message] = nil
        return await adopt(found, as: message, by: provider)
      }
    case .silent:
      isOverdue = self.isOverdue(silence, nowMicros)
      // Asked again in the next round.
      guard isOverdue else { return }
    case .refused: break
    }
    if isOverdue {
      silent[message] = nil
      return await closeWithoutReceipt(message, providerID)
    }
    let ageMicros = nowMicros - silence.sinceMicros
    silent[message]?.askAtMicros = min(
      nowMicros + max(ageMicros, settings.receiptDeadlineMillis * 1_000),
      silence.sinceMicros + settings.receiptLimitMillis * 1_000)
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

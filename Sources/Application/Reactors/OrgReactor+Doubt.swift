import Domain
import EventLog

// Calls whose answer never came: of a process that died, or lost on the way.

extension OrgReactor {
  /// Asks the provider about them. Nothing is sent again before the provider said that it has no such
  /// message.
  func settleDoubts() async -> Next {
    do {
      let doubtful = try await executor.unanswered().subtracting(calling)
      missingSince = missingSince.filter { doubtful.contains($0.key) }
      guard !doubtful.isEmpty else { return .idle(forMicros: nil) }
      for message in doubtful.sorted() where !Task.isCancelled { try await settle(message) }
    } catch {
      report("reconcile: \(error)")
      return .pause(forMicros: 5_000_000)
    }
    return .pause(forMicros: 1_000_000)
  }

  /// - Throws: Where the provider or the log do not answer now; the others would fare no better.
  private func settle(_ message: Identifier) async throws {
    guard !(await executor.isTwin(message, of: calling)),
      let doubt = try await executor.doubt(about: message, links: settings.links, log: log),
      let provider = providers.provider(
        named: doubt.call.provider, for: doubt.call.message.channel)
    else { return }
    let listed = try await provider.find(doubt.call.message, sinceMicros: doubt.sinceMicros)
    let known = try await executor.knownProviderIDs(listed.map(\.providerID), except: message)
    let match = listed.last { !known.contains($0.providerID) }
    if let match {
      missingSince[message] = nil
      await adopt(match, as: message)
    } else {
      await giveUp(message)
    }
  }

  private var call: Call {
    Call(actor: "system:reconciler", origin: "reactor", correlation: "", depth: 1)
  }

  private func adopt(_ found: ProviderMessage, as message: Identifier) async {
    _ = await attempt("reconcile \(message)", call) { workspace throws(CommandError) in
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
    let backOffMicros = Circuit.backOffMicros(after: await executor.attempt(of: message))
    _ = await attempt("reconcile \(message)", call) { workspace throws(CommandError) in
      try workspace.record(
        .notTaken(
          code: "not_found_at_provider", retryAtMicros: workspace.nowMicros + backOffMicros),
        for: message, isOptOut: false)
    }
  }
}

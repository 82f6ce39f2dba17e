import Domain
import EventLog

// Texts that people sent while nobody was here to take them in: a provider tries a webhook for seconds, then never again.

extension OrgReactor {
  /// Every few minutes: a webhook may also have been refused while the disk was full.
  func lookForTexts() async -> Next {
    await takeInTexts()
    return .pause(forMicros: Self.lookEveryMicros)
  }

  private static let lookEveryMicros: Int64 = 300_000_000
  /// How far a look goes back beyond the one before: clocks differ, and lists may be late.
  private static let lookOverlapMicros: Int64 = 3_600_000_000
  /// ... and beyond the last sign of life of the process before: what came then may have been refused.
  private static let firstOverlapMicros: Int64 = 86_400_000_000
  /// A provider keeps its messages longer, but who was away for longer starts anew.
  private static let longestLookMicros: Int64 = 30 * 86_400_000_000

  /// Asks the provider for what came to the org's number, and takes in what is not on record. What fails is looked for again
  /// the next time.
  func takeInTexts() async {
    do {
      let nowMicros = await executor.realMicros
      let fromMicros: Micros
      if let lookFromMicros {
        fromMicros = lookFromMicros
      } else {
        fromMicros = try await firstLookFromMicros(nowMicros)
      }
      lookFromMicros = fromMicros
      guard let account = try await executor.textAccount(),
        let provider = providers.provider(named: SMSCredentials.provider, for: .sms)
      else { return }
      let texts = try await provider.received(
        at: account.number, by: account.credentials,
        // What came to the number before it was this account's is not for us.
        sinceMicros: max(fromMicros, account.sinceMicros), except: Set(knownTexts.keys))
      // Its webhook says more, what the provider takes a text for, and goes first.
      let untilMicros = nowMicros - settings.webhookGraceMillis * 1_000
      for entry in texts.reversed() where entry.atMicros <= untilMicros {
        if await takeIn(entry.text) { knownTexts[entry.text.providerID] = entry.atMicros }
      }
      let nextMicros = nowMicros - Self.lookOverlapMicros
      // The provider keeps times to the second.
      knownTexts = knownTexts.filter { $0.value >= nextMicros - 1_000_000 }
      lookFromMicros = nextMicros
    } catch {
      report("texts: \(error)")
    }
  }

  private func firstLookFromMicros(_ nowMicros: Micros) async throws -> Micros {
    let lastMicros = try await executor.lastRecordedMicros(in: log) ?? nowMicros
    let aliveMicros = min(lastMicros, restored?.dataUpToMicros ?? .max)
    return max(aliveMicros - Self.firstOverlapMicros, nowMicros - Self.longestLookMicros)
  }

  /// Under the key that its webhook has: it is taken in once, whichever comes first. False where that failed.
  private func takeIn(_ text: InboundText) async -> Bool {
    let call = Call(
      actor: "provider:\(SMSCredentials.provider)", origin: "reactor", correlation: "",
      idempotencyKey: text.idempotencyKey)
    let taken = await attempt("text \(text.providerID)", call) { workspace throws(CommandError) in
      try workspace.receive(text)
    }
    if case .success = taken { return true }
    return false
  }
}

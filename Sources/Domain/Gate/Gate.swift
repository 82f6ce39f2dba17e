/// The one place that decides whether a message may go out now. Pure: the same facts and the same
/// rule set give the same verdict, for ever and on any machine.
package enum Gate {
  /// The rules as data, each set from its day on. Sources: `docs/compliance.md`.
  package struct RuleSet: Sendable, Equatable {
    package let version: String
    package let effectiveFromMicros: Micros
    /// Local minutes of day between which people may be texted: start included, end excluded.
    package let windowStartMinute: Int
    package let windowEndMinute: Int
  }

  /// Oldest first. A change is a further entry, never an edit.
  package static let ruleSets = [
    // 47 CFR 64.1200(c)(1): not before 8 a.m. and not after 9 p.m. where the person is.
    RuleSet(
      version: "2026-11-21", effectiveFromMicros: .min, windowStartMinute: 8 * 60,
      windowEndMinute: 21 * 60)
  ]

  package static func ruleSet(at nowMicros: Micros) -> RuleSet {
    guard let current = ruleSets.last(where: { $0.effectiveFromMicros <= nowMicros }) else {
      preconditionFailure("the first rule set has no beginning")
    }
    return current
  }

  /// Reasons are tried in the order in which they win: what nobody can cure comes first.
  package static func judge(_ facts: GateFacts) -> Verdict {
    let rules = ruleSet(at: facts.nowMicros)
    return Verdict(outcome: outcome(facts, rules), ruleSet: rules.version, facts: facts)
  }

  private static func outcome(_ facts: GateFacts, _ rules: RuleSet) -> Verdict.Outcome {
    guard facts.hasAddress else { return .refused(.noAddress) }
    guard !facts.isAddressOptedOut, facts.consent != .optedOut else { return .refused(.revoked) }
    if facts.consent == .suspected, facts.purpose == .marketing { return .refused(.revoked) }
    guard facts.accountStatus == "active" else { return .refused(.paused) }
    guard hasConsent(facts) else { return .refused(.noConsent) }
    guard facts.channel == .email || !facts.zones.isEmpty else { return .refused(.invalidAddress) }
    if !facts.isReply, let untilMicros = closedUntil(facts, rules) {
      return .held(.quietHours, untilMicros: untilMicros)
    }
    guard facts.priceMicros <= facts.walletAvailableMicros else {
      return .refused(.insufficientFunds)
    }
    return .allowed
  }

  /// Marketing needs a recorded yes to marketing; giving the number is enough for what was asked
  /// for (47 CFR 64.1200(a)(1), (a)(2)).
  private static func hasConsent(_ facts: GateFacts) -> Bool {
    switch facts.purpose {
    case .transactional: true
    case .marketing: facts.consent == .optedIn && facts.consentPurpose == .marketing
    }
  }

  /// nil where the window is open in every zone that the person may be in.
  private static func closedUntil(_ facts: GateFacts, _ rules: RuleSet) -> Micros? {
    facts.zones.filter {
      !(rules.windowStartMinute..<rules.windowEndMinute).contains($0.minuteOfDay)
    }
    .map(\.nextOpenMicros)
    .max()
  }
}

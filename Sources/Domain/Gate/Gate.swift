/// The one place that decides whether a message may go out now. Pure: the same facts and the same
/// rule set give the same verdict, for ever and on any machine.
package enum Gate {
  /// The rules as data, each set from its day on.
  package struct RuleSet: Sendable, Equatable {
    package let version: String
    package let effectiveFromMicros: Micros
    /// Local minutes of day between which people may be texted: start included, end excluded.
    package let windowStartMinute: Int
    package let windowEndMinute: Int
    /// What regions add for marketing, by region.
    package let regions: [String: RegionRule]
    /// So long before a window's end nothing is handed over any more: providers have queues of their own.
    package var closingMarginMinutes = 0
    /// Segments a day that carriers take of one brand.
    package var carrierDailySegments: [BrandClass: Int] = [:]
  }

  /// Oldest first; the last one whose day has come counts. A change is a further entry, never an edit.
  package static let ruleSets = [
    // 47 CFR 64.1200(c)(1): not before 8 a.m. and not after 9 p.m. where the person is.
    RuleSet(
      version: "2026-11-21", effectiveFromMicros: .min, windowStartMinute: 8 * 60,
      windowEndMinute: 21 * 60, regions: [:]),
    // The hours, days off and caps of the states and of Canada; frequency caps; budgets; lists. The
    // statutes are older than this product: the set replaces the first one for all times.
    RuleSet(
      version: "2026-11-21.2", effectiveFromMicros: .min, windowStartMinute: 8 * 60,
      windowEndMinute: 21 * 60, regions: RegionRules.of2026November),
    // The last five minutes of every window are left to the providers' queues; mailboxes that bounced
    // or complained, landlines and reassigned numbers have reasons of their own.
    RuleSet(
      version: "2026-11-21.3", effectiveFromMicros: .min, windowStartMinute: 8 * 60,
      windowEndMinute: 21 * 60, regions: RegionRules.of2026November, closingMarginMinutes: 5),
    // The carriers' day; what comes too late, twice, to real people from a test account, or to those
    // who are kept out to compare with; the kill switch that lets nothing wait.
    RuleSet(
      version: "2026-11-21.4", effectiveFromMicros: .min, windowStartMinute: 8 * 60,
      windowEndMinute: 21 * 60, regions: RegionRules.of2026November, closingMarginMinutes: 5,
      carrierDailySegments: CarrierCaps.of2026November),
  ]

  package static func ruleSet(at nowMicros: Micros) -> RuleSet {
    guard let current = ruleSets.last(where: { $0.effectiveFromMicros <= nowMicros }) else {
      preconditionFailure("the first rule set has no beginning")
    }
    return current
  }

  /// Reasons are tried in the order in which they win: what nobody can cure comes first, then what
  /// somebody can, then what time cures.
  package static func judge(_ facts: GateFacts) -> Verdict {
    judge(facts, by: ruleSet(at: facts.nowMicros))
  }

  /// What `rules` say, in force or not: how an old verdict is checked.
  package static func judge(_ facts: GateFacts, by rules: RuleSet) -> Verdict {
    Verdict(outcome: outcome(facts, rules), ruleSet: rules.version, facts: facts)
  }

  private static func outcome(_ facts: GateFacts, _ rules: RuleSet) -> Verdict.Outcome {
    for rule in refusals {
      if let reason = rule.reason(facts) { return .refused(reason) }
    }
    // What lasts longest: nobody is told eight in the morning and then kept until the evening.
    let longest = holds.compactMap { rule in rule.until(facts, rules).map { (rule.reason, $0) } }
      .max { $0.1 < $1.1 }
    if let (reason, untilMicros) = longest {
      // What could only go out too late is not kept for nothing.
      return isStale(facts, atMicros: untilMicros)
        ? .refused(.stale) : .held(reason, untilMicros: untilMicros)
    }
    guard isPaid(facts) else { return .refused(.insufficientFunds) }
    return .allowed
  }

  private static func isPaid(_ facts: GateFacts) -> Bool {
    facts.priceMicros <= facts.walletAvailableMicros
  }

  /// A rule that ends it.
  private struct Refusal: Sendable {
    let name: String
    let reason: @Sendable (GateFacts) -> GateReason?
  }

  /// A rule that makes it wait.
  private struct Hold: Sendable {
    let name: String
    let reason: GateReason
    let until: @Sendable (GateFacts, RuleSet) -> Micros?
  }

  /// In the order in which they win.
  private static let refusals = [
    Refusal(name: "address") { $0.hasAddress ? nil : .noAddress },
    Refusal(name: "opt_out") { facts in
      facts.isAddressOptedOut || facts.consent == .optedOut
        ? facts.ending?.reason ?? .revoked : nil
    },
    Refusal(name: "suppression") { $0.isSuppressed || $0.isArchived ? .suppressed : nil },
    Refusal(name: "suspected_opt_out") { facts in
      facts.consent == .suspected && facts.purpose == .marketing ? .revoked : nil
    },
    Refusal(name: "account_status") { $0.accountStatus == "active" ? nil : .paused },
    Refusal(name: "kill_switch") { $0.isKilled ? .killSwitch : nil },
    Refusal(name: "test_reach") { $0.testReach == .person ? .testMode : nil },
    Refusal(name: "consent") { hasConsent($0) ? nil : .noConsent },
    Refusal(name: "known_place") { facts in
      facts.channel == .email || !facts.zones.isEmpty ? nil : .invalidAddress
    },
    Refusal(name: "number") { $0.numberFault?.reason },
    Refusal(name: "registration") { facts in
      guard facts.channel != .email, let registration = facts.registration else { return nil }
      return registration == .verified ? nil : .brandNotRegistered
    },
    Refusal(name: "expiry") { isStale($0, atMicros: $0.nowMicros) ? .stale : nil },
    Refusal(name: "duplicate_content") { isRepetition($0) ? .duplicateContent : nil },
    // Last: who is kept out is compared with those who could have been written to.
    Refusal(name: "holdout") { $0.holdout?.isKeptOut == true ? .holdout : nil },
  ]

  private static let holds = [
    Hold(name: "quiet_hours", reason: .quietHours, until: closedUntil),
    Hold(name: "frequency_cap", reason: .frequencyCap, until: cappedUntil),
    Hold(name: "daily_budget", reason: .budget) { facts, _ in overBudgetUntil(facts) },
    Hold(name: "carrier_cap", reason: .carrierCap, until: carrierFullUntil),
  ]

  private static func isStale(_ facts: GateFacts, atMicros: Micros) -> Bool {
    facts.expiresAtMicros.map { atMicros >= $0 } ?? false
  }

  /// People who talk with each other may say the same thing twice.
  private static func isRepetition(_ facts: GateFacts) -> Bool {
    guard !facts.isReply, let hours = facts.duplicateHours, let atMicros = facts.sameTextMicros
    else { return false }
    return facts.nowMicros - atMicros < Int64(hours) * hourMicros
  }

  /// Marketing needs a recorded yes to marketing; giving the number is enough for what was asked
  /// for (47 CFR 64.1200(a)(1), (a)(2)).
  private static func hasConsent(_ facts: GateFacts) -> Bool {
    switch facts.purpose {
    case .transactional: true
    case .marketing: facts.consent == .optedIn && facts.consentPurpose == .marketing
    }
  }
}

// MARK: - Rule by rule

extension Gate {
  /// What one rule said.
  package struct Finding: Sendable, Equatable {
    package let rule: String
    /// `allowed`: it has nothing against it.
    package let outcome: Verdict.Outcome
  }

  /// What each rule of a set says to the facts, in the order in which they win: for people who ask why. Rules behind
  /// the one that decided are asked too.
  package static func findings(_ facts: GateFacts, by rules: RuleSet) -> [Finding] {
    let refused = refusals.map { rule in
      Finding(rule: rule.name, outcome: rule.reason(facts).map { .refused($0) } ?? .allowed)
    }
    let held = holds.map { rule in
      let until = rule.until(facts, rules)
      return Finding(
        rule: rule.name, outcome: until.map { .held(rule.reason, untilMicros: $0) } ?? .allowed)
    }
    let funds = Finding(
      rule: "funds", outcome: isPaid(facts) ? .allowed : .refused(.insufficientFunds))
    return refused + held + [funds]
  }
}

// MARK: - Hours

extension Gate {
  /// Whether the window is open at a place's local time. Regions bind advertising alone: what was
  /// asked for has the federal hours.
  package static func isOpen(
    _ place: ZoneTime, regions: [String], purpose: Purpose, _ rules: RuleSet
  ) -> Bool {
    func contains(_ window: Range<Int>) -> Bool {
      window.lowerBound <= place.minuteOfDay
        && place.minuteOfDay < window.upperBound - rules.closingMarginMinutes
    }
    guard contains(rules.windowStartMinute..<rules.windowEndMinute) else { return false }
    guard purpose == .marketing else { return true }
    return regions.compactMap { rules.regions[$0] }.allSatisfy { rule in
      guard let day = place.localDay, let window = rule.window(on: day) else { return false }
      return contains(window)
    }
  }

  /// The local minutes at which a window may open.
  package static func startMinutes(
    regions: [String], purpose: Purpose, _ rules: RuleSet
  ) -> Set<Int> {
    let own = purpose == .marketing ? regions.compactMap { rules.regions[$0] } : []
    return own.reduce(into: [rules.windowStartMinute]) { $0.formUnion($1.startMinutes) }
  }

  /// nil where the window is open in every zone that the person may be in.
  private static func closedUntil(_ facts: GateFacts, _ rules: RuleSet) -> Micros? {
    // The hours are about phones that ring.
    if facts.isReply || facts.channel == .email { return nil }
    let closed = facts.zones.filter {
      !isOpen($0, regions: facts.regions, purpose: facts.purpose, rules)
    }
    return closed.isEmpty ? nil : facts.opensAtMicros ?? closed.map(\.nextOpenMicros).max()
  }
}

// MARK: - Caps

extension Gate {
  /// As long as what was sent is remembered.
  package static let capHoursLimit = 24

  private static let hourMicros: Int64 = 3_600_000_000

  private static func cappedUntil(_ facts: GateFacts, _ rules: RuleSet) -> Micros? {
    guard facts.purpose == .marketing else { return nil }
    let caps =
      facts.regions.compactMap { rules.regions[$0]?.cap } + [facts.orgCap].compactMap(\.self)
    return caps.compactMap { cap -> Micros? in
      let lengthMicros = Int64(cap.hours) * hourMicros
      let counted = facts.recentMicros.filter { facts.nowMicros - $0 < lengthMicros }.sorted()
      guard counted.count >= cap.count else { return nil }
      return counted[counted.count - cap.count] + lengthMicros
    }
    .max()
  }

  private static let dayMicros: Int64 = 86_400_000_000

  private static func overBudgetUntil(_ facts: GateFacts) -> Micros? {
    guard let budgetMicros = facts.dailyBudgetMicros, let spentMicros = facts.spentTodayMicros,
      facts.priceMicros > budgetMicros - spentMicros
    else { return nil }
    // Until the next day begins (UTC).
    return (facts.nowMicros / dayMicros + 1) * dayMicros
  }

  private static func carrierFullUntil(_ facts: GateFacts, _ rules: RuleSet) -> Micros? {
    guard let use = facts.carrier, let limit = rules.carrierDailySegments[use.brand],
      use.segmentCount > limit - use.usedCount
    else { return nil }
    return use.resetsAtMicros
  }
}

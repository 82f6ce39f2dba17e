import Domain
import Testing

@Suite struct GateTests {
  /// A marketing text that may go out: noon, consent, credit.
  static let good = GateFacts(
    nowMicros: 1_795_000_000_000_000, channel: .sms, purpose: .marketing, hasAddress: true,
    accountStatus: "active", consent: .optedIn, consentPurpose: .marketing,
    isAddressOptedOut: false, isReply: false, zones: [zone(12 * 60)], priceMicros: 12_000,
    walletAvailableMicros: 12_000)

  static func zone(_ minuteOfDay: Int, opens nextOpenMicros: Micros = 1) -> ZoneTime {
    ZoneTime(zone: "America/Chicago", minuteOfDay: minuteOfDay, nextOpenMicros: nextOpenMicros)
  }

  /// Goal: what the rules say one by one is what they say together. Method: seeded random facts, and every rule set.
  @Test(arguments: 0..<200 as Range<UInt64>)
  func `the findings of the rules come to the verdict`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let facts = Self.facts(&random)
    for rules in Gate.ruleSets {
      let findings = Gate.findings(facts, by: rules)
      #expect(Set(findings.map(\.rule)).count == findings.count)
      let refusal = findings.dropLast().compactMap { finding -> GateReason? in
        if case .refused(let reason) = finding.outcome { return reason }
        return nil
      }.first
      let held = findings.compactMap { finding -> Micros? in
        if case .held(_, let untilMicros) = finding.outcome { return untilMicros }
        return nil
      }.max()
      switch Gate.judge(facts, by: rules).outcome {
      case .allowed: #expect(findings.allSatisfy { $0.outcome == .allowed })
      case .held(_, let untilMicros): #expect(refusal == nil && held == untilMicros)
      case .refused(let reason):
        let isFunds = refusal == nil && held == nil && reason == .insufficientFunds
        // What is held until nobody wants it any more is refused at once.
        #expect(refusal == reason || isFunds || (refusal == nil && held != nil && reason == .stale))
      }
    }
  }

  /// One fault in four at most, so that every rule decides now and then.
  private static func facts(_ random: inout SplitMix64) -> GateFacts {
    func seldom() -> Bool { Int.random(in: 0..<20, using: &random) == 0 }
    let now = good.nowMicros
    let hour: Int64 = 3_600_000_000
    var facts = good
    facts.purpose = random.bool() ? .marketing : .transactional
    facts.channel = random.one()
    if seldom() { facts.hasAddress = false }
    if seldom() { facts.isAddressOptedOut = true }
    if seldom() { facts.consent = random.one() }
    if seldom() { facts.isSuppressed = true }
    if seldom() { facts.isArchived = true }
    if seldom() { facts.accountStatus = "paused" }
    if seldom() { facts.isKilled = true }
    if seldom() { facts.testReach = .person }
    if seldom() { facts.zones = [] }
    if seldom() { facts.numberFault = .landline }
    if seldom() { facts.registration = .pending }
    if seldom() { facts.expiresAtMicros = now - hour }
    if seldom() { facts.holdout = HoldoutDraw(percent: 100, lot: 0) }
    if seldom() { (facts.duplicateHours, facts.sameTextMicros) = (24, now - hour) }
    if random.bool() { facts.zones = [zone(6 * 60, opens: now + 2 * hour)] }
    if random.bool() {
      (facts.orgCap, facts.recentMicros) = (FrequencyCap(count: 1, hours: 5), [now - hour])
    }
    if random.bool() { (facts.dailyBudgetMicros, facts.spentTodayMicros) = (1, 1) }
    if random.bool() { facts.expiresAtMicros = facts.expiresAtMicros ?? now + hour }
    if random.bool() { facts.walletAvailableMicros = 0 }
    return facts
  }

  static func outcome(_ change: (inout GateFacts) -> Void) -> Verdict.Outcome {
    var facts = good
    change(&facts)
    return Gate.judge(facts).outcome
  }

  @Test func `nothing in the way: it may go out, and the facts are kept`() {
    let verdict = Gate.judge(Self.good)
    #expect(verdict.isAllowed && verdict.facts == Self.good && verdict.ruleSet == "2026-11-21.4")
  }

  @Test func `nobody without a number is texted`() {
    #expect(Self.outcome { $0.hasAddress = false } == .refused(.noAddress))
  }

  @Test(arguments: Purpose.allCases)
  func `a no counts for every purpose, the contact's or the number's`(purpose: Purpose) {
    #expect(
      Self.outcome {
        $0.purpose = purpose
        $0.consent = .optedOut
      } == .refused(.revoked))
    #expect(
      Self.outcome {
        $0.purpose = purpose
        $0.isAddressOptedOut = true
        $0.isReply = true
      } == .refused(.revoked))
  }

  @Test(arguments: ["past_due", "paused", "archived"])
  func `an account that is not active sends nothing`(status: String) {
    #expect(Self.outcome { $0.accountStatus = status } == .refused(.paused))
  }

  @Test func `marketing needs a yes to marketing`() {
    #expect(Self.outcome { $0.consent = .none } == .refused(.noConsent))
    #expect(Self.outcome { $0.consentPurpose = .transactional } == .refused(.noConsent))
    #expect(Self.outcome { $0.consentPurpose = nil } == .refused(.noConsent))
    #expect(
      Self.outcome {
        $0.purpose = .transactional
        $0.consent = .none
      } == .allowed)
  }

  @Test(arguments: [
    (8 * 60, true), (21 * 60 - 6, true), (8 * 60 - 1, false), (21 * 60 - 5, false),
    (21 * 60, false), (0, false),
  ])
  func `people are texted from 8 in the morning until five minutes before 9 in the evening`(
    minuteOfDay: Int, isOpen: Bool
  ) {
    let outcome = Self.outcome { $0.zones = [Self.zone(minuteOfDay, opens: 77)] }
    #expect(outcome == (isOpen ? .allowed : .held(.quietHours, untilMicros: 77)))
  }

  /// The law's own window, without our margin (47 CFR 64.1200(c)(1)).
  @Test(arguments: [
    (8 * 60, true), (21 * 60 - 1, true), (8 * 60 - 1, false), (21 * 60, false),
  ])
  func `an older verdict is judged by its own rules`(minuteOfDay: Int, isOpen: Bool) throws {
    let rules = try #require(Gate.ruleSets.first { $0.version == "2026-11-21.2" })
    var facts = Self.good
    facts.zones = [Self.zone(minuteOfDay, opens: 77)]
    #expect(Gate.judge(facts, by: rules).isAllowed == isOpen)
  }

  @Test func `mailboxes that bounced or complained say so`() {
    for (ending, reason) in [
      (GateFacts.Ending.bounced, GateReason.bouncedBefore), (.complained, .complaint),
    ] {
      #expect(
        Self.outcome {
          $0.channel = .email
          $0.isAddressOptedOut = true
          $0.ending = ending
        } == .refused(reason))
    }
  }

  @Test func `landlines and reassigned numbers are refused, whoever agreed`() {
    #expect(Self.outcome { $0.numberFault = .landline } == .refused(.landline))
    #expect(
      Self.outcome {
        $0.numberFault = .reassigned
        $0.purpose = .transactional
        $0.isReply = true
      } == .refused(.reassignedNumber))
  }

  /// Names never change; a new one is a new rule set.
  @Test func `the reasons are the closed list`() {
    #expect(
      GateReason.allCases.map(\.rawValue) == [
        "no_consent", "revoked", "suppressed", "bounced_before", "complaint", "quiet_hours",
        "frequency_cap", "duplicate_content", "no_address", "invalid_address", "landline",
        "reassigned_number", "carrier_cap", "brand_not_registered", "template_error",
        "missing_field", "insufficient_funds", "budget", "paused", "stale", "holdout", "test_mode",
        "kill_switch",
      ])
  }

  @Test func `it must be day in every zone that the person may be in`() {
    let outcome = Self.outcome {
      $0.zones = [Self.zone(12 * 60), Self.zone(7 * 60, opens: 5), Self.zone(6 * 60, opens: 9)]
    }
    #expect(outcome == .held(.quietHours, untilMicros: 9))
    #expect(Self.outcome { $0.zones = [] } == .refused(.invalidAddress))
  }

  @Test func `an answer to the person's own text may go out at night`() {
    #expect(
      Self.outcome {
        $0.zones = [Self.zone(0)]
        $0.isReply = true
      } == .allowed)
  }

  @Test func `no credit, no text`() {
    #expect(Self.outcome { $0.walletAvailableMicros = 11_999 } == .refused(.insufficientFunds))
  }

  /// Goal: whatever else is true, a no is never overruled. Method: 500 seeded facts.
  @Test(arguments: 0..<500 as Range<UInt64>)
  func `nobody who said no is texted`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var facts = random.facts()
    if random.bool() { facts.consent = .optedOut } else { facts.isAddressOptedOut = true }
    guard case .refused(let reason) = Gate.judge(facts).outcome else {
      Issue.record("seed \(seed)")
      return
    }
    let expected: GateReason =
      switch facts.ending {
      case .bounced: .bouncedBefore
      case .complained: .complaint
      case nil: .revoked
      }
    try #require(reason == (facts.hasAddress ? expected : .noAddress), "seed \(seed)")
  }
}

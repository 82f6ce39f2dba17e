import Domain
import Testing

/// The reasons that came with rule set 2026-11-21.4: each with its facts, what it wins over and what wins
/// over it.
@Suite struct GateLimitTests {
  static let nowMicros = GateTests.good.nowMicros
  static let hourMicros: Int64 = 3_600_000_000

  @Test func `the same text does not go to the same address again within the org's hours`() {
    func outcome(_ ageMicros: Int64, _ change: (inout GateFacts) -> Void = { _ in })
      -> Verdict.Outcome
    {
      GateTests.outcome {
        $0.duplicateHours = 2
        $0.sameTextMicros = Self.nowMicros - ageMicros
        change(&$0)
      }
    }
    #expect(outcome(0) == .refused(.duplicateContent))
    #expect(outcome(2 * Self.hourMicros - 1) == .refused(.duplicateContent))
    #expect(outcome(2 * Self.hourMicros) == .allowed)
    #expect(outcome(0) { $0.duplicateHours = nil } == .allowed)
    #expect(
      outcome(0) {
        $0.purpose = .transactional
        $0.isReply = true
      } == .allowed)
  }

  @Test func `the carrier's day holds what goes beyond it until the next one`() {
    func outcome(_ used: Int, segments: Int, _ brand: BrandClass) -> Verdict.Outcome {
      GateTests.outcome {
        $0.carrier = CarrierUse(
          brand: brand, segmentCount: segments, usedCount: used, resetsAtMicros: 99)
      }
    }
    #expect(outcome(1_999, segments: 1, .score1) == .allowed)
    #expect(outcome(1_999, segments: 2, .score1) == .held(.carrierCap, untilMicros: 99))
    #expect(outcome(2_000, segments: 1, .score1) == .held(.carrierCap, untilMicros: 99))
    #expect(outcome(2_000, segments: 1, .score25) == .allowed)
    #expect(outcome(1_000, segments: 1, .soleProprietor) == .held(.carrierCap, untilMicros: 99))
    #expect(outcome(199_999, segments: 1, .russell3000) == .allowed)
  }

  @Test func `older rules count for no carrier`() throws {
    let rules = try #require(Gate.ruleSets.first { $0.version == "2026-11-21.3" })
    var facts = GateTests.good
    facts.carrier = CarrierUse(
      brand: .score1, segmentCount: 1, usedCount: 5_000, resetsAtMicros: 99)
    #expect(Gate.judge(facts, by: rules).isAllowed)
  }

  @Test func `what nobody wants any more does not go out, nor waits to become so`() {
    #expect(
      GateTests.outcome { $0.expiresAtMicros = Self.nowMicros } == .refused(.stale))
    #expect(GateTests.outcome { $0.expiresAtMicros = Self.nowMicros + 1 } == .allowed)
    func atNight(opens: Micros) -> Verdict.Outcome {
      GateTests.outcome {
        $0.zones = [GateTests.zone(0, opens: opens)]
        $0.expiresAtMicros = Self.nowMicros + 10
      }
    }
    #expect(
      atNight(opens: Self.nowMicros + 9) == .held(.quietHours, untilMicros: Self.nowMicros + 9))
    #expect(atNight(opens: Self.nowMicros + 10) == .refused(.stale))
  }

  @Test func `a test account with a real provider reaches nobody`() {
    #expect(GateTests.outcome { $0.testReach = .person } == .refused(.testMode))
    #expect(GateTests.outcome { $0.testReach = .reserved } == .allowed)
    #expect(GateTests.outcome { $0.testReach = .simulator } == .allowed)
  }

  @Test(arguments: [
    ("+12125550100", true), ("+19075550199", true), ("+15005550006", true),
    ("+12125550200", false), ("+12125559100", false), ("+15005551006", false),
    ("+4915155501234", false), ("", false),
  ])
  func `numbers that are kept for tests`(number: String, isTest: Bool) {
    let reach = TestReach(number, on: .sms, providerURL: "https://api.twilio.com")
    #expect(reach == (isTest ? .reserved : .person))
    #expect(TestReach(number, on: .voice, providerURL: "https://api.twilio.com") == reach)
  }

  @Test(arguments: [
    ("ann@example.com", true), ("ann@mail.EXAMPLE.org", true), ("x@a.test", true),
    ("x@b.invalid", true), ("ann@notexample.com", false), ("ann@example.com.evil.de", false),
    ("ann@gmail.com", false), ("ann", false), ("", false),
  ])
  func `mailboxes that are kept for tests`(address: String, isTest: Bool) {
    let reach = TestReach(address, on: .email, providerURL: "https://api.sendgrid.com")
    #expect(reach == (isTest ? .reserved : .person))
  }

  @Test(arguments: [
    ("http://127.0.0.1:8090", true), ("http://localhost/x", true), ("http://[::1]:1", true),
    ("http://127.1.2.3", true), ("https://api.twilio.com", false),
    ("http://127.0.0.1.evil.de", false), ("http://localhost.evil.de", false),
    ("http://127.0.0.1@evil.de", false), ("127.0.0.1", false), ("", false),
  ])
  func `a provider on this machine is a simulator`(url: String, isLoopback: Bool) {
    let reach = TestReach("+12125551234", on: .sms, providerURL: url)
    #expect(reach == (isLoopback ? .simulator : .person))
  }

  @Test func `a holdout keeps out who could have been written to, and nobody else`() {
    let kept = HoldoutDraw(percent: 10, lot: 999)
    #expect(GateTests.outcome { $0.holdout = kept } == .refused(.holdout))
    #expect(
      GateTests.outcome { $0.holdout = HoldoutDraw(percent: 10, lot: 1_000) } == .allowed)
    #expect(
      GateTests.outcome {
        $0.holdout = kept
        $0.consent = .none
      } == .refused(.noConsent))
  }

  @Test func `lots are the same for ever, and fair`() {
    let campaign = Identifier(.campaign, 0x0193_A000_0000_0000_0000_0000_0000_0005)
    let people = (0..<10_000).map { Identifier(.contact, UInt128($0) << 3) }
    let kept = people.filter {
      HoldoutDraw(percent: 10, campaign: campaign, contact: $0).isKeptOut
    }
    // Five standard deviations of 10,000 draws.
    #expect((850...1_150).contains(kept.count), "\(kept.count)")
    #expect(HoldoutDraw(percent: 10, campaign: campaign, contact: people[0]).lot == 3_126)
    let other = Identifier(.campaign, campaign.value + 1)
    let both = kept.filter { HoldoutDraw(percent: 10, campaign: other, contact: $0).isKeptOut }
    #expect((50...150).contains(both.count), "\(both.count)")
  }

  @Test func `the kill switch lets nothing wait, but a no is told first`() {
    #expect(GateTests.outcome { $0.isKilled = true } == .refused(.killSwitch))
    #expect(
      GateTests.outcome {
        $0.isKilled = true
        $0.isAddressOptedOut = true
      } == .refused(.revoked))
    #expect(
      GateTests.outcome {
        $0.isKilled = true
        $0.zones = [GateTests.zone(0)]
      } == .refused(.killSwitch))
  }

  // MARK: - Settings

  static let halted = Org.Event.sendingHalted(scope: .org, mode: .wait, reason: "x", by: "a")
  static let killed = Org.Event.sendingHalted(scope: .org, mode: .skip, reason: "x", by: "a")

  @Test func `a stop may become one that lets nothing wait, and not the other way round`() {
    Given(Org.self, OrgTests.created, Self.halted)
      .when(.halt(.org, .wait, reason: "y", by: "a")).thenNothing()
    Given(Org.self, OrgTests.created, Self.halted)
      .when(.halt(.org, .skip, reason: "x", by: "a")).then(Self.killed)
    Given(Org.self, OrgTests.created, Self.killed)
      .when(.halt(.org, .wait, reason: "y", by: "a")).thenNothing()
    Given(Org.self, OrgTests.created, Self.killed)
      .when(.halt(.all, .skip, reason: "x", by: "o"))
      .then(.sendingHalted(scope: .all, mode: .skip, reason: "x", by: "o"))
    let state = Org.state(after: [
      OrgTests.created, Self.killed, .sendingResumed(scope: .org, by: "a"),
    ])
    #expect(state.halts.isEmpty && state.kills.isEmpty)
  }

  @Test(arguments: [
    (SendingRules(duplicateHours: 0), "duplicate_hours"),
    (SendingRules(duplicateHours: 25), "duplicate_hours"),
    (SendingRules(maxAgeHours: 0), "max_age_hours"),
    (SendingRules(maxAgeHours: 721), "max_age_hours"),
    (SendingRules(advertisementNotice: " "), "advertisement_notice"),
    (SendingRules(program: MessagingProgram(optIn: ["Stop!"])), "keywords.opt_in"),
    (SendingRules(program: MessagingProgram(optIn: ["join", "J.O.I.N."])), "keywords.opt_in"),
    (SendingRules(program: MessagingProgram(optOut: ["leave"], help: ["LEAVE"])), "keywords.help"),
    (SendingRules(program: MessagingProgram(optOut: ["!"])), "keywords.opt_out"),
    (
      SendingRules(program: MessagingProgram(help: (0...20).map { "word\($0)" })),
      "keywords.help"
    ),
    (SendingRules(program: MessagingProgram(helpText: "")), "help_text"),
  ])
  func `rules have limits`(rules: SendingRules, field: String) {
    Given(Org.self, OrgTests.created).when(.setSendingRules(rules))
      .thenRejected(.sendingRuleOutOfRange(field))
  }

  @Test func `a holdout is one to fifty in a hundred`() {
    for percent in [0, -1, 51] {
      var definition = CampaignTests.definition
      definition.holdoutPercent = percent
      Given(Campaign.self).when(.create(definition)).thenRejected(.holdoutOutOfRange(limit: 50))
    }
    var definition = CampaignTests.definition
    definition.holdoutPercent = 50
    Given(Campaign.self).when(.create(definition)).then(.created(definition))
  }
}

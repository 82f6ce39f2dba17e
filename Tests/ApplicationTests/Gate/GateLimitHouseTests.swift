import Application
import Domain
import EventCodec
import JSON
import Testing

@testable import Application

extension HouseTests {
  /// What a text may not be, with its facts as they are gathered: the same again, too late, too much for the
  /// carrier, to a real person from a test account, to who is kept out, or stopped for good.
  @Suite(.serialized) struct GateLimitHouseTests {
    static let phone = "+12125550123"

    private func set(_ rules: SendingRules, _ org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.setSendingRules(rules)
      }
    }

    private func outcome(
      _ body: String, _ contact: Identifier, _ org: TestOrg, _ purpose: Purpose = .transactional
    ) async throws -> Verdict.Outcome {
      try await org.send(body, to: contact, purpose).verdict.outcome
    }

    @Test func `nobody gets the same text again within the org's hours`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await set(SendingRules(duplicateHours: 3), org)
        let contact = try await org.contact(Self.phone, tags: ["all"])
        let segment = try await org.segment(tagged: "all")
        for _ in 1...2 {
          try await org.waitForEnd(of: try await org.campaign("Doors open at nine", segment))
        }
        #expect(try await house.received(by: Self.phone).count == 1)
        #expect(try org.messages.values.count { $0.reason == .duplicateContent } == 1)
        try await house.restart()
        let same = "Doors open at nine Reply STOP to opt out."
        #expect(try await outcome("Doors open at ten", contact, org) == .allowed)
        #expect(try await outcome(same, contact, org) == .refused(.duplicateContent))
        try house.advance(byMicros: 3 * Moment.hourMicros)
        #expect(try await outcome(same, contact, org) == .allowed)
        try await Invariants.check(org)
      }
    }

    @Test func `one command does not say the same twice either`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await set(SendingRules(duplicateHours: 1), org)
        let contact = try await org.contact(Self.phone)
        let outcomes = try await org.perform { workspace throws(CommandError) in
          var outcomes: [Verdict.Outcome] = []
          for text in ["One", "Two", "One"] {
            outcomes.append(
              try workspace.planMessage(
                MessageRequest(contact: contact, body: text, purpose: .transactional)
              ).verdict.outcome)
          }
          return outcomes
        }.output
        #expect(outcomes == [.allowed, .allowed, .refused(.duplicateContent)])
      }
    }

    @Test func `what never arrived may be said again, and so may an answer`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await set(SendingRules(duplicateHours: 24), org)
        let contact = try await org.contact(Self.phone)
        // A number that the provider refuses.
        let failing = try await org.contact("+15005550001")
        let first = try await org.send("Hello", to: failing)
        try await org.waitFor(first.id, .failed)
        #expect(try await outcome("Hello", failing, org) == .allowed)
        #expect(try await outcome("Yes", contact, org) == .allowed)
        #expect(try await outcome("Yes", contact, org) == .refused(.duplicateContent))
        try await org.receive("And tomorrow?", from: Self.phone)
        #expect(try await outcome("Yes", contact, org) == .allowed)
      }
    }

    @Test func `the carrier's day holds the rest of a campaign until midnight in California`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        try await set(SendingRules(brand: .soleProprietor), org)
        // Ten segments each: one more than a sole proprietor may send in a day.
        try await org.audience(101)
        let segment = try await org.segment(tagged: "all")
        let text = String(repeating: "a", count: 1_530)
        let campaign = try await org.campaign(text, segment, .transactional)
        try await wait("the day is full") {
          try org.messages.values.count { $0.reason == .carrierCap } == 1
        }
        let held = try #require(try org.messages.first { $0.value.reason == .carrierCap })
        let use = try #require(held.value.verdict?.facts.carrier)
        // Friday, noon in California; the next day begins twelve hours later.
        #expect(use.usedCount == 1_000)
        #expect(use.resetsAtMicros == Moment.openMicros + 12 * Moment.hourMicros)
        try await wait("the provider has the others") {
          try await house.stat("received") == 100
        }
        let canadian = try await org.contact("+14165550123")
        #expect(try await outcome("Hi", canadian, org) == .allowed)
        try await house.restart()
        #expect(try await outcome("Hi", try await org.contact(Self.phone), org).isHeldByCarrier)
        try house.advance(byMicros: 24 * Moment.hourMicros)
        try await org.waitForEnd(of: campaign)
        try await Invariants.check(org)
      }
    }

    @Test func `segments that no provider took are not counted`() throws {
      var segments = CarrierSegments()
      var facts = try #require(GateFacts.noon)
      facts.carrier = CarrierUse(brand: .score1, segmentCount: 3, usedCount: 0, resetsAtMicros: 0)
      let verdict = Gate.judge(facts)
      let hour = Moment.hourMicros
      let (one, two) = (Identifier(.message, 1), Identifier(.message, 2))
      segments.apply(.dispatched(attempt: 1, verdict: verdict), of: one, atMicros: 100 * hour)
      segments.apply(.dispatched(attempt: 1, verdict: verdict), of: two, atMicros: 101 * hour)
      segments.apply(
        .retryScheduled(attempt: 1, code: "x", notBeforeMicros: 0), of: one, atMicros: 101 * hour)
      #expect(segments.count(fromMicros: 90 * hour, nowMicros: 102 * hour) == 3)
      #expect(segments.count(fromMicros: 101 * hour, nowMicros: 102 * hour) == 3)
      #expect(segments.count(fromMicros: 102 * hour, nowMicros: 102 * hour) == 0)
      segments.apply(.accepted(providerID: "x"), of: two, atMicros: 101 * hour)
      segments.apply(
        .retryScheduled(attempt: 1, code: "x", notBeforeMicros: 0), of: two, atMicros: 101 * hour)
      #expect(segments.count(fromMicros: 101 * hour, nowMicros: 102 * hour) == 3)
    }

    @Test func `what waited too long is skipped and costs nothing`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await org.perform { workspace throws(CommandError) in
          try workspace.setSendingRules(SendingRules(maxAgeHours: 2))
          try workspace.haltSending(.org, reason: "a doubt")
        }
        let byRule = try await org.send("Hello", to: contact)
        var request = MessageRequest(contact: contact, body: "Now", purpose: .transactional)
        request.expiresAtMicros = Moment.openMicros + Moment.hourMicros
        let byCaller = try await org.perform { [request] workspace throws(CommandError) in
          try workspace.planMessage(request)
        }.output
        #expect(
          byRule.plan.expiresAtMicros == byRule.verdict.facts.nowMicros + 2 * Moment.hourMicros)
        #expect(byCaller?.plan.expiresAtMicros == request.expiresAtMicros)
        try house.advance(byMicros: Moment.hourMicros)
        try await org.perform { workspace throws(CommandError) in
          try workspace.resumeSending(.org)
        }
        try await org.waitFor(byRule.id, .delivered)
        try await org.waitFor(try #require(byCaller).id, .skipped)
        #expect(try org.message(try #require(byCaller).id).reason == .stale)
        #expect(try org.wallet.heldMicros == 0)
        request.expiresAtMicros = Moment.openMicros
        await #expect(throws: CommandError.self) {
          try await org.perform { [request] workspace throws(CommandError) in
            try workspace.planMessage(request)
          }
        }
        try await Invariants.check(org)
      }
    }

    @Test func `a test account with a real provider reaches test numbers alone`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let (known, person) = (
          try await org.contact(Self.phone), try await org.contact("+12125561234")
        )
        #expect(try await outcome("Hi", person, org) == .allowed)
        try await org.perform { workspace throws(CommandError) in
          try workspace.configureSMS(
            SMSSettings(
              from: org.number, accountSID: "AC1", baseURL: "https://api.twilio.com",
              authToken: .known("t")))
        }
        #expect(try await outcome("Hi", person, org) == .refused(.testMode))
        #expect(try await outcome("Hi", known, org) == .allowed)
      }
    }

    @Test func `a holdout's people are on record and get nothing`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await org.audience(200)
        let segment = try await org.segment(tagged: "all")
        let definition = CampaignDefinition(
          name: "Sale", segment: segment, channel: .sms, purpose: .marketing, body: "Hi",
          holdoutPercent: 20)
        let created = try await org.perform { workspace throws(CommandError) in
          let id = try workspace.createCampaign(definition)
          try workspace.launchCampaign(id)
          return id
        }
        let campaign = try #require(created.output)
        try await org.waitForEnd(of: campaign)
        let kept = try org.messages.values.filter { $0.reason == .holdout }
        #expect(
          kept.allSatisfy {
            $0.plan.map {
              HoldoutDraw(percent: 20, campaign: campaign, contact: $0.contact).isKeptOut
            } == true
          })
        // Five standard deviations around forty.
        #expect((12...68).contains(kept.count), "\(kept.count)")
        #expect(try await house.stat("received") == Int64(200 - kept.count))
        try await Invariants.check(org)
      }
    }

    @Test func `the kill switch skips what waits, beyond one commit too, and what comes`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        try await org.audience(60)
        let contact = try await org.contact("+12125559999")
        try await org.perform { workspace throws(CommandError) in
          try workspace.haltSending(.org, reason: "to fill the queue")
        }
        let campaign = try await org.campaign("Hi", try await org.segment(tagged: "all"))
        try await wait("all are queued") {
          try org.messages.values.count { $0.status == .queued } == 60
        }
        var later = MessageRequest(contact: contact, body: "Later", purpose: .transactional)
        later.sendAtMicros = Moment.openMicros + Moment.hourMicros
        let scheduled = try await org.perform { [later] workspace throws(CommandError) in
          try workspace.planMessage(later)
        }.output
        try await org.perform { workspace throws(CommandError) in
          try workspace.haltSending(.org, .skip, reason: "wrong list")
        }
        #expect(try await outcome("Hi", contact, org) == .refused(.killSwitch))
        try await org.perform { workspace throws(CommandError) in
          try workspace.resumeSending(.org)
        }
        try await org.waitForEnd(of: campaign)
        #expect(try org.message(try #require(scheduled).id).reason == .killSwitch)
        #expect(try org.messages.values.count { $0.reason == .killSwitch } == 62)
        let after = try await org.send("Hello", to: contact)
        try await org.waitFor(after.id, .delivered)
        #expect(try await house.stat("received") == 1)
        #expect(try org.wallet.heldMicros == 0)
        try await Invariants.check(org)
      }
    }

    /// What one commit cannot put on record must not go out either, whoever comes first after the resumption.
    @Test func `what was stopped for good stays so when the sending goes on`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let waiting = try await org.send("Hi", to: try await org.contact(Self.phone)).id
        // The commit of the stop alone, as if it could hold no more.
        try await org.perform { workspace throws(CommandError) in
          try workspace.run(
            Org.self, org.id, .halt(.org, .skip, reason: "wrong list", by: "user:test"))
        }
        try await org.perform { workspace throws(CommandError) in
          try workspace.resumeSending(.org)
        }
        try await house.restart()
        try await org.waitFor(waiting, .skipped)
        #expect(try org.message(waiting).reason == .killSwitch)
        #expect(try await house.stat("received") == 0)
        try await Invariants.check(org)
      }
    }
  }
}

extension Verdict.Outcome {
  fileprivate var isHeldByCarrier: Bool {
    if case .held(.carrierCap, _) = self { true } else { false }
  }
}

extension GateFacts {
  /// A text that may go out.
  fileprivate static var noon: GateFacts? {
    GateFacts(
      nowMicros: Moment.openMicros, channel: .sms, purpose: .transactional, hasAddress: true,
      accountStatus: "active", consent: .optedIn, consentPurpose: .marketing,
      isAddressOptedOut: false, isReply: false,
      zones: [ZoneTime(zone: "America/Chicago", minuteOfDay: 720, nextOpenMicros: 1)],
      priceMicros: 0, walletAvailableMicros: 0)
  }
}

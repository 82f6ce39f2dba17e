import Application
import Domain
import EventCodec
import EventLog
import JSON
import Testing

@testable import Application

extension TestOrg {
  func campaign(
    _ body: String, _ segment: Identifier, _ purpose: Purpose = .marketing
  ) async throws -> Identifier {
    let definition = CampaignDefinition(
      name: "Sale", segment: segment, channel: .sms, purpose: purpose, body: body)
    let created = try await perform { workspace throws(CommandError) in
      let id = try workspace.createCampaign(definition)
      try workspace.launchCampaign(id)
      return id
    }
    return try #require(created.output)
  }

  func waitForEnd(of campaign: Identifier) async throws {
    try await wait("the campaign ends") {
      let status = try house.engine.campaign(campaign, of: id).state.status
      return status == .completed || status == .cancelled
    }
  }
}

extension HouseTests {
  @Suite(.serialized) struct CampaignTests {
    /// 600 recipients: one in ten without a phone, one in ten without a name, some who opted out.
    private func audience(of org: TestOrg, count: Int) async throws {
      try await org.perform { workspace throws(CommandError) in
        for index in 0..<count {
          let phone = "+1212555\(1_000 + index)"
          let contact = try workspace.createContact(
            ContactRequest(
              details: ContactDetails(
                firstName: index % 10 == 1 ? nil : "Ann", lastName: "\(index)",
                phone: index % 10 == 2 ? nil : phone), source: "test", tags: ["all"],
              consents: index % 10 == 2 ? [] : [TestOrg.consent]))
          if index % 10 == 3 {
            try workspace.recordOptOut(contact, channel: .sms, method: .staff)
          }
        }
      }
    }

    @Test func `every recipient ends in one state and the campaign with their sum`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await audience(of: org, count: 600)
        let segment = try await org.segment(tagged: "all")
        let campaign = try await org.campaign("Hi {{first_name}}", segment)
        try await org.waitForEnd(of: campaign)
        let state = try house.engine.campaign(campaign, of: org.id).state
        #expect(
          state.outcome
            == CampaignOutcome(sentCount: 420, failedCount: 0, skippedCount: 180, cancelledCount: 0)
        )
        let reasons = try org.messages.values.compactMap(\.reason)
        #expect(reasons.count { $0 == .missingField } == 60)
        #expect(reasons.count { $0 == .noAddress } == 60)
        #expect(reasons.count { $0 == .revoked } == 60)
        #expect(try await house.stat("received") == 420)
        try await org.waitUntilQuiet()
        try await Invariants.check(org)
      }
    }

    @Test func `a campaign of long mails is planned, in smaller batches`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await org.perform { workspace throws(CommandError) in
          try workspace.configureProvider(
            ProviderSettings(
              service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
              options: ["from": "hi@acme.example"], secrets: .known(["api_key": "k"])))
          for index in 0..<260 {
            _ = try workspace.createContact(
              ContactRequest(
                details: ContactDetails(email: "p\(index)@example.com"), source: "test",
                tags: ["all"]))
          }
        }
        let segment = try await org.segment(tagged: "all")
        var definition = CampaignDefinition(
          name: "News", segment: segment, channel: .email, purpose: .transactional, body: "Hi")
        definition.subject = "News"
        definition.html = "<p>" + String(repeating: "long ", count: 15_000) + "</p>"
        let launched = try await org.perform { [definition] workspace throws(CommandError) in
          let id = try workspace.createCampaign(definition)
          try workspace.launchCampaign(id)
          return id
        }
        let campaign = try #require(launched.output)
        try await wait("all are planned") {
          try house.engine.campaign(campaign, of: org.id).state.openBatches.isEmpty
        }
        #expect(try org.messages.count == 260)
      }
    }

    @Test func `a trial judges every recipient, and says so where its time is over`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await audience(of: org, count: 600)
        let segment = try await org.segment(tagged: "all")
        let definition = CampaignDefinition(
          name: "Sale", segment: segment, channel: .sms, purpose: .marketing,
          body: "Hi {{first_name}}")
        let created = try await org.perform { workspace throws(CommandError) in
          try workspace.createCampaign(definition)
        }
        let draft = try #require(created.output)
        let launched = try await org.executor.read { workspace throws(CommandError) in
          try workspace.launchedForTrial(draft)
        }
        let found = try await org.executor.rehearse(launched, until: .now + .seconds(600))
        #expect(found.isWhole)
        #expect(found.judgedCount == 600)
        #expect(
          found.skipped == ["missing_field": 60, "no_address": 60, "revoked": 60])
        #expect(found.allowedCount + found.held.values.reduce(0, +) == 420)
        // The money of three hundred: what each page sets aside is gone for the next.
        let price = found.costMicros / 420
        let balance = try await org.executor.read { $0.walletAvailableMicros }
        try await org.perform { workspace throws(CommandError) in
          try workspace.runWallet(
            .debit(
              Charge(
                amountMicros: balance - price * 300, resourceType: "test", resourceID: "t",
                description: "Nearly all of it")))
        }
        let poor = try await org.executor.rehearse(launched, until: .now + .seconds(600))
        #expect(poor.judgedCount == 600)
        #expect(poor.costMicros == price * 300)
        #expect(poor.skipped["insufficient_funds"] == 120)
        let cut = try await org.executor.rehearse(launched, until: .now)
        #expect(!cut.isWhole)
        #expect(cut.judgedCount == Workspace.campaignBatchSize)
        #expect(cut.plannedCount == 600)
        #expect(try org.messages.isEmpty)
      }
    }

    @Test func `a campaign that is cancelled in the middle sends no more and adds up`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        _ = try await house.control("POST", "/sandbox/faults", ["latency_ms": 20])
        try await audience(of: org, count: 600)
        let segment = try await org.segment(tagged: "all")
        let campaign = try await org.campaign("Hi {{first_name}}", segment)
        try await wait("some are out") { try await house.stat("received") ?? 0 > 30 }
        try await org.perform { workspace throws(CommandError) in
          try workspace.cancelCampaign(campaign)
        }
        let intents = try org.events.count { $0.type == "message.dispatched" }
        try await org.waitUntilQuiet()
        #expect(try org.events.count { $0.type == "message.dispatched" } == intents)
        #expect(try await house.stat("received") ?? 0 < 420)
        #expect(try org.wallet.holds.isEmpty)
        #expect(try org.messages.values.contains { $0.status == .cancelled })
        try await Invariants.check(org)
      }
    }

    @Test func `a campaign goes on where a crash left it`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await audience(of: org, count: 600)
        let segment = try await org.segment(tagged: "all")
        let campaign = try await org.campaign("Hi {{first_name}}", segment)
        for threshold: Int64 in [20, 120, 250] {
          try await wait("some are out") { try await house.stat("received") ?? 0 > threshold }
          try await house.restart()
        }
        try await org.waitForEnd(of: campaign)
        try await org.waitUntilQuiet()
        #expect(try await house.stat("received") == 420)
        #expect(try await house.stat("duplicates") == 0)
        try await Invariants.check(org)
      }
    }

    @Test func `a campaign is read as it was at any version, and its past is read once`()
      async throws
    {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        try await audience(of: org, count: 600)
        let segment = try await org.segment(tagged: "all")
        let campaign = try await org.campaign("Hi {{first_name}}", segment)
        func read(_ version: UInt64 = .max) throws -> Snapshot<Campaign.State> {
          try house.engine.campaign(campaign, of: org.id, version: version)
        }
        let launched = try read()
        #expect(launched.state.plannedCount == 600)
        let before = log.readCount
        #expect(try read().state == launched.state)
        #expect(log.readCount == before)
        try await org.perform { workspace throws(CommandError) in
          try workspace.planBatch(0, of: campaign)
          try workspace.pauseCampaign(campaign)
        }
        let after = log.readCount
        let paused = try read()
        #expect(log.readCount == after + 2)
        #expect(paused.state.status == .paused)
        #expect(paused.state.openBatches.count == launched.state.openBatches.count - 1)
        let other = try await house.org(number: "+12125550111")
        #expect(try house.engine.campaign(campaign, of: other.id).version == 0)

        let versions = try (1...paused.version).map { try read($0) }
        try await house.restart()
        for (index, known) in versions.enumerated() {
          let anew = try read(UInt64(index) + 1)
          #expect(anew.state == known.state && anew.version == known.version)
          #expect(anew.updatedAtMicros == known.updatedAtMicros)
          #expect(anew.createdAtMicros == launched.createdAtMicros)
        }
      }
    }

    @Test func `a body with a broken merge field is refused before anybody gets it`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        _ = try await org.contact("+12125550123", tags: ["all"])
        let segment = try await org.segment(tagged: "all")
        await #expect(throws: CommandError.self) {
          _ = try await org.campaign("Hi {{first_name", segment)
        }
      }
    }
  }
}

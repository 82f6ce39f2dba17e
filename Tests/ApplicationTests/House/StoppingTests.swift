import Application
import Domain
import EventCodec
import EventLog
import JSON
import Testing

@testable import Application

extension TestOrg {
  /// Contacts with consent, tagged `all`, in New York.
  func audience(_ count: Int) async throws {
    try await perform { workspace throws(CommandError) in
      for index in 0..<count {
        _ = try workspace.createContact(
          ContactRequest(
            details: ContactDetails(firstName: "Ann", phone: "+1212555\(1_000 + index)"),
            source: "test", tags: ["all"], consents: [Self.consent]))
      }
    }
  }

  /// Hour by hour, until nothing waits for a receipt any more.
  func waitOutSilence() async throws {
    try await wait("every receipt is given up or here") {
      guard try messages.values.contains(where: { $0.status == .accepted }) else { return true }
      try house.advance(byMicros: Moment.hourMicros)
      return false
    }
  }

  func dispatchedCount() throws -> Int {
    try events.count { $0.type == "message.dispatched" }
  }
}

extension HouseTests {
  /// Halt, pause, pace and cancel, to the letter: nothing is handed out after the commit that says so.
  @Suite(.serialized) struct StoppingTests {
    @Test func `a halted org hands nothing out and goes on where it stood`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await org.audience(60)
        try await org.perform { workspace throws(CommandError) in
          try workspace.haltSending(.org, reason: "wrong list")
          try workspace.haltSending(.all, reason: "incident")
        }
        let campaign = try await org.campaign("Hi", try await org.segment(tagged: "all"))
        try await wait("all are queued") {
          try org.messages.values.count { $0.status == .queued } == 60
        }
        try await org.perform { workspace throws(CommandError) in
          try workspace.resumeSending(.org)
        }
        try await house.restart()
        try await Task.sleep(for: .milliseconds(50))
        #expect(try org.dispatchedCount() == 0)
        let count = try await house.engine.setSending(
          SendingOrder(isHalted: false, scope: .all, reason: ""),
          of: try house.engine.executors(of: nil), TestOrg.call)
        #expect(count == 1)
        try await org.waitForEnd(of: campaign)
        #expect(try await house.stat("received") == 60)
        try await Invariants.check(org)
      }
    }

    @Test func `a paused campaign waits and keeps nobody else waiting`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await org.audience(600)
        let campaign = try await org.campaign("Hi", try await org.segment(tagged: "all"))
        try await wait("some are out") { try await house.stat("received") ?? 0 > 20 }
        try await org.perform { workspace throws(CommandError) in
          try workspace.pauseCampaign(campaign)
        }
        let handedOut = try org.dispatchedCount()
        let other = try await org.contact("+12125550001")
        let answer = try await org.send("Your table is ready", to: other).id
        try await org.waitFor(answer, .delivered)
        try await house.restart()
        #expect(try org.dispatchedCount() == handedOut + 1)
        try await org.perform { workspace throws(CommandError) in
          try workspace.resumeCampaign(campaign)
        }
        try await org.waitForEnd(of: campaign)
        #expect(try await house.stat("received") == 601)
        #expect(try await house.stat("duplicates") == 0)
        try await Invariants.check(org)
      }
    }

    @Test func `a pace is kept`() async throws {
      try await House.with { house in
        let org = try await house.org()
        try await org.audience(40)
        let segment = try await org.segment(tagged: "all")
        try await org.perform { workspace throws(CommandError) in
          let campaign = try workspace.createCampaign(
            CampaignDefinition(
              name: "Slow", segment: segment, channel: .sms, purpose: .marketing, body: "Hi"))
          try workspace.setPace(of: campaign, perMinute: 1)
          try workspace.launchCampaign(campaign)
        }
        try await wait("the first goes out") { try org.dispatchedCount() == 1 }
        for minute in 2...5 {
          try house.advance(byMicros: Moment.minuteMicros)
          try await wait("one a minute") { try org.dispatchedCount() == minute }
        }
        try await Invariants.check(org)
      }
    }

    /// The dispatcher looks at the rules first and takes then: a launch may come in between.
    @Test func `nothing is taken under rules that no longer hold`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await org.audience(40)
        let segment = try await org.segment(tagged: "all")
        let before = try await org.executor.control()
        let launch = try await org.perform { workspace throws(CommandError) in
          let campaign = try workspace.createCampaign(
            CampaignDefinition(
              name: "Slow", segment: segment, channel: .sms, purpose: .marketing, body: "Hi"))
          try workspace.setPace(of: campaign, perMinute: 1)
          try workspace.launchCampaign(campaign)
          return campaign
        }
        let campaign = try #require(launch.output)
        let batch = try #require(try await org.executor.campaignWork().batches.first)
        try await org.perform { workspace throws(CommandError) in
          try workspace.planBatch(batch.ordinal, of: campaign)
        }
        let stale = try await org.executor.takeQueued(
          limit: 48, room: .init(), under: before, except: [])
        #expect(stale == nil)
        let now = try await org.executor.control()
        #expect(now.paces == [campaign: 1])
        let work = try await org.executor.takeQueued(
          limit: 48, room: .init(campaigns: [campaign: 1]), under: now, except: [])
        #expect(work?.messages.count == 1)
      }
    }

    /// More than one commit takes: 6,000 messages, each with its hold.
    @Test func `cancelling a large campaign stops all of it at once`() async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000_000)
        try await org.audience(6_000)
        try await org.perform { workspace throws(CommandError) in
          try workspace.haltSending(.org, reason: "to fill the queue")
        }
        let campaign = try await org.campaign("Hi", try await org.segment(tagged: "all"))
        try await wait("all are queued") {
          await org.executorCounts()?.waiting == 6_000
        }
        try await org.perform { workspace throws(CommandError) in
          try workspace.resumeSending(.org)
          try workspace.cancelCampaign(campaign)
        }
        try await wait("all are cancelled") { await org.executorCounts()?.waiting == 0 }
        #expect(try org.dispatchedCount() == 0)
        #expect(try org.wallet.holds.isEmpty)
        try await Invariants.check(org)
      }
    }

    @Test func `a no stops more than one commit can take`() async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000_000)
        let contact = try await org.contact("+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.haltSending(.org, reason: "to fill the queue")
          for index in 0..<6_000 {
            _ = try workspace.planMessage(
              MessageRequest(contact: contact, body: "Part \(index)", purpose: .transactional))
          }
        }
        try await org.receive("STOP", from: "+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.resumeSending(.org)
        }
        try await wait("all are skipped") { await org.executorCounts()?.waiting == 0 }
        #expect(try org.dispatchedCount() == 0)
        #expect(try org.messages.values.allSatisfy { $0.reason == .revoked })
        try await Invariants.check(org)
      }
    }

    @Test func `a message without a receipt is asked about and then closed`() async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let contact = try await org.contact("+15005550013", tags: ["all"])
        let campaign = try await org.campaign(
          "Hi", try await org.segment(tagged: "all"), .transactional)
        try await wait("it was taken") {
          try org.messages.values.contains { $0.status == .accepted }
        }
        _ = contact
        #expect(try org.wallet.holds.count == 1)
        try await org.waitOutSilence()
        try await org.waitForEnd(of: campaign)
        let message = try #require(try org.messages.first)
        #expect(message.value.status == .failed && message.value.errorCode == "no_receipt")
        #expect(try org.wallet.holds.isEmpty)
        #expect(try org.wallet.balanceMicros == 1_000_000)
        try await Invariants.check(org)
      }
    }

    @Test func `a receipt that was lost is fetched from the provider`() async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        _ = try await house.control("POST", "/sandbox/pause-callbacks")
        let message = try await org.send("Hi", to: try await org.contact("+12125550123")).id
        try await org.waitFor(message, .accepted)
        try await Task.sleep(for: .milliseconds(50))
        try house.advance(byMicros: 2 * Moment.hourMicros)
        try await org.waitFor(message, .delivered)
        try await Invariants.check(org)
      }
    }

    @Test func `a late failure counts in its campaign, over a restart`() async throws {
      try await House.with { house in
        let org = try await house.org()
        _ = try await org.contact("+12125550123", tags: ["all"])
        // Keeps the campaign open.
        _ = try await org.contact("+15005550013", tags: ["all"])
        let campaign = try await org.campaign(
          "Hi", try await org.segment(tagged: "all"), .transactional)
        try await wait("one is delivered") {
          try org.messages.values.contains { $0.status == .delivered }
        }
        let delivered = try #require(
          try org.messages.first { $0.value.status == .delivered })
        try await house.restart()
        try await org.news(
          .failed, of: delivered.key, id: delivered.value.providerID ?? "", code: "30008")
        try await house.restart()
        try await org.waitOutSilence()
        try await org.waitForEnd(of: campaign)
        let outcome = try house.engine.campaign(campaign, of: org.id).state.outcome
        #expect(outcome?.failedCount == 2 && outcome?.sentCount == 0)
        try await Invariants.check(org)
      }
    }
  }
}

extension TestOrg {
  func executorCounts() async -> OrgExecutor.QueueCounts? { try? await executor.queueCounts() }
}

import Application
import Domain
import EventCodec
import Foundation
import JSON
import Synchronization
import Testing

@testable import Application

/// Takes every call and says nothing about it until it is told to.
private final class Switchboard: MessageProvider {
  private let taken = Mutex(0)

  let name = SMSCredentials.provider
  let channels: Set<Channel> = [.sms, .voice]

  var count: Int { taken.withLock { $0 } }

  func send(_ request: OutboundMessage) async -> SendOutcome {
    .accepted(
      providerID: "CA"
        + String(
          taken.withLock { count in
            count += 1
            return count
          }))
  }

  func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] { [] }
}

extension HouseTests {
  /// Messages for later, numbers that take no texts, and lines that are free or not.
  @Suite(.serialized) struct SchedulingTests {
    static let phone = "+12125550123"

    private func schedule(
      _ org: TestOrg, _ contact: Identifier, inMicros: Int64, _ purpose: Purpose = .transactional
    ) async throws -> PlannedMessage {
      let done = try await org.perform { workspace throws(CommandError) in
        var request = MessageRequest(contact: contact, body: "Later", purpose: purpose)
        request.sendAtMicros = workspace.nowMicros + inMicros
        return try workspace.planMessage(request)
      }
      return try #require(done.output)
    }

    @Test func `a message for later waits without a hold and is judged when its moment comes`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let later = try await schedule(org, contact, inMicros: 2 * Moment.hourMicros)
        #expect(later.scheduledForMicros != nil && later.verdict.isAllowed)
        #expect(try org.message(later.id).status == .planned)
        #expect(try org.wallet.holds.isEmpty)
        try house.advance(byMicros: Moment.hourMicros)
        try await org.send("Now", to: contact)
        try await org.waitUntilQuietBut(later.id)
        #expect(try org.message(later.id).status == .planned)
        try await house.restart()
        try house.advance(byMicros: Moment.hourMicros)
        try await org.waitFor(later.id, .delivered)
        #expect(try await house.received(by: Self.phone).count == 2)
        try await Invariants.check(org)
      }
    }

    @Test func `a moment at night is the next morning, a moment of the past is now`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let past = try await schedule(org, contact, inMicros: -Moment.hourMicros)
        try await org.waitFor(past.id, .delivered)
        let night = try await schedule(org, contact, inMicros: 8 * Moment.hourMicros)
        try house.advance(byMicros: 8 * Moment.hourMicros)
        try await org.waitFor(night.id, .held)
        try house.advance(byMicros: 9 * Moment.hourMicros)
        try await org.waitFor(night.id, .delivered)
        await #expect(throws: CommandError.self) {
          try await schedule(org, contact, inMicros: 400 * Moment.dayMicros)
        }
      }
    }

    @Test func `STOP, a list and a cancellation reach what is only scheduled`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let leaver = try await org.contact(Self.phone)
        let listed = try await org.contact("+12125550124")
        let other = try await org.contact("+12125550125")
        let first = try await schedule(org, leaver, inMicros: Moment.hourMicros)
        let second = try await schedule(org, listed, inMicros: Moment.hourMicros, .marketing)
        let third = try await schedule(org, other, inMicros: Moment.hourMicros)
        try await org.receive("STOP", from: Self.phone)
        try await org.waitFor(first.id, .skipped)
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.suppress(
            ["+12125550124"], on: .sms, list: .reassignedNumber, source: "registry")
          try workspace.cancelMessage(third.id)
        }
        #expect(try org.message(second.id).reason == .reassignedNumber)
        #expect(try org.message(third.id).status == .cancelled)
        try house.advance(byMicros: 2 * Moment.hourMicros)
        try await org.waitUntilQuiet()
        #expect(try await house.stat("received") == 0)
        try await Invariants.check(org)
      }
    }

    @Test func `a number that takes no texts is texted once`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact("+15005550014")
        let first = try await org.send("Hello", to: contact)
        try await org.waitFor(first.id, .failed)
        #expect(try org.message(first.id).errorCode == "21614")
        let second = try await org.send("Hello again", to: contact)
        #expect(second.verdict.outcome == .refused(.landline))
        try await house.restart()
        #expect(try await org.send("Once more", to: contact).verdict.outcome == .refused(.landline))
        try await Invariants.check(org)
      }
    }

    @Test func `what an agency asks holds for every client, those that come later too`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let agency = try await house.engine.createOrg(
          NewOrg(
            name: "Agency", kind: .agency, agency: nil, timeZone: "America/New_York",
            isTest: true, clockOffsetMicros: 0), TestOrg.call)
        func client(_ name: String) async throws -> OrgExecutor {
          try await house.engine.createOrg(
            NewOrg(
              name: name, kind: .client, agency: agency.org,
              timeZone: "America/New_York", isTest: true, clockOffsetMicros: 0), TestOrg.call)
        }
        func price(_ executor: OrgExecutor) async throws -> Int64 {
          try await executor.read { workspace throws(CommandError) in
            workspace.priceMicros(of: .mms)
          }
        }
        let early = try await client("Early")
        let stranger = try await house.org()
        let set = try await agency.perform(TestOrg.call) { workspace throws(CommandError) in
          try workspace.setMarkup(100, on: .mms, fromMicros: nil, reach: .agency)
        }
        let markup = try #require(set.output)
        #expect(try await house.engine.spread(markup, of: agency.org, TestOrg.call) == 1)
        #expect(try await price(early) == 40_000)
        let late = try await client("Late")
        #expect(try await price(late) == 40_000)
        #expect(try await price(agency) == 30_000)
        #expect(try await price(try stranger.executor) == 30_000)
        _ = try await late.perform(TestOrg.call) { workspace throws(CommandError) in
          try workspace.setMarkup(75, on: .mms, fromMicros: nil)
        }
        #expect(try await price(late) == 35_000)
      }
    }

    @Test func `of an account's prices no more are kept than hold, are announced and held lately`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        func announce(inMinutes minutes: Int64, percent: Int) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.setMarkup(
              percent, on: .mms, fromMicros: workspace.nowMicros + minutes * Moment.minuteMicros)
          }
        }
        func prices() async throws -> [PriceOverride] {
          try await org.executor.read { workspace throws(CommandError) in
            workspace.settings.prices
          }
        }
        for percent in 1...50 {
          try await announce(inMinutes: 0, percent: percent)
          house.clock.advance(byMicros: 1_000_000)
        }
        for number in 1...Org.announcedPriceLimit {
          try await announce(inMinutes: Int64(number), percent: number)
        }
        await #expect(throws: CommandError.self) {
          try await announce(inMinutes: 500, percent: 1)
        }
        // What was announced may be said again.
        let last = try #require(try await prices().last)
        try await org.perform { workspace throws(CommandError) in
          try workspace.setMarkup(last.markupPercent, on: .mms, fromMicros: last.fromMicros)
        }
        #expect(try await prices().count == Org.keptPrices)
        // What holds is among them, and what is announced.
        let cents = try await org.executor.read { workspace throws(CommandError) in
          (workspace.priceMicros(of: .mms), workspace.nowMicros)
        }
        #expect(try await prices().last { $0.fromMicros <= cents.1 }?.markupPercent == 50)
        try await announce(inMinutes: 0, percent: 100)
        let now = try await org.executor.read { workspace throws(CommandError) in
          workspace.priceMicros(of: .mms)
        }
        #expect(now == 40_000 && cents.0 < now)
        try await house.restart()
        #expect(try await prices().count == Org.keptPrices)
      }
    }

    @Test func `what an agency asked reaches its clients after a crash, once`() async throws {
      try await House.with(isRunning: false) { house in
        let agency = try await house.engine.createOrg(
          NewOrg(
            name: "Agency", kind: .agency, agency: nil, timeZone: "America/New_York",
            isTest: true, clockOffsetMicros: 0), TestOrg.call)
        let made = try await house.engine.createOrg(
          NewOrg(
            name: "Client", kind: .client, agency: agency.org,
            timeZone: "America/New_York", isTest: true, clockOffsetMicros: 0), TestOrg.call)
        let client = TestOrg(house: house, id: made.org, number: "")
        func price() async throws -> Int64 {
          try await client.executor.read { workspace throws(CommandError) in
            workspace.priceMicros(of: .mms)
          }
        }
        func setCount() throws -> Int { try client.events.count { $0.type == "org.price_set" } }
        // The process dies between the agency's commit and the clients'.
        let first = try await agency.perform(TestOrg.call) { workspace throws(CommandError) in
          try workspace.setMarkup(100, on: .mms, fromMicros: nil, reach: .agency)
        }.output
        try await house.restart()
        try await wait("the client pays it") { try await price() == 40_000 }
        house.clock.advance(byMicros: Moment.minuteMicros)
        let agencyNow = try house.engine.executor(for: agency.org)
        let second = try await agencyNow.perform(TestOrg.call) { workspace throws(CommandError) in
          try workspace.setMarkup(150, on: .mms, fromMicros: nil, reach: .agency)
        }.output
        _ = try await house.engine.spread(
          try #require(second), of: agency.org, TestOrg.call)
        #expect(try await price() == 50_000)
        // The first comes once more, late: the cursor was lost.
        await house.stop()
        try FileManager.default.removeItem(atPath: house.cursorDirectory + "/prices.json")
        try house.start()
        _ = try await house.engine.spread(try #require(first), of: agency.org, TestOrg.call)
        try await wait("all is read again") {
          FileManager.default.fileExists(atPath: house.cursorDirectory + "/prices.json")
        }
        #expect(try await price() == 50_000)
        #expect(try setCount() == 2)
      }
    }

    /// The house has no address for the news of calls: none ever arrives, as when they get lost.
    @Test func `a call whose news got lost is asked about, and paid by the minute`() async throws {
      try await House.with { house in
        let org = try await house.org()
        var ids: [Identifier] = []
        for last in ["0036", "0032"] {
          let contact = try await org.contact("+1500555\(last)")
          var request = MessageRequest(
            contact: contact, body: "Hello", purpose: .transactional, channel: .voice)
          request.voice = VoicePlan(maxMinutes: 5, isRecorded: false, isVoicemailDrop: false)
          let planned = try await org.perform { [request] workspace throws(CommandError) in
            try workspace.planMessage(request)
          }.output
          ids.append(try #require(planned).id)
        }
        for id in ids { try await org.waitFor(id, .accepted) }
        #expect(try org.wallet.heldMicros == 2 * 5 * 21_000)
        try await wait("the hour passes") {
          try house.advance(byMicros: Moment.hourMicros)
          return try ids.allSatisfy { try org.message($0).call != nil }
        }
        #expect(
          try org.message(ids[0]).call == CallResult(outcome: .answered, durationSeconds: 61))
        #expect(try org.message(ids[1]).call?.outcome == .busy)
        #expect(try org.wallet.balanceMicros == 100_000_000 - 2 * 21_000)
        #expect(try org.wallet.heldMicros == 0)
        try await Invariants.check(org)
      }
    }

    @Test func `no more calls at once than the account has lines, and texts go on`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await org.perform { workspace throws(CommandError) in
          try workspace.setSendingRules(SendingRules(concurrentCalls: 3))
          for index in 0..<8 {
            var request = MessageRequest(
              contact: contact, body: "Call \(index)", purpose: .transactional, channel: .voice)
            request.voice = VoicePlan(maxMinutes: 1, isRecorded: false, isVoicemailDrop: false)
            _ = try workspace.planMessage(request)
          }
        }
        for index in 0..<5 { try await org.send("Text \(index)", to: contact) }
        let board = Switchboard()
        let reactor = OrgReactor(
          executor: try org.executor, providers: MessageProviders([board]), log: house.log,
          settings: ReactorSettings(
            links: OutboundLinks(
              publicURL: "http://127.0.0.1:1", tokens: LinkTokens(secret: [1]))),
          desk: RateDesk(rates: RateTable()), restored: nil,
          texts: CursorFile(directory: house.cursorDirectory, name: "texts"), report: { _ in })
        let running = Task { await reactor.run() }
        try await wait("three calls and all texts") { board.count == 8 }
        try await Task.sleep(for: .milliseconds(30))
        #expect(board.count == 8)
        var endedCount = 0
        while endedCount < 8 {
          let open = try org.messages.filter {
            $0.value.plan?.channel == .voice && $0.value.status == .accepted
          }
          #expect(open.count <= 3)
          for (id, call) in open {
            let result = CallResult(outcome: .answered, durationSeconds: 20)
            try await org.perform { workspace throws(CommandError) in
              try workspace.record(result, providerID: call.providerID ?? "", for: id)
            }
            endedCount += 1
          }
          try await Task.sleep(for: .milliseconds(5))
        }
        #expect(board.count == 13)
        running.cancel()
        await running.value
      }
    }
  }
}

extension TestOrg {
  /// Nothing but `scheduled` is under way.
  fileprivate func waitUntilQuietBut(_ scheduled: Identifier) async throws {
    try await wait("nothing else under way") {
      try self.messages.filter { $0.key != scheduled }.values.allSatisfy { $0.status == .delivered }
    }
  }
}

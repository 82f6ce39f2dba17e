import Application
import Domain
import EventCodec
import EventLog
import JSON
import Testing

@testable import Application

extension HouseTests {
  @Suite(.serialized) struct SendingTests {
    static let phone = "+12125550123"
    static let priceMicros: Int64 = 12_000

    @Test func `a text goes out, is charged and delivered`() async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let contact = try await org.contact(Self.phone)
        let message = try await org.send("Hello", to: contact).id
        try await org.waitFor(message, .delivered)
        #expect(
          try org.story(of: message).filter { $0 != "sent" } == [
            "planned", "queued", "dispatched", "accepted", "delivered",
          ])
        #expect(try org.wallet.balanceMicros == 1_000_000 - Self.priceMicros)
        #expect(try org.wallet.holds.isEmpty)
        #expect(try await house.received(by: Self.phone).count == 1)
        try await Invariants.check(org)
      }
    }

    @Test func `a preview gives the verdict of the real thing and leaves nothing behind`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 3 * Self.priceMicros)
        let contacts = [
          try await org.contact(Self.phone), try await org.contact("+12125550124", consents: []),
          try await org.contact(nil), try await org.contact("+445550000000"),
        ]
        for contact in contacts {
          for purpose in Purpose.allCases {
            for body in ["Hi", String(repeating: "long ", count: 150)] {
              let request = MessageRequest(contact: contact, body: body, purpose: purpose)
              let head = try house.log.head()
              let preview = try await org.executor.read { workspace throws(CommandError) in
                try workspace.previewMessage(request)
              }
              #expect(try house.log.head() == head)
              let planned = try await org.send(body, to: contact, purpose)
              #expect(preview.verdict.outcome == planned.verdict.outcome)
              #expect(preview.plan == planned.plan)
              #expect(preview.priceMicros == planned.priceMicros)
            }
          }
        }
      }
    }

    @Test func `at night a text is held, and goes out when the window opens`() async throws {
      // 20:55:00 in New York, to the second.
      let closing = Moment.openMicros + 6 * Moment.hourMicros - 5 * Moment.minuteMicros
      try await House.with(at: closing - 30_000_000) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let early = try await org.send("Just in time", to: contact)
        #expect(early.verdict.isAllowed)
        try await org.waitFor(early.id, .delivered)
        try house.advance(byMicros: 60_000_000)
        let late = try await org.send("Too late", to: contact)
        let opening = closing + 11 * Moment.hourMicros + 5 * Moment.minuteMicros
        #expect(late.verdict.outcome == .held(.quietHours, untilMicros: opening))
        #expect(try org.wallet.holds.isEmpty)
        try house.advance(byMicros: 11 * Moment.hourMicros - 2 * 60_000_000)
        try await Task.sleep(for: .milliseconds(50))
        #expect(try org.message(late.id).status == .held)
        try house.advance(byMicros: 7 * 60_000_000)
        try await org.waitFor(late.id, .delivered)
        try await Invariants.check(org)
      }
    }

    /// A call seemed not to be made, the next one fell into the night: and then the provider tells of the first.
    @Test func `a held text that proves to be on its way is charged once`() async throws {
      let closing = Moment.openMicros + 6 * Moment.hourMicros - 5 * Moment.minuteMicros
      try await House.with(at: closing - 30_000_000, isRunning: false) { house in
        let org = try await house.org()
        let id = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.dispatch([id])
        }
        try await org.perform { workspace throws(CommandError) in
          try workspace.record(
            DispatchOutcome.notTaken(code: "x", retryAtMicros: workspace.nowMicros), for: id)
        }
        house.clock.advance(byMicros: 60_000_000)
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.dispatch([id])
        }
        #expect(try org.message(id).status == .held)
        let before = try org.wallet
        #expect(before.holds.isEmpty)
        for kind in [ProviderStatus.Kind.accepted, .sent, .sent, .delivered] {
          try await org.perform { workspace throws(CommandError) in
            try workspace.record(
              ProviderStatus(kind: kind, providerID: "SM1", atMicros: workspace.nowMicros),
              for: id)
          }
        }
        #expect(try org.message(id).status == .delivered)
        #expect(try org.wallet.balanceMicros < before.balanceMicros)
        #expect(try org.wallet.holds.isEmpty)
        try await Invariants.check(org)
      }
    }

    @Test func `what was queued when the window closed is held again`() async throws {
      let closing = Moment.openMicros + 6 * Moment.hourMicros - 5 * Moment.minuteMicros
      try await House.with(at: closing - 30_000_000, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let message = try await org.send("Hello", to: contact).id
        house.clock.advance(byMicros: 60_000_000)
        try await house.restart()
        try await org.waitFor(message, .held)
        #expect(try org.wallet.holds.isEmpty)
        try house.advance(byMicros: 11 * Moment.hourMicros + 5 * Moment.minuteMicros)
        try await org.waitFor(message, .delivered)
        try await Invariants.check(org)
      }
    }

    @Test func `an answer may go out at night, advertising may not`() async throws {
      try await House.with(at: Moment.openMicros - 12 * Moment.hourMicros) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await org.receive("Are you open?", from: Self.phone)
        #expect(try await org.send("At eight.", to: contact).verdict.isAllowed)
        let sale = try await org.send("Sale!", to: contact, .marketing)
        guard case .held(.quietHours, _) = sale.verdict.outcome else {
          Issue.record("\(sale.verdict.outcome)")
          return
        }
      }
    }

    @Test func `a mail by day invites no text at night`() async throws {
      try await House.with(at: Moment.openMicros - 12 * Moment.hourMicros) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let address = "ann@example.com"
        try await org.perform { workspace throws(CommandError) in
          try workspace.updateContact(contact, [FieldChange(field: "email", value: .text(address))])
          _ = try workspace.receive(
            InboundEmail(
              from: address, to: "hello@lakeside.example", subject: "Open?", text: "Are you open?",
              providerID: "mail-1"))
        }
        let text = try await org.send("At eight.", to: contact)
        guard case .held(.quietHours, _) = text.verdict.outcome else {
          Issue.record("\(text.verdict.outcome)")
          return
        }
      }
    }

    @Test func `the third of three is refused when the money is for two`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 2 * Self.priceMicros + 1)
        let contact = try await org.contact(Self.phone)
        var outcomes: [Verdict.Outcome] = []
        for number in 1...3 {
          outcomes.append(try await org.send("Number \(number)", to: contact).verdict.outcome)
        }
        #expect(outcomes == [.allowed, .allowed, .refused(.insufficientFunds)])
        #expect(try org.wallet.availableMicros == 1)
      }
    }

    @Test func `two hundred sends at once never spend more than there is`() async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 50 * Self.priceMicros + 7)
        let contact = try await org.contact(Self.phone)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<200 {
            group.addTask { try await org.send("Number \(number)", to: contact) }
          }
          try await group.waitForAll()
        }
        try await org.waitUntilQuiet()
        let states = try org.messages.values.map(\.status)
        #expect(states.count { $0 == .delivered } == 50)
        #expect(states.count { $0 == .skipped } == 150)
        #expect(try org.wallet.balanceMicros == 7)
        #expect(try org.wallet.holds.isEmpty)
        #expect(try await house.stat("received") == 50)
        try await Invariants.check(org)
      }
    }

    @Test func `a late failure is refunded once, however often it is told`() async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let contact = try await org.contact("+15005550008")
        let message = try await org.send("Hello", to: contact).id
        try await org.waitFor(message, .failed)
        #expect(try org.message(message).errorCode == "30008")
        #expect(try org.wallet.balanceMicros == 1_000_000)
        let id = try #require(try org.message(message).providerID)
        let head = try house.log.head()
        for kind in ProviderStatus.Kind.allCases {
          try await org.news(kind, of: message, id: id, code: "30008")
        }
        #expect(try house.log.head() == head)
        try await Invariants.check(org)
      }
    }

    /// The second callback comes while the first is being flushed, when the message is at rest already.
    @Test func `callbacks that overtake the flush change nothing twice`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let contact = try await org.contact(Self.phone)
        let message = try await org.send("Hello", to: contact).id
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.dispatch([message])
        }
        try await org.news(.delivered, of: message, id: "SM1")
        log.next(.delay)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<5 {
            group.addTask { try await org.news(.failed, of: message, id: "SM1", code: "30008") }
          }
          try await wait("the first callback waits") { log.delayedCount > 0 }
          try await Task.sleep(for: .milliseconds(20))
          await log.release()
          try await group.waitForAll()
        }
        #expect(try org.story(of: message).count { $0 == "failed" } == 1)
        #expect(try org.wallet.balanceMicros == 1_000_000)
        try await Invariants.check(org)
      }
    }

    @Test(arguments: ["+15005550009", "+15005550010", "+15005550015", "+15005550019"])
    func `repeated, reordered and refused deliveries end as one`(phone: String) async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let contact = try await org.contact(phone)
        let message = try await org.send("Hello", to: contact).id
        try await org.waitFor(message, .delivered)
        #expect(try org.wallet.balanceMicros == 1_000_000 - Self.priceMicros)
        #expect(try await house.received(by: phone).count == 1)
        try await Invariants.check(org)
      }
    }

    @Test(arguments: ["+15005550016", "+15005550017", "+15005550018"])
    func `a call whose answer is lost is looked up, never repeated`(phone: String) async throws {
      try await House.with { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        _ = try await house.control("POST", "/sandbox/pause-callbacks")
        let contact = try await org.contact(phone)
        let message = try await org.send("Hello", to: contact).id
        try await wait("known to the provider") { try org.message(message).providerID != nil }
        _ = try await house.control("POST", "/sandbox/pause-callbacks", ["paused": false])
        try await org.waitFor(message, .delivered)
        #expect(try await house.received(by: phone).count == 1)
        #expect(try org.wallet.balanceMicros == 1_000_000 - Self.priceMicros)
        try await Invariants.check(org)
      }
    }

    @Test func `a crash between the intent and the answer sends nothing twice`() async throws {
      try await House.with { house in
        let org = try await house.org()
        _ = try await house.control("POST", "/sandbox/faults", ["latency_ms": 300])
        var messages: [Identifier] = []
        for index in 0..<10 {
          let contact = try await org.contact("+121255502\(10 + index)")
          messages.append(try await org.send("Hello \(index)", to: contact).id)
        }
        try await wait("the provider has some") { try await house.stat("received") ?? 0 > 0 }
        // Cuts the calls off: nobody records their answers.
        try await house.restart()
        _ = try await house.control("POST", "/sandbox/faults", ["latency_ms": 0])
        for message in messages { try await org.waitFor(message, .delivered) }
        #expect(try await house.stat("received") == 10)
        #expect(try await house.stat("duplicates") == 0)
        try await Invariants.check(org)
      }
    }

    @Test func `two equal texts in doubt become two messages`() async throws {
      try await House.with { house in
        let org = try await house.org()
        _ = try await house.control(
          "POST", "/sandbox/faults", ["lost_answer_rate": 1, "callback_delay_ms": 0])
        _ = try await house.control("POST", "/sandbox/pause-callbacks")
        let contact = try await org.contact(Self.phone)
        let first = try await org.send("Same", to: contact).id
        let second = try await org.send("Same", to: contact).id
        try await wait("both known") {
          try org.message(first).providerID != nil && org.message(second).providerID != nil
        }
        #expect(try org.message(first).providerID != org.message(second).providerID)
        #expect(try await house.received(by: Self.phone).count == 2)
        try await Invariants.check(org)
      }
    }

    @Test func `a provider that is down for an hour loses nothing`() async throws {
      try await House.with { house in
        let org = try await house.org()
        _ = try await house.control(
          "POST", "/sandbox/faults", ["error_rate": 1, "status": 503])
        let contact = try await org.contact(Self.phone)
        let message = try await org.send("Hello", to: contact).id
        var lastAttempt = 0
        for _ in 0..<6 {
          try house.advance(byMicros: 10 * Moment.minuteMicros)
          try await wait("it was tried, or waits its turn") {
            let state = try org.message(message)
            let isWaiting = state.notBeforeMicros > house.clock.nowMicros()
            guard state.status == .queued, state.attempt > lastAttempt || isWaiting else {
              return false
            }
            lastAttempt = state.attempt
            return true
          }
        }
        #expect(lastAttempt >= 6)
        _ = try await house.control("POST", "/sandbox/faults", ["error_rate": 0])
        try house.advance(byMicros: 10 * Moment.minuteMicros)
        try await org.waitFor(message, .delivered)
        #expect(try await house.received(by: Self.phone).count == 1)
        try await Invariants.check(org)
      }
    }

    @Test func `a text that comes out empty is skipped on record`() async throws {
      try await House.with { house in
        let org = try await house.org()
        _ = try await org.contact(Self.phone, name: nil, tags: ["all"])
        let segment = try await org.segment(tagged: "all")
        let campaign = try await org.campaign("{{first_name|}}", segment, .transactional)
        try await org.waitForEnd(of: campaign)
        #expect(try org.messages.values.map(\.reason) == [.templateError])
      }
    }
  }
}

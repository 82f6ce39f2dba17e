import Application
import Domain
import EventCodec
import Testing

@testable import Application

extension HouseTests {
  /// The gate with its facts as they are gathered: places, caps, lists, grants.
  @Suite(.serialized) struct GateHouseTests {
    static let florida = "+13055550123"

    @Test func `a number without a place has the strictest hours, unless its record knows better`()
      async throws
    {
      // Friday, 15:00 in New York and 10:00 in Honolulu.
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let unknown = try await org.contact("+18005550123")
        let known = try await org.perform { workspace throws(CommandError) in
          try workspace.createContact(
            ContactRequest(
              details: ContactDetails(
                firstName: "Bo", phone: "+18005550124", custom: ["state": .text("ny")]),
              source: "test", consents: [TestOrg.consent]))
        }.output
        #expect(try await org.send("Sale", to: unknown, .marketing).verdict.isAllowed)
        // An hour before ten in Honolulu; two in the afternoon in New York.
        house.clock.advance(byMicros: -Moment.hourMicros)
        let verdict = try await org.send("Sale", to: unknown, .marketing).verdict
        #expect(verdict.facts.regions == ["US"] && verdict.facts.zones.count == 8)
        #expect(verdict.outcome == .held(.quietHours, untilMicros: Moment.openMicros))
        let other = try await org.send("Sale", to: try #require(known), .marketing).verdict
        #expect(other.isAllowed && other.facts.regions == ["US-NY"])
        // Saturday evening: not on Sunday, but on Monday.
        house.clock.advance(byMicros: Moment.dayMicros + 4 * Moment.hourMicros)
        let weekend = try await org.send("Sale", to: unknown, .marketing).verdict
        #expect(
          weekend.outcome
            == .held(.quietHours, untilMicros: Moment.openMicros + 3 * Moment.dayMicros))
      }
    }

    @Test func `the fourth advertisement to Florida waits for the next day`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.florida)
        for number in 1...3 {
          let message = try await org.send("Sale \(number)", to: contact, .marketing)
          try await org.waitFor(message.id, .delivered)
        }
        let fourth = try await org.send("Sale 4", to: contact, .marketing)
        guard case .held(.frequencyCap, let untilMicros) = fourth.verdict.outcome else {
          Issue.record("\(fourth.verdict.outcome)")
          return
        }
        #expect(untilMicros > Moment.openMicros + 23 * Moment.hourMicros)
        #expect(try await org.send("Your bill", to: contact).verdict.isAllowed)
        try await house.restart()
        try house.advance(byMicros: 24 * Moment.hourMicros + Moment.minuteMicros)
        try await org.waitFor(fourth.id, .delivered)
        try await Invariants.check(org)
      }
    }

    @Test func `one command counts what it sends itself`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.florida)
        let outcomes = try await org.perform { workspace throws(CommandError) in
          var outcomes: [Verdict.Outcome] = []
          for number in 0..<4 {
            outcomes.append(
              try workspace.planMessage(
                MessageRequest(contact: contact, body: "Sale \(number)", purpose: .marketing)
              ).verdict.outcome)
          }
          return outcomes
        }.output
        #expect(outcomes?.prefix(3).allSatisfy { $0 == .allowed } == true)
        guard case .held(.frequencyCap, _) = outcomes?.last else {
          Issue.record("\(String(describing: outcomes))")
          return
        }
      }
    }

    @Test func `a budget holds what goes beyond it`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.setSendingRules(SendingRules(dailyBudgetMicros: 24_000))
        }
        let outcomes = [
          try await org.send("One", to: contact).verdict.outcome,
          try await org.send("Two", to: contact).verdict.outcome,
          try await org.send("Three", to: contact).verdict.outcome,
        ]
        #expect(outcomes[0] == .allowed && outcomes[1] == .allowed)
        guard case .held(.budget, _) = outcomes[2] else {
          Issue.record("\(outcomes)")
          return
        }
      }
    }

    /// What comes back of yesterday was yesterday's: it makes no room today.
    @Test func `a day's budget grows by nothing that another day set aside`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.setSendingRules(SendingRules(dailyBudgetMicros: 24_000))
        }
        func send(_ text: String) async throws -> (id: Identifier, isQueued: Bool) {
          let planned = try await org.send(text, to: contact)
          return (planned.id, planned.verdict.outcome == .allowed)
        }
        func cancel(_ message: Identifier) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.cancelMessage(message)
          }
        }
        let waiting = try await send("One").id
        let sent = try await send("Two").id
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.dispatch([sent])
        }
        try house.advance(byMicros: Moment.dayMicros)
        let first = try await send("Three")
        #expect(first.isQueued)
        #expect(try await send("Four").isQueued)
        // Given back by a cancellation, and by a failure after the charge.
        try await cancel(waiting)
        #expect(try await !send("Five").isQueued)
        try await org.news(.sent, of: sent, id: "SM1")
        try await org.news(.failed, of: sent, id: "SM1", code: "30008")
        #expect(try org.message(sent).status == .failed)
        #expect(try await !send("Six").isQueued)
        // Today's own makes room for one more.
        try await cancel(first.id)
        #expect(try await send("Seven").isQueued)
        #expect(try await !send("Eight").isQueued)
        try await Invariants.check(org)
        try await house.restart()
        #expect(try await !send("Nine").isQueued)
      }
    }

    /// What waits since yesterday is judged by what today has spent, all of it.
    @Test func `the facts of a text of yesterday's leave nothing of today out`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.setSendingRules(SendingRules(dailyBudgetMicros: 24_000))
        }
        let old = try await org.send("One", to: contact).id
        try house.advance(byMicros: Moment.dayMicros)
        let new = try await org.send("Two", to: contact).id
        let spent = try await org.executor.read { workspace throws(CommandError) in
          try [old, new].map { id throws(CommandError) in
            let message = try workspace.current(Message.self, id)
            guard let plan = message.plan else { throw .notFound(id) }
            return workspace.facts(
              for: plan, try workspace.contact(contact), priceMicros: message.priceMicros,
              held: message, id: id
            ).spentTodayMicros
          }
        }
        let priceMicros = try org.message(new).priceMicros
        #expect(spent == [priceMicros, 0])
      }
    }

    @Test func `lists keep what waits and what comes from going out`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let waiting = try await org.send("Hi", to: contact).id
        let changed = try await org.perform { workspace throws(CommandError) in
          try workspace.suppress(
            ["(212) 555-0123", "+12125550123"], on: .sms, list: .suppression, source: "letter")
        }.output
        #expect(changed == 1)
        #expect(try org.message(waiting).reason == .suppressed)
        try await house.restart()
        #expect(try await org.send("Hi", to: contact).verdict.outcome == .refused(.suppressed))
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.unsuppress(
            ["+12125550123"], on: .sms, list: .suppression, source: "letter")
          _ = try workspace.suppress(
            ["+12125550123"], on: .sms, list: .doNotCall, source: "call")
        }
        #expect(try await org.send("Hi", to: contact).verdict.isAllowed)
        #expect(
          try await org.send("Sale", to: contact, .marketing).verdict.outcome
            == .refused(.suppressed))
        try await Invariants.check(org)
      }
    }

    @Test func `a yes stays with the number that gave it`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.updateContact(
            contact, [FieldChange(field: "phone", value: .text("+12125550999"))])
        }
        #expect(
          try await org.send("Sale", to: contact, .marketing).verdict.outcome
            == .refused(.noConsent))
        try await house.restart()
        #expect(
          try await org.send("Sale", to: contact, .marketing).verdict.outcome
            == .refused(.noConsent))
      }
    }

    @Test func `a yes to one of our numbers is none to another`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        var consent = TestOrg.consent
        consent.sender = "+19995550100"
        let contact = try await org.contact("+12125550123", consents: [consent])
        #expect(
          try await org.send("Sale", to: contact, .marketing).verdict.outcome
            == .refused(.noConsent))
        consent.sender = org.number
        try await org.perform { [consent] workspace throws(CommandError) in
          try workspace.recordConsent(consent, of: contact)
        }
        #expect(try await org.send("Sale", to: contact, .marketing).verdict.isAllowed)
      }
    }

    @Test func `a STOP ends advertising on every channel`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let email = ConsentRequest(
          channel: .email, purpose: .marketing, method: .webForm, source: "form", wording: "Yes")
        let contact = try await org.perform { workspace throws(CommandError) in
          try workspace.createContact(
            ContactRequest(
              details: ContactDetails(email: "Ann@Example.com", phone: "+12125550123"),
              source: "test", consents: [TestOrg.consent, email]))
        }.output
        let id = try #require(contact)
        try await org.receive("STOP", from: "+12125550123")
        let state = try house.engine.contact(id, of: org.id).snapshot.state
        #expect(state.granted(.email, from: "hi@acme.example") == nil)
        #expect(state.consents[.sms] == .optedOut && state.consents[.email] == nil)
      }
    }

    @Test func `an address that opted out is the same in any case`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await org.perform { workspace throws(CommandError) in
          let first = try workspace.createContact(
            ContactRequest(details: ContactDetails(email: "Ann@Example.com"), source: "test"))
          try workspace.recordOptOut(first, channel: .email, method: .link)
          try workspace.updateContact(
            first, [FieldChange(field: "email", value: .text("new@example.com"))])
        }
        let contact = try await org.perform { workspace throws(CommandError) in
          try workspace.createContact(
            ContactRequest(details: ContactDetails(email: "ann@example.COM"), source: "test"))
        }.output
        let id = try #require(contact)
        await #expect(throws: CommandError.self) {
          try await org.perform { workspace throws(CommandError) in
            try workspace.recordConsent(
              ConsentRequest(
                channel: .email, purpose: .marketing, method: .staff, source: "x", wording: "y"),
              of: id)
          }
        }
      }
    }

    @Test func `what may be a no is listed until somebody decides`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let first = try await org.contact("+12125550123")
        let second = try await org.contact("+12125550124")
        try await org.receive("not interested", from: "+12125550123")
        try await org.receive("wrong number", from: "+12125550124")
        try await house.restart()
        let found = try await org.executor.read { workspace throws(CommandError) in
          try workspace.describedOptOuts()
        }
        #expect(found.map(\.contact) == [first, second])
        #expect(found.map(\.content?.body) == ["not interested", "wrong number"])
        try await org.perform { workspace throws(CommandError) in
          try workspace.confirmOptOut(first, channel: .sms)
          try workspace.dismissOptOut(second, channel: .sms)
        }
        let left = try await org.executor.read { workspace throws(CommandError) in
          workspace.suspectedOptOuts()
        }
        #expect(left.isEmpty)
        #expect(try await org.send("Hi", to: first).verdict.outcome == .refused(.revoked))
        #expect(try await org.send("Sale", to: second, .marketing).verdict.isAllowed)
        let types = try house.engine.consents(of: first, in: org.id).map(\.type)
        #expect(types == ["opted_in", "suspected", "opted_out"])
      }
    }
  }
}

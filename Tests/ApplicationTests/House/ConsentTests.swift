import Application
import Domain
import EventCodec
import Testing

@testable import Application

extension HouseTests {
  @Suite(.serialized) struct ConsentTests {
    static let phone = "+12125550123"

    /// Marketing waits overnight: 03:00 in New York.
    static let nightMicros = Moment.openMicros - 12 * Moment.hourMicros

    /// Two contacts with one number, as an older system may have left them.
    private func twins(in org: TestOrg) async throws -> [Identifier] {
      let first = try await org.contact(Self.phone, tags: ["all"])
      try await org.perform { workspace throws(CommandError) in
        let second = workspace.newID(.contact)
        try workspace.run(
          Contact.self, second,
          .create(
            ContactDetails(firstName: "Bob", phone: Self.phone), source: "test", tags: ["all"],
            consents: []), isNew: true)
      }
      let all = try org.events.compactMap {
        if case .contact(.created) = $0.event { $0.stream } else { nil }
      }
      try #require(all.count == 2 && all[0] == first)
      return all
    }

    @Test func `a STOP in words that only the provider knows is one`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        func receive(_ body: String, _ declared: InboundMessage.Keyword) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.receive(
              InboundText(
                from: Self.phone, to: org.number, body: body, providerID: "SM-\(body)",
                segmentCount: 1, declared: declared))
          }
        }
        // A YES to a question is no opt-in, whatever the provider's list says.
        let consentCount = { try org.events.count { $0.type == "contact.opted_in" } }
        let before = try consentCount()
        try await receive("YES", .optIn)
        #expect(try consentCount() == before)
        try await receive("lopeta", .optOut)
        #expect(try await org.send("Hi", to: contact).verdict.outcome == .refused(.revoked))
        try await receive("aloita", .optIn)
        #expect(try await org.send("Hi", to: contact).verdict.isAllowed)
        try await Invariants.check(org)
      }
    }

    @Test func `a STOP opts out everybody with the number and revokes what waits, in one commit`()
      async throws
    {
      try await House.with(at: Self.nightMicros) { house in
        let org = try await house.org()
        let contacts = try await twins(in: org)
        var held: [Identifier] = []
        for contact in contacts {
          held.append(try await org.send("Good night \(contact)", to: contact).id)
        }
        for message in held { #expect(try org.message(message).status == .held) }
        try await org.receive("STOP", from: Self.phone)

        let commit = try #require(try org.events.last).commitPosition
        let types = try org.events.filter { $0.commitPosition == commit }.map(\.type).sorted()
        #expect(
          types == [
            "contact.opted_out", "contact.opted_out", "message.received", "message.skipped",
            "message.skipped", "wallet.debited",
          ])
        for message in held {
          #expect(try org.message(message).status == .skipped)
          #expect(try org.message(message).reason == .revoked)
        }
        try await Invariants.check(org)
      }
    }

    @Test func `after a STOP nothing goes to the number: held, new contact, campaign, workflow`()
      async throws
    {
      try await House.with(at: Self.nightMicros) { house in
        let org = try await house.org()
        let workflow = try await org.publish(
          """
          name: Welcome
          trigger: {tag_added: new}
          steps:
            - send_sms: Welcome
            - wait: 1 hour
            - send_sms: Still here?
          """)
        let contact = try await org.contact(Self.phone, tags: ["all"])
        let held = try await org.send("Later", to: contact).id
        try await org.tag(contact, "new")
        try await wait("the run waits") {
          try org.events.contains { $0.type == "workflow.waiting" }
        }
        try await org.receive("stop", from: Self.phone)
        try await org.perform { workspace throws(CommandError) in
          try workspace.updateContact(
            contact, [FieldChange(field: "phone", value: .text("+12125550199"))])
        }
        // Another contact comes with the number: its own yes by a list does not count.
        let other = try await org.contact(Self.phone, name: "Bob", tags: ["all"], consents: [])
        await #expect(throws: CommandError.self) {
          try await org.perform { workspace throws(CommandError) in
            try workspace.recordConsent(
              ConsentRequest(
                channel: .sms, purpose: .marketing, method: .importStatement, source: "list",
                wording: "agreed"), of: other)
          }
        }
        try house.advance(byMicros: 12 * Moment.hourMicros)
        let refused = try await org.send("Hello", to: other)
        #expect(refused.verdict.outcome == .refused(.revoked))
        try await org.tag(other, "new")
        let segment = try await org.segment(tagged: "all")
        let campaign = try await org.campaign("Sale", segment)
        try await org.waitForEnd(of: campaign)
        // The clock moves only once the second run waits for it: a wait that begins later would never end.
        try await wait("the first run ends, the second waits") {
          try org.events.contains { $0.type == "workflow.run_completed" }
            && org.events.count { $0.type == "workflow.waiting" } == 2
        }
        try house.advance(byMicros: 2 * Moment.hourMicros)
        try await wait("all runs end") {
          try org.events.count { $0.type == "workflow.run_completed" } == 2
        }
        #expect(try org.message(held).reason == .revoked)
        #expect(try await house.received(by: Self.phone).isEmpty)
        #expect(try org.events.contains { $0.type == "message.dispatched" } == false)
        _ = workflow
        try await Invariants.check(org)
      }
    }

    @Test func `START lifts a STOP, also for a contact that had said yes elsewhere`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let first = try await org.contact(Self.phone)
        try await org.receive("STOP", from: Self.phone)
        try await org.perform { workspace throws(CommandError) in
          try workspace.updateContact(
            first, [FieldChange(field: "phone", value: .text("+12125550177"))])
        }
        let second = try await org.contact("+12125550178", name: "Bob")
        try await org.perform { workspace throws(CommandError) in
          try workspace.updateContact(
            second, [FieldChange(field: "phone", value: .text(Self.phone))])
        }
        #expect(
          try await org.send("One", to: second, .marketing).verdict.outcome == .refused(.revoked))
        try await org.receive("START", from: Self.phone)
        let message = try await org.send("Two", to: second, .marketing).id
        try await org.waitFor(message, .delivered)
        try await Invariants.check(org)
      }
    }

    @Test func `a count that no text can have is charged as the most that one has`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        for (index, count) in [Int.max, Int.min].enumerated() {
          try await org.perform { workspace throws(CommandError) in
            try workspace.receive(
              InboundText(
                from: Self.phone, to: org.number, body: "Hi", providerID: "SM\(index)",
                segmentCount: count))
          }
        }
        let counts = try org.events.compactMap { recorded -> String? in
          guard case .wallet(.debited(let charge)) = recorded.event else { return nil }
          return charge.description
        }
        #expect(counts == ["Inbound SMS, segments: 255", "Inbound SMS, segments: 1"])
      }
    }

    @Test func `YES opts in only after a no`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone, consents: [])
        try await org.receive("Yes", from: Self.phone)
        #expect(try org.story(of: contact) == ["created"])
        try await org.receive("STOP", from: Self.phone)
        try await org.receive("YES!", from: Self.phone)
        #expect(try org.story(of: contact) == ["created", "opted_out", "opted_in"])
        let keywords = try org.events.compactMap { recorded -> InboundMessage.Keyword?? in
          guard case .message(.received(let inbound)) = recorded.event else { return nil }
          return .some(inbound.keyword)
        }
        #expect(keywords == [nil, .optOut, .optIn])
      }
    }

    @Test func `START opts in whoever texts it`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await org.receive("Start", from: Self.phone)
        let contact = try #require(
          try org.events.first { $0.type == "contact.created" }?.stream)
        #expect(try org.story(of: contact) == ["created", "opted_in"])
      }
    }

    @Test func `what may be a revocation pauses marketing until somebody decides`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let queued = try await org.send("Sale!", to: contact, .marketing).id
        #expect(try org.message(queued).status == .queued)
        try await org.receive("not interested", from: Self.phone)
        #expect(
          try await org.send("More", to: contact, .marketing).verdict.outcome == .refused(.revoked))
        #expect(try await org.send("Your code is 1", to: contact).verdict.isAllowed)
        // What was queued before is looked at once more.
        let dispatched = try await org.perform { workspace throws(CommandError) in
          try workspace.dispatch([queued])
        }
        #expect(dispatched.output == [])
        #expect(try org.message(queued).reason == .revoked)

        try await org.perform { workspace throws(CommandError) in
          try workspace.dismissOptOut(contact, channel: .sms)
        }
        #expect(try await org.send("Back", to: contact, .marketing).verdict.isAllowed)
        try await org.receive("go away", from: Self.phone)
        try await org.perform { workspace throws(CommandError) in
          try workspace.recordOptOut(contact, channel: .sms, method: .staff)
        }
        #expect(
          try org.story(of: contact) == [
            "created", "opted_in", "opt_out_suspected", "opt_out_dismissed", "opt_out_suspected",
            "opted_out",
          ])
        #expect(try await org.send("Code", to: contact).verdict.outcome == .refused(.revoked))
        try await Invariants.check(org)
      }
    }

    @Test func `a person's answers by the provider's webhooks count the same`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await org.text("STOP", from: Self.phone)
        try await wait("the opt-out") { try org.story(of: contact).contains("opted_out") }
        try await org.text("START", from: Self.phone)
        try await wait("the opt-in") { try org.story(of: contact).count == 4 }
        let message = try await org.send("Welcome back", to: contact, .marketing).id
        try await org.waitFor(message, .delivered)
      }
    }

    @Test func `a number that opted out at the provider opts out here`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact("+15005550004")
        let message = try await org.send("Hello", to: contact).id
        try await org.waitFor(message, .failed)
        #expect(try org.story(of: contact) == ["created", "opted_in", "opted_out"])
        let next = try await org.send("Hello?", to: contact)
        #expect(next.verdict.outcome == .refused(.revoked))
        try await Invariants.check(org)
      }
    }

    @Test func `every marketing text says how to end it, and a bus stop does not count`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let plain = try await org.send("Meet us at the bus stop", to: contact, .marketing)
        #expect(
          plain.plan.content.value?.body == "Meet us at the bus stop Reply STOP to opt out.")
        let own = try await org.send("Sale. Text STOP to end", to: contact, .marketing)
        #expect(own.plan.content.value?.body == "Sale. Text STOP to end")
      }
    }
  }
}

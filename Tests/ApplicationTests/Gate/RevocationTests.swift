import Application
import Domain
import EventCodec
import JSON
import Testing

@testable import Application

extension HouseTests {
  /// Ways in which a no could get lost, or be taken back by somebody else.
  @Suite(.serialized) struct RevocationTests {
    static let phone = "+12125550123"
    static let otherPhone = "+12125550177"

    private func change(
      _ field: String, of contact: Identifier, to value: String, in org: TestOrg
    ) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.updateContact(
          contact, [FieldChange(field: field, value: .text(value))])
      }
    }

    /// A contact with an address, and a service mail to it.
    private func mailed(in org: TestOrg) async throws -> (contact: Identifier, mail: Identifier) {
      let done = try await org.perform { workspace throws(CommandError) in
        try workspace.configureProvider(
          ProviderSettings(
            service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
            options: ["from": "hi@acme.example"], secrets: .known(["api_key": "k"])))
        return try workspace.createContact(
          ContactRequest(
            details: ContactDetails(email: "old@example.com", phone: Self.phone), source: "test"))
      }
      let contact = try #require(done.output)
      let planned = try await org.perform { workspace throws(CommandError) in
        var request = MessageRequest(
          contact: contact, body: "Your receipt", purpose: .transactional, channel: .email)
        request.subject = "Receipt"
        return try workspace.planMessage(request)
      }
      return (contact, try #require(planned.output).id)
    }

    private func verdict(
      ofMailTo contact: Identifier, in org: TestOrg
    ) async throws -> Verdict.Outcome? {
      try await org.perform { workspace throws(CommandError) in
        var request = MessageRequest(
          contact: contact, body: "Again", purpose: .transactional, channel: .email)
        request.subject = "Again"
        return try workspace.planMessage(request)
      }.output?.verdict.outcome
    }

    private func newContact(_ details: ContactDetails, in org: TestOrg) async throws -> Identifier {
      try #require(
        try await org.perform { workspace throws(CommandError) in
          try workspace.createContact(ContactRequest(details: details, source: "test"))
        }.output)
    }

    @Test func `a STOP counts for its number, whatever the contact had said at another`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.otherPhone)
        try await org.receive("STOP", from: Self.otherPhone)
        try await change("phone", of: contact, to: Self.phone, in: org)
        try await org.receive("STOP", from: Self.phone)
        try await change("phone", of: contact, to: "+12125550188", in: org)
        for phone in [Self.phone, Self.otherPhone] {
          let heir = try await newContact(ContactDetails(firstName: "Eve", phone: phone), in: org)
          #expect(try await org.send("Hi", to: heir).verdict.outcome == .refused(.revoked))
        }
        try await house.restart()
        try await Invariants.check(org)
      }
    }

    @Test func `a STOP ends advertising everywhere also where staff had closed the channel before`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let call = ConsentRequest(
          channel: .voice, purpose: .marketing, method: .webForm, source: "form", wording: "Yes")
        let contact = try await org.contact(Self.phone, consents: [TestOrg.consent, call])
        try await org.perform { workspace throws(CommandError) in
          try workspace.recordOptOut(contact, channel: .sms, method: .staff)
        }
        func grant() throws -> Purpose? {
          try house.engine.contact(contact, of: org.id).snapshot.state
            .granted(.voice, from: org.number)
        }
        #expect(try grant() == .marketing)
        try await org.receive("STOP", from: Self.phone)
        #expect(try grant() == nil)
      }
    }

    @Test func `after a STOP staff cannot renew advertising on another channel, the person can`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await org.receive("STOP", from: Self.phone)
        func consent(_ method: Consent.Method) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.recordConsent(
              ConsentRequest(
                channel: .voice, purpose: .marketing, method: method, source: "x", wording: "Yes"),
              of: contact)
          }
        }
        for method in [Consent.Method.staff, .importStatement, .api] {
          await #expect(throws: CommandError.self) { try await consent(method) }
        }
        try await consent(.webForm)
        #expect(
          try house.engine.contact(contact, of: org.id).snapshot.state
            .granted(.voice, from: org.number) == .marketing)
      }
    }

    @Test func `whoever unsubscribes from a mail to an old address gets mail at neither`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let (contact, mail) = try await mailed(in: org)
        try await change("email", of: contact, to: "new@example.com", in: org)
        try await org.perform { workspace throws(CommandError) in
          try workspace.unsubscribe(by: mail)
        }
        #expect(try await verdict(ofMailTo: contact, in: org) == .refused(.revoked))
        let heir = try await newContact(ContactDetails(email: "OLD@example.com"), in: org)
        #expect(try await verdict(ofMailTo: heir, in: org) == .refused(.revoked))
        // It waits for an address that is nobody's any more.
        #expect(try org.message(mail).reason == .noAddress)
        try await Invariants.check(org)
      }
    }

    @Test func `a bounce ends the address alone`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let (contact, mail) = try await mailed(in: org)
        try await change("email", of: contact, to: "new@example.com", in: org)
        try await org.perform { workspace throws(CommandError) in
          try workspace.recordFailure(
            ProviderStatus(kind: .failed, providerID: "m1", atMicros: workspace.nowMicros),
            ending: .bounce, for: mail)
        }
        #expect(try await verdict(ofMailTo: contact, in: org) == .allowed)
        let heir = try await newContact(ContactDetails(email: "old@example.com"), in: org)
        #expect(try await verdict(ofMailTo: heir, in: org) == .refused(.suppressed))
      }
    }

    @Test func `a no of an address that nobody carries is kept for whoever comes to have it`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        for _ in 0..<2 {
          try await org.perform { workspace throws(CommandError) in
            try workspace.optOut(phone: Self.phone, email: "Gone@Example.com", channel: nil)
          }
        }
        #expect(try org.events.count { $0.type == "org.address_suppressed" } == 3)
        let heir = try await newContact(
          ContactDetails(email: "gone@example.com", phone: Self.phone), in: org)
        #expect(try await org.send("Hi", to: heir).verdict.outcome == .refused(.suppressed))
      }
    }

    @Test func `what waits for a number that is the person's no more goes nowhere`() async throws {
      try await House.with(at: ConsentTests.nightMicros) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let held = try await org.send("Your appointment", to: contact).id
        #expect(try org.message(held).status == .held)
        try await change("phone", of: contact, to: Self.otherPhone, in: org)
        // The yes of the new number says nothing of the old one.
        try await org.perform { workspace throws(CommandError) in
          try workspace.recordConsent(TestOrg.consent, of: contact)
        }
        try house.advance(byMicros: 12 * Moment.hourMicros)
        try await org.waitFor(held, .skipped)
        #expect(try org.message(held).reason == .noAddress)
        #expect(try await house.received(by: Self.phone).isEmpty)
        try await Invariants.check(org)
      }
    }

    @Test
    func `a STOP to one account is none to another, and nobody's news touches another's text`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let ours = try await house.org()
        let theirs = try await house.org(number: "+12125550111")
        let contact = try await theirs.contact(Self.phone)
        _ = try await ours.contact(Self.phone)
        try await ours.receive("STOP", from: Self.phone)
        let text = try await theirs.send("Hi", to: contact)
        #expect(text.verdict.isAllowed)
        await #expect(throws: CommandError.notFound(text.id)) {
          try await ours.news(.failed, of: text.id, id: "SM1", code: "30003")
        }
        #expect(try theirs.message(text.id).status == .queued)
      }
    }

    @Test func `an old START that is told again lifts no later STOP`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone, consents: [])
        try await org.receive("START", from: Self.phone, id: "SM1")
        try await org.receive("STOP", from: Self.phone, id: "SM2")
        for _ in 0..<2 {
          try await org.receive("START", from: Self.phone, id: "SM1")
          #expect(try await org.send("Hi", to: contact).verdict.outcome == .refused(.revoked))
          try await house.restart()
        }
      }
    }

    @Test func `a clock that is set back frees nobody from a cap`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        // Miami: three in 24 hours.
        let contact = try await org.contact("+13055550123")
        for number in 0..<3 {
          #expect(try await org.send("Sale \(number)", to: contact, .marketing).verdict.isAllowed)
        }
        house.clock.advance(byMicros: -Moment.hourMicros)
        let fourth = try await org.send("Sale 4", to: contact, .marketing).verdict
        guard case .held(.frequencyCap, _) = fourth.outcome else {
          Issue.record("\(fourth.outcome)")
          return
        }
        try await Invariants.check(org)
      }
    }
  }

  @Suite(.serialized) struct ProgramTests {
    static let phone = "+12125550123"

    private func program(in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.setSendingRules(
          SendingRules(
            program: MessagingProgram(
              optOut: ["Adios"], optIn: ["JOIN"], help: ["Aide"],
              helpText: "Bright Dental: call 212-555-0100. Reply STOP to end.")))
      }
    }

    @Test func `the registered program's words opt out and in, and STOP stays what it is`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await program(in: org)
        let contact = try await org.contact(Self.phone, consents: [])
        func marketing() async throws -> Verdict.Outcome {
          try await org.send("Sale \(try org.events.count)", to: contact, .marketing).verdict
            .outcome
        }
        #expect(try await marketing() == .refused(.noConsent))
        try await org.receive("join!", from: Self.phone)
        #expect(try await marketing() == .allowed)
        try await org.receive("ADIOS", from: Self.phone)
        #expect(try await marketing() == .refused(.revoked))
        try await org.receive("I will join you, adios", from: Self.phone)
        #expect(try await marketing() == .refused(.revoked))
        try await org.receive("JOIN", from: Self.phone)
        #expect(try await marketing() == .allowed)
        try await org.receive("Stop", from: Self.phone)
        #expect(try await marketing() == .refused(.revoked))
        try await Invariants.check(org)
      }
    }

    @Test func `HELP is answered in the org's words, at night too, but not after a STOP`()
      async throws
    {
      try await House.with(at: ConsentTests.nightMicros) { house in
        let org = try await house.org()
        try await org.receive("HELP", from: Self.phone)
        #expect(try org.messages.isEmpty)
        try await program(in: org)
        for word in ["help", "Aide"] { try await org.receive(word, from: Self.phone) }
        try await org.waitUntilQuiet()
        let answers = try await house.received(by: Self.phone).compactMap { $0["body"]?.string }
        #expect(
          answers
            == Array(repeating: "Bright Dental: call 212-555-0100. Reply STOP to end.", count: 2))
        // The provider's own list answers: a second answer helps nobody.
        try await org.perform { workspace throws(CommandError) in
          try workspace.receive(
            InboundText(
              from: Self.phone, to: org.number, body: "HELP", providerID: "SM9", segmentCount: 1,
              declared: .help))
        }
        #expect(try org.messages.count == 2)
        try await org.receive("STOP", from: Self.phone)
        try await org.receive("HELP", from: Self.phone)
        #expect(try org.messages.values.count { $0.reason == .revoked } == 1)
        try await org.waitUntilQuiet()
        #expect(try await house.received(by: Self.phone).count == 2)
        try await Invariants.check(org)
      }
    }
  }
}

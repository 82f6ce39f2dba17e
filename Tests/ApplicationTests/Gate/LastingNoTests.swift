import Application
import Domain
import EventCodec
import Testing

@testable import Application

extension HouseTests {
  /// A no outlives the number's holder, the contact and the channel that it came by, until the person takes it back.
  @Suite(.serialized) struct LastingNoTests {
    static let phone = "+12125550123"
    static let otherPhone = "+12125550177"

    static let calls = consent(.voice)
    static let mails = consent(.email)

    private static func consent(
      _ channel: Channel, _ method: Consent.Method = .webForm
    ) -> ConsentRequest {
      ConsentRequest(
        channel: channel, purpose: .marketing, method: method, source: "x", wording: "I agree")
    }

    private func person(
      _ name: String, _ consents: [ConsentRequest] = [], phone: String? = Self.phone,
      email: String? = nil, in org: TestOrg
    ) async throws -> Identifier {
      try #require(
        try await org.perform { workspace throws(CommandError) in
          try workspace.createContact(
            ContactRequest(
              details: ContactDetails(firstName: name, email: email, phone: phone),
              source: "test", consents: consents))
        }.output)
    }

    private func verdict(
      _ channel: Channel, _ purpose: Purpose, to contact: Identifier, in org: TestOrg
    ) async throws -> Verdict.Outcome? {
      try await org.perform { workspace throws(CommandError) in
        var request = MessageRequest(
          contact: contact, body: "Hello", purpose: purpose, channel: channel)
        if channel == .email { request.subject = "Hello" }
        if channel == .voice {
          request.voice = VoicePlan(maxMinutes: 1, isRecorded: false, isVoicemailDrop: true)
        }
        return try workspace.previewMessage(request)
      }.output?.verdict.outcome
    }

    private func record(
      _ consent: ConsentRequest, of contact: Identifier, in org: TestOrg
    ) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.recordConsent(consent, of: contact)
      }
    }

    private func change(
      _ field: String, of contact: Identifier, to value: String?, in org: TestOrg
    ) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.updateContact(
          contact, [FieldChange(field: field, value: value.map { .text($0) })])
      }
    }

    private func useMail(in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.setPostalAddress("1 Main St")
        try workspace.configureProvider(
          ProviderSettings(
            service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
            options: ["from": "hi@acme.example"], secrets: .known(["api_key": "k"])))
      }
    }

    @Test func `after a STOP nobody is called for advertising at the number, whoever carries it`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let first = try await person("Ann", in: org)
        try await org.receive("STOP", from: Self.phone)
        try await change("phone", of: first, to: Self.otherPhone, in: org)
        let heir = try await person("Eve", in: org)
        for method in [Consent.Method.importStatement, .staff, .api] {
          await #expect(throws: CommandError.self) {
            try await record(Self.consent(.voice, method), of: heir, in: org)
          }
        }
        try await house.restart()
        #expect(try await verdict(.voice, .marketing, to: heir, in: org) == .refused(.revoked))
        #expect(try await verdict(.voice, .transactional, to: heir, in: org) == .allowed)
        try await record(Self.calls, of: heir, in: org)
        #expect(try await verdict(.voice, .marketing, to: heir, in: org) == .allowed)
        #expect(try await verdict(.sms, .transactional, to: heir, in: org) == .refused(.revoked))
        try await Invariants.check(org)
      }
    }

    @Test func `a STOP outlives its person's erasure on every channel, as far as it went`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await useMail(in: org)
        let email = "ann@example.com"
        let gone = try await person(
          "Ann", [TestOrg.consent, Self.calls, Self.mails], email: email, in: org)
        try await org.receive("STOP", from: Self.phone)
        try await org.perform { workspace throws(CommandError) in
          try workspace.requestErasure(of: gone, reason: .personAsked)
        }
        try await house.restart()
        for channel in [Channel.sms, .voice, .email] {
          await #expect(throws: CommandError.self, "\(channel)") {
            _ = try await person(
              "Eve", [Self.consent(channel, .importStatement)], email: email, in: org)
          }
        }
        let heir = try await person("Eve", email: email, in: org)
        #expect(try await verdict(.sms, .transactional, to: heir, in: org) == .refused(.revoked))
        for channel in [Channel.voice, .email] {
          #expect(try await verdict(channel, .marketing, to: heir, in: org) == .refused(.revoked))
          // What they bought later they hear about.
          #expect(try await verdict(channel, .transactional, to: heir, in: org) == .allowed)
        }
        // The new holder's own yes counts, and is no news to a later erasure.
        try await record(Self.mails, of: heir, in: org)
        #expect(try await verdict(.email, .marketing, to: heir, in: org) == .allowed)
        try await org.perform { workspace throws(CommandError) in
          try workspace.requestErasure(of: heir, reason: .personAsked)
        }
        try await house.restart()
        let third = try await person(
          "Flo", [Self.consent(.email, .importStatement)], email: email, in: org)
        #expect(try await verdict(.email, .marketing, to: third, in: org) == .allowed)
        #expect(try await verdict(.voice, .marketing, to: third, in: org) == .refused(.revoked))
        try await Invariants.check(org)
      }
    }

    @Test func `what may be a STOP holds advertising back on every channel`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await person("Ann", [TestOrg.consent, Self.calls], in: org)
        try await org.receive("not interested", from: Self.phone)
        for channel in [Channel.sms, .voice] {
          #expect(
            try await verdict(channel, .marketing, to: contact, in: org) == .refused(.revoked))
          #expect(try await verdict(channel, .transactional, to: contact, in: org) == .allowed)
        }
        try await org.perform { workspace throws(CommandError) in
          try workspace.dismissOptOut(contact, channel: .sms)
        }
        #expect(try await verdict(.voice, .marketing, to: contact, in: org) == .allowed)
      }
    }

    @Test func `a doubt that proves true counts for the number that wrote, and for its writer`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await person("Ann", [TestOrg.consent], in: org)
        try await org.receive("not interested", from: Self.phone)
        try await change("phone", of: contact, to: Self.otherPhone, in: org)
        try await org.perform { workspace throws(CommandError) in
          try workspace.confirmOptOut(contact, channel: .sms)
        }
        #expect(try await verdict(.sms, .transactional, to: contact, in: org) == .refused(.revoked))
        let heir = try await person("Eve", in: org)
        #expect(try await verdict(.sms, .transactional, to: heir, in: org) == .refused(.revoked))
        #expect(
          try await org.perform { workspace throws(CommandError) in
            workspace.suspectedOptOuts().count
          }.output == 0)
      }
    }

    @Test func `a STOP from the number that was texted counts for whoever has another one by now`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await person("Ann", [TestOrg.consent], in: org)
        #expect(try await org.send("Sale", to: contact, .marketing).verdict.isAllowed)
        try await change("phone", of: contact, to: Self.otherPhone, in: org)
        try await record(TestOrg.consent, of: contact, in: org)
        try await org.receive("STOP", from: Self.phone)
        #expect(try await verdict(.sms, .marketing, to: contact, in: org) == .refused(.revoked))
        try await Invariants.check(org)
      }
    }

    @Test func `a yes to messages that are no advertising takes no STOP to advertising back`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await person("Ann", [TestOrg.consent], in: org)
        try await org.receive("STOP", from: Self.phone)
        var service = Self.consent(.sms)
        service.purpose = .transactional
        try await record(service, of: contact, in: org)
        func expectServiceOnly(_ person: Identifier) async throws {
          #expect(try await verdict(.sms, .transactional, to: person, in: org) == .allowed)
          #expect(try await verdict(.sms, .marketing, to: person, in: org) == .refused(.revoked))
          for method in [Consent.Method.importStatement, .api, .staff] {
            await #expect(throws: CommandError.self, "\(method)") {
              try await record(Self.consent(.sms, method), of: person, in: org)
            }
          }
        }
        try await expectServiceOnly(contact)
        // Folded from the log it is the same.
        try await house.restart()
        try await expectServiceOnly(contact)
        // Nor is another number of the person's free of it.
        try await change("phone", of: contact, to: Self.otherPhone, in: org)
        await #expect(throws: CommandError.self) {
          try await record(Self.consent(.sms, .importStatement), of: contact, in: org)
        }
        try await change("phone", of: contact, to: Self.phone, in: org)
        try await record(service, of: contact, in: org)
        // What is left of the no outlives the person.
        try await org.perform { workspace throws(CommandError) in
          try workspace.requestErasure(of: contact, reason: .personAsked)
        }
        let heir = try await person("Eve", in: org)
        try await record(service, of: heir, in: org)
        try await expectServiceOnly(heir)
        try await house.restart()
        try await expectServiceOnly(heir)
        // Their own word is enough.
        try await record(Self.consent(.sms, .webForm), of: heir, in: org)
        #expect(try await verdict(.sms, .marketing, to: heir, in: org) == .allowed)
        try await Invariants.check(org)
      }
    }

    @Test func `a no to advertising by mail outlives a yes to receipts, and the address`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await useMail(in: org)
        let email = "ann@example.com"
        let contact = try await person("Ann", [Self.mails, Self.calls], email: email, in: org)
        try await org.perform { workspace throws(CommandError) in
          try workspace.optOut(address: email, channel: .email, method: .link, message: nil)
        }
        var service = Self.mails
        service.purpose = .transactional
        try await record(service, of: contact, in: org)
        try await change("email", of: contact, to: "ann@new.example", in: org)
        func expectServiceOnly() async throws {
          for method in [Consent.Method.importStatement, .api, .staff] {
            await #expect(throws: CommandError.self, "\(method)") {
              try await record(Self.consent(.email, method), of: contact, in: org)
            }
          }
          #expect(try await verdict(.email, .transactional, to: contact, in: org) == .allowed)
          // Of other channels a link in a mail says nothing.
          #expect(try await verdict(.voice, .marketing, to: contact, in: org) == .allowed)
        }
        try await expectServiceOnly()
        try await house.restart()
        try await expectServiceOnly()
        try await record(Self.mails, of: contact, in: org)
        #expect(try await verdict(.email, .marketing, to: contact, in: org) == .allowed)
        try await Invariants.check(org)
      }
    }

    @Test func `whoever took a STOP back is written to elsewhere with anybody's word`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await useMail(in: org)
        let contact = try await person("Ann", [TestOrg.consent], in: org)
        try await org.receive("STOP", from: Self.phone)
        try await change("email", of: contact, to: "ann@example.com", in: org)
        await #expect(throws: CommandError.self) {
          try await record(Self.consent(.email, .staff), of: contact, in: org)
        }
        try await org.receive("START", from: Self.phone)
        try await record(Self.consent(.email, .staff), of: contact, in: org)
        let mail = try await org.perform { workspace throws(CommandError) in
          var request = MessageRequest(
            contact: contact, body: "News", purpose: .marketing, channel: .email)
          request.subject = "News"
          return try workspace.planMessage(request)
        }
        #expect(try #require(mail.output).verdict.isAllowed)
        try await Invariants.check(org)
      }
    }

    @Test func `a no on the list of suppressions is taken off by the person alone`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await org.perform { workspace throws(CommandError) in
          // Staff may have listed it before: the no is on record all the same.
          _ = try workspace.suppress([Self.phone], on: .sms, list: .suppression, source: "staff")
          try workspace.optOut(phone: Self.phone, email: nil, channel: .sms)
        }
        func takeOff() async throws {
          try await org.perform { workspace throws(CommandError) in
            _ = try workspace.unsuppress(
              [Self.phone], on: .sms, list: .suppression, source: "staff")
          }
        }
        await #expect(throws: CommandError.self) { try await takeOff() }
        let heir = try await person("Eve", in: org)
        try await house.restart()
        await #expect(throws: CommandError.self) { try await takeOff() }
        #expect(
          try await verdict(.sms, .transactional, to: heir, in: org) == .refused(.suppressed))
        try await org.receive("START", from: Self.phone)
        #expect(try await verdict(.sms, .marketing, to: heir, in: org) == .allowed)
        // What staff list they may take off.
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.suppress([Self.phone], on: .sms, list: .suppression, source: "staff")
        }
        try await takeOff()
        #expect(try await verdict(.sms, .marketing, to: heir, in: org) == .allowed)
        try await Invariants.check(org)
      }
    }

    @Test func `whoever is not to be called is not texted for advertising either`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await person("Ann", [TestOrg.consent, Self.calls], in: org)
        let queued = try await org.send("Sale", to: contact, .marketing).id
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.suppress([Self.phone], on: .voice, list: .doNotCall, source: "letter")
        }
        #expect(try org.message(queued).reason == .suppressed)
        for channel in [Channel.sms, .voice] {
          #expect(
            try await verdict(channel, .marketing, to: contact, in: org) == .refused(.suppressed))
          #expect(try await verdict(channel, .transactional, to: contact, in: org) == .allowed)
        }
      }
    }

    /// Carriers of Mexico put a 1 before mobile numbers, or do not: the line is one.
    @Test func `a number that comes in another writing is the same`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await person("Ana", [TestOrg.consent], phone: "+525512345678", in: org)
        try await org.receive("ALTO", from: "+5215512345678")
        #expect(try await verdict(.sms, .transactional, to: contact, in: org) == .refused(.revoked))
        #expect(try org.events.count { $0.type == "contact.created" } == 1)
      }
    }

    @Test func `a number that its carrier says is dead is texted once`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await person("Ann", phone: "+15005550024", in: org)
        let message = try await org.send("Hello", to: contact).id
        try await org.waitFor(message, .failed)
        #expect(
          try await verdict(.sms, .transactional, to: contact, in: org) == .refused(.suppressed))
      }
    }

    @Test func `an opt-out that comes by a report counts once`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await person("Ann", [TestOrg.consent], in: org)
        let message = try await org.send("Hello", to: contact).id
        func report() async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.record(
              ProviderStatus(
                kind: .failed, providerID: "SM1", errorCode: "21610",
                atMicros: workspace.nowMicros, address: .optedOut), for: message)
          }
        }
        _ = try await org.perform { workspace throws(CommandError) in
          try workspace.dispatch([message])
        }
        try await report()
        #expect(try await verdict(.sms, .transactional, to: contact, in: org) == .refused(.revoked))
        try await org.receive("START", from: Self.phone)
        try await report()
        #expect(try await verdict(.sms, .transactional, to: contact, in: org) == .allowed)
      }
    }

    @Test func `an answer from another mailbox ends the mail to the one that got it`() async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await useMail(in: org)
        let contact = try await person(
          "Ann", [Self.mails], phone: nil, email: "ann@a.example", in: org)
        let planned = try await org.perform { workspace throws(CommandError) in
          var request = MessageRequest(
            contact: contact, body: "News", purpose: .marketing, channel: .email)
          request.subject = "News"
          return try workspace.planMessage(request)
        }
        let mail = try #require(planned.output).id
        func answer(_ text: String, id: String) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.receive(
              InboundEmail(
                from: "ann.private@b.example", to: "hi@acme.example", subject: "Re: News",
                text: text, providerID: id, references: ["other@x", "\(mail)@acme.example"]))
          }
        }
        try await answer("Thank you!", id: "m1")
        // It is hers, wherever it came from.
        #expect(try org.events.count { $0.type == "contact.created" } == 1)
        #expect(try await verdict(.email, .marketing, to: contact, in: org) == .allowed)
        try await answer("Hi,\n\nplease remove me from your list.\n\n> News\n", id: "m2")
        #expect(
          try await verdict(.email, .transactional, to: contact, in: org) == .refused(.revoked))
        try await change("email", of: contact, to: nil, in: org)
        let heir = try await person("Eve", phone: nil, email: "ANN@a.example", in: org)
        #expect(try await verdict(.email, .transactional, to: heir, in: org) == .refused(.revoked))
        try await Invariants.check(org)
      }
    }
  }
}

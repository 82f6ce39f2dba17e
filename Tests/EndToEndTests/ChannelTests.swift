import Foundation
import HTTP
import JSON
import Testing

extension EndToEnd {
  /// Campaigns and workflows beyond texts, pictures that come in, and what the wallet says of all of it.
  @Suite(.serialized, .sharedSystem) struct Channels {
    private var system: RunningSystem {
      get throws { try #require(SharedSystem.current) }
    }

    @Test func `an email campaign reaches everybody once, with footer, headers and its template`()
      async throws
    {
      let system = try system
      let account = try await system.newAccount("Mailers")
      let mail = try await MailSetup(account, system)
      var people: [MailSetup.Person] = []
      for name in ["ann", "ben", "cat", "dan"] {
        people.append(
          try await mail.newPerson("\(name)@campaign.example", consents: name != "dan"))
      }
      let template = try await account.api.post(
        "/api/templates",
        [
          "name": "Spring", "channel": "email", "subject": "Spring for {{first_name|you}}",
          "body": "Hi {{first_name}}", "html": "<p>Hi {{first_name}}</p>",
        ])
      let segment = try await account.api.post(
        "/api/segments",
        ["name": "Mailboxes", "filter": ["field": "email", "op": "exists", "value": true]])
      let campaign = try await account.api.post(
        "/api/campaigns",
        [
          "name": "Spring mail", "segment": segment["id"] ?? .null, "channel": "email",
          "template": template["id"] ?? .null,
        ])
      let id = try #require(campaign["id"]?.string)
      // The campaign keeps the words that it was made with.
      try await account.api.send(
        "PUT", "/api/templates/\(template["id"]?.string ?? "")",
        ["name": "Spring", "subject": "Autumn", "body": "Bye"],
        headers: ["idempotency-key": UUID().uuidString]
      ).json(200)
      try await account.launch(id)
      let done = try await account.waitForEnd(of: id)
      #expect(done["planned"]?.int == 4 && done["skipped"]?.int == 1)
      for person in people.dropLast() {
        let got = try await mail.mailbox(person.address)
        #expect(got.count == 1)
        #expect(got.first?["subject"]?.string == "Spring for Zoë & Co")
        #expect(got.first?["text"]?.string?.contains(MailSetup.postalAddress) == true)
        #expect(
          got.first?["headers"]?["List-Unsubscribe-Post"]?.string
            == "List-Unsubscribe=One-Click")
      }
      #expect(try await mail.mailbox("dan@campaign.example") == [])
      try await system.waitUntilCallbacksAreDone()
      try await mail.catchUp()
      try await account.expectWalletAddsUp()
    }

    @Test func `a workflow mails and calls, and goes on`() async throws {
      let system = try system
      let account = try await system.newAccount("Welcomers")
      let mail = try await MailSetup(account, system)
      let source = """
        name: Welcome
        trigger: {tag_added: new}
        steps:
          - send_email:
              subject: Welcome {{first_name}}
              body: Good to have you.
              purpose: transactional
          - call:
              body: Hello {{first_name}}, this is your welcome call.
              voicemail: Call us back.
              max_minutes: 2
              purpose: transactional
          - add_tag: welcomed
        """
      try await account.api.send(
        "POST", "/api/workflows", bytes: Array(source.utf8),
        headers: ["content-type": "application/yaml"]
      ).json(201)
      let created = try await account.api.post(
        "/api/contacts",
        [
          "first_name": "Wendy", "email": "wendy@workflow.example",
          "phone": .string(People.phone(3)), "tags": ["new"],
        ])
      let contact = try #require(created["id"]?.string)
      try await eventually("mail and call to be delivered") {
        let sent = try await account.api.all("/api/messages?direction=outbound")
        return sent.count == 2 && sent.allSatisfy { $0["status"]?.string == "delivered" }
      }
      #expect(try await mail.mailbox("wendy@workflow.example").count == 1)
      let calls = try await system.sandbox.get("/sandbox/calls")["data"]?.array ?? []
      #expect(
        calls.contains { $0["twiml"]?.string?.contains("this is your welcome call") == true })
      try await eventually("the last step") {
        try await account.api.get("/api/contacts/\(contact)")["tags"]?.array == [
          "new", "welcomed",
        ]
      }
      for broken in [
        "- send_email: {body: x}", "- call: {body: x, max_minutes: 0}",
        "- send_sms: {body: x, template: tpl_01jd3x0000000000000000000a}",
        "- send_email: {template: nonsense}",
      ] {
        let text = "name: Broken\ntrigger: manual\nsteps:\n  \(broken)\n"
        let refused = try await account.api.send(
          "POST", "/api/workflows", bytes: Array(text.utf8),
          headers: ["content-type": "application/yaml"])
        #expect(refused.status == 400 || refused.status == 422, "\(broken): \(refused.status)")
      }
    }

    @Test func `a picture that comes in is on record`() async throws {
      let system = try system
      let account = try await system.newAccount("Galleries")
      let person = try await account.newPerson(5)
      var picture = ProviderWebhook(text: "Look", from: person, to: account)
      picture.fields += [
        ("NumMedia", "1"), ("MediaUrl0", "https://media.example/cat.jpg"),
        ("MediaContentType0", "image/jpeg"),
      ]
      let signature = picture.signature(token: account.providerToken)
      #expect(try await picture.send(signature: signature).status == 200)
      let inbound = try await eventually("the picture") {
        try await account.api.all("/api/messages?direction=inbound")
      } until: {
        $0.count == 1
      }
      #expect(inbound.first?["body"]?.string == "Look")
      #expect(inbound.first?["media"] == ["https://media.example/cat.jpg"])
      try await system.expectReadModelsEqualTheLog()
    }

    @Test func `a message for later says when, and a bounce says why`() async throws {
      let system = try system
      let account = try await system.newAccount("Planners")
      let person = try await account.newPerson(6)
      let shown = try await account.api.get("/api/accounts/\(account.id)")
      let clock = try #require(shown["now"]?.string)
      let formatter = ISO8601DateFormatter()
      formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
      let now = try #require(formatter.date(from: clock))
      let body: JSON = [
        "contact": .string(person.id), "body": "At two", "purpose": "transactional",
        "send_at": .string(formatter.string(from: now.addingTimeInterval(7_200))),
      ]
      let tried = try await account.api.send(
        "POST", "/api/messages?dry_run=true", body,
        headers: ["idempotency-key": UUID().uuidString]
      ).json(200)
      let events = tried["events"]?.array?.map { $0["type"]?.string }
      #expect(events == ["message.planned", "timer.scheduled"])
      let planned = try await account.api.post("/api/messages", body)
      let id = try #require(planned["id"]?.string)
      #expect(planned["status"]?.string == "planned")
      #expect(try await account.message(id)["held_until"] == body["send_at"])
      #expect(try await account.wallet().heldMicros == 0)
      try await account.advance(hours: 2)
      try await account.wait(forMessage: id, toBe: "delivered")

      let mail = try await MailSetup(account, system)
      let gone = try await mail.newPerson("bounce@fault.test")
      let first = try #require(try await mail.mail(gone).json(201)["id"]?.string)
      try await account.wait(forMessage: first, toBe: "failed")
      try await system.waitUntilCallbacksAreDone()
      #expect(try await mail.mail(gone).errorCode == "bounced_before")
      let angry = try await mail.newPerson("complain@fault.test")
      let second = try #require(try await mail.mail(angry).json(201)["id"]?.string)
      try await account.wait(forMessage: second, toBe: "delivered")
      try await system.waitUntilCallbacksAreDone()
      #expect(try await mail.mail(angry).errorCode == "complaint")
      try await system.expectVerified()
    }

    @Test func `a statement adds up, as JSON, as CSV and by the command line`() async throws {
      let system = try system
      let account = try await system.newAccount("Accountants", dollars: 5)
      for index in 0..<3 {
        let person = try await account.newPerson(10 + index)
        let id = try await account.send("Number \(index)", to: person)
        try await account.wait(forMessage: id, toBe: "delivered")
      }
      let statement = try await account.api.get("/api/wallet/statement")
      #expect(statement["opening_balance"]?["amount"]?.int == 0)
      #expect(statement["credits"]?["amount"]?.int == 5_000_000)
      #expect(statement["debits"]?["amount"]?.int == 36_000)
      #expect(statement["closing_balance"]?["amount"]?.int == 4_964_000)
      #expect(statement["balanced"]?.bool == true)
      #expect(
        statement["lines"]?.array?.compactMap { $0["type"]?.string }
          == ["credit", "debit", "debit", "debit"])

      let file = try await account.api.send("GET", "/api/wallet/statement?format=csv")
      #expect(file.headers["content-type"]?.hasPrefix("text/csv") == true)
      let rows = String(decoding: file.body, as: UTF8.self).split(separator: "\r\n")
      #expect(rows.count == 7)
      #expect(rows.last?.contains("4.964000") == true)
      #expect(rows.count(where: { $0.contains("-0.012000") }) == 3)

      let printed = try await system.daybook(
        "wallet", "statement", "--csv", "--api-key", account.key, "--url", account.api.baseURL)
      #expect(printed.succeeded && printed.output.contains("4.964000"), "\(printed.errors)")
      let summary = try await system.daybook(
        "wallet", "statement", "--api-key", account.key, "--url", account.api.baseURL)
      #expect(summary.output.contains("Closing balance: $4.964000"), "\(summary.errors)")
      // What came before the period is its opening balance.
      let later = try await account.api.get(
        "/api/wallet/statement?from=\(percentEncoded(statement["lines"]?.array?.last?["created_at"]?.string ?? ""))"
      )
      #expect(later["opening_balance"]?["amount"]?.int == 4_976_000)
      #expect(later["lines"]?.array?.count == 1)
    }
  }
}

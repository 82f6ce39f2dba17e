import Crypto
import Foundation
import HTTP
import JSON
import Testing

/// One email: requirements WAL-19.
private let mailMicros: Int64 = 200

extension EndToEnd {
  @Suite struct Email {
    @Test func `a mail has its footer, headers, pixel and links, and is paid for once`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        try await system.setFaults(["duplicate_callbacks": 1, "reorder": 1])
        let person = try await mail.newPerson("zoe@people.example")
        let html =
          #"<body><p>{{first_name}}</p><a href="https://lakeside.example/a?b=1&amp;c=2">See</a></body>"#
        let sent = try await mail.mail(person, html: html).json(201)
        let id = try #require(sent["id"]?.string)
        try await account.wait(forMessage: id, toBe: "delivered")
        try await system.waitUntilCallbacksAreDone()

        let got = try #require(try await mail.mailbox(person.address).first)
        #expect(got["subject"]?.string == "News for Zoë & Co")
        #expect(got["text"]?.string?.contains(MailSetup.postalAddress) == true)
        let page = try #require(got["html"]?.string)
        #expect(page.contains("Zoë &amp; Co"))
        #expect(page.contains(MailSetup.postalAddress))
        #expect(!page.contains("https://lakeside.example/a"))
        let headers = try #require(got["headers"])
        #expect(headers["List-Unsubscribe-Post"]?.string == "List-Unsubscribe=One-Click")
        #expect(headers["List-Unsubscribe"]?.string?.hasPrefix("<http") == true)

        #expect(try await account.wallet().balanceMicros == 20_000_000 - mailMicros)
        #expect(try await account.wallet().heldMicros == 0)
        // A machine is quick, a person is not.
        try await mail.act("open", on: got)
        #expect(try await account.message(id)["opened_at"]?.string == nil)
        #expect(try await account.message(id)["machine_opened_at"]?.string != nil)
        try await account.advance(hours: 1)
        try await mail.act("open", on: got)
        let clicked = try await mail.act("click", on: got, ["link": 0])
        #expect(clicked["location"]?.string == "https://lakeside.example/a?b=1&c=2")
        let after = try await account.message(id)
        #expect(after["opened_at"]?.string != nil)
        #expect(after["clicked_at"]?.string != nil)
      }
    }

    @Test func `200 visits of the unsubscribe link change nothing, one POST does`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        let person = try await mail.newPerson("zoe@people.example")
        let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
        try await account.wait(forMessage: id, toBe: "delivered")
        let got = try #require(try await mail.mailbox(person.address).first)
        let url = try #require(got["unsubscribe_url"]?.string)
        let anybody = API(baseURL: "", token: nil)
        let before = try await account.events().count
        for visit in 0..<200 {
          #expect(try await anybody.send("GET", url).status == 200)
          guard visit.isMultiple(of: 10) else { continue }
          #expect(try await anybody.send("HEAD", url).status == 200)
        }
        #expect(try await account.events().count == before)
        #expect(try await mail.consent(of: person) == "opted_in")

        let done = try await mail.act("unsubscribe", on: got)
        #expect(done["status"]?.int == 200)
        #expect(try await mail.consent(of: person) == "opted_out")
        let refused = try await mail.mail(person)
        #expect(refused.status == 422)
        #expect(refused.errorCode == "revoked")
        // Once more is no news; a token that somebody made up is none.
        let known = try await account.events(types: "contact.opted_out").count
        try await mail.act("unsubscribe", on: got)
        #expect(try await account.events(types: "contact.opted_out").count == known)
        #expect(try await anybody.send("POST", url + "A").status == 404)
        #expect(try await account.mailedCount() == 1)
      }
    }

    @Test func `what ends an address ends all mail to it, a soft bounce does not`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        for (fate, status, consent) in [
          ("bounce", "failed", "opted_out"), ("complain", "delivered", "opted_out"),
          ("soft-bounce", "failed", "opted_in"), ("unsubscribe", "delivered", "opted_out"),
          ("dropped", "failed", "opted_out"), ("dropped-unsubscribed", "failed", "opted_out"),
        ] {
          let person = try await mail.newPerson("\(fate)@fault.test")
          let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
          try await account.wait(forMessage: id, toBe: status)
          try await system.waitUntilCallbacksAreDone()
          #expect(try await mail.consent(of: person) == consent, "\(fate)")
        }
        #expect(try await account.wallet().heldMicros == 0)
      }
    }

    @Test func `a mail that an empty list does not show is not sent again`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        try await system.setFaults(["no_feed": true])
        let before = try await mail.newPerson("zoe@people.example")
        let first = try #require(try await mail.mail(before).json(201)["id"]?.string)
        try await account.wait(forMessage: first, toBe: "delivered")
        let person = try await mail.newPerson("unavailable@fault.test")
        let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
        try await account.wait(forMessage: id, toBe: "failed")
        #expect(try await account.message(id)["error_code"]?.string == "not_listed")
        #expect(try await mail.mailbox(person.address).isEmpty)
        #expect(try await account.wallet().heldMicros == 0)
      }
    }

    @Test(arguments: ["failed", "lost", "throttled", "unavailable"])
    func `a mail is sent once whatever the provider's answer`(fate: String) async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        // SendGrid's list shows something, so it is kept.
        let other = try await mail.newPerson("zoe@people.example")
        let first = try #require(try await mail.mail(other).json(201)["id"]?.string)
        try await account.wait(forMessage: first, toBe: "delivered")
        let person = try await mail.newPerson("\(fate)@fault.test")
        let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
        try await account.wait(forMessage: id, toBe: "delivered")
        try await system.waitUntilCallbacksAreDone()
        #expect(try await mail.mailbox(person.address).count == 1)
        #expect(try await account.wallet().balanceMicros == 20_000_000 - 2 * mailMicros)
      }
    }

    @Test func `what a former mail account still tells is taken in until it is forgotten`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        func setUp(_ apiKey: String, _ key: P256.PrivateKey) async throws {
          try await account.api.send(
            "PUT", "/api/providers/email",
            [
              "provider": "sendgrid", "base_url": .string(system.sandbox.baseURL),
              "options": [
                "from": "hello@lakeside.example",
                "webhook_public_key": .string(Base64.encode(try key.publicKeySPKI)),
              ], "secrets": ["api_key": .string(apiKey)],
            ]
          ).json(200)
        }
        let former = try P256.PrivateKey()
        try await setUp(mail.apiKey, former)
        let person = try await mail.newPerson("silent@fault.test")
        let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
        try await account.wait(forMessage: id, toBe: "accepted")
        try await setUp("SG.other", try P256.PrivateKey())
        let event = try await MailEvent(of: id, in: account, key: former)
        let now = Int64(Date().timeIntervalSince1970)
        // Nobody was here when it came first.
        #expect(try await event.send("spamreport", id: "e1", at: now - 7_200) == 204)
        #expect(try await mail.consent(of: person) == "opted_out")
        #expect(
          try await account.api.send("DELETE", "/api/providers/email?forget=true").status == 200)
        #expect(try await event.send("delivered", id: "e2", at: now) == 403)
      }
    }

    @Test func `marketing mail needs consent and a postal address, a service mail neither`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system, postalAddress: nil)
        let person = try await mail.newPerson("ann@people.example", consents: false)
        #expect(try await mail.mail(person).errorCode == "postal_address_missing")
        try await account.api.send(
          "PUT", "/api/account/postal-address", ["postal_address": "1 Main St"]
        ).json(200)
        #expect(try await mail.mail(person).errorCode == "no_consent")
        #expect(try await mail.mail(person, purpose: "transactional").status == 201)
        #expect(try await mail.mail(person, text: "Hi {{last_name}}").errorCode == "missing_field")
      }
    }

    @Test func `wrong, replayed and late signatures change nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        let key = try P256.PrivateKey()
        try await account.api.send(
          "PUT", "/api/providers/email",
          [
            "provider": "sendgrid", "base_url": .string(system.sandbox.baseURL),
            "options": [
              "from": "hello@lakeside.example",
              "webhook_public_key": .string(Base64.encode(try key.publicKeySPKI)),
            ], "secrets": ["api_key": .string(mail.apiKey)],
          ]
        ).json(200)
        let person = try await mail.newPerson("silent@fault.test")
        let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
        try await account.wait(forMessage: id, toBe: "accepted")
        let event = try await MailEvent(of: id, in: account, key: key)
        let now = Int64(Date().timeIntervalSince1970)
        #expect(try await event.send("delivered", id: "e1", at: now - 26 * 3_600) == 403)
        #expect(try await event.send("delivered", id: "e1", at: now + 26 * 3_600) == 403)
        #expect(try await event.send("delivered", id: "e1", at: now, key: P256.PrivateKey()) == 403)
        #expect(try await event.send("delivered", id: "e1", at: now, key: nil) == 403)
        try await mail.catchUp()
        #expect(try await account.message(id)["status"]?.string == "accepted")
        #expect(try await event.send("bounce", id: "e1", at: now) == 204)
        try await mail.catchUp()
        #expect(try await account.message(id)["status"]?.string == "failed")
        let count = try await account.events().count
        #expect(try await event.send("bounce", id: "e1", at: now) == 204)
        #expect(try await account.events().count == count)
        // Credentials never come back.
        let shown = try await account.api.get("/api/providers").text
        #expect(!shown.contains(mail.apiKey) && !shown.contains(account.providerToken))
        let events = try await account.api.get("/api/events?limit=200").text
        #expect(!events.contains(mail.apiKey))
      }
    }

    @Test func `an answer arrives, and one that asks to stop is heeded`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        let person = try await mail.newPerson("zoe@people.example")
        let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
        try await account.wait(forMessage: id, toBe: "delivered")
        let got = try #require(try await mail.mailbox(person.address).first)
        try await mail.act("reply", on: got, ["text": "Thank you!\n> STOP"])
        try await system.waitUntilCallbacksAreDone()
        #expect(try await mail.consent(of: person) == "opted_in")
        try await mail.act("reply", on: got, ["text": "unsubscribe"])
        try await system.waitUntilCallbacksAreDone()
        #expect(try await mail.consent(of: person) == "opted_out")
        let inbound = try await account.api.all("/api/messages?direction=inbound&channel=email")
        #expect(Set(inbound.compactMap { $0["body"]?.string }).count == 2)
        let timeline = try await account.api.get("/api/contacts/\(person.id)/timeline")
        #expect(timeline["data"]?.array?.filter { $0["kind"]?.string == "message" }.count == 3)
        let stranger = try await API(baseURL: account.api.baseURL, token: nil).send(
          "POST", "/webhooks/sendgrid/\(account.id)/inbound?token=guess")
        #expect(stranger.status == 403)
      }
    }
  }
}

extension Account {
  /// Emails that were handed to the provider.
  fileprivate func mailedCount() async throws -> Int {
    try await api.all("/api/messages?channel=email&direction=outbound").filter {
      $0["provider_id"]?.string != nil
    }.count
  }
}

/// An event as SendGrid posts it, signed here by SendGrid's rules and not by the product's code.
private struct MailEvent {
  let account: Account
  let message: String
  let providerID: String
  let key: P256.PrivateKey

  init(of message: String, in account: Account, key: P256.PrivateKey) async throws {
    self.account = account
    self.message = message
    self.key = key
    providerID = try await account.message(message)["provider_id"]?.string ?? ""
  }

  func send(_ event: String, id: String, at seconds: Int64) async throws -> Int {
    try await send(event, id: id, at: seconds, key: key)
  }

  func send(
    _ event: String, id: String, at seconds: Int64, key: P256.PrivateKey?
  ) async throws -> Int {
    let body =
      #"[{"email":"x@y.example","event":"\#(event)","sg_event_id":"\#(id)","#
      + #""sg_message_id":"\#(providerID).filter","message":"\#(message)"}]"# + "\r\n"
    var headers: HTTPHeaders = [
      "content-type": "application/json",
      "X-Twilio-Email-Event-Webhook-Timestamp": String(seconds),
    ]
    if let key {
      headers.set(
        "X-Twilio-Email-Event-Webhook-Signature",
        Base64.encode(try key.sign(Array("\(seconds)\(body)".utf8))))
    }
    return try await API(baseURL: account.api.baseURL, token: nil).send(
      "POST", "/webhooks/sendgrid/\(account.id)/events", bytes: Array(body.utf8), headers: headers
    ).status
  }
}

import Foundation
import HTTP
import JSON
import Testing

extension EndToEnd {
  /// What keeps people from being written to as they must not be, whoever works with the account and however.
  @Suite(.serialized, .sharedSystem) struct Safeguards {
    private var system: RunningSystem {
      get throws { try #require(SharedSystem.current) }
    }

    /// A key of somebody who may do all but what is an administrator's.
    private func key(_ scopes: [String], of account: Account) async throws -> API {
      let made = try await account.api.post(
        "/api/api-keys", ["name": "Limited", "scopes": .array(scopes.map(JSON.string))])
      let secret = try #require(made["secret"]?.string)
      return API(baseURL: account.api.baseURL, token: secret)
    }

    @Test
    func `safeguards are on from the start, an administrator alone changes one, on record`()
      async throws
    {
      let system = try system
      let account = try await system.newAccount("Guarded", atHour: 3)
      let stranger = try await account.newPerson(5_501, consents: false)
      let friend = try await account.newPerson(5_502)
      #expect(try await account.text(stranger, "Buy").errorCode == "no_consent")
      let held = try await account.send("Buy", to: friend)
      #expect(try await account.message(held)["reason"]?.string == "quiet_hours")
      let plan = try await account.text(friend, "Buy", isDryRun: true).json(200)
      #expect(plan.text.contains(Account.optOutNotice.trimmingCharacters(in: .whitespaces)))

      let staff = try await key(["contacts:*", "messages:*", "account:*"], of: account)
      let list: JSON = ["channel": "sms", "addresses": [.string(friend.phone)]]
      try await account.api.post("/api/suppressions", list, expecting: 200)
      for (method, path, body) in [
        ("PUT", "/api/sending/rules", ["duplicate_hours": 1] as JSON),
        ("POST", "/api/suppressions/remove", list), ("POST", "/api/sending/resume", [:]),
      ] {
        let refused = try await staff.send(
          method, path, body, headers: ["idempotency-key": UUID().uuidString])
        #expect(refused.status == 403, "\(path)")
      }
      // No setting turns off consent, hours or footers.
      for setting in ["quiet_hours", "consent", "footer"] {
        let refused = try await account.api.send(
          "PUT", "/api/sending/rules", .object(JSONObject([(setting, .bool(false))])))
        #expect(refused.status == 400, "\(setting)")
      }
      try await account.api.send("PUT", "/api/sending/rules", ["duplicate_hours": 1]).json(200)
      try await account.api.post("/api/suppressions/remove", list, expecting: 200)
      let trail = try await eventually("the changes in the audit trail") {
        try await account.api.all("/api/audit/events")
      } until: { trail in
        trail.contains { $0["type"]?.string == "org.address_unsuppressed" }
      }
      for type in ["org.sending_rules_set", "org.address_unsuppressed"] {
        let entries = trail.filter { $0["type"]?.string == type }
        #expect(entries.count == 1)
        #expect(entries.first?["actor"]?.string?.hasPrefix("key:") == true)
      }
    }

    @Test func `a launch without what it needs is refused, and nothing goes out`() async throws {
      let system = try system
      let account = try await system.newAccount("Hasty")
      _ = try await account.newPerson(5_511, tags: ["blast"])
      let nameless = try await account.api.post(
        "/api/contacts",
        ["last_name": "Doe", "phone": .string(People.phone(5_512)), "tags": ["blast"]])
      let segment = try await account.api.post(
        "/api/segments",
        ["name": "All", "filter": ["field": "tags", "op": "contains", "value": "blast"]])
      func campaign(_ fields: [(String, JSON)]) async throws -> String {
        let made = try await account.api.post(
          "/api/campaigns",
          .object(
            JSONObject(
              [("name", "Sale"), ("segment", segment["id"] ?? .null), ("purpose", "marketing")]
                + fields)))
        return try #require(made["id"]?.string)
      }
      func launch(_ campaign: String, _ body: JSON = [:]) async throws -> Answer {
        try await account.api.send(
          "POST", "/api/campaigns/\(campaign)/launch", body,
          headers: ["idempotency-key": UUID().uuidString])
      }
      let texts = try await campaign([("channel", "sms"), ("body", "Hi {{first_name}}")])
      let refused = try await launch(texts)
      #expect(refused.status == 422)
      #expect(refused.errorCode == "missing_fields")
      let said = try refused.json(422)["error"]?["details"]?[0]?["message"]?.string
      #expect(said?.contains("first_name") == true)
      let mails = try await campaign([("channel", "email"), ("subject", "Sale"), ("body", "Hi")])
      #expect(try await launch(mails).errorCode == "email_not_configured")
      _ = try await MailSetup(account, system, postalAddress: nil)
      #expect(try await launch(mails).errorCode == "postal_address_missing")
      for id in [texts, mails] {
        #expect(try await account.api.get("/api/campaigns/\(id)")["status"]?.string == "draft")
      }
      #expect(try await account.api.all("/api/messages").isEmpty)
      #expect(try await account.events(types: "campaign.launched").isEmpty)

      try await launch(texts, ["skip_missing": true]).json(200)
      let done = try await account.waitForEnd(of: texts)
      #expect(done["sent"]?.int == 1 && done["skipped"]?.int == 1)
      let left = try await account.api.all("/api/messages?campaign=\(texts)").filter {
        $0["contact"] == nameless["id"]
      }
      #expect(left.first?["reason"]?.string == "missing_field")
    }

    @Test func `a mail that advertises says so, where the account wants it said`() async throws {
      let system = try system
      let account = try await system.newAccount("Advertisers")
      let mail = try await MailSetup(account, system)
      let notice = "This is an <advertisement>."
      try await account.api.send(
        "PUT", "/api/sending/rules", ["advertisement_notice": .string(notice)]
      ).json(200)
      let person = try await mail.newPerson("zoe@notice.example")
      let html = "<body><p>Spring is here.</p></body>"
      for purpose in ["marketing", "transactional"] {
        let id = try #require(
          try await mail.mail(person, purpose: purpose, html: html).json(201)["id"]?.string)
        try await account.wait(forMessage: id, toBe: "delivered")
      }
      let got = try await mail.mailbox(person.address)
      let texts = got.compactMap { $0["text"]?.string }
      let pages = got.compactMap { $0["html"]?.string }
      #expect(texts.map { $0.contains(notice) } == [false, true])
      #expect(pages.map { $0.contains("This is an &lt;advertisement&gt;.") } == [false, true])
      #expect(!pages.contains { $0.contains("<advertisement>") })
    }

    @Test func `an open and a click are on record when they are answered`() async throws {
      let system = try system
      let account = try await system.newAccount("Trackers")
      let mail = try await MailSetup(account, system)
      let person = try await mail.newPerson("zoe@track.example")
      let html = #"<body><a href="https://lakeside.example/">See</a></body>"#
      let id = try #require(try await mail.mail(person, html: html).json(201)["id"]?.string)
      try await account.wait(forMessage: id, toBe: "delivered")
      let got = try #require(try await mail.mailbox(person.address).first)
      let mailID = try #require(got["id"]?.string)
      // Without waiting for anything: whoever got an answer has been counted.
      for (act, body, type) in [
        ("open", [:] as JSON, "message.opened"), ("click", ["link": 0], "message.clicked"),
      ] {
        try await system.sandbox.post("/sandbox/mail/\(mailID)/\(act)", body, expecting: 200)
        #expect(try await account.events(types: type).count == 1, "\(act)")
      }
    }

    /// What no head of an answer can hold must not end the connection of somebody who clicks, nor be a 500.
    @Test func `a link of any length and in any script leads where it says`() async throws {
      let system = try system
      let account = try await system.newAccount("Linkers")
      let mail = try await MailSetup(account, system)
      let person = try await mail.newPerson("zoe@links.example")
      let long = "https://lakeside.example/?q=" + String(repeating: "x", count: 7_000)
      let links = ["https://lakeside.example/stra\u{df}e a?q=\u{e9}", long]
      let html = links.map { "<a href=\"\($0)\">See</a>" }.joined()
      let id = try #require(try await mail.mail(person, html: html).json(201)["id"]?.string)
      try await account.wait(forMessage: id, toBe: "delivered")
      let got = try #require(try await mail.mailbox(person.address).first?["html"]?.string)
      let places = got.split(separator: "href=\"").dropFirst().compactMap {
        $0.split(separator: "\"").first
      }.filter { $0.contains("/m/c/") }.map(String.init)
      let client = HTTPClient()
      defer { client.close() }
      try #require(places.count == 2)
      let short = try await client.send(ClientRequest(url: places[0]))
      #expect(short.status == 302)
      #expect(short.headers["location"] == "https://lakeside.example/stra%C3%9Fe%20a?q=%C3%A9")
      let page = try await client.send(ClientRequest(url: places[1]))
      #expect(page.status == 200)
      #expect(
        String(decoding: page.body, as: UTF8.self).contains("content=\"0;url=\(long)\""))
      #expect(try await account.events(types: "message.clicked").count == 2)
    }

    @Test func `an answer from another mailbox is its person's, and ends what it asks to end`()
      async throws
    {
      let system = try system
      let account = try await system.newAccount("Forwarders")
      let mail = try await MailSetup(account, system)
      let person = try await mail.newPerson("zoe@work.example")
      let id = try #require(try await mail.mail(person).json(201)["id"]?.string)
      try await account.wait(forMessage: id, toBe: "delivered")
      let got = try #require(try await mail.mailbox(person.address).first)
      #expect(got["headers"]?["Message-ID"]?.string == "<\(id)@lakeside.example>")
      try await mail.act(
        "reply", on: got,
        [
          "from": "zoe@home.example",
          "text": .string(
            "Hi,\n\nplease remove me from your list.\n\nOn Monday hi@a.example wrote:\n> Hi"),
        ])
      try await system.waitUntilCallbacksAreDone()
      #expect(try await mail.consent(of: person) == "opted_out")
      #expect(try await mail.mail(person).errorCode == "revoked")
      let inbound = try await account.api.all("/api/messages?direction=inbound&channel=email")
      #expect(inbound.compactMap { $0["contact"]?.string } == [person.id])
      try await system.expectVerified()
    }
  }
}

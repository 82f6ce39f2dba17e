import Crypto
import Foundation
import HTTP
import JSON
import Supervisor
import Testing

extension EndToEnd {
  @Suite struct Hooks {
    private func makeHook(_ account: Account, _ body: JSON) async throws -> (URL, secret: String) {
      let hook = try await account.api.post("/api/inbound-hooks", body)
      let shown = try await account.api.get("/api/inbound-hooks/\(hook["id"]?.string ?? "")")
      #expect(shown["secret"] == nil)
      let url = try #require(hook["url"]?.string.flatMap { URL(string: $0) })
      return (url, try #require(hook["secret"]?.string))
    }

    @Test func `a form with the secret in its address becomes a lead, once more the same person`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let (url, secret) = try await makeHook(
          account,
          [
            "name": "Website form", "authentication": "secret_in_path", "action": "lead",
            "mapping": [
              "email": "email", "name": "your-name", "phone": "tel", "consent.sms": "agree",
              "consent_wording": "=Text me. Reply STOP to end.", "utm_source": "utm_source",
              "tags": "=web",
            ],
          ])
        let form = "email=ann%40example.com&your-name=Ann+Bell&tel=%28415%29+555-2671&agree=on"
        let headers: HTTPHeaders = ["content-type": "application/x-www-form-urlencoded"]
        let wrong = try await account.api.send(
          "POST", url.path(percentEncoded: true) + "/guess", bytes: Array(form.utf8),
          headers: headers)
        #expect(wrong.status == 403)
        let first = try await account.api.send(
          "POST", url.path(percentEncoded: true) + "/" + secret,
          bytes: Array((form + "&utm_source=ads").utf8),
          headers: headers
        ).json(200)
        let contact = try #require(first["contact"]?.string)
        let person = try await account.api.get("/api/contacts/\(contact)")
        #expect(person["first_name"]?.string == "Ann")
        #expect(person["phone"]?.string == "+14155552671")
        #expect(person["consent"]?["sms"]?["status"]?.string == "opted_in")
        let second = try await account.api.send(
          "POST", url.path(percentEncoded: true) + "/" + secret,
          bytes: Array("email=ANN%40example.com&your-name=Someone+Else".utf8), headers: headers
        ).json(200)
        #expect(second["contact"]?.string == contact)
        let after = try await account.api.get("/api/contacts/\(contact)")
        #expect(after["first_name"]?.string == "Ann")
        let leads = try await account.events(types: "lead.created")
        #expect(leads.map { $0["data"]?["is_new_contact"]?.bool } == [true, false])
        #expect(leads.first?["data"]?["utm_source"]?.string == "ads")
      }
    }

    @Test func `a signed delivery is taken once, an old or forged one never`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let (url, secret) = try await makeHook(
          account,
          [
            "name": "Shop", "authentication": "standard_webhooks", "action": "contact",
            "mapping": ["email": "customer.emails.0", "custom.size": "customer.size"],
          ])
        let body: JSON = ["customer": ["emails": ["ben@example.com"], "size": 12]]
        func deliver(id: String, ageSeconds: Int64 = 0, forged: Bool = false) async throws -> Answer
        {
          let seconds = Int64(Date.now.timeIntervalSince1970) - ageSeconds
          let key = try Base64.decode(secret.dropFirst("whsec_".count))
          let signed = Array("\(id).\(seconds).".utf8) + body.bytes()
          let code = HMACSHA256.authenticate(signed, key: forged ? [1] : key)
          return try await account.api.send(
            "POST", url.path(percentEncoded: true), bytes: body.bytes(),
            headers: [
              "content-type": "application/json", "webhook-id": id,
              "webhook-timestamp": String(seconds),
              "webhook-signature": "v1,\(Base64.encode(code))",
            ])
        }
        #expect(try await deliver(id: "m1", forged: true).status == 403)
        #expect(try await deliver(id: "m1", ageSeconds: 400).status == 403)
        #expect(try await deliver(id: "m1").json(200)["status"]?.string == "accepted")
        #expect(try await deliver(id: "m1").json(200)["status"]?.string == "duplicate")
        let contacts = try await account.api.all("/api/contacts")
        #expect(contacts.count == 1)
        #expect(contacts.first?["custom"]?["size"]?.double == 12)
        // What changed nothing the first time changes nothing the second time.
        let id = try #require(contacts.first?["id"]?.string)
        let same = try await deliver(id: "m2").json(200)
        #expect(same["status"]?.string == "accepted")
        #expect(same["contact"]?.string == id)
        _ = try await account.api.send(
          "PATCH", "/api/contacts/\(id)", ["custom": ["size": 13]]
        ).json(200)
        let again = try await deliver(id: "m2").json(200)
        #expect(again["status"]?.string == "duplicate")
        #expect(again["contact"]?.string == id)
        let after = try await account.api.all("/api/contacts")
        #expect(after.first?["custom"]?["size"]?.double == 13)
      }
    }

    @Test func `what somebody is by now counts, also where they were it before`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let hook = try await account.api.post(
          "/api/inbound-hooks",
          [
            "name": "Shop", "authentication": "hmac_sha256", "action": "contact",
            "mapping": [
              "email": "mail", "custom.plan": "plan", "consent.email": "yes",
              "consent_wording": "=Mail me",
            ],
          ])
        let secret = try #require(hook["secret"]?.string)
        let url = try #require(hook["url"]?.string.flatMap { URL(string: $0) })
        func tell(_ body: JSON) async throws -> String? {
          let code = Hex.encode(HMACSHA256.authenticate(body.bytes(), key: Array(secret.utf8)))
          return try await account.api.send(
            "POST", url.path(percentEncoded: true), bytes: body.bytes(),
            headers: ["content-type": "application/json", "x-signature-256": code]
          ).json(200)["status"]?.string
        }
        for plan in ["gold", "silver", "gold"] {
          #expect(
            try await tell(["mail": "ann@example.com", "plan": .string(plan)]) == "accepted")
        }
        let contacts = try await account.api.all("/api/contacts")
        #expect(contacts.map { $0["custom"]?["plan"]?.string } == ["gold"])
        // A yes that is told again would lift a no that was said since.
        let yes: JSON = ["mail": "ann@example.com", "plan": "gold", "yes": true]
        #expect(try await tell(yes) == "accepted")
        #expect(try await tell(yes) == "duplicate")
      }
    }

    @Test func `of requests for one email at once one makes a user`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let other = try await system.newAccount("Riverside")
        let user: JSON = [
          "email": "ann@example.com", "name": "Ann", "role": "administrator",
          "password": "correct horse battery",
        ]
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group -> [Int] in
          for account in [account, account, other, other] {
            group.addTask { try await account.api.send("POST", "/api/users", user).status }
          }
          var statuses: [Int] = []
          for try await status in group { statuses.append(status) }
          return statuses
        }
        #expect(statuses.sorted() == [201, 409, 409, 409])
      }
    }

    @Test func `a body that does not fit is told field by field, and tried without a trace`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let refused = try await account.api.send(
          "POST", "/api/inbound-hooks",
          [
            "name": "x", "authentication": "hmac_sha256", "action": "lead",
            "mapping": ["email": "a", "shoe_size": "b"],
          ])
        #expect(refused.status == 400)
        #expect(refused.errorCode == "unknown_field")
        let hook = try await account.api.post(
          "/api/inbound-hooks",
          [
            "name": "Ads", "authentication": "hmac_sha256", "action": "opt_out",
            "mapping": ["phone": "tel", "channel": "by"],
          ])
        let id = try #require(hook["id"]?.string)
        let secret = try #require(hook["secret"]?.string)
        let url = try #require(hook["url"]?.string.flatMap { URL(string: $0) })
        let tried = try await account.api.post(
          "/api/inbound-hooks/\(id)/test", ["payload": ["tel": "nonsense", "by": "pigeon"]],
          expecting: 200)
        #expect(tried["problems"]?[0]?["param"]?.string == "channel")
        let body = Array(#"{"by": "pigeon"}"#.utf8)
        let code = Hex.encode(HMACSHA256.authenticate(body, key: Array(secret.utf8)))
        let answer = try await account.api.send(
          "POST", url.path(percentEncoded: true), bytes: body,
          headers: ["content-type": "application/json", "x-signature-256": "sha256=\(code)"])
        #expect(answer.status == 400)
        let params = answer.json["error"]?["details"]?.array?.compactMap { $0["param"]?.string }
        #expect(params == ["phone", "channel"])
      }
    }

    @Test func `a lead keeps where it came from, and is one however often it is sent`() async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let lead: JSON = [
          "first_name": "Cy", "phone": "415-555-2671", "source": "pricing",
          "utm": ["source": "google", "campaign": "spring"], "ip": "203.0.113.7",
          "consents": [["channel": "sms", "wording": "Text me. Reply STOP to end."]],
        ]
        let first = try await account.api.post("/api/leads/intake", lead, key: "k1")
        #expect(first["is_new_contact"]?.bool == true)
        let again = try await account.api.post("/api/leads/intake", lead, key: "k1")
        #expect(again["event"]?.string == first["event"]?.string)
        let merged = try await account.api.post(
          "/api/leads/intake",
          [
            "email": "cy@example.com", "phone": "(415) 555-2671",
            "consents": [["channel": "email", "wording": "Mail me."]],
          ], key: "k2", expecting: 200)
        #expect(merged["contact"]?.string == first["contact"]?.string)
        let contact = try await account.api.get(
          "/api/contacts/\(first["contact"]?.string ?? "")")
        #expect(contact["email"]?.string == "cy@example.com")
        #expect(contact["consent"]?["email"]?["status"]?.string == "opted_in")
        let refused = try await account.api.send(
          "POST", "/api/leads/intake", ["first_name": "Nobody"])
        #expect(refused.status == 400)
        let events = try await account.events(types: "lead.created")
        #expect(events.count == 2)
        #expect(events.first?["data"]?["utm_campaign"]?.string == "spring")
      }
    }
  }

  @Suite struct LongPolls {
    @Test func `a long poll is answered with the next event that fits`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        async let polled = account.api.get("/api/events?after=now&types=contact.created&wait=20000")
        try await Task.sleep(for: .milliseconds(200))
        let person = try await account.newPerson(0)
        let page = try await polled
        #expect(page["data"]?.array?.count == 1)
        #expect(page["data"]?[0]?["subject"]?["id"]?.string == person.id)
        let next = try #require(page["next"]?.string)
        let none = try await account.api.get(
          "/api/events?after=\(next)&types=contact.created&wait=50")
        #expect(none["data"]?.array?.isEmpty == true)
      }
    }

    @Test func `the whole book comes as lines`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        for index in 0..<3 { _ = try await account.newPerson(index) }
        let answer = try await account.api.send(
          "GET", "/api/events?types=contact.created", headers: ["accept": "application/x-ndjson"])
        let lines = String(decoding: answer.body, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 3)
        #expect(try JSON(parsing: Array(lines[0].utf8))["type"]?.string == "contact.created")
      }
    }

    @Test func `the doctor finds nothing wrong with what works, and a key that others may read`()
      async throws
    {
      try await withSystem { system in
        _ = try await system.newAccount("Lakeside")
        let healthy = try await system.daybook("doctor", "--json")
        #expect(healthy.succeeded, "\(healthy.output)")
        let path = system.home + "/operator.token"
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let open = try await system.daybook("doctor", "--json")
        #expect(open.exit == .code(2))
        let findings = try open.json()["findings"]?.array ?? []
        #expect(
          findings.contains {
            $0["subject"]?.string == "secrets" && $0["verdict"]?.string == "problem"
          })
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
      }
    }
  }
}

import HTTP
import JSON
import Testing

/// One minute: requirements WAL-18; one picture message: WAL-17.
private let minuteMicros: Int64 = 21_000
private let pictureMicros: Int64 = 30_000

extension EndToEnd {
  @Suite struct Voice {
    private static let consent: JSON = [
      "channel": "voice", "purpose": "marketing", "method": "web_form", "source": "form",
      "wording": "Yes, call me.",
    ]

    private func person(_ account: Account, _ phone: String) async throws -> String {
      let created = try await account.api.post(
        "/api/contacts",
        [
          "first_name": "Zoë", "phone": .string(phone), "consents": [Self.consent],
          // The number alone says no place; wherever it may be, it is seldom open everywhere.
          "custom": ["state": "IL"],
        ])
      return try #require(created["id"]?.string)
    }

    private func call(
      _ account: Account, _ contact: String, _ more: [(String, JSON)] = []
    ) async throws -> String {
      let body = JSONObject(
        [
          ("contact", .string(contact)), ("channel", "voice"), ("purpose", "marketing"),
          ("body", "Hello {{first_name}}, <doors> open at nine."),
        ] + more.map { (key: $0.0, value: $0.1) })
      let sent = try await account.api.post("/api/messages", .object(body))
      return try #require(sent["id"]?.string)
    }

    @Test func `a call is told, timed and paid by the minute, whatever order its news has`()
      async throws
    {
      try await withSystem { system in
        try await system.setFaults(["duplicate_callbacks": 1, "reorder": 1])
        let account = try await system.newAccount("Lakeside")
        var spentMicros: Int64 = 0
        for (last, status, outcome, minutes) in [
          ("0036", "delivered", "answered", 2), ("0031", "delivered", "voicemail", 1),
          ("0032", "failed", "busy", 0), ("0033", "failed", "no_answer", 0),
          ("0034", "failed", "failed", 0),
        ] as [(String, String, String, Int64)] {
          let contact = try await person(account, "+1500555\(last)")
          let id = try await call(
            account, contact, [("voicemail", "Call us back."), ("record", true)])
          try await account.wait(forMessage: id, toBe: status)
          try await system.waitUntilCallbacksAreDone()
          #expect(try await account.message(id)["call_outcome"]?.string == outcome)
          spentMicros += minutes * minuteMicros
          #expect(try await account.wallet().balanceMicros == 20_000_000 - spentMicros)
          #expect(try await account.wallet().heldMicros == 0)
        }
        let calls = try await system.sandbox.get("/sandbox/calls")["data"]?.array ?? []
        #expect(calls.count == 5)
        let said = calls.compactMap { $0["twiml"]?.string }
        let live = try #require(said.first { $0.contains("doors") })
        #expect(live.contains("<Say>Hello Zoë, &lt;doors&gt; open at nine.</Say>"))
        // The announcement comes before the recording begins.
        let notice = try #require(live.firstRange(of: "may be recorded"))
        let start = try #require(live.firstRange(of: "<Start>"))
        #expect(notice.lowerBound < start.lowerBound)
        #expect(live.contains("This is Lakeside."))
        let left = try #require(said.first { $0.contains("Call us back.") })
        #expect(!left.contains("doors") && left.hasSuffix("<Hangup/></Response>"))
      }
    }

    @Test func `a key ends all calls to the number, and texts are another matter`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let contact = try await person(account, "+15005550035")
        let id = try await call(account, contact)
        try await account.wait(forMessage: id, toBe: "delivered")
        try await eventually("the opt-out") {
          try await account.api.get("/api/contacts/\(contact)")["consent"]?["voice"]?["status"]?
            .string == "opted_out"
        }
        let again = try await account.api.send(
          "POST", "/api/messages",
          ["contact": .string(contact), "channel": "voice", "body": "Hello again"],
          headers: ["idempotency-key": "again"])
        #expect(again.errorCode == "revoked")
        let text: JSON = [
          "contact": .string(contact), "body": "Your order is ready", "purpose": "transactional",
        ]
        try await account.api.post("/api/messages", text)
      }
    }

    @Test func `a call is placed once whatever the provider's answer`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        try await system.setFaults(["lost_answer_rate": 1])
        let contact = try await person(account, "+15005550036")
        let id = try await call(account, contact)
        try await account.wait(forMessage: id, toBe: "delivered")
        #expect(try await system.sandbox.get("/sandbox/calls")["data"]?.array?.count == 1)
      }
    }

    @Test func `a picture is one message at its own price`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(1)
        let sent = try await account.api.post(
          "/api/messages",
          [
            "contact": .string(person.id), "purpose": "transactional",
            "media": ["https://lakeside.example/map.png"],
          ])
        try await account.wait(forMessage: #require(sent["id"]?.string), toBe: "delivered")
        #expect(try await account.wallet().balanceMicros == 20_000_000 - pictureMicros)
        #expect(try await account.transactions().contains { $0.resourceType == "mms" })
      }
    }

    @Test func `wrong signatures get no instructions`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let anybody = API(baseURL: account.api.baseURL, token: nil)
        for hook in ["voice", "keys", "calls", "incoming-calls"] {
          let answer = try await anybody.send(
            "POST", "/webhooks/twilio/\(account.id)/\(hook)", bytes: Array("Digits=9".utf8),
            headers: [
              "content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "AAAA",
            ])
          #expect(answer.status == 403)
        }
      }
    }
  }
}

import HTTP
import JSON
import Testing

/// One segment of an outbound text: requirements WAL-15.
private let segmentMicros: Int64 = 12_000

extension EndToEnd {
  @Suite struct Messages {
    @Test func `a text reaches the phone, is told delivered, and is paid for once`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside", dollars: 20)
        // Every callback comes twice and the last one first.
        try await system.setFaults(["duplicate_callbacks": 1, "reorder": 1])
        let person = try await account.newPerson(1, named: "Zoë")
        let id = try await account.send("Hi {{first_name}}, see you at 3.", to: person)
        let message = try await account.wait(forMessage: id, toBe: "delivered")
        let text = "Hi Zoë, see you at 3." + Account.optOutNotice

        #expect(message["body"]?.string == text)
        #expect(message["to"]?.string == person.phone)
        #expect(message["price"]?["amount"]?.int == segmentMicros)
        #expect(try await account.received(by: person) == [text])
        try await system.waitUntilCallbacksAreDone()
        let wallet = try await account.wallet()
        #expect(wallet.balanceMicros == 20_000_000 - segmentMicros)
        #expect(wallet.heldMicros == 0)
        #expect(wallet.availableMicros == wallet.balanceMicros)
        let movements = try await account.transactions()
        #expect(movements.map(\.type).sorted() == ["credit", "debit", "hold"])
        #expect(movements.balanceMicros == wallet.balanceMicros)
      }
    }

    @Test func `a text that the provider refuses fails and costs nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside", dollars: 1)
        try await system.setFaults(["error_rate": 1, "status": 400])
        let person = try await account.newPerson(1)
        let id = try await account.send("Hello", to: person)
        try await account.wait(forMessage: id, toBe: "failed")
        let wallet = try await account.wallet()
        #expect(wallet.availableMicros == 1_000_000)
        #expect(wallet.heldMicros == 0)
        #expect(
          try await account.transactions().map(\.type).sorted() == ["credit", "hold", "release"])
      }
    }

    @Test
    func `a dry run gives the verdict, price and events of the real thing, and writes nothing`()
      async throws
    {
      try await withSystem { system in
        for (hour, consents) in [(12, true), (12, false), (2, true)] {
          let account = try await system.newAccount("Dry \(hour) \(consents)", atHour: hour)
          let person = try await account.newPerson(1, consents: consents)
          let before = try await account.events().count
          let preview = try await account.text(person, "Hello there", isDryRun: true).json(200)
          #expect(try await account.events().count == before)

          let answer = try await account.text(person, "Hello there")
          let written = try await account.events().dropFirst(before)
          let events = preview["events"]?.array?.compactMap(\.string) ?? []
          #expect(
            Set(events).isSubset(of: written.compactMap { $0["type"]?.string }),
            "\(events) are not what was written")
          let id =
            answer.json["id"]?.string ?? answer.json["error"]?["details"]?[0]?["message"]?.string
          let message = try await account.message(try #require(id))
          for field in ["body", "to", "segments", "encoding", "reason"] {
            #expect(preview[field] == message[field], "\(field) at \(hour), \(consents)")
          }
          for field in ["outcome", "reason", "rule_set", "until"] {
            #expect(preview["verdict"]?[field] == message["verdict"]?[field], "verdict.\(field)")
          }
        }
      }
    }

    @Test func `the same key and body give the first answer again, also after a crash`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(1)
        let first = try await account.text(person, "Once", key: "only-once")
        #expect(first.status == 201)
        #expect(first.headers["idempotent-replayed"] == nil)
        try await account.wait(forMessage: #require(first.json["id"]?.string), toBe: "delivered")
        try await system.crash("serve")

        let second = try await account.text(person, "Once", key: "only-once")
        #expect(second.status == 201)
        #expect(second.body == first.body)
        #expect(second.headers["idempotent-replayed"] == "true")
        #expect(try await account.received(by: person) == ["Once" + Account.optOutNotice])

        let other = try await account.text(person, "Twice", key: "only-once")
        #expect(other.status == 409)
        #expect(other.errorCode == "idempotency_mismatch")
        let bare = try await account.api.send(
          "POST", "/api/messages", ["contact": .string(person.id), "body": "No key"])
        #expect(bare.status == 400)
      }
    }

    @Test func `a refusal keeps its status under its key too`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(1, consents: false)
        let first = try await account.text(person, "No", key: "refused")
        let second = try await account.text(person, "No", key: "refused")
        #expect(first.status == 422)
        #expect(second.status == 422)
        #expect(second.errorCode == first.errorCode)
      }
    }

    @Test func `quiet hours hold a text until the morning of the person's clock`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Night", atHour: 2)
        let person = try await account.newPerson(0)
        let answer = try await account.text(person, "Good morning").json(201)
        #expect(answer["status"]?.string == "held")
        #expect(answer["reason"]?.string == "quiet_hours")
        let id = try #require(answer["id"]?.string)
        #expect(try await account.wallet().heldMicros == 0)

        try await account.advance(hours: 5)
        #expect(try await account.message(id)["status"]?.string == "held")
        try await account.advance(hours: 2)
        try await account.wait(forMessage: id, toBe: "delivered")
        #expect(try await account.received(by: person) == ["Good morning" + Account.optOutNotice])
      }
    }

    @Test func `without consent 422, without credit 402, and both are on record`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Poor", dollars: 0)
        let stranger = try await account.newPerson(1, consents: false)
        let refused = try await account.text(stranger, "Buy now")
        #expect(refused.status == 422)
        #expect(refused.errorCode == "no_consent")

        let friend = try await account.newPerson(2)
        let unpaid = try await account.text(friend, "Buy now")
        #expect(unpaid.status == 402)
        #expect(unpaid.errorCode == "insufficient_funds")

        let skipped = try await account.api.all("/api/messages?status=skipped")
        #expect(
          Set(skipped.compactMap { $0["reason"]?.string }) == ["no_consent", "insufficient_funds"])
        try await account.fund(micros: segmentMicros)
        let id = try await account.send("Buy now", to: friend)
        try await account.wait(forMessage: id, toBe: "delivered")
        #expect(try await account.wallet().balanceMicros == 0)
      }
    }
  }
}

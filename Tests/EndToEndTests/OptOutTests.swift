import JSON
import Testing

extension EndToEnd {
  @Suite struct OptOuts {
    @Test func `STOP opts out at once and nothing that waited goes out`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(0)
        // The provider turns everything away: what is sent stays queued.
        try await system.setFaults(["error_rate": 1, "status": 429])
        let queued = try await account.send("Offer one", to: person)
        try await account.receive("STOP", from: person)
        try await account.wait(forConsentOf: person, toBe: "opted_out")
        let message = try await account.wait(forMessage: queued, toBe: "skipped")
        #expect(message["reason"]?.string == "revoked")

        try await system.setFaults(["error_rate": 0])
        let refused = try await account.text(person, "Offer two")
        #expect(refused.status == 422)
        #expect(refused.errorCode == "revoked")
        let other = try await account.newPerson(1)
        let id = try await account.send("Offer three", to: other)
        try await account.wait(forMessage: id, toBe: "delivered")
        #expect(try await account.received(by: person) == [])
        #expect(try await account.wallet().heldMicros == 0)
      }
    }

    @Test func `a text held for the morning is skipped when its person says STOP at night`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Night", atHour: 2)
        let person = try await account.newPerson(0)
        let held = try await account.send("Good morning", to: person)
        try await account.receive("Stop texting me", from: person)
        let message = try await account.wait(forMessage: held, toBe: "skipped")
        #expect(message["reason"]?.string == "revoked")
        try await account.advance(hours: 8)
        #expect(try await account.message(held)["status"]?.string == "skipped")
        #expect(try await account.received(by: person) == [])
      }
    }

    @Test func `START opts in again`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(0)
        try await account.receive("STOP", from: person)
        try await account.wait(forConsentOf: person, toBe: "opted_out")
        try await account.receive("START", from: person)
        try await account.wait(forConsentOf: person, toBe: "opted_in")
        let id = try await account.send("Welcome back", to: person)
        try await account.wait(forMessage: id, toBe: "delivered")
        let verified = try await system.daybook("verify", "--rules")
        #expect(verified.succeeded, "\(verified.output)\(verified.errors)")
      }
    }

    @Test func `a webhook with a wrong signature is refused and changes nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(0)
        let stop = ProviderWebhook(text: "STOP", from: person, to: account)
        let right = stop.signature(token: account.providerToken)
        let before = try await account.events().count

        for signature in [nil, "", "AAAA", stop.signature(token: "another token")] {
          let answer = try await stop.send(signature: signature)
          #expect(answer.status == 403, "signature \(signature ?? "missing")")
        }
        var altered = stop
        altered.fields[4].value = "START"
        #expect(try await altered.send(signature: right).status == 403)
        #expect(try await account.events().count == before)
        #expect(try await account.consentStatus(of: person) == "opted_in")

        // The very same request with its own signature is believed, and once only.
        #expect(try await stop.send(signature: right).status == 200)
        try await account.wait(forConsentOf: person, toBe: "opted_out")
        let after = try await account.events().count
        #expect(after > before)
        #expect(try await stop.send(signature: right).status == 200)
        #expect(try await account.events().count == after)
      }
    }
  }
}

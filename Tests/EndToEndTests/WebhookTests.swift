import JSON
import Testing

extension EndToEnd {
  @Suite struct Webhooks {
    @Test
    func
      `a subscriber hears everything once, in order and signed, through its own absence and a crash of ours`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(0)
        let subscriber = try Subscriber()
        let endpoint = try await account.api.post(
          "/api/webhook-endpoints", ["url": .string(subscriber.url), "types": ["message.*"]])
        let secret = try #require(endpoint["secret"]?.string)

        let first = try await account.send("One", to: person)
        try await account.wait(forMessage: first, toBe: "delivered")
        try await account.waitForDeliveries(to: subscriber)

        // Nobody listens: the first attempt fails, and we are killed before the second.
        await subscriber.stop()
        let second = try await account.send("Two", to: person)
        try await account.wait(forMessage: second, toBe: "delivered")
        try await eventually("a failed delivery on record") {
          try await account.events(types: "webhook.*")
            .contains { $0["type"]?.string == "webhook.delivery_failed" }
        }
        try await system.kill("serve")
        let back = try subscriber.restarted()
        back.refuseNext(0)
        try await system.start("serve")
        let third = try await account.send("Three", to: person)
        try await account.wait(forMessage: third, toBe: "delivered")
        try await account.waitForDeliveries(to: back)

        let expected = try await account.events(types: "message.*").compactMap { $0["id"]?.string }
        #expect(back.deliveries.map(\.id) == expected)
        for delivery in back.attempts {
          #expect(try delivery.isSigned(with: secret))
          #expect(delivery.json["data"]?["id"]?.string == delivery.id)
          #expect(delivery.json["data"]?["account"]?.string == account.id)
        }
        await back.stop()
      }
    }

    @Test func `a refused delivery comes again under the same id, and does not hold up the others`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let subscriber = try Subscriber()
        subscriber.refuseNext(1)
        try await account.api.post(
          "/api/webhook-endpoints", ["url": .string(subscriber.url), "types": ["contact.created"]])
        for index in 0..<3 { _ = try await account.newPerson(index) }
        try await account.waitForDeliveries(to: subscriber, types: "contact.created")

        let ids = subscriber.attempts.map(\.id)
        #expect(ids.count == 4)
        #expect(Set(ids).count == 3)
        // Three people: the two that were not refused do not wait for the third.
        #expect(subscriber.deliveries.last?.id == ids.first)
        await subscriber.stop()
      }
    }

    @Test func `an endpoint hears nothing of another account and shows its secret once`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let other = try await system.newAccount("Summit")
        let subscriber = try Subscriber()
        let endpoint = try await account.api.post(
          "/api/webhook-endpoints", ["url": .string(subscriber.url), "types": ["contact.*"]])
        let id = try #require(endpoint["id"]?.string)
        #expect(endpoint["secret"]?.string?.hasPrefix("whsec_") == true)
        let shown = try await account.api.get("/api/webhook-endpoints/\(id)")
        #expect(shown["secret"] == nil)
        _ = try await other.newPerson(0)
        _ = try await account.newPerson(1)
        try await account.waitForDeliveries(to: subscriber, types: "contact.*")
        #expect(
          Set(subscriber.attempts.compactMap { $0.json["data"]?["account"]?.string }) == [
            account.id
          ])
        await subscriber.stop()
      }
    }
  }
}

extension Account {
  /// Until the subscriber has taken every event of these types that the account has now.
  fileprivate func waitForDeliveries(
    to subscriber: Subscriber, types: String = "message.*"
  ) async throws {
    try await eventually("deliveries of \(types)") {
      let expected = try await events(types: types).compactMap { $0["id"]?.string }
      return !expected.isEmpty && Set(expected).isSubset(of: subscriber.deliveries.map(\.id))
    }
  }
}

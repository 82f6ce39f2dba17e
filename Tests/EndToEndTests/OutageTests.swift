import JSON
import Testing

extension EndToEnd {
  @Suite struct Outages {
    @Test
    func `while Postgres is away writes go on and reads say so; afterwards all of it is there`()
      async throws
    {
      try await withSystem(database: .own) { system in
        let account = try await system.newAccount("Lakeside")
        let before = try await account.newPerson(0)
        #expect(try await account.api.all("/api/contacts").count == 1)

        try await system.stop("postgres")
        for index in 1...5 { _ = try await account.newPerson(index) }
        let read = try await account.api.send("GET", "/api/contacts")
        #expect(read.status == 503)
        #expect(read.json["error"]?["retryable"]?.bool == true)
        // The log answers by itself.
        #expect(try await account.events(types: "contact.created").count == 6)
        // So do the line to the provider and its way back.
        let id = try await account.send("Still here", to: before)
        try await eventually("the delivery on the log") {
          try await account.events(types: "message.delivered")
            .contains { $0["subject"]?["id"]?.string == id }
        }

        try await system.start("postgres")
        let contacts = try await eventually("the projector to catch up") {
          try await account.api.all("/api/contacts")
        } until: { contacts in
          contacts.count == 6
        }
        #expect(Set(contacts.compactMap { $0["phone"]?.string }).count == 6)
        #expect(try await account.message(id)["status"]?.string == "delivered")
        try await system.expectReadModelsEqualTheLog()
      }
    }

    @Test func `a killed database loses no read model its place`() async throws {
      try await withSystem(database: .own) { system in
        let account = try await system.newAccount("Lakeside")
        for index in 0..<3 {
          _ = try await account.newPerson(index)
          try await system.kill("postgres")
          _ = try await account.newPerson(100 + index)
          try await system.start("postgres")
        }
        try await eventually("the projector to catch up") {
          try await account.api.all("/api/contacts").count == 6
        }
        try await system.expectReadModelsEqualTheLog()
      }
    }

    @Test func `while the provider is away texts wait, and go out once it is back`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let people = [try await account.newPerson(0), try await account.newPerson(1)]
        try await system.stop("sandbox")
        var messages: [String] = []
        for person in people { messages.append(try await account.send("Later", to: person)) }
        try await system.crash("serve")
        try await system.start("sandbox")
        for message in messages { try await account.wait(forMessage: message, toBe: "delivered") }
        for person in people {
          #expect(try await account.received(by: person) == ["Later" + Account.optOutNotice])
        }
      }
    }
  }
}

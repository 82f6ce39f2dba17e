import HTTP
import JSON
import Testing

extension EndToEnd {
  @Suite struct EventTail {
    @Test func `a tail that was cut goes on where it was, through a crash`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        for index in 0..<3 { _ = try await account.newPerson(index) }
        let begun = try await account.tail(count: 3, lastEventID: nil)
        let cutAt = try #require(begun.last?.id)

        for index in 3..<6 { _ = try await account.newPerson(index) }
        try await system.crash("serve")
        let more = try await account.tail(count: 3, lastEventID: cutAt)
        let expected = try await account.events(types: "contact.created")
          .compactMap { $0["position"]?.int.map { String($0) } }
        #expect((begun + more).compactMap(\.id) == expected)
        #expect((begun + more).allSatisfy { $0.name == "contact.created" })
      }
    }

    @Test func `a tail tells what happens while it is open`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        async let told = account.tail(count: 2, lastEventID: nil)
        for index in 0..<2 { _ = try await account.newPerson(index) }
        #expect(try await told.count == 2)
      }
    }

    @Test func `a read that names a write's position sees the write`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        for index in 0..<20 {
          // A client without a memory of its own: the header alone makes the read wait.
          let created = try await account.api.send(
            "POST", "/api/contacts",
            ["first_name": .string("Pat\(index)"), "phone": .string(People.phone(index))])
          let id = try #require(try created.json(201)["id"]?.string)
          let position = try #require(created.logPosition)
          let read = try await account.api.send(
            "GET", "/api/contacts?q=Pat\(index)&limit=1",
            headers: ["min-position": String(position)])
          #expect(try read.json(200)["data"]?[0]?["id"]?.string == id)
          #expect(UInt64(read.headers["read-position"] ?? "") ?? 0 >= position)
        }
      }
    }

    @Test func `a read of a position that does not come says that the read model is behind`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        try await system.suspend("project")
        let created = try await account.api.send("POST", "/api/contacts", ["first_name": "Pat"])
        let position = try #require(created.logPosition)
        let read = try await account.api.send(
          "GET", "/api/contacts?limit=1", headers: ["min-position": String(position)])
        #expect(read.status == 503)
        #expect(read.errorCode == "read_model_behind")
        #expect(read.json["error"]?["retryable"]?.bool == true)
        try await system.resume("project")
        let contacts = try await account.api.all("/api/contacts")
        #expect(contacts.count == 1)
      }
    }
  }
}

extension Account {
  /// The next events of new contacts after `lastEventID`, as the tail tells them.
  fileprivate func tail(count: Int, lastEventID: String?) async throws -> [ServerSentEvent] {
    var headers: HTTPHeaders = ["accept": "text/event-stream"]
    if let lastEventID { headers.set("last-event-id", lastEventID) }
    let stream = try await api.stream("/api/events?types=contact.created", headers: headers)
    #expect(stream.status == 200)
    #expect(stream.headers["content-type"]?.hasPrefix("text/event-stream") == true)
    var parser = ServerSentEventParser()
    var events: [ServerSentEvent] = []
    for try await piece in stream.body {
      events += parser.append(piece)
      if events.count >= count { break }
    }
    return events
  }
}

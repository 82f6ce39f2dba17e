import HTTP
import JSON
import Testing

extension EndToEnd {
  @Suite struct Isolation {
    @Test func `no id of one account means anything to another`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let stranger = try await system.newAccount("Summit")
        let paths = try await account.makeOneOfEach()
        for path in paths {
          #expect(try await account.api.send("GET", path).status == 200, "\(path) of its owner")
          let answer = try await stranger.api.send("GET", path)
          #expect(answer.status == 404, "\(path) of a stranger")
          #expect(answer.errorCode == "not_found", "\(path) of a stranger")
        }
        for list in Self.lists {
          let own = try await account.api.get(list)["data"]?.array
          #expect(own?.isEmpty == false, "\(list) of its owner")
          let strange = try await stranger.api.get(list)["data"]?.array
          #expect(strange?.isEmpty == true, "\(list) of a stranger")
        }
        let heard = try await stranger.events().compactMap { $0["account"]?.string }
        #expect(Set(heard) == [stranger.id])
        let audited = try await stranger.api.all("/api/audit/events")
        #expect(!audited.contains { $0.text.contains(account.id) })
      }
    }

    @Test func `a stranger's write to an id changes nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let stranger = try await system.newAccount("Summit")
        let person = try await account.newPerson(1)
        let before = try await account.events().count
        let contact = "/api/contacts/\(person.id)"
        #expect(
          try await stranger.api.send("PATCH", contact, ["first_name": "Mallory"]).status == 404)
        #expect(
          try await stranger.api.send("POST", contact + "/tags", ["tags": ["x"]]).status == 404)
        #expect(
          try await stranger.api.send("POST", contact + "/opt-outs", ["channel": "sms"]).status
            == 404)
        #expect(try await stranger.text(person, "Hello").status == 404)
        #expect(try await account.events().count == before)
      }
    }

    @Test func `nobody acts without a key, or for an account that is not theirs`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let stranger = try await system.newAccount("Summit")
        let nobody = API(baseURL: system.baseURL, token: nil)
        #expect(try await nobody.send("GET", "/api/contacts").status == 401)
        let forger = API(baseURL: system.baseURL, token: "sk_test_invented")
        #expect(try await forger.send("GET", "/api/contacts").status == 401)
        let reach = try await stranger.api.send(
          "GET", "/api/contacts", headers: ["account": account.id])
        #expect(reach.status == 403)
      }
    }

    /// Lists that hold something of an account that has one of each, and nothing of a new one.
    private static let lists = [
      "/api/contacts", "/api/messages", "/api/segments", "/api/campaigns", "/api/workflows",
      "/api/webhook-endpoints",
    ]
  }
}

extension Account {
  /// Creates one object of each kind, and returns the paths at which they are shown.
  fileprivate func makeOneOfEach() async throws -> [String] {
    let person = try await newPerson(1)
    let message = try await send("Hello", to: person)
    try await wait(forMessage: message, toBe: "delivered")
    let segment = try await made(
      "/api/segments",
      ["name": "All", "filter": ["field": "first_name", "op": "exists", "value": true]])
    let campaign = try await made(
      "/api/campaigns",
      ["name": "Spring", "segment": .string(segment), "channel": "sms", "body": "Hi"])
    let workflow = try await made(
      "/api/workflows",
      ["source": "name: Tagging\ntrigger: manual\nsteps:\n  - add_tag: seen\n"])
    let run = try await made(
      "/api/workflows/\(workflow)/runs", ["contact": .string(person.id)])
    let endpoint = try await made(
      "/api/webhook-endpoints", ["url": "http://127.0.0.1:9/hook", "types": ["campaign.created"]])
    return [
      "/api/contacts/\(person.id)", "/api/contacts/\(person.id)/timeline",
      "/api/messages/\(message)", "/api/segments/\(segment)", "/api/segments/\(segment)/contacts",
      "/api/campaigns/\(campaign)", "/api/workflows/\(workflow)",
      "/api/workflows/\(workflow)/runs", "/api/runs/\(run)",
      "/api/webhook-endpoints/\(endpoint)", "/api/accounts/\(id)",
    ]
  }

  private func made(_ path: String, _ body: JSON) async throws -> String {
    guard let id = try await api.post(path, body)["id"]?.string else {
      throw HarnessError("\(path) made something without an id")
    }
    return id
  }
}

import HTTP
import JSON
import Testing

extension EndToEnd {
  @Suite struct Workflows {
    private static let source = """
      name: Webinar follow-up
      trigger:
        tag_added: webinar
      steps:
        - send_sms: "Hi {{first_name|there}}, thanks for joining."
        - wait: 1 day
        - if: not replied
          then:
            - send_sms: "Any questions, {{first_name|there}}?"
          else:
            - add_tag: engaged
      """

    @Test func `a workflow waits through a crash and goes on by what the person did`() async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let published = try await account.api.send(
          "POST", "/api/workflows", bytes: Array(Self.source.utf8),
          headers: ["content-type": "application/yaml"])
        let workflow = try #require(try published.json(201)["id"]?.string)
        let talker = try await account.newPerson(0, named: "Tess")
        let silent = try await account.newPerson(1, named: "Sam")
        for person in [talker, silent] {
          try await account.api.post(
            "/api/contacts/\(person.id)/tags", ["tags": ["webinar"]], expecting: 200)
          try await account.waitForText("Hi ", to: person)
        }
        try await account.waitForRuns(of: workflow, toBe: "waiting", count: 2)
        try await account.receive("Sounds great", from: talker)
        try await account.waitForInbound("Sounds great", from: talker)

        try await system.crash("serve")
        try await system.crash("project")
        try await account.waitForRuns(of: workflow, toBe: "waiting", count: 2)
        try await account.advance(hours: 25)
        try await account.waitForText("Any questions, Sam?", to: silent)
        try await account.waitForRuns(of: workflow, toBe: "completed", count: 2)

        #expect(
          try await account.received(by: silent) == [
            "Any questions, Sam?" + Account.optOutNotice,
            "Hi Sam, thanks for joining." + Account.optOutNotice,
          ])
        #expect(
          try await account.received(by: talker) == [
            "Hi Tess, thanks for joining." + Account.optOutNotice
          ])
        #expect(try await account.tags(of: talker) == ["engaged", "webinar"])
        #expect(try await account.tags(of: silent) == ["webinar"])
      }
    }

    @Test func `a document that is no workflow is refused with its line`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let answer = try await account.api.send(
          "POST", "/api/workflows",
          bytes: Array("name: Broken\ntrigger: manual\nsteps:\n  - fly_to: the moon\n".utf8),
          headers: ["content-type": "application/yaml"])
        #expect(answer.status == 400)
        #expect(answer.errorCode == "invalid_workflow")
        #expect(answer.json["error"]?["details"]?.text.contains("4") == true, "\(answer.json.text)")
      }
    }
  }
}

extension Account {
  fileprivate func waitForText(_ start: String, to person: Person) async throws {
    try await eventually("\(start)… at \(person.id)") {
      try await received(by: person).contains { $0.hasPrefix(start) }
    }
  }

  fileprivate func waitForInbound(_ body: String, from person: Person) async throws {
    try await eventually("an answer of \(person.id)") {
      let path = "/api/messages?contact=\(person.id)&direction=inbound"
      return try await api.all(path).contains { $0["body"]?.string == body }
    }
  }

  fileprivate func waitForRuns(
    of workflow: String, toBe status: String, count: Int
  ) async throws {
    try await eventually("\(count) runs to be \(status)") {
      let runs = try await api.all("/api/workflows/\(workflow)/runs")
      return runs.count(where: { $0["status"]?.string == status }) == count
    }
  }

  fileprivate func tags(of person: Person) async throws -> [String] {
    let contact = try await api.get("/api/contacts/\(person.id)")
    return (contact["tags"]?.array ?? []).compactMap(\.string).sorted()
  }
}

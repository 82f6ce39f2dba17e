import Foundation
import JSON

/// What happened at one client in the last two weeks.
struct DemoStory: Sendable {
  let api: DemoAPI
  let sandbox: DemoAPI
  let account: DemoData.Account
  let seed: UInt64

  private static let workflow = """
    name: Webinar follow-up
    trigger:
      tag_added: webinar
    steps:
      - send_sms: "Hi {{first_name|there}}, thanks for joining our webinar! Reply STOP to opt out."
      - wait: 1 day
      - if: not replied
        then:
          - send_sms: "Any questions about it, {{first_name|there}}? Just reply here."
        else:
          - add_tag: engaged
    """

  /// A dental practice: 240 people, a campaign, answers, a STOP, a workflow with people waiting.
  func lakeside(_ report: @Sendable (String) -> Void) async throws {
    try await fund(dollars: 250)
    let people = try await contacts(240, company: nil, tags: ["patient"])
    try await segments()
    report("  \(people.count) contacts, a campaign two weeks ago")
    try await campaign(
      "Spring check-up", tag: "patient",
      body: "Hi {{first_name|there}}, it is time for your check-up at Lakeside Dental. "
        + "Book at lakeside.example/book")
    try await answers(from: people)
    _ = try await api.publish(workflow: Self.workflow)
    try await advance(hours: 24)
    try await tag(people[20..<32], "webinar")
    try await settle()
    try await reply(people[21], "Yes, when is the next one?")
    try await advance(hours: 25)
    report("  two weeks pass")
    try await advance(hours: 24 * 9)
    try await texts(to: people[40..<46])
    try await advanceToNow()
    try await tag(people[60..<68], "webinar")
  }

  /// A roofer: 120 people, a campaign and a conversation.
  func summit(_ report: @Sendable (String) -> Void) async throws {
    try await fund(dollars: 100)
    let people = try await contacts(120, company: "Homeowner", tags: ["lead"])
    try await segments()
    report("  \(people.count) contacts, a campaign")
    try await campaign(
      "Storm inspection", tag: "lead",
      body: "Hi {{first_name|there}}, free roof inspections this week from Summit Roofing.")
    try await reply(people[3], "How long does it take?")
    try await texts(to: people[3..<4])
    try await reply(people[9], "stop")
    _ = try await api.publish(workflow: Self.workflow)
    try await advanceToNow()
    try await tag(people[30..<34], "webinar")
  }
}

// MARK: - Scenes

extension DemoStory {
  struct Person: Sendable {
    let id: String
    let phone: String
  }

  private func fund(dollars: Int64) async throws {
    try await api.post(
      "/api/wallet/add-funds", ["amount": .int(dollars * 1_000_000)], key: "demo-funds-\(seed)")
  }

  private func contacts(
    _ count: Int, company: String?, tags: [String]
  ) async throws -> [Person] {
    var random = DemoRandom(seed: seed &* 7_919)
    var people: [Person] = []
    for index in 0..<count {
      let person = DemoPeople.person(index, &random)
      let phone = DemoPeople.phone(index, seed: seed)
      var body = JSONObject([
        ("first_name", .string(person.first)), ("last_name", .string(person.last)),
        ("email", .string(person.email)), ("phone", .string(phone)),
        ("source", .string(random.pick(["web_form", "referral", "walk_in"]))),
        ("tags", .array((tags + (index % 12 == 0 ? ["vip"] : [])).map(JSON.string))),
        ("custom", ["city": .string(person.city)]),
      ])
      if let company { body["company"] = .string(company) }
      // One in eight never agreed to marketing: the gate has something to refuse.
      if index % 8 != 5 { body["consents"] = [Self.consent] }
      let created = try await api.post(
        "/api/contacts", .object(body), key: "demo-contact-\(seed)-\(index)")
      guard let id = created["id"]?.string else { throw DemoError.unexpected("no contact id") }
      people.append(Person(id: id, phone: phone))
    }
    return people
  }

  private static let consent: JSON = [
    "channel": "sms", "purpose": "marketing", "method": "web_form",
    "source": "https://lakeside.example/contact",
    "wording": .string(
      "I agree to receive marketing texts. Message and data rates may apply. "
        + "Reply STOP to opt out. Consent is not a condition of purchase."),
  ]

  private func segments() async throws {
    try await api.post(
      "/api/segments",
      ["name": "VIPs", "filter": ["field": "tags", "op": "contains", "value": "vip"]],
      key: "demo-vips-\(seed)")
    try await api.post(
      "/api/segments",
      [
        "name": "May be texted",
        "filter": ["field": "consent.sms", "op": "eq", "value": "opted_in"],
      ], key: "demo-reachable-\(seed)")
  }

  private func campaign(_ name: String, tag: String, body: String) async throws {
    let segment = try await api.post(
      "/api/segments",
      [
        "name": .string("Everybody tagged \(tag)"),
        "filter": ["field": "tags", "op": "contains", "value": .string(tag)],
      ], key: "demo-segment-\(seed)")
    let campaign = try await api.post(
      "/api/campaigns",
      [
        "name": .string(name), "segment": segment["id"] ?? .null, "channel": "sms",
        "purpose": "marketing", "body": .string(body),
      ], key: "demo-campaign-\(seed)")
    guard let id = campaign["id"]?.string else { throw DemoError.unexpected("no campaign id") }
    try await api.post("/api/campaigns/\(id)/launch", [:], key: "demo-launch-\(seed)")
    _ = try await api.wait(for: "the campaign", "/api/campaigns/\(id)") {
      $0["status"]?.string == "completed"
    }
  }

  private func answers(from people: [Person]) async throws {
    let texts = [
      "Yes please", "Can I come on Thursday?", "Who is this?", "Thanks!", "How much is it?",
    ]
    for (index, text) in texts.enumerated() { try await reply(people[index * 9], text) }
    try await reply(people[2], "STOP")
    try await reply(people[14], "Please stop texting me")
    try await text(people[0], "Of course, we have 3pm or 4pm. Which suits you?")
  }

  private func texts(to people: ArraySlice<Person>) async throws {
    for person in people {
      try await text(person, "Your appointment is confirmed. See you soon!")
    }
    try await settle()
  }

  private func text(_ person: Person, _ body: String) async throws {
    do {
      try await api.post(
        "/api/messages",
        [
          "contact": .string(person.id), "channel": "sms", "purpose": "transactional",
          "body": .string(body),
        ], key: "demo-text-\(seed)-\(person.id)")
    } catch DemoError.refused(_, let status, _) where status == 422 {
      // The gate said no, and that is on record: part of the story.
    }
  }

  /// The person texts us, and we have it.
  private func reply(_ person: Person, _ body: String) async throws {
    _ = try await sandbox.post(
      "/sandbox/inbound",
      [
        "from": .string(person.phone), "to": .string(account.number), "body": .string(body),
      ])
    _ = try await api.wait(
      for: "a reply", "/api/messages?contact=\(person.id)&direction=inbound&limit=200"
    ) { answer in
      answer["data"]?.array?.contains { $0["body"]?.string == body } == true
    }
  }

  private func tag(_ people: ArraySlice<Person>, _ tag: String) async throws {
    for person in people {
      try await api.post(
        "/api/contacts/\(person.id)/tags", ["tags": [.string(tag)]],
        key: "demo-tag-\(tag)-\(person.id)")
    }
    try await settle()
  }

  /// Until nothing that was sent is without an answer.
  private func settle() async throws {
    for status in ["queued", "dispatched", "accepted"] {
      _ = try await api.wait(for: "messages", "/api/messages?status=\(status)&limit=1") {
        $0["data"]?.array?.isEmpty == true
      }
    }
  }

  private func advance(hours: Int64) async throws {
    try await api.post("/api/test-clock/advance", ["seconds": .int(hours * 3_600)])
    try await settle()
  }

  /// Until the account's clock shows the real time.
  private func advanceToNow() async throws {
    try await settle()
    let shown = try await api.get("/api/accounts/\(account.id)")["now"]?.string
    let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    guard let shown, let now = try? format.parse(shown) else {
      throw DemoError.unexpected("the account shows no time")
    }
    let seconds = Int64(Date().timeIntervalSince(now))
    guard seconds > 0 else { return }
    try await api.post("/api/test-clock/advance", ["seconds": .int(seconds)])
    try await settle()
  }
}

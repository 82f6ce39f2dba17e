import Application
import Domain
import EventCodec
import EventLog
import JSON
import Sandbox
import Testing

/// An org of a house, and what tests do in it. Survives a crash of the house: only ids are kept.
struct TestOrg: Sendable {
  let house: House
  let id: Identifier
  let number: String

  static let call = Call(actor: "user:test", origin: "api", correlation: "test")

  var executor: OrgExecutor { get throws { try house.engine.executor(for: id) } }

  @discardableResult
  func perform<Output: Sendable>(
    key: String? = nil, fingerprint: UInt128 = 0, expecting expected: ExpectedObject? = nil,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws -> Done<Output> {
    var call = Self.call
    call.expected = expected
    call.idempotencyKey = key.map { IdempotencyName($0, fingerprint: fingerprint) }
    return try await executor.perform(call, body)
  }

  func output<Output: Sendable>(
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws -> Output {
    try #require(try await perform(body).output)
  }
}

extension House {
  /// An org that can text, with money in its wallet.
  func org(fundsMicros: Int64 = 100_000_000, number: String = "+12125550100") async throws
    -> TestOrg
  {
    let executor = try await engine.createOrg(
      NewOrg(
        name: "Bright Dental", kind: .direct, agency: nil,
        timeZone: "America/New_York", isTest: true, clockOffsetMicros: 0), TestOrg.call)
    let org = TestOrg(house: self, id: executor.org, number: number)
    let digits = executor.org.text.dropFirst(4).utf8.map { String($0 % 10) }.joined()
    let account = "AC" + String(repeating: "0", count: 32 - digits.count) + digits
    _ = try await control(
      "POST", "/sandbox/accounts",
      [
        "account_sid": .string(account), "auth_token": "token",
        "numbers": [
          [
            "phone": .string(number),
            "inbound_url": .string("\(callbackURL)/webhooks/twilio/\(executor.org)/messages"),
          ]
        ],
      ])
    let settings = SMSSettings(
      from: number, accountSID: account, baseURL: sandbox.url, authToken: .known("token"))
    try await org.perform { workspace throws(CommandError) in
      try workspace.configureSMS(settings)
      guard fundsMicros > 0 else { return }
      try workspace.addFunds(amountMicros: fundsMicros, paymentID: "p1", method: "card")
    }
    return org
  }
}

extension TestOrg {
  /// Consent to marketing by a form.
  static let consent = ConsentRequest(
    channel: .sms, purpose: .marketing, method: .webForm, source: "form", wording: "I agree")

  func contact(
    _ phone: String?, name: String? = "Ann", tags: [String] = [],
    consents: [ConsentRequest] = [consent]
  ) async throws -> Identifier {
    try await output { workspace throws(CommandError) in
      try workspace.createContact(
        ContactRequest(
          details: ContactDetails(firstName: name, phone: phone), source: "test", tags: tags,
          consents: phone == nil ? [] : consents))
    }
  }

  @discardableResult
  func send(
    _ body: String, to contact: Identifier, _ purpose: Purpose = .transactional
  ) async throws -> PlannedMessage {
    try await output { workspace throws(CommandError) in
      try workspace.planMessage(MessageRequest(contact: contact, body: body, purpose: purpose))
    }
  }

  /// A text from a person, without the way through the sandbox.
  func receive(_ body: String, from phone: String, id: String? = nil) async throws {
    let head = try house.log.head()
    let providerID = id ?? "SM-\(body)-\(phone)-\(head)"
    try await perform(key: "twilio-inbound:\(providerID)") { workspace throws(CommandError) in
      try workspace.receive(
        InboundText(
          from: phone, to: number, body: body, providerID: providerID, segmentCount: 1))
    }
  }

  /// A person texts our number by the sandbox: a signed webhook.
  func text(_ body: String, from phone: String) async throws {
    _ = try await house.control(
      "POST", "/sandbox/inbound",
      ["from": .string(phone), "to": .string(number), "body": .string(body)])
  }

  func news(
    _ kind: ProviderStatus.Kind, of message: Identifier, id: String, code: String? = nil
  ) async throws {
    try await perform { workspace throws(CommandError) in
      try workspace.record(
        ProviderStatus(
          kind: kind, providerID: id, errorCode: code, atMicros: workspace.nowMicros),
        for: message)
    }
  }

  func segment(tagged tag: String) async throws -> Identifier {
    try await output { workspace throws(CommandError) in
      try workspace.createSegment(
        name: tag,
        filter: .condition(
          Filter.Condition(field: "tags", comparison: .contains, value: .text(tag))))
    }
  }

  func publish(_ yaml: String) async throws -> Identifier {
    let definition = try WorkflowDocument.definition(of: yaml)
    return try await output { workspace throws(CommandError) in
      try workspace.publishWorkflow(definition, source: yaml)
    }
  }

  func tag(_ contact: Identifier, _ tag: String) async throws {
    try await perform { workspace throws(CommandError) in
      try workspace.addTags([tag], to: contact)
    }
  }

  func untag(_ contact: Identifier, _ tag: String) async throws {
    try await perform { workspace throws(CommandError) in
      try workspace.removeTags([tag], from: contact)
    }
  }
}

// MARK: - What happened

extension TestOrg {
  /// The org's book.
  var events: [RecordedDomainEvent] {
    get throws {
      var events: [RecordedDomainEvent] = []
      while true {
        let page = try house.log.readOrg(
          OrgID(id.value), from: UInt64(events.count), limit: 1_000)
        guard !page.isEmpty else { return events }
        for recorded in page { events.append(try EventCodec.decode(recorded)) }
      }
    }
  }

  /// The types of a stream's events, without the aggregate's name.
  func story(of stream: Identifier) throws -> [String] {
    try events.filter { $0.stream == stream }
      .map { String($0.type.drop { $0 != "." }.dropFirst()) }
  }

  func message(_ id: Identifier) throws -> Message.State {
    try house.engine.message(id, of: self.id).state
  }

  func waitFor(
    _ message: Identifier, _ status: Message.Status,
    at location: SourceLocation = #_sourceLocation
  ) async throws {
    try await wait("\(message) is \(status.rawValue)", at: location) {
      try self.message(message).status == status
    }
  }

  /// The wallet as its events make it.
  var wallet: Wallet.State {
    get throws {
      var wallet = Wallet.State()
      for event in try events {
        if case .wallet(let event) = event.event { wallet.apply(event) }
      }
      return wallet
    }
  }

  /// Every message that we planned, by id.
  var messages: [Identifier: Message.State] {
    get throws {
      var messages: [Identifier: Message.State] = [:]
      for recorded in try events {
        guard case .message(let event) = recorded.event else { continue }
        messages[recorded.stream] = Message.evolve(
          messages[recorded.stream] ?? Message.initialState, with: event)
      }
      return messages.filter { $0.value.plan != nil }
    }
  }

  /// Nothing is under way: every message has ended, or waits for its hour.
  func waitUntilQuiet(at location: SourceLocation = #_sourceLocation) async throws {
    try await wait("nothing under way", at: location) {
      try self.messages.values.allSatisfy {
        switch $0.status {
        case .planned, .queued, .dispatched, .accepted, .unknown, .sent: false
        case .held, .delivered, .failed, .skipped, .cancelled, .received, nil: true
        }
      }
    }
  }
}

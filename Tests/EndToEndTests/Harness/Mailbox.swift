import Foundation
import HTTP
import JSON

/// Email for an account of the running system: a provider account at the sandbox, and people with
/// mailboxes there.
struct MailSetup: Sendable {
  let account: Account
  let system: RunningSystem
  let apiKey: String

  struct Person: Sendable {
    let id: String
    let address: String
  }

  static let postalAddress = "1 Harbor Road, Duluth, MN 55802"

  init(_ account: Account, _ system: RunningSystem, postalAddress: String? = Self.postalAddress)
    async throws
  {
    self.account = account
    self.system = system
    apiKey = "SG.\(account.id)"
    let hooks = "\(account.api.baseURL)/webhooks/sendgrid/\(account.id)"
    let created = try await system.sandbox.post(
      "/sandbox/mail-accounts",
      [
        "api_key": .string(apiKey), "event_url": .string("\(hooks)/events"),
        "inbound_url": .string("\(hooks)/inbound?token=letter-box"),
      ], expecting: 200)
    let configured = try await account.api.send(
      "PUT", "/api/providers/email",
      [
        "provider": "sendgrid", "base_url": .string(system.sandbox.baseURL),
        "options": [
          "from": "hello@lakeside.example", "from_name": "Lakeside",
          "webhook_public_key": created["public_key"] ?? .null,
          // The sandbox lists what it took at once.
          "activity_delay_seconds": "0",
        ], "secrets": ["api_key": .string(apiKey), "inbound_token": "letter-box"],
      ])
    try configured.json(200)
    guard let postalAddress else { return }
    try await account.api.send(
      "PUT", "/api/account/postal-address", ["postal_address": .string(postalAddress)]
    ).json(200)
  }

  func newPerson(_ address: String, consents: Bool = true) async throws -> Person {
    let consent: JSON = [
      "channel": "email", "purpose": "marketing", "method": "web_form", "source": "form",
      "wording": "Yes, mail me.",
    ]
    let created = try await account.api.post(
      "/api/contacts",
      [
        "first_name": "Zoë & Co", "email": .string(address),
        "consents": .array(consents ? [consent] : []),
      ])
    guard let id = created["id"]?.string else { throw HarnessError("a contact has no id") }
    return Person(id: id, address: address)
  }

  func mail(
    _ person: Person, purpose: String = "marketing", text: String = "Hi {{first_name}}",
    html: String? = nil
  ) async throws -> Answer {
    var body = JSONObject([
      ("contact", .string(person.id)), ("channel", "email"), ("purpose", .string(purpose)),
      ("subject", "News for {{first_name|you}}"), ("body", .string(text)),
    ])
    if let html { body["html"] = .string(html) }
    return try await account.api.send(
      "POST", "/api/messages", .object(body), headers: ["idempotency-key": UUID().uuidString])
  }

  /// What the mailbox holds, newest first.
  func mailbox(_ address: String) async throws -> [JSON] {
    try await system.sandbox.get("/sandbox/mail?to=\(percentEncoded(address))")["data"]?.array ?? []
  }

  /// What a person does with a mail; the status of the page behind a link.
  @discardableResult
  func act(_ act: String, on mail: JSON, _ body: JSON = [:]) async throws -> JSON {
    guard let id = mail["id"]?.string else { throw HarnessError("a mail has no id") }
    let done = try await system.sandbox.post("/sandbox/mail/\(id)/\(act)", body, expecting: 200)
    try await catchUp()
    return done
  }

  /// Waits until the read models show what others than this client have written.
  func catchUp() async throws {
    _ = try await eventually("the read models") {
      try await account.api.get("/readyz")["checks"]
    } until: { checks in
      (checks?["read_models"]?.int ?? 0) >= (checks?["head"]?.int ?? .max)
    }
  }

  func consent(of person: Person) async throws -> String? {
    try await catchUp()
    return try await account.api.get("/api/contacts/\(person.id)")["consent"]?["email"]?["status"]?
      .string
  }

  func types(of message: String) async throws -> [String] {
    try await account.events(types: "message.*").filter {
      $0["subject"]?["id"]?.string == message
    }.compactMap { $0["type"]?.string }
  }
}

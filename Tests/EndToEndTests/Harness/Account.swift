import Foundation
import HTTP
import JSON

/// An account of the running system, with a number to text from, and a key.
struct Account: Sendable {
  let id: String
  let name: String
  /// The account's own number.
  let number: String
  let api: API
  /// The API key.
  let key: String
  private let system: RunningSystem
  let providerAccount: String
  let providerToken: String

  private static let consent: JSON = [
    "channel": "sms", "purpose": "marketing", "method": "web_form",
    "source": "https://lakeside.example/join", "wording": "Yes, text me offers. Reply STOP to end.",
  ]

  fileprivate init(
    id: String, name: String, number: String, api: API, key: String,
    system: RunningSystem, providerAccount: String, providerToken: String
  ) {
    self.id = id
    self.name = name
    self.number = number
    self.api = api
    self.key = key
    self.system = system
    self.providerAccount = providerAccount
    self.providerToken = providerToken
  }

  static var consentText: String { consent.text }
}

extension RunningSystem {
  /// A new test account whose clock shows this hour in Chicago, with a funded wallet and a number that
  /// the sandbox knows.
  nonisolated func newAccount(
    _ name: String, atHour hour: Int = 12, dollars: Int64 = 20
  ) async throws -> Account {
    let index = await nextAccountNumber()
    let number = "+1312555\(String(8_000 + index))"
    let providerAccount = "AC" + padded(index, to: 32)
    let providerToken = "token-of-account-\(index)"
    let created = try await operatorAPI().post(
      "/api/operator/accounts",
      [
        "name": .string(name), "time_zone": "America/Chicago", "test": true,
        "rate_limit": ["per_minute": 1_000_000, "burst": 2_000_000],
        "clock_offset_seconds": .int(Chicago.secondsBack(toHour: hour)),
        "owner": [
          "email": .string("owner\(index)@example.com"), "name": "Olive Owner",
          "password": "correct horse battery",
        ],
        "sms": [
          "from": .string(number), "account_sid": .string(providerAccount),
          "auth_token": .string(providerToken), "base_url": .string(sandbox.baseURL),
        ],
      ])
    guard let id = created["id"]?.string, let key = created["api_key"]?.string else {
      throw HarnessError("a new account has no id or no key")
    }
    try await sandbox.post(
      "/sandbox/accounts",
      [
        "account_sid": .string(providerAccount), "auth_token": .string(providerToken),
        "numbers": [
          [
            "phone": .string(number),
            "inbound_url": .string("\(baseURL)/webhooks/twilio/\(id)/messages"),
          ]
        ],
      ], expecting: 200)
    let account = Account(
      id: id, name: name, number: number, api: API(baseURL: baseURL, token: key), key: key,
      system: self, providerAccount: providerAccount, providerToken: providerToken)
    if dollars > 0 { try await account.fund(micros: dollars * 1_000_000) }
    return account
  }

  nonisolated func operatorAPI() async throws -> API {
    let token = try String(contentsOfFile: "\(home)/operator.token", encoding: .utf8)
    return API(baseURL: baseURL, token: token.trimmingCharacters(in: .whitespacesAndNewlines))
  }
}

/// The clock by which the tests' people live.
enum Chicago {
  /// From now back to the last time that the clock there showed this hour: a negative number.
  static func secondsBack(toHour hour: Int, from now: Date = Date()) -> Int64 {
    guard let zone = TimeZone(identifier: "America/Chicago") else {
      preconditionFailure("the system has no time zones: install tzdata")
    }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    let wanted = DateComponents(hour: hour, minute: 0, second: 0)
    let found = calendar.nextDate(
      after: now, matching: wanted, matchingPolicy: .nextTime, direction: .backward)
    guard let found else { preconditionFailure("every day has its hours") }
    return Int64(found.timeIntervalSince(now).rounded(.down))
  }
}

// MARK: - What people do

extension Account {
  struct Person: Sendable {
    let id: String
    let phone: String
  }

  /// Somebody new. Different indexes are different people; their numbers are in zones in which noon in
  /// Chicago is a decent hour.
  func newPerson(
    _ index: Int, consents: Bool = true, tags: [String] = [], named name: String? = nil
  ) async throws -> Person {
    let phone = People.phone(index)
    let created = try await api.post(
      "/api/contacts",
      [
        "first_name": .string(name ?? "Pat\(index)"), "last_name": "Person",
        "phone": .string(phone), "tags": .array(tags.map(JSON.string)),
        "consents": .array(consents ? [Self.consent] : []),
      ])
    guard let id = created["id"]?.string else { throw HarnessError("a contact has no id") }
    return Person(id: id, phone: phone)
  }

  func recordConsent(of person: Person) async throws {
    try await api.post("/api/contacts/\(person.id)/consents", Self.consent, expecting: 200)
  }

  func fund(micros: Int64) async throws {
    try await api.post("/api/wallet/add-funds", ["amount": .int(micros)])
  }

  /// Texts somebody; whatever the answer is.
  func text(
    _ person: Person, _ body: String, purpose: String = "marketing",
    key: String = UUID().uuidString, isDryRun: Bool = false
  ) async throws -> Answer {
    try await api.send(
      "POST", "/api/messages" + (isDryRun ? "?dry_run=true" : ""),
      [
        "contact": .string(person.id), "channel": "sms", "body": .string(body),
        "purpose": .string(purpose),
      ], headers: ["idempotency-key": key])
  }

  /// Texts somebody who may be texted, and returns the message's id.
  func send(_ body: String, to person: Person) async throws -> String {
    guard let id = try await text(person, body).json(201)["id"]?.string else {
      throw HarnessError("a message has no id")
    }
    return id
  }

  /// The person's phone texts the account's number.
  func receive(_ body: String, from person: Person) async throws {
    try await system.sandbox.post(
      "/sandbox/inbound",
      ["from": .string(person.phone), "to": .string(number), "body": .string(body)])
  }

  /// What every marketing text ends with (requirements CNS-07).
  static let optOutNotice = " Reply STOP to opt out."

  /// What the person's phone got from this account, newest first.
  func received(by person: Person) async throws -> [String] {
    let path = "/sandbox/messages?to=\(percentEncoded(person.phone))&limit=1000"
    let list = try await system.sandbox.get(path)
    return (list["data"]?.array ?? []).filter { $0["direction"]?.string == "outbound-api" }
      .compactMap { $0["body"]?.string }
  }

  func advance(hours: Int64) async throws {
    try await api.post(
      "/api/test-clock/advance", ["seconds": .int(hours * 3_600)], expecting: 200)
  }
}

// MARK: - What there is to see

extension Account {
  func message(_ id: String) async throws -> JSON { try await api.get("/api/messages/\(id)") }

  @discardableResult
  func wait(forMessage id: String, toBe status: String) async throws -> JSON {
    try await eventually("message \(id) to be \(status)") {
      try await message(id)
    } until: { message in
      message["status"]?.string == status
    }
  }

  func consentStatus(of person: Person) async throws -> String? {
    try await api.get("/api/contacts/\(person.id)")["consent"]?["sms"]?["status"]?.string
  }

  func wait(forConsentOf person: Person, toBe status: String) async throws {
    try await eventually("consent to be \(status)") {
      try await consentStatus(of: person) == status
    }
  }

  func wallet() async throws -> WalletFigures {
    let balance = try await api.get("/api/wallet/balance")
    return try WalletFigures(balance)
  }

  /// Every movement, as the API tells them.
  func transactions() async throws -> [Movement] {
    try await api.all("/api/wallet/transactions").map(Movement.init)
  }

  /// Every event of the account, oldest first.
  func events(types: String? = nil) async throws -> [JSON] {
    try await api.all("/api/events" + (types.map { "?types=\($0)" } ?? ""))
  }
}

struct WalletFigures: Equatable {
  let balanceMicros: Int64
  let heldMicros: Int64
  let availableMicros: Int64

  init(_ json: JSON) throws {
    guard let balance = json["balance"]?["amount"]?.int, let held = json["held"]?["amount"]?.int,
      let available = json["available"]?["amount"]?.int
    else { throw HarnessError("a wallet without figures: \(json.text)") }
    balanceMicros = balance
    heldMicros = held
    availableMicros = available
  }
}

struct Movement {
  let type: String
  let amountMicros: Int64
  let resourceType: String?

  init(_ json: JSON) throws {
    guard let type = json["type"]?.string, let amount = json["amount"]?["amount"]?.int else {
      throw HarnessError("a movement without type or amount: \(json.text)")
    }
    self.type = type
    amountMicros = amount
    resourceType = json["resource_type"]?.string
  }
}

extension [Movement] {
  func sum(_ types: String...) -> Int64 {
    filter { types.contains($0.type) }.reduce(0) { $0 + $1.amountMicros }
  }

  /// credits + refunds - debits.
  var balanceMicros: Int64 { sum("credit", "refund") - sum("debit") }
}

/// Invented people's numbers.
enum People {
  /// All of them in zones in which it is between 10 and 13 o'clock at noon in Chicago.
  private static let areaCodes = ["312", "212", "617", "404", "512", "303", "206", "415", "614"]

  static func phone(_ index: Int) -> String {
    precondition((0..<90_000).contains(index), "a test has fewer people")
    let area = areaCodes[index % areaCodes.count]
    let rest = index / areaCodes.count
    return "+1\(area)2\(20 + rest / 10_000)\(padded(rest % 10_000, to: 4))"
  }
}

/// `number` with zeros in front.
func padded(_ number: Int, to width: Int) -> String {
  let text = String(number)
  return String(repeating: "0", count: Swift.max(0, width - text.count)) + text
}

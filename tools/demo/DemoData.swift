import Crypto
import Foundation
import HTTP
import JSON

/// What a person or script needs to try the demo.
package struct DemoAccess: Sendable {
  package let org: String
  package let apiKey: String
  package let login: String
  package let password: String
}

/// Fills an empty system with an agency and two clients, by the same API that everybody uses. The
/// story is always the same; its dates are relative to today: each client's clock starts two weeks
/// ago and is advanced as the story goes, until it shows the real time.
package struct DemoData: Sendable {
  private let api: DemoAPI
  private let sandboxURL: String
  private let report: @Sendable (String) -> Void

  package init(
    baseURL: String, sandboxURL: String, operatorToken: String,
    report: @escaping @Sendable (String) -> Void
  ) {
    api = DemoAPI(baseURL: baseURL, operatorToken: operatorToken)
    self.sandboxURL = sandboxURL
    self.report = report
  }

  package func seed() async throws -> DemoAccess {
    let password = "demo-" + Hex.encode(Random.bytes(6))
    let login = "demo@northwind.example"
    let agency = try await api.operation([
      "name": "Northwind Agency", "kind": "agency", "time_zone": "America/Chicago", "test": true,
      "owner": [
        "email": .string(login), "name": "Dana Demo", "password": .string(password),
      ],
    ])
    guard let agencyID = agency["id"]?.string else { throw DemoError.unexpected("no agency id") }
    let dental = try await client(
      "Lakeside Dental", of: agencyID, number: "+13125550100", seed: 11)
    try await DemoStory(api: dental.api, sandbox: sandbox, account: dental.account, seed: 11)
      .lakeside(report)
    let roofing = try await client(
      "Summit Roofing", of: agencyID, number: "+13035550100", seed: 23)
    try await DemoStory(api: roofing.api, sandbox: sandbox, account: roofing.account, seed: 23)
      .summit(report)
    return DemoAccess(
      org: dental.account.id, apiKey: dental.account.apiKey, login: login, password: password)
  }

  private var sandbox: DemoAPI { DemoAPI(baseURL: sandboxURL, operatorToken: "") }

  struct Account: Sendable {
    let id: String
    let apiKey: String
    let number: String
  }

  private func client(
    _ name: String, of agency: String, number: String, seed: UInt64
  ) async throws -> (account: Account, api: DemoAPI) {
    report("Seeding \(name)")
    var random = DemoRandom(seed: seed)
    let sid = "AC" + random.hex(32)
    let token = Hex.encode(Random.bytes(16))
    let created = try await api.operation([
      "name": .string(name), "kind": "client", "agency": .string(agency),
      "time_zone": "America/Chicago", "test": true,
      "clock_offset_seconds": .int(DemoClock.startOffsetSeconds()),
      "sms": [
        "from": .string(number), "account_sid": .string(sid), "auth_token": .string(token),
        "base_url": .string(sandboxURL),
      ],
    ])
    guard let id = created["id"]?.string, let key = created["api_key"]?.string else {
      throw DemoError.unexpected("no account id or key")
    }
    _ = try await sandbox.post(
      "/sandbox/accounts",
      [
        "account_sid": .string(sid), "auth_token": .string(token),
        "numbers": [
          [
            "phone": .string(number),
            "inbound_url": .string("\(api.baseURL)/webhooks/twilio/\(id)/messages"),
          ]
        ],
      ])
    return (Account(id: id, apiKey: key, number: number), api.with(apiKey: key))
  }
}

package enum DemoError: Error, CustomStringConvertible {
  case unexpected(String)
  case refused(path: String, status: Int, body: String)
  case timedOut(String)

  package var description: String {
    switch self {
    case .unexpected(let what): "The demo data could not be written: \(what)."
    case .refused(let path, let status, let body): "\(path) answered \(status): \(body.prefix(400))"
    case .timedOut(let what): "Gave up waiting for \(what)."
    }
  }
}

/// Small, seeded and the same on every machine (SplitMix64).
struct DemoRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

  mutating func pick<Element>(_ items: [Element]) -> Element { items[below(items.count)] }

  mutating func hex(_ count: Int) -> String {
    String((0..<count).map { _ in "0123456789abcdef".randomElement(using: &self) ?? "0" })
  }
}

extension DemoRandom: RandomNumberGenerator {}

/// The story's clock.
enum DemoClock {
  static let days = 14

  /// From now back to noon in Chicago two weeks ago: when texts may go out in every US zone that
  /// the demo's people live in.
  static func startOffsetSeconds(now: Date = Date()) -> Int64 {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(identifier: "America/Chicago") ?? .gmt
    let day = calendar.date(byAdding: .day, value: -days, to: calendar.startOfDay(for: now)) ?? now
    let noon = calendar.date(byAdding: .hour, value: 12, to: day) ?? day
    return Int64(noon.timeIntervalSince(now))
  }
}

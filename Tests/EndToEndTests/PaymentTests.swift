import Crypto
import Foundation
import HTTP
import JSON
import Testing

/// An account that pays by card, at the sandbox's Stripe.
private struct Till: Sendable {
  let account: Account
  let system: RunningSystem
  private let secret: String

  init(_ account: Account, _ system: RunningSystem, method: String = "pm_card_visa") async throws {
    self.account = account
    self.system = system
    secret = "whsec_\(account.id)"
    // On by itself: a wallet without credit would be filled up as soon as there is a card.
    try await setRecharge(["enabled": false])
    try await system.sandbox.post(
      "/sandbox/payment-accounts",
      [
        "secret_key": .string("sk_\(account.id)"), "webhook_secret": .string(secret),
        "webhook_url": .string("\(account.api.baseURL)/webhooks/stripe/\(account.id)/events"),
      ], expecting: 200)
    try await account.api.send(
      "PUT", "/api/providers/payment",
      [
        "provider": "stripe", "base_url": .string(system.sandbox.baseURL),
        "options": ["payment_method": .string(method)],
        "secrets": [
          "secret_key": .string("sk_\(account.id)"), "webhook_secret": .string(secret),
        ],
      ]
    ).json(200)
  }

  func setRecharge(_ rule: JSON) async throws {
    try await account.api.post("/api/wallet/auto-recharge/configure", rule, expecting: 200)
  }

  func add(dollars: Int64) async throws -> String {
    let payment = try await account.api.post(
      "/api/wallet/add-funds", ["amount": .int(dollars * 1_000_000)])
    return try #require(payment["id"]?.string)
  }

  func wait(for payment: String, toBe status: String) async throws {
    try await eventually("\(payment) to be \(status)") {
      try await account.api.get("/api/payments/\(payment)")["status"]?.string == status
    }
  }

  /// What was charged at the provider.
  func charges() async throws -> [JSON] {
    try await system.sandbox.get("/sandbox/payments")["data"]?.array ?? []
  }

  func balance(reaches dollars: Int64) async throws {
    try await eventually("a balance of \(dollars) dollars") {
      try await account.wallet().balanceMicros == dollars * 1_000_000
    }
  }

  func post(_ event: JSON, at seconds: Int64, secret other: String? = nil) async throws -> Int {
    let body = event.bytes()
    let code = HMACSHA256.authenticate(
      Array("\(seconds).".utf8) + body, key: Array((other ?? secret).utf8))
    return try await API(baseURL: account.api.baseURL, token: nil).send(
      "POST", "/webhooks/stripe/\(account.id)/events", bytes: body,
      headers: [
        "content-type": "application/json",
        "stripe-signature": "t=\(seconds),v1=\(Hex.encode(code))",
      ]
    ).status
  }
}

extension EndToEnd {
  @Suite struct Payments {
    @Test func `money is charged once and credited once, whatever is lost or repeated`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside", dollars: 0)
        let till = try await Till(account, system)
        try await system.setFaults([
          "lost_answer_rate": 0.5, "error_rate": 0.3, "duplicate_callbacks": 1,
        ])
        for _ in 0..<3 {
          try await till.wait(for: try await till.add(dollars: 5), toBe: "succeeded")
        }
        try await system.crash("serve")
        try await system.waitUntilCallbacksAreDone()
        try await till.balance(reaches: 15)
        #expect(try await till.charges().count == 3)
        #expect(try await account.transactions().map(\.type) == ["credit", "credit", "credit"])
      }
    }

    @Test func `a declined card credits nothing, a slow one when the money comes`() async throws {
      try await withSystem { system in
        for (method, status, dollars) in [
          ("pm_card_chargeDeclined", "failed", 0), ("pm_card_processing", "succeeded", 5),
          ("pm_card_failing", "failed", 0), ("pm_card_authenticationRequired", "failed", 0),
        ] as [(String, String, Int64)] {
          let account = try await system.newAccount(method, dollars: 0)
          let till = try await Till(account, system, method: method)
          try await till.wait(for: try await till.add(dollars: 5), toBe: status)
          try await till.balance(reaches: dollars)
        }
      }
    }

    @Test func `a refund takes the credit first, and never more than was paid`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside", dollars: 0)
        let till = try await Till(account, system)
        let payment = try await till.add(dollars: 10)
        try await till.wait(for: payment, toBe: "succeeded")
        let path = "/api/payments/\(payment)/refund"
        try await account.api.post(path, ["amount": 4_000_000], expecting: 200)
        try await eventually("the refund") {
          try await account.api.get("/api/payments/\(payment)")["refunded"]?["amount"]?.int
            == 4_000_000
        }
        try await till.balance(reaches: 6)
        try await account.api.post(path, ["amount": 7_000_000], expecting: 400)
        #expect(try await account.transactions().balanceMicros == 6_000_000)
      }
    }

    @Test func `a wallet that runs low fills itself up, to its cap and no further`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside", dollars: 0)
        let till = try await Till(account, system)
        try await till.setRecharge([
          "enabled": true, "threshold": 3_000_000, "amount": 2_000_000, "monthly_cap": 4_000_000,
        ])
        // Two payments of two dollars reach the threshold; a third is not needed.
        try await till.balance(reaches: 4)
        try await till.setRecharge(["threshold": 50_000_000])
        try await account.advance(hours: 1)
        #expect(try await till.charges().count == 2)
        try await till.setRecharge(["monthly_cap": 6_000_000])
        try await till.balance(reaches: 6)
        #expect(try await till.charges().count == 3)
      }
    }

    @Test func `wrong, replayed and late events change nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside", dollars: 0)
        let till = try await Till(account, system, method: "pm_card_processing")
        try await system.sandbox.post("/sandbox/pause-callbacks", ["paused": true], expecting: 200)
        let payment = try await till.add(dollars: 5)
        try await till.wait(for: payment, toBe: "pending")
        let event: JSON = [
          "id": "evt_1", "object": "event", "type": "payment_intent.succeeded",
          "data": [
            "object": [
              "id": "pi_9", "object": "payment_intent", "status": "succeeded",
              "metadata": ["payment": .string(payment)],
            ]
          ],
        ]
        let now = Int64(Date().timeIntervalSince1970)
        #expect(try await till.post(event, at: now, secret: "whsec_other") == 403)
        #expect(try await till.post(event, at: now - 400) == 403)
        #expect(try await till.post(event, at: now + 400) == 403)
        #expect(
          try await account.api.get("/api/payments/\(payment)")["status"]?.string == "pending")
        for _ in 0..<3 { #expect(try await till.post(event, at: now) == 204) }
        try await till.balance(reaches: 5)
        #expect(try await account.transactions().map(\.type) == ["credit"])
      }
    }

    @Test func `templates have versions, name what is missing, and make messages`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(1, named: "Zoë")
        let made = try await account.api.post(
          "/api/templates",
          ["name": "Hello", "channel": "sms", "body": "Hi {{first_name}}, {{company}}!"])
        let id = try #require(made["id"]?.string)
        #expect(made["fields"]?.array?.compactMap(\.string) == ["first_name", "company"])
        let preview: JSON = ["contact": .string(person.id)]
        let path = "/api/templates/\(id)"
        let missing = try await account.api.post("\(path)/preview", preview, expecting: 200)
        #expect(missing["missing"]?.array?.compactMap(\.string) == ["company"])
        let use: JSON = ["contact": .string(person.id), "template": .string(id)]
        let refused = try await account.api.send(
          "POST", "/api/messages", use, headers: ["idempotency-key": "t1"])
        #expect(refused.errorCode == "missing_field")

        try await account.api.send(
          "PUT", path, ["name": "Hello", "body": "Hi {{first_name}}, {{company|friend}}!"]
        ).json(200)
        let shown = try await account.api.get(path)
        #expect(shown["latest_version"]?.int == 2)
        #expect(shown["versions"]?.array?.count == 2)
        let good = try await account.api.post("\(path)/preview", preview, expecting: 200)
        let text = "Hi Zoë, friend!" + Account.optOutNotice
        #expect(good["body"]?.string == text)
        let sent = try await account.api.post("/api/messages", use)
        try await account.wait(forMessage: #require(sent["id"]?.string), toBe: "delivered")
        #expect(try await account.received(by: person) == [text])
        try await account.api.post(
          "/api/templates", ["name": "X", "channel": "email", "body": "B"], expecting: 400)
      }
    }
  }
}

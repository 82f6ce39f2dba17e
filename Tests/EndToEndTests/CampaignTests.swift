import Foundation
import HTTP
import JSON
import Testing

extension EndToEnd {
  /// The whole line: a CSV of people, a campaign to their tag, and processes that are killed all the
  /// time while it runs.
  @Suite struct Campaigns {
    /// 10,000 by hand: `DAYBOOK_CAMPAIGN_SIZE=10000`.
    private static let recipientCount =
      ProcessInfo.processInfo.environment["DAYBOOK_CAMPAIGN_SIZE"].flatMap { Int($0) } ?? 500
    /// Every 25th person opts out before the start.
    private static let optOutStride = 25

    @Test func `a campaign whose processes are killed all the time reaches everybody exactly once`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount(
          "Lakeside", dollars: Int64(Self.recipientCount / 25))
        try await account.importPeople(Self.recipientCount, tag: "blast")
        let refusedCount = try await account.optOutEvery(Self.optOutStride, tag: "blast")
        try await system.setFaults([
          "latency_ms": 250, "error_rate": 0.02, "status": 429, "lost_answer_rate": 0.05,
          "duplicate_callbacks": 0.3, "reorder": 0.3, "callback_delay_ms": 10, "seed": 7,
        ])
        let campaign = try await account.newCampaign(tag: "blast")
        try await account.launch(campaign)
        try await system.killAsItRuns(recipientCount: Int64(Self.recipientCount - refusedCount))

        let done = try await account.waitForEnd(of: campaign)
        try await system.waitUntilCallbacksAreDone()
        try await account.expectConservation(
          of: campaign, done, planned: Self.recipientCount, skipped: refusedCount)
        try await system.expectEachOnce(from: account, count: Self.recipientCount - refusedCount)
        try await account.expectWalletAddsUp()
        try await system.expectVerified()
        try await system.expectReadModelsEqualTheLog()
      }
    }

    @Test func `a campaign that is cancelled sends nothing more and gives its holds back`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside", dollars: 20)
        try await account.importPeople(60, tag: "blast")
        // Nothing gets through: all of it waits.
        try await system.setFaults(["error_rate": 1, "status": 429])
        let campaign = try await account.newCampaign(tag: "blast")
        try await account.launch(campaign)
        try await eventually("the campaign's messages") {
          try await account.api.all("/api/messages?campaign=\(campaign)").count == 60
        }
        try await account.api.post("/api/campaigns/\(campaign)/cancel", expecting: 200)
        try await system.setFaults(["error_rate": 0])
        let messages = try await account.waitUntilFinal(campaign: campaign)
        let sent = messages.count(where: { $0["status"]?.string == "delivered" })
        let cancelled = messages.count(where: { $0["status"]?.string == "cancelled" })
        #expect(sent + cancelled == 60)
        #expect(cancelled > 0)
        let shown = try await account.api.get("/api/campaigns/\(campaign)")
        #expect(shown["status"]?.string == "cancelled")
        #expect(shown["pending"]?.int == 0)
        #expect(try await account.wallet().heldMicros == 0)
        try await account.expectWalletAddsUp()
      }
    }
  }
}

// MARK: - Doing

extension Account {
  /// A CSV with this many consenting people, as one import.
  fileprivate func importPeople(_ count: Int, tag: String) async throws {
    let rows = (0..<count).map { "Pat\($0),Person,\(People.phone($0))" }
    let csv = (["first name,last name,mobile"] + rows).joined(separator: "\r\n")
    let query = "tags=\(tag)&source=e2e&consent=\(percentEncoded(Account.consentText))"
    let answer = try await api.send(
      "POST", "/api/contacts/import?\(query)", bytes: Array(csv.utf8),
      headers: ["content-type": "text/csv", "idempotency-key": "import-\(tag)"])
    let imported = try answer.json(200)
    guard imported["created"]?.int == Int64(count) else {
      throw HarnessError("the import did not create \(count): \(imported.text)")
    }
  }

  /// Returns how many opted out.
  fileprivate func optOutEvery(_ stride: Int, tag: String) async throws -> Int {
    let contacts = try await api.all("/api/contacts?tag=\(tag)").compactMap { $0["id"]?.string }
    let leaving = contacts.enumerated().filter { $0.offset % stride == 0 }
    for (_, id) in leaving {
      try await api.post(
        "/api/contacts/\(id)/opt-outs", ["channel": "sms", "method": "staff"], expecting: 200)
    }
    return leaving.count
  }

  func newCampaign(tag: String) async throws -> String {
    let segment = try await api.post(
      "/api/segments",
      [
        "name": .string("Tagged \(tag)"),
        "filter": ["field": "tags", "op": "contains", "value": .string(tag)],
      ])
    let campaign = try await api.post(
      "/api/campaigns",
      [
        "name": "Spring", "segment": segment["id"] ?? .null, "channel": "sms",
        "purpose": "marketing", "body": "Hi {{first_name|there}}, spring is here.",
      ])
    guard let id = campaign["id"]?.string else { throw HarnessError("a campaign has no id") }
    return id
  }

  func launch(_ campaign: String) async throws {
    try await api.post("/api/campaigns/\(campaign)/launch", key: "launch", expecting: 200)
    // Impatient people press twice.
    try await api.post("/api/campaigns/\(campaign)/launch", key: "launch", expecting: 200)
  }
}

extension RunningSystem {
  /// `kill -9` of `serve` and `project`, again and again at different moments, until all but the last
  /// few messages have reached the provider.
  fileprivate nonisolated func killAsItRuns(recipientCount: Int64) async throws {
    try await crash("serve")
    var killedAt: [Int64] = []
    for (round, percent) in [5, 20, 35, 50, 65, 80, 90].enumerated() {
      let threshold = recipientCount * Int64(percent) / 100
      try await eventually("\(threshold) messages at the provider") {
        try await sandboxCount("received") >= threshold
      }
      try await kill("serve")
      killedAt.append(try await sandboxCount("received"))
      if round % 2 == 1 { try await crash("project") }
      try await start("serve")
    }
    try await crash("project")
    // Killing what is over already would prove nothing.
    #expect(killedAt.count(where: { $0 < recipientCount }) >= 4, "killed at \(killedAt)")
  }
}

// MARK: - Checking

extension Account {
  func waitForEnd(of campaign: String) async throws -> JSON {
    try await eventually("the campaign's end", within: .seconds(240)) {
      try await api.get("/api/campaigns/\(campaign)")
    } until: { shown in
      shown["status"]?.string == "completed" && shown["pending"]?.int == 0
    }
  }

  func waitUntilFinal(campaign: String) async throws -> [JSON] {
    let final: Set<String> = ["delivered", "failed", "skipped", "cancelled"]
    return try await eventually("final states") {
      try await api.all("/api/messages?campaign=\(campaign)")
    } until: { messages in
      messages.allSatisfy { final.contains($0["status"]?.string ?? "") }
    }
  }

  /// planned = sent + failed + skipped + cancelled, by the campaign's own figures, by its messages and
  /// by the analytics.
  func expectConservation(
    of campaign: String, _ shown: JSON, planned: Int, skipped: Int
  ) async throws {
    let figures = ["sent", "failed", "skipped", "cancelled"].compactMap { shown[$0]?.int }
    #expect(shown["planned"]?.int == Int64(planned))
    #expect(figures.count == 4)
    #expect(figures.reduce(0, +) == Int64(planned))
    #expect(shown["skipped"]?.int == Int64(skipped))
    #expect(shown["failed"]?.int == 0)

    let messages = try await waitUntilFinal(campaign: campaign)
    #expect(messages.count == planned)
    #expect(Set(messages.compactMap { $0["contact"]?.string }).count == planned)
    #expect(messages.count(where: { $0["status"]?.string == "delivered" }) == planned - skipped)
    #expect(messages.count(where: { $0["reason"]?.string == "revoked" }) == skipped)

    let totals = try await api.get("/api/analytics/messages?campaign=\(campaign)")["totals"]
    #expect(totals?["planned"]?.int == Int64(planned))
    #expect(totals?["skipped"]?.int == Int64(skipped))
    #expect(totals?["pending"]?.int == 0)
  }

  /// credits + refunds - debits = balance, nothing is held, and every delivered text was paid once.
  func expectWalletAddsUp() async throws {
    let wallet = try await wallet()
    let movements = try await transactions()
    #expect(movements.balanceMicros == wallet.balanceMicros)
    #expect(wallet.heldMicros == 0)
    #expect(wallet.availableMicros == wallet.balanceMicros)
    let delivered = try await api.all("/api/messages?status=delivered")
    let prices = delivered.compactMap { $0["price"]?["amount"]?.int }
    #expect(prices.count == delivered.count)
    #expect(movements.sum("debit") == prices.reduce(0, +))
    // What was held was paid or given back.
    #expect(movements.sum("hold") == movements.sum("debit") + movements.sum("release"))
  }
}

extension RunningSystem {
  /// What the provider took from this account.
  nonisolated func outbound(of account: Account) async throws -> [JSON] {
    let path = "/sandbox/messages?from=\(percentEncoded(account.number))&limit=100000"
    return (try await sandbox.get(path)["data"]?.array ?? []).filter {
      $0["direction"]?.string == "outbound-api"
    }
  }

  /// What arrived at the provider: every recipient's text, none of them twice.
  fileprivate nonisolated func expectEachOnce(from account: Account, count: Int) async throws {
    let outbound = try await outbound(of: account)
    #expect(outbound.count == count)
    #expect(Set(outbound.compactMap { $0["to"]?.string }).count == count)
    #expect(try await sandboxCount("received") == Int64(count))
    #expect(try await sandboxCount("unique") == Int64(count))
    #expect(try await sandboxCount("duplicates") == 0)
  }
}

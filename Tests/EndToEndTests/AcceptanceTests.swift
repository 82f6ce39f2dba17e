import Foundation
import HTTP
import JSON
import Testing

extension EndToEnd {
  /// The acceptance tests of the sending path that no other suite holds, by one system for all of them: twenty workers
  /// at once (2), a contact that moves while a message waits (7), the link in a mail between queue and dispatch (8),
  /// and the last dollar (10). Kills are in `Campaigns` (1), restores in `Restores` (3), visits of links in `Email` (9).
  @Suite(.serialized, .sharedSystem) struct Acceptance {
    private var system: RunningSystem {
      get throws { try #require(SharedSystem.current) }
    }

    @Test
    func `twenty workers, pauses, paces and restarts: each recipient once, and all of it adds up`()
      async throws
    {
      let system = try system
      let account = try await system.newAccount("Twenty", dollars: 40)
      let recipientCount = 300
      var people: [Account.Person] = []
      for index in 0..<recipientCount {
        people.append(try await account.newPerson(index, tags: ["blast"]))
      }
      try await system.setFaults([
        "latency_ms": 60, "error_rate": 0.03, "status": 503, "lost_answer_rate": 0.03,
        "duplicate_callbacks": 0.5, "reorder": 0.5, "callback_delay_ms": 5, "seed": 11,
      ])
      let campaign = try await account.newCampaign(tag: "blast")
      try await account.launch(campaign)
      let workers = Workers(account, people, campaign: campaign)
      async let meddling: Void = workers.meddle(count: 20)
      for _ in 0..<3 {
        try await Task.sleep(for: .milliseconds(700))
        try await system.crash("serve")
      }
      try await meddling
      try await system.setFaults(["error_rate": 0, "lost_answer_rate": 0, "latency_ms": 0])
      try await workers.letGo()

      let done = try await account.waitForEnd(of: campaign)
      try await system.waitUntilCallbacksAreDone()
      try await account.expectConservation(of: campaign, done, planned: recipientCount, skipped: 0)
      let arrived = try await system.outbound(of: account)
      let texts = arrived.map { [$0["to"]?.string, $0["body"]?.string] }
      #expect(Set(texts).count == texts.count)
      #expect(texts.count(where: { $0[1]?.hasPrefix("Hi ") == true }) == recipientCount)
      try await account.expectWalletAddsUp()
      try await system.expectVerified()
    }

    @Test func `somebody who moves west while a message waits is texted in the new morning`()
      async throws
    {
      let system = try system
      try await system.setFaults(["callback_delay_ms": 0, "duplicate_callbacks": 0, "reorder": 0])
      // Three in the morning in Chicago and New York is midnight in Los Angeles.
      let account = try await system.newAccount("Movers", atHour: 3)
      // Nobody of the other accounts: the phones of one system are the same for all of them.
      let person = try await account.newPerson(5_401)
      let stays = try await account.newPerson(5_402)
      let held = try await account.send("Good morning", to: person)
      let other = try await account.send("Good morning", to: stays)
      #expect(try await account.message(held)["status"]?.string == "held")
      try await account.api.send(
        "PATCH", "/api/contacts/\(person.id)",
        ["custom": ["time_zone": "America/Los_Angeles", "state": "CA"]],
        headers: ["idempotency-key": UUID().uuidString]
      ).json(200)
      // Nine in Chicago: day there and further east, seven where the person is now.
      try await account.advance(hours: 6)
      try await account.wait(forMessage: other, toBe: "delivered")
      try await eventually("the message to be judged anew") {
        try await account.events(types: "message.held").count(where: {
          $0["subject"]?["id"]?.string == held
        }) == 2
      }
      #expect(try await account.received(by: person) == [])
      try await account.advance(hours: 2)
      try await account.wait(forMessage: held, toBe: "delivered")
      #expect(try await account.received(by: person).count == 1)
      try await system.expectVerified()
    }

    @Test func `whoever unsubscribes between queue and dispatch is sent nothing`() async throws {
      let system = try system
      let account = try await system.newAccount("Leavers")
      let mail = try await MailSetup(account, system)
      let person = try await mail.newPerson("leaver@people.example")
      let first = try #require(try await mail.mail(person).json(201)["id"]?.string)
      try await account.wait(forMessage: first, toBe: "delivered")
      let got = try #require(try await mail.mailbox(person.address).first)
      // The provider takes nothing now: five more mails stand in the queue, tried and to be tried again.
      try await system.setFaults(["error_rate": 1, "status": 429])
      var queued: [String] = []
      for number in 1...5 {
        let sent = try await mail.mail(person, text: "Number \(number) {{first_name}}").json(201)
        queued.append(try #require(sent["id"]?.string))
      }
      try await mail.act("unsubscribe", on: got)
      try await system.setFaults(["error_rate": 0])
      for id in queued {
        let message = try await account.wait(forMessage: id, toBe: "skipped")
        #expect(message["reason"]?.string == "revoked")
      }
      // Somebody else's mail passes: the line is open again.
      let other = try await mail.newPerson("stayer@people.example")
      let passed = try #require(try await mail.mail(other).json(201)["id"]?.string)
      try await account.wait(forMessage: passed, toBe: "delivered")
      #expect(try await mail.mailbox(person.address).count == 1)
      #expect(try await account.wallet().heldMicros == 0)
      try await system.expectVerified()
    }

    @Test func `64 at once spend the last dollar: never below zero, and the sum is the balance`()
      async throws
    {
      let system = try system
      let account = try await system.newAccount("Last dollar", dollars: 1)
      var people: [Account.Person] = []
      for index in 0..<64 { people.append(try await account.newPerson(index)) }
      let answers = try await withThrowingTaskGroup(of: [Int].self) { group in
        for person in people {
          group.addTask {
            var statuses: [Int] = []
            for turn in 0..<3 {
              statuses.append(
                try await account.text(person, "Turn \(turn)", purpose: "transactional").status)
            }
            return statuses
          }
        }
        return try await group.reduce(into: [Int]()) { $0 += $1 }
      }
      // A dollar is 83 texts at 0.012 and four tenths of a cent (requirements WAL-15).
      #expect(answers.count(where: { $0 == 201 }) == 83)
      #expect(answers.count(where: { $0 == 402 }) == 64 * 3 - 83)
      try await system.waitUntilCallbacksAreDone()
      try await eventually("every hold to be settled") {
        try await account.wallet().heldMicros == 0
      }
      #expect(try await account.wallet().balanceMicros == 1_000_000 - 83 * 12_000)
      try await account.expectWalletAddsUp()
      let balances = try await account.api.all("/api/wallet/transactions").compactMap {
        $0["balance_after"]?["amount"]?.int
      }
      #expect(balances.allSatisfy { $0 >= 0 } && !balances.isEmpty)
      try await system.expectVerified()
    }
  }
}

/// People who press every button of a campaign at once, while its processes die.
private struct Workers: Sendable {
  let account: Account
  let people: [Account.Person]
  let campaign: String

  init(_ account: Account, _ people: [Account.Person], campaign: String) {
    self.account = account
    self.people = people
    self.campaign = campaign
  }

  func meddle(count: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<count {
        group.addTask {
          for turn in 0..<8 { try await act(worker, turn) }
        }
      }
      try await group.waitForAll()
    }
  }

  /// Whatever a server that dies in the middle answers: the same request comes again under its key.
  private func act(_ worker: Int, _ turn: Int) async throws {
    let key = "worker-\(worker)-\(turn)"
    switch (worker + turn) % 5 {
    case 0: try await press("pause", key)
    case 1: try await press("resume", key)
    case 2: try await press("pace", key, ["per_minute": .int(Int64(2_000 + 1_000 * turn))])
    case 3: try await press("launch", "launch")
    default:
      let person = people[worker]
      for _ in 0..<2 {
        _ = try await untilAnswered {
          try await account.text(person, "Worker \(worker) turn \(turn)", key: key)
        }
      }
    }
  }

  private func press(_ button: String, _ key: String, _ body: JSON = [:]) async throws {
    let answer = try await untilAnswered {
      try await account.api.send(
        "POST", "/api/campaigns/\(campaign)/\(button)", body, headers: ["idempotency-key": key])
    }
    // 409: somebody else pressed another button first.
    #expect([200, 409].contains(answer.status), "\(button): \(answer.status)")
  }

  private func untilAnswered(_ send: () async throws -> Answer) async throws -> Answer {
    try await eventually("an answer", send) { $0.status < 500 }
  }

  /// At the end nobody holds anything back.
  func letGo() async throws {
    try await press("pace", "last-pace", ["per_minute": .null])
    try await press("resume", "last-resume")
  }
}

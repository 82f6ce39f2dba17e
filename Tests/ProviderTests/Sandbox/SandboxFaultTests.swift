import Application
import Domain
import HTTP
import JSON
import Sandbox
import Testing
import TwilioProvider

/// Each number with a fixed fate, and the dial, as our adapter and an application meet them.
@Suite(.serialized) struct SandboxFaultTests {
  private func number(_ last: String) -> String { "+1500555\(last)" }

  private func query(_ fixture: SandboxFixture, to: String) -> FindQuery {
    FindQuery(
      credentials: fixture.credentials, from: SandboxFixture.number, to: to, sinceMicros: 0)
  }

  /// Sends to a fault number and returns the statuses of its `count` callbacks, as they came.
  private func statuses(
    _ fixture: SandboxFixture, to last: String, count: Int
  ) async throws -> [String] {
    let outcome = await fixture.provider.send(fixture.sms(to: number(last)))
    guard case .accepted(let sid) = outcome else {
      Issue.record("\(outcome)")
      return []
    }
    try await SandboxFixture.wait("\(count) callbacks") {
      fixture.application.statuses(of: sid).count >= count
    }
    try await SandboxFixture.wait("nothing is left to send") {
      try await fixture.stat("callbacks_pending") == 0
    }
    return fixture.application.statuses(of: sid)
  }

  @Test(arguments: [
    ("0001", "21211"), ("0002", "21612"), ("0003", "21408"), ("0004", "21610"), ("0014", "21614"),
  ])
  func `a number that is refused is refused with its code`(last: String, code: String) async throws
  {
    try await SandboxFixture.with { fixture in
      let outcome = await fixture.provider.send(fixture.sms(to: number(last)))
      #expect(outcome == .refused(code: code))
      #expect((fixture.provider.news(in: code) == .optedOut) == (code == "21610"))
      try await fixture.expect("received", 0)
    }
  }

  @Test(arguments: [
    ("0006", ["queued", "sending", "sent", "delivered"]),
    ("0008", ["queued", "sending", "sent", "delivered", "undelivered"]),
    (
      "0009",
      ["queued", "queued", "sending", "sending", "sent", "sent", "delivered", "delivered"]
    ),
    ("0010", ["delivered", "sent", "sending", "queued"]),
    ("0011", ["queued", "sending", "sent", "undelivered"]),
    ("0012", ["queued", "sending", "sent", "undelivered"]),
    ("0022", ["queued", "failed"]), ("0023", ["queued", "sending", "sent"]),
    ("0024", ["queued", "sending", "sent", "undelivered"]),
  ])
  func `a number's callbacks come in its order, signed`(
    last: String, expected: [String]
  ) async throws {
    try await SandboxFixture.with { fixture in
      let arrived = try await statuses(fixture, to: last, count: expected.count)
      #expect(arrived == expected)
      let areSigned = fixture.application.calls.allSatisfy(\.isValid)
      #expect(areSigned)
    }
  }

  @Test(arguments: [("0008", "30008"), ("0011", "30003"), ("0012", "30007"), ("0022", "30034")])
  func `a failed message's last callback says why`(last: String, code: String) async throws {
    try await SandboxFixture.with { fixture in
      _ = try await statuses(fixture, to: last, count: 2)
      #expect(fixture.application.calls.last?.form["ErrorCode"] == code)
      let found = try await fixture.provider.find(query(fixture, to: number(last)))
      #expect(found.first?.status == .failed)
      #expect(found.first?.errorCode == code)
    }
  }

  @Test func `a silent number is taken and never heard of again`() async throws {
    try await SandboxFixture.with { fixture in
      #expect(try await statuses(fixture, to: "0013", count: 0).isEmpty)
      let found = try await fixture.provider.find(query(fixture, to: number("0013")))
      #expect(found.map(\.status) == [.accepted])
    }
  }

  @Test(arguments: [("0015", "20429"), ("0025", "21611")])
  func `a number that is too fast takes the second attempt`(last: String, code: String) async throws
  {
    try await SandboxFixture.with { fixture in
      let sms = fixture.sms(to: number(last))
      guard case .notTaken(code, _) = await fixture.provider.send(sms) else {
        Issue.record("the first attempt was not turned away")
        return
      }
      guard case .accepted = await fixture.provider.send(sms) else {
        Issue.record("the second attempt was not taken")
        return
      }
      try await fixture.expect("received", 1)
    }
  }

  @Test func `a 503 that took nothing leaves a doubt that the list resolves`() async throws {
    try await SandboxFixture.with { fixture in
      let sms = fixture.sms(to: number("0019"))
      #expect(await fixture.provider.send(sms) == .inDoubt(reason: "HTTP 503, code 20503"))
      let found = try await fixture.provider.find(query(fixture, to: sms.to))
      #expect(found.isEmpty)
    }
  }

  @Test(arguments: ["0016", "0017"])
  func `an answer that is lost leaves a doubt that the list resolves`(last: String) async throws {
    try await SandboxFixture.with { fixture in
      guard case .inDoubt = await fixture.provider.send(fixture.sms(to: number(last))) else {
        Issue.record("an answer came")
        return
      }
      let found = try await fixture.provider.find(query(fixture, to: number(last)))
      #expect(found.map(\.body) == ["hello"])
      try await fixture.expect("received", 1)
    }
  }

  @Test func `a slow number outlasts a hurried client, and is taken`() async throws {
    try await SandboxFixture.with { fixture in
      let hurried = TwilioProvider(client: fixture.client, timeoutMillis: 300)
      let sms = fixture.sms(to: number("0018"))
      #expect(await hurried.send(sms) == .inDoubt(reason: "http_unknown_timeout"))
      let found = try await fixture.provider.find(query(fixture, to: sms.to))
      #expect(found.count == 1)
    }
  }

  @Test func `nothing was taken where nobody listens`() async throws {
    try await SandboxFixture.with { fixture in
      var sms = fixture.sms()
      sms.credentials.baseURL = "http://127.0.0.1:1"
      guard case .notTaken(let code, _) = await fixture.provider.send(sms) else {
        Issue.record("something was taken")
        return
      }
      #expect(code == "http_not_sent_connection_failed")
    }
  }

  @Test func `the dial refuses, and takes with a lost answer`() async throws {
    try await SandboxFixture.with { fixture in
      _ = try await fixture.control("POST", "/sandbox/faults", ["error_rate": 1, "status": 429])
      #expect(
        await fixture.provider.send(fixture.sms())
          == .notTaken(code: "20429", retryAfterMillis: nil)
      )
      _ = try await fixture.control(
        "POST", "/sandbox/faults", ["error_rate": 0, "lost_answer_rate": true])
      guard case .inDoubt = await fixture.provider.send(fixture.sms()) else {
        Issue.record("an answer came")
        return
      }
      try await fixture.expect("received", 1)
    }
  }

  @Test func `the same seed gives the same faults`() async throws {
    try await SandboxFixture.with { fixture in
      var runs: [[Bool]] = []
      for _ in 0..<2 {
        let dial: JSON = ["error_rate": 0.5, "seed": 42]
        _ = try await fixture.control("POST", "/sandbox/faults", dial)
        var run: [Bool] = []
        for _ in 0..<20 {
          let outcome = await fixture.provider.send(fixture.sms(callback: false))
          if case .accepted = outcome { run.append(true) } else { run.append(false) }
        }
        runs.append(run)
      }
      #expect(runs[0] == runs[1])
      #expect(Set(runs[0]).count == 2)
    }
  }

  @Test(arguments: [
    #"{"latency":5}"#, #"{"error_rate":1.5}"#, #"{"status":200}"#, #"{"latency_ms":-1}"#, "[]", "{",
  ])
  func `a dial that makes no sense is refused and changes nothing`(body: String) async throws {
    try await SandboxFixture.with { fixture in
      let before = try await fixture.control("GET", "/sandbox/faults").json
      let answer = try await fixture.client.send(
        ClientRequest(
          method: "POST", url: fixture.sandbox.url + "/sandbox/faults", body: Array(body.utf8)))
      #expect(answer.status == 400)
      #expect(try await fixture.control("GET", "/sandbox/faults").json == before)
    }
  }
}

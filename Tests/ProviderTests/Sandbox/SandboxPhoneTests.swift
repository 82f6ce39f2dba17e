import Application
import Foundation
import HTTP
import JSON
import Sandbox
import Testing
import TwilioProvider

/// People who answer, and what a sandbox remembers of them.
@Suite(.serialized) struct SandboxPhoneTests {
  private func text(
    _ fixture: SandboxFixture, _ body: String, from: String = SandboxFixture.person
  ) async throws {
    let answer = try await fixture.control(
      "POST", "/sandbox/inbound",
      [
        "from": .string(from), "to": .string(SandboxFixture.number), "body": .string(body),
      ])
    try #require(answer.status == 201)
  }

  private func inbound(_ fixture: SandboxFixture, count: Int) async throws -> [WebhookRecorder.Call]
  {
    try await SandboxFixture.wait("\(count) inbound messages") {
      fixture.application.calls.filter { $0.path == "/inbound" }.count >= count
    }
    return fixture.application.calls.filter { $0.path == "/inbound" }
  }

  private func conversation(_ fixture: SandboxFixture, _ phone: String) async throws -> [JSON] {
    let path = "/sandbox/messages?phone=\(PercentCoding.encode(phone))"
    let answer = try await fixture.control("GET", path)
    return try #require(answer.json["data"]?.array).reversed()
  }

  @Test func `a person's text arrives signed, as it was typed`() async throws {
    try await SandboxFixture.with { fixture in
      try await text(fixture, "héllo & 100% +1\n✓")
      let call = try #require(try await inbound(fixture, count: 1).first)
      #expect(call.isValid)
      let form = call.form.map { QueryItem(name: $0.key, value: $0.value) }
      let message = try TwilioInboundMessage(form: form)
      #expect(message.body == "héllo & 100% +1\n✓")
      #expect(message.from == SandboxFixture.person)
      #expect(message.to == SandboxFixture.number)
      #expect(message.accountSID == SandboxFixture.account)
    }
  }

  @Test(arguments: ["STOP", " stop\n", "Unsubscribe", "OPTOUT"])
  func `after STOP this sender is refused, another one is not, until START`(
    word: String
  ) async throws {
    try await SandboxFixture.with { fixture in
      try await text(fixture, word)
      #expect(await fixture.provider.send(fixture.sms()) == .refused(code: "21610"))
      let other = fixture.sms(from: SandboxFixture.otherNumber)
      guard case .accepted = await fixture.provider.send(other) else {
        Issue.record("the other number was refused")
        return
      }
      try await fixture.expect("opt_outs", 1)
      try await text(fixture, "Start")
      guard case .accepted = await fixture.provider.send(fixture.sms()) else {
        Issue.record("START did not lift the STOP")
        return
      }
      #expect(try await inbound(fixture, count: 2).count == 2)
    }
  }

  @Test func `STOP in a sentence is left to the application`() async throws {
    try await SandboxFixture.with { fixture in
      try await text(fixture, "please stop")
      guard case .accepted = await fixture.provider.send(fixture.sms()) else {
        Issue.record("a sentence opted out")
        return
      }
    }
  }

  @Test func `Twilio's own answer to STOP is in the conversation`() async throws {
    try await SandboxFixture.with { fixture in
      try await text(fixture, "STOP")
      let messages = try await conversation(fixture, SandboxFixture.person)
      #expect(messages.compactMap { $0["direction"]?.string } == ["inbound", "outbound-reply"])
      #expect(messages.last?["body"]?.string?.hasPrefix("You have successfully been unsub") == true)
      try await fixture.expect("received", 0)
    }
  }

  @Test(arguments: [
    ("0007", "STOP"), ("0020", "START"), ("0021", "please remove me from your list"),
  ])
  func `a number that answers does so after its delivery`(last: String, body: String) async throws {
    try await SandboxFixture.with { fixture in
      let phone = "+1500555\(last)"
      _ = await fixture.provider.send(fixture.sms(to: phone))
      let call = try #require(try await inbound(fixture, count: 1).first)
      #expect(call.form["Body"] == body)
      #expect(call.form["From"] == phone)
      let again = await fixture.provider.send(fixture.sms(to: phone, "again", callback: false))
      #expect((again == .refused(code: "21610")) == (body == "STOP"))
    }
  }

  @Test func `a callback that fails is sent again, one that is refused is not`() async throws {
    try await SandboxFixture.with { fixture in
      fixture.application.answerNext(with: [500, 429, 204, 403])
      guard case .accepted(let sid) = await fixture.provider.send(fixture.sms()) else {
        Issue.record("not accepted")
        return
      }
      try await SandboxFixture.wait("all callbacks") {
        try await fixture.stat("callbacks_pending") == 0
      }
      #expect(
        fixture.application.statuses(of: sid)
          == ["queued", "queued", "queued", "sending", "sent", "delivered"])
      try await fixture.expect("callbacks_delivered", 3)
      try await fixture.expect("callbacks_rejected", 1)
    }
  }

  @Test func `paused callbacks wait, also through a restart`() async throws {
    try await SandboxFixture.with { fixture in
      _ = try await fixture.control("POST", "/sandbox/pause-callbacks", ["paused": true])
      _ = await fixture.provider.send(fixture.sms())
      try await text(fixture, "STOP")
      try await fixture.expect("callbacks_pending", 5)
      await fixture.sandbox.stop()
      #expect(fixture.application.calls.isEmpty)

      let next = try fixture.restarted()
      try await next.expect("callbacks_pending", 5)
      try await next.expect("received", 1)
      _ = try await next.control("POST", "/sandbox/pause-callbacks", ["paused": false])
      try await SandboxFixture.wait("all callbacks") {
        try await next.stat("callbacks_pending") == 0
      }
      #expect(fixture.application.calls.count == 5)
      let areSigned = fixture.application.calls.allSatisfy(\.isValid)
      #expect(areSigned)
      #expect(await next.provider.send(next.sms()) == .refused(code: "21610"))
      await next.sandbox.stop()
      next.client.close()
    }
  }

  @Test func `a restart loses no message and sends no callback again`() async throws {
    try await SandboxFixture.with { fixture in
      for index in 0..<20 { _ = await fixture.provider.send(fixture.sms("text \(index)")) }
      try await SandboxFixture.wait("all callbacks") {
        try await fixture.stat("callbacks_pending") == 0
      }
      await fixture.sandbox.stop()
      let before = fixture.application.calls.count
      let next = try fixture.restarted()
      try await next.expect("received", 20)
      try await next.expect("unique", 20)
      #expect(try await conversation(next, SandboxFixture.person).count == 20)
      await next.sandbox.stop()
      next.client.close()
      #expect(fixture.application.calls.count == before)
      #expect(before == 80)
    }
  }

  @Test func `a line that a kill cut short is forgotten, a damaged one stops the start`()
    async throws
  {
    try await SandboxFixture.with { fixture in
      _ = await fixture.provider.send(fixture.sms(callback: false))
      await fixture.sandbox.stop()
      let path = fixture.directory + "/journal.jsonl"
      let whole = try Data(contentsOf: URL(filePath: path))
      try (whole + Data(#"{"t":"message","mess"#.utf8)).write(to: URL(filePath: path))
      let next = try fixture.restarted()
      try await next.expect("received", 1)
      await next.sandbox.stop()
      next.client.close()
      #expect(try Data(contentsOf: URL(filePath: path)) == whole)

      try (Data("{}\n".utf8) + whole).write(to: URL(filePath: path))
      #expect(throws: SandboxError.journalDamaged(line: 1)) {
        try SandboxServer(port: 0, dataDirectory: fixture.directory)
      }
    }
  }

  @Test func `one directory serves one sandbox at a time`() async throws {
    try await SandboxFixture.with { fixture in
      #expect(throws: SandboxError.directoryInUse) {
        try SandboxServer(port: 0, dataDirectory: fixture.directory)
      }
    }
  }

  @Test func `a reset forgets everything but the accounts`() async throws {
    try await SandboxFixture.with { fixture in
      _ = await fixture.provider.send(fixture.sms())
      try await text(fixture, "STOP")
      _ = try await fixture.control("POST", "/sandbox/reset")
      for name in ["received", "inbound", "opt_outs", "phones", "callbacks_pending"] {
        try await fixture.expect(name, 0)
      }
      guard case .accepted = await fixture.provider.send(fixture.sms()) else {
        Issue.record("the account is gone")
        return
      }
    }
  }

  @Test func `a page from elsewhere may not steer the sandbox`() async throws {
    try await SandboxFixture.with { fixture in
      var request = ClientRequest(method: "POST", url: fixture.sandbox.url + "/sandbox/reset")
      request.headers["Origin"] = "http://evil.example"
      let foreign = try await fixture.client.send(request)
      #expect(foreign.status == 403)
      request.headers["Origin"] = fixture.sandbox.url
      let own = try await fixture.client.send(request)
      #expect(own.status == 200)
    }
  }

  @Test func `the page and what it loads are there`() async throws {
    try await SandboxFixture.with { fixture in
      for (path, type) in [
        ("/", "text/html"), ("/phones.js", "text/javascript"), ("/phones.css", "text/css"),
      ] {
        let answer = try await fixture.client.send(ClientRequest(url: fixture.sandbox.url + path))
        #expect(answer.status == 200)
        #expect(answer.headers["Content-Type"]?.hasPrefix(type) == true)
        #expect(!answer.body.isEmpty)
      }
      #expect(
        try await fixture.client.send(ClientRequest(url: fixture.sandbox.url + "/x")).status == 404)
    }
  }
}

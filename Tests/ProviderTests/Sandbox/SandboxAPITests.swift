import Application
import Crypto
import Domain
import Foundation
import HTTP
import JSON
import Sandbox
import Testing
import TwilioProvider

/// One after the other: each sandbox has servers and clients with threads of their own.
@Suite(.serialized) struct SandboxAPITests {
  /// One creation at the wire, past our adapter.
  private func create(
    _ fixture: SandboxFixture, _ form: String, authorization: String? = nil,
    account: String = SandboxFixture.account
  ) async throws -> (status: Int, json: JSON) {
    let pair = Array("\(SandboxFixture.account):\(SandboxFixture.token)".utf8)
    let answer = try await fixture.client.send(
      ClientRequest(
        method: "POST", url: "\(fixture.sandbox.url)/2010-04-01/Accounts/\(account)/Messages.json",
        headers: [
          "Content-Type": FormCoding.contentType,
          "Authorization": authorization ?? "Basic \(Base64.encode(pair))",
        ], body: Array(form.utf8)))
    return (answer.status, try JSON(parsing: answer.body))
  }

  private let valid = "To=%2B15557650001&From=%2B15551230001&Body=hi"

  @Test func `a message is created as Twilio describes it, unknown parameters ignored`()
    async throws
  {
    try await SandboxFixture.with { fixture in
      let (status, json) = try await create(fixture, valid + "&Whatever=1")
      #expect(status == 201)
      #expect(json["status"]?.string == "queued")
      #expect(json["direction"]?.string == "outbound-api")
      #expect(json["to"]?.string == SandboxFixture.person)
      #expect(json["num_segments"]?.string == "1")
      #expect(json["date_sent"]?.isNull == true)
      let sid = try #require(json["sid"]?.string)
      #expect(sid.hasPrefix("SM") && sid.utf8.count == 34)
    }
  }

  @Test(
    .enabled(
      if: SharedFile.exists("specs/twilio/api_v2010.trimmed.json"),
      "no API descriptions beside the repository"))
  func `a message has exactly the fields that Twilio describes`() async throws {
    let schemas = try SharedFile.json("specs/twilio/api_v2010.trimmed.json")["components"]
    let schema = schemas?["schemas"]?["api.v2010.account.message"]?["properties"]
    let described = try #require(schema?.object?.keys)
    try await SandboxFixture.with { fixture in
      let json = try await create(fixture, valid).json
      #expect(json.object?.keys.sorted() == described.sorted())
    }
  }

  @Test(arguments: [
    ("From=%2B15551230001&Body=hi", 21604, "A 'To' phone number is required."),
    ("To=%2B15557650001&Body=hi", 21603, "A 'From' phone number is required."),
    ("To=%2B15557650001&From=%2B15551230001", 21602, "Message body is required."),
    ("", 21604, "A 'To' phone number is required."),
    (
      "To=12&From=%2B15551230001&Body=hi", 21211,
      "The 'To' number 12 is not a valid phone number."
    ),
  ])
  func `what is missing is named as Twilio names it`(
    form: String, code: Int, message: String
  ) async throws {
    try await SandboxFixture.with { fixture in
      let (status, json) = try await create(fixture, form)
      #expect(status == 400)
      let expected: JSON = [
        "code": JSON(code), "message": .string(message),
        "more_info": .string("https://www.twilio.com/docs/errors/\(code)"), "status": 400,
      ]
      #expect(json == expected)
      try await fixture.expect("received", 0)
    }
  }

  @Test func `too long a body and a sender of somebody else are refused`() async throws {
    try await SandboxFixture.with { fixture in
      let long = String(repeating: "x", count: 1601)
      #expect(
        await fixture.provider.send(fixture.sms(long)) == .refused(code: "21617"))
      #expect(
        await fixture.provider.send(fixture.sms(from: "+15559990000")) == .refused(code: "21606"))
    }
  }

  @Test func `a wrong token, another account and no credentials are turned away`() async throws {
    try await SandboxFixture.with { fixture in
      let pairs = [
        "\(SandboxFixture.account):wrong", "AC\(String(repeating: "b", count: 32)):token-1", ":",
      ]
      for pair in pairs {
        let header = "Basic \(Base64.encode(Array(pair.utf8)))"
        let (status, json) = try await create(fixture, valid, authorization: header)
        #expect(status == 401)
        #expect(json["code"]?.int == 20003)
      }
      let other = "AC" + String(repeating: "b", count: 32)
      #expect(try await create(fixture, valid, account: other).status == 401)
      try await fixture.expect("received", 0)
    }
  }

  @Test func `our adapter finds what was taken, with its newest status`() async throws {
    try await SandboxFixture.with { fixture in
      let outcome = await fixture.provider.send(fixture.sms(callback: false))
      guard case .accepted(let sid) = outcome else {
        Issue.record("\(outcome)")
        return
      }
      _ = await fixture.provider.send(fixture.sms(to: "+15557650002"))
      _ = await fixture.provider.send(fixture.sms(from: SandboxFixture.otherNumber))
      let query = FindQuery(
        credentials: fixture.credentials, from: SandboxFixture.number, to: SandboxFixture.person,
        sinceMicros: 0)
      let found = try await fixture.provider.find(query)
      #expect(found.map(\.providerID) == [sid])
      #expect(found.first?.body == "hello")
      #expect(found.first?.status == .delivered)
      var later = query
      later.sinceMicros = 4_000_000_000_000_000
      #expect(try await fixture.provider.find(later).isEmpty)
    }
  }

  @Test func `a question with a wrong token is an error, not an empty answer`() async throws {
    try await SandboxFixture.with { fixture in
      var credentials = fixture.credentials
      credentials.authToken = "wrong"
      let query = FindQuery(
        credentials: credentials, from: SandboxFixture.number, to: SandboxFixture.person,
        sinceMicros: 0)
      await #expect(throws: ProviderError.unauthorized) { try await fixture.provider.find(query) }
    }
  }

  @Test func `a list is read page by page, newest first, each message once`() async throws {
    try await SandboxFixture.with { fixture in
      for number in 0..<7 {
        _ = await fixture.provider.send(fixture.sms("text \(number)", callback: false))
      }
      let pair = Array("\(SandboxFixture.account):\(SandboxFixture.token)".utf8)
      var next: String? =
        "/2010-04-01/Accounts/\(SandboxFixture.account)/Messages.json?PageSize=3&To=%2B15557650001"
      var pages: [[String]] = []
      while let path = next, pages.count < 9 {
        let answer = try await fixture.client.send(
          ClientRequest(
            url: fixture.sandbox.url + path,
            headers: ["Authorization": "Basic \(Base64.encode(pair))"]))
        let page = try JSON(parsing: answer.body)
        pages.append(try #require(page["messages"]?.array).compactMap { $0["body"]?.string })
        next = page["next_page_uri"]?.string
      }
      #expect(pages.map(\.count) == [3, 3, 1])
      #expect(pages.flatMap { $0 } == (0..<7).reversed().map { "text \($0)" })
    }
  }

  @Test func `a single message can be fetched, an unknown one not`() async throws {
    try await SandboxFixture.with { fixture in
      let sid = try #require(try await create(fixture, valid).json["sid"]?.string)
      let pair = Array("\(SandboxFixture.account):\(SandboxFixture.token)".utf8)
      let base = "\(fixture.sandbox.url)/2010-04-01/Accounts/\(SandboxFixture.account)/Messages/"
      let headers: HTTPHeaders = ["Authorization": "Basic \(Base64.encode(pair))"]
      let found = try await fixture.client.send(
        ClientRequest(url: base + sid + ".json", headers: headers))
      #expect(found.status == 200)
      #expect(try JSON(parsing: found.body)["sid"]?.string == sid)
      let missing = try await fixture.client.send(
        ClientRequest(url: base + "SM0.json", headers: headers))
      #expect(missing.status == 404)
      #expect(try JSON(parsing: missing.body)["code"]?.int == 20404)
    }
  }

  @Test func `texts that a person gets twice are counted`() async throws {
    try await SandboxFixture.with { fixture in
      for body in ["a", "b", "a", "a"] {
        _ = await fixture.provider.send(fixture.sms(body, callback: false))
      }
      _ = await fixture.provider.send(fixture.sms(to: "+15557650002", "a", callback: false))
      try await fixture.expect("received", 5)
      try await fixture.expect("unique", 3)
      try await fixture.expect("duplicates", 2)
    }
  }

  @Test func `five thousand messages in a burst are all taken, each once`() async throws {
    let count = 5000
    try await SandboxFixture.with { fixture in
      let accepted = await withTaskGroup(of: Int.self) { group in
        for worker in 0..<50 {
          group.addTask {
            var accepted = 0
            for index in stride(from: worker, to: count, by: 50) {
              let to = "+1555\(2_000_000 + index)"
              let outcome = await fixture.provider.send(fixture.sms(to: to, callback: false))
              if case .accepted = outcome { accepted += 1 }
            }
            return accepted
          }
        }
        return await group.reduce(0, +)
      }
      #expect(accepted == count)
      try await fixture.expect("received", Int64(count))
      try await fixture.expect("unique", Int64(count))
      let listed = try await fixture.control("GET", "/sandbox/messages?limit=100000").json["data"]
      #expect(Set(try #require(listed?.array).compactMap { $0["to"]?.string }).count == count)
    }
  }
}

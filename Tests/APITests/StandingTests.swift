import Application
import Domain
import EventLog
import HTTP
import JSON
import TestSupport
import Testing

@testable import API

/// What was taken away while a request waited is not written for it any more.
@Suite struct StandingTests {
  /// A write that waits in some line before it writes.
  private struct Slow: Sendable {
    let isWaiting = TestSupport.Gate()
    let door = TestSupport.Gate()

    var operation: API.Operation {
      Operation(
        "POST", "/api/contacts", .scope("contacts:write"), "Create a contact, slowly",
        answers: [.created(.object([]))]
      ) { exchange throws(APIError) in
        isWaiting.open()
        await door.wait()
        let written = try await exchange.write { workspace throws(CommandError) in
          try workspace.createRole(
            name: "Made", scopes: ["*"], by: Grants(exchange.caller.scopes))
        }
        return exchange.respond(201, [:], receipt: written.receipt)
      }
    }
  }

  enum Change: CaseIterable {
    case nothing, otherKey, expiry, revocation, fewerRights, moreThanAsked
  }

  private static func carryOut(_ change: Change, in house: APIHouse) async throws {
    let key = try #require(house.services.engine.directory.keys(of: house.org).first?.id)
    let commands: [APIKey.Command]
    switch change {
    case .nothing: return
    case .expiry: return house.endKey()
    case .otherKey:
      _ = try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
        try workspace.createAPIKey(name: "Other", secretHash: "x", scopes: [])
      }
      return
    case .revocation: commands = [.revoke]
    // The operation's own right is there still, and what it would give is not.
    case .fewerRights: commands = [.changeScopes(["contacts:*"])]
    case .moreThanAsked: commands = [.changeScopes(["*", "contacts:read"])]
    }
    _ = try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
      try workspace.changeAPIKey(key, by: commands, grants: Grants(["*"]))
    }
  }

  @Test(arguments: Change.allCases)
  func `a write that waited is refused where its caller may not any more`(
    change: Change
  ) async throws {
    let slow = Slow()
    try await APIHouse.with(operations: [slow.operation]) { house in
      async let asked = house.send("/api/contacts", "POST")
      await slow.isWaiting.wait()
      try await Self.carryOut(change, in: house)
      let before = try house.log.head()
      slow.door.open()
      let answer = await asked
      let code = answer.jsonBody?["error"]?["code"]?.string
      switch change {
      case .nothing, .otherKey, .moreThanAsked: #expect(answer.status == 201, "\(code ?? "")")
      case .expiry: #expect(answer.status == 401 && code == "api_key_expired")
      case .revocation: #expect(answer.status == 401 && code == "unauthorized")
      case .fewerRights: #expect(answer.status == 403 && code == "missing_scope")
      }
      let roles = house.services.engine.directory.roles(of: house.org)
      #expect(roles.count == (answer.status == 201 ? 1 : 0))
      // A refusal may be put on record, by nobody's write.
      if answer.status == 401 { #expect(try house.log.head() == before) }
    }
  }

  @Test(arguments: [nil, "application/x-ndjson"])
  func `an import ends with the key that ordered it, and says after how many rows`(
    accept: String?
  ) async throws {
    try await APIHouse.with { house in
      let rows = (0..<700).map { "c\($0)@example.com\n" }.joined()
      // With the first of its commits.
      house.log.watchAppends { house.endKey() }
      let answer = await house.send(
        "/api/contacts/import", "POST", accept: accept,
        headers: ["content-type": "text/csv", "idempotency-key": "once"],
        body: Array("email\n\(rows)".utf8))
      var error = answer.jsonBody?["error"]
      if accept == nil {
        #expect(answer.status == 401)
      } else {
        var lines: [JSON] = []
        guard case .stream(let stream) = answer.body else { throw Unexpected() }
        for await line in stream { lines.append(try JSON(parsing: line)) }
        #expect(lines.count == 2)
        error = lines.last?["error"]
      }
      #expect(error?["code"]?.string == "api_key_expired")
      #expect(error?["message"]?.string?.contains("after 200 rows") == true)
      let book = try house.log.readOrg(OrgID(house.org.value), from: 0, limit: 10_000)
      #expect(book.count { $0.type == "contact.created" } == 200)
    }
  }

  private struct Unexpected: Error {}
}

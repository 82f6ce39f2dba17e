import Foundation
import HTTP
import JSON
import Testing

extension EndToEnd {
  @Suite struct Letters {
    /// The letters that the account's administrators have, newest first.
    private static func letters(_ mail: MailSetup) async throws -> [String] {
      let users = try await mail.account.api.get("/api/users")["data"]?.array ?? []
      let administrators = users.filter { $0["role"]?.string == "administrator" }
      let address = try #require(administrators.first?["email"]?.string)
      return try await mail.mailbox(address).compactMap { $0["text"]?.string }
    }

    private static func halt(_ account: Account, _ reason: String) async throws {
      try await account.api.post(
        "/api/sending/halt", ["reason": .string(reason)], expecting: 200)
    }

    private static func resume(_ account: Account) async throws {
      try await account.api.post("/api/sending/resume", [:], expecting: 200)
    }

    @Test func `administrators get one letter an hour, and none twice`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let mail = try await MailSetup(account, system)
        try await Self.halt(account, "the wrong list")
        let first = try await eventually("the first letter") {
          try await Self.letters(mail)
        } until: {
          $0.count == 1
        }
        #expect(first[0].contains("the wrong list"))

        try await Self.resume(account)
        try await Self.halt(account, "another list")
        // A restart tells nobody anything again.
        try await system.crash("serve")
        #expect(try await Self.letters(mail).count == 1)
        try await account.advance(hours: 2)
        let second = try await eventually("the second letter", within: .seconds(90)) {
          try await Self.letters(mail)
        } until: {
          $0.count == 2
        }
        #expect(second[0].contains("another list"))
        #expect(second[0].contains("lifted"))
        #expect(!second[0].contains("the wrong list"))
        let written = try await account.events(types: "org.administrators_written_to")
        #expect(written.count == 2)
        #expect(written.allSatisfy { $0["data"]?["recipients"]?.array?.count == 1 })
      }
    }
  }
}

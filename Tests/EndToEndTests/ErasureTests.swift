import Foundation
import JSON
import Postgres
import Testing

extension EndToEnd {
  @Suite struct Erasures {
    private static let name = "Zebediah"

    @Test func `an erased person is in no file and no row, whoever is killed meanwhile`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(1, tags: ["vip"], named: Self.name)
        let other = try await account.newPerson(2)
        let id = try await account.send("Dear \(Self.name)", to: person)
        try await account.wait(forMessage: id, toBe: "delivered")
        try await account.receive("\(Self.name) says hello", from: person)
        try await account.receive("STOP", from: person)
        try await account.wait(forConsentOf: person, toBe: "opted_out")
        try await system.waitUntilCallbacksAreDone()
        #expect(try await Self.rows(of: system, with: Self.name).count >= 3)

        // Each read model is as far as it is: the last message may be in one and not yet in the next.
        let preview = try await eventually("the preview counts three messages") {
          try await system.daybook(
            "erase", person.id, "--org", account.id, "--dry-run", "--json"
          ).json()
        } until: {
          $0["goes"]?["messages"] == 3
        }
        #expect(preview["goes"]?["contacts"] == 1, "\(preview)")
        #expect(preview["stays"]?["opt_outs"]?.array?.first == "sms")

        let asked = try await account.api.post(
          "/api/privacy/erasures", ["contact": .string(person.id)], expecting: 202)
        try await system.kill("serve")
        try await system.crash("project")
        try await system.start("serve")
        try await Task.sleep(for: .milliseconds(1_100))
        try await system.crash("serve")
        let path = "/api/privacy/erasures/\(try #require(asked["id"]?.string))"
        let done = try await eventually("the erasure is on record") {
          try await account.api.get(path)
        } until: {
          $0["status"] == "erased"
        }
        #expect(done["key_ids"]?.array?.count == 1)
        let told = try await system.daybook("erase", person.id, "--org", account.id, "--json")
        #expect(try told.json()["status"] == "erased")

        #expect(
          try await account.api.send("GET", "/api/contacts/\(person.id)").errorCode == "erased")
        for text in [Self.name, person.phone] {
          #expect(try await Self.rows(of: system, with: text) == [])
          #expect(try Self.files(of: system, with: text) == [])
        }
        #expect(try await Self.rows(of: system, with: other.phone) != [])
        try await Self.expectLasting(person, account)
        try await Self.expectExport(account, system)
        try await system.expectReadModelsEqualTheLog()
        try await system.expectVerified()
      }
    }

    /// The no outlives the person, until they say yes themselves.
    private static func expectLasting(
      _ person: Account.Person, _ account: Account
    ) async throws {
      let again = try await account.newPerson(1, consents: false)
      #expect(again.id != person.id && again.phone == person.phone)
      let refused = try await account.text(again, "Back again?", purpose: "transactional")
      #expect(refused.status == 422 && refused.errorCode == "revoked", "\(refused.json.text)")
      try await account.recordConsent(of: again)
      _ = try await account.send("Welcome back", to: again)
    }

    private static func expectExport(_ account: Account, _ system: RunningSystem) async throws {
      let folder = system.home + "/export"
      let export = try await system.daybook(
        "export", "audit", "--org", account.id, "--out", folder, "--json")
      #expect(export.succeeded, "\(export.output)\(export.errors)")
      let sound = try await system.daybook("verify", "bundle", folder, "--json")
      #expect(sound.succeeded, "\(sound.output)\(sound.errors)")
      #expect((try sound.json()["erased_parts"]?.int ?? 0) > 3)
      #expect(try sound.json()["withheld_parts"] == 0)
    }

    // MARK: Looking everywhere

    private static func rows(of system: RunningSystem, with text: String) async throws -> [String] {
      let connection = try PostgresConnection(await system.database)
      let tables = try connection.query(
        """
        SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
        """
      ).map { try $0.text(0) }
      return try tables.filter { table in
        try !connection.query(
          "SELECT 1 FROM \(table) t WHERE t::text LIKE '%' || $1 || '%' LIMIT 1", [.text(text)]
        ).isEmpty
      }
    }

    /// The providers' own memory is not ours to clear.
    private static func files(of system: RunningSystem, with text: String) throws -> [String] {
      let wanted = Data(text.utf8)
      return try FileManager.default.subpathsOfDirectory(atPath: system.home).filter { name in
        guard !name.hasPrefix("sandbox"),
          let data = FileManager.default.contents(atPath: system.home + "/" + name)
        else { return false }
        return data.range(of: wanted) != nil
      }
    }
  }
}

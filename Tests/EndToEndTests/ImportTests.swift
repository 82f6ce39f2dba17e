import Foundation
import HTTP
import JSON
import Supervisor
import Testing

extension EndToEnd {
  @Suite struct Imports {
    @Test func `a CSV as people have it arrives, and a second time changes nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let first = try await account.importCSV(Self.file, key: "first")
        #expect(first["rows"]?.int == 5)
        #expect(first["created"]?.int == 3)
        #expect(first["failed"]?.int == 2)
        #expect(first["errors"]?.array?.compactMap { $0["line"]?.int } == [6, 7])
        #expect(first["errors_csv"]?.string?.contains("12345") == true)
        let contacts = try await account.api.all("/api/contacts")
        #expect(contacts.count == 3)
        let zoe = try #require(contacts.first { $0["email"]?.string == "zoe@example.com" })
        #expect(zoe["phone"]?.string == "+13122201234")
        #expect(zoe["first_name"]?.string == "Zoë")
        #expect(zoe["tags"]?.array?.contains("guests") == true)
        #expect(zoe["consent"]?["sms"]?["status"]?.string == "opted_in")

        let before = try await account.contactEventCount()
        let second = try await account.importCSV(Self.file, key: "second")
        #expect(second["created"]?.int == 0)
        #expect(second["updated"]?.int == 0)
        #expect(second["unchanged"]?.int == 3)
        #expect(try await account.contactEventCount() == before)
        // The same request, not the same file: its first answer.
        let replay = try await account.importCSV(Self.file, key: "first")
        #expect(replay["created"]?.int == 3)
      }
    }

    @Test func `a second file fills up what is missing and overwrites nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        _ = try await account.importCSV(Self.file, key: "first")
        let changed = Self.file.replacing("Zoë;Adams", with: "Zoe;Brook")
          .replacing("Omar;Chen;;", with: "Omar;Chen;312-220-1236;")
        let second = try await account.importCSV(changed, key: "second")
        #expect(second["created"]?.int == 0)
        #expect(second["updated"]?.int == 1)
        #expect(second["unchanged"]?.int == 2)
        let omar = try await account.api.all("/api/contacts?email=omar@example.com")
        #expect(omar.compactMap { $0["phone"]?.string } == ["+13122201236"])
        let zoe = try await account.api.all("/api/contacts?email=zoe@example.com")
        #expect(zoe.compactMap { $0["last_name"]?.string } == ["Adams"])
      }
    }

    @Test func `the command line imports the same, and writes down the rows that failed`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let path = system.home + "/people.csv"
        try Self.file.write(toFile: path, atomically: true, encoding: .utf8)
        let errorsPath = system.home + "/failed.csv"
        let first = try await account.importFile(path, "--errors", errorsPath, in: system)
        #expect(first.exit == .code(2), "\(first.output)\(first.errors)")
        #expect(try first.json()["created"]?.int == 3)
        #expect(try first.json()["errors"]?.array?.compactMap { $0["line"]?.int } == [6, 7])
        let failed = try String(contentsOfFile: errorsPath, encoding: .utf8)
        #expect(failed.contains("bad@example.com"))
        #expect(!failed.contains("zoe@example.com"))

        let before = try await account.contactEventCount()
        let second = try await account.importFile(path, in: system)
        #expect(try second.json()["unchanged"]?.int == 3)
        #expect(try second.json()["created"]?.int == 0)
        #expect(try await account.contactEventCount() == before)
      }
    }

    @Test func `a dry run counts and writes nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let before = try await account.events().count
        let preview = try await account.importCSV(Self.file, key: "dry", extra: "&dry_run=true")
        #expect(preview["created"]?.int == 3)
        #expect(preview["failed"]?.int == 2)
        #expect(try await account.events().count == before)
      }
    }

    /// A byte order mark, semicolons, CRLF, a quoted line break; lines 6 and 7 can not be taken.
    private static let file = [
      "\u{FEFF}First Name;Last Name;Mobile;E-mail",
      "Zoë;Adams;(312) 220-1234;zoe@example.com",
      "\"Ann\nMarie\";Brooks;312.220.1235;ann@example.com",
      "Omar;Chen;;omar@example.com",
      "Bad;Phone;12345;bad@example.com",
      "Eve;Dent;;not an email",
    ].joined(separator: "\r\n")
  }
}

extension EndToEnd {
  /// The 300 people of the shared data. Skipped where that folder is not beside the package.
  @Suite(.enabled(if: SharedData.exists, "../shared/data/us-300.csv is not here"))
  struct SharedImports {
    @Test func `us-300 arrives whole by the API and a second time changes nothing`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let file = try String(contentsOfFile: SharedData.path, encoding: .utf8)
        let first = try await account.importCSV(file, key: "first")
        #expect(first["rows"]?.int == 300)
        #expect(first["created"]?.int == 300)
        #expect(first["failed"]?.int == 0)
        let james = try await account.api.all("/api/contacts?email=jbutt@gmail.com")
        #expect(james.count == 1)
        #expect(james.first?["phone"]?.string == "+15046218927")
        #expect(james.first?["company"]?.string == "Benton, John B Jr")

        let before = try await account.contactEventCount()
        let second = try await account.importCSV(file, key: "second")
        #expect(second["unchanged"]?.int == 300)
        #expect(try await account.contactEventCount() == before)
        #expect(try await account.api.all("/api/contacts").count == 300)
        try await system.expectReadModelsEqualTheLog()
      }
    }

    @Test func `us-300 arrives whole by the command line and a second time changes nothing`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let first = try await account.importFile(SharedData.path, in: system)
        #expect(first.succeeded, "\(first.output)\(first.errors)")
        #expect(try first.json()["created"]?.int == 300)
        let before = try await account.contactEventCount()
        let second = try await account.importFile(SharedData.path, in: system)
        #expect(try second.json()["unchanged"]?.int == 300)
        #expect(try await account.contactEventCount() == before)
      }
    }
  }
}

enum SharedData {
  /// Beside the package: this file is in `Tests/EndToEndTests`.
  static let path = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/data/us-300.csv").standardizedFileURL.path(
      percentEncoded: false)

  static var exists: Bool { FileManager.default.fileExists(atPath: path) }
}

extension Account {
  fileprivate func importCSV(_ text: String, key: String, extra: String = "") async throws -> JSON {
    let query = "tags=guests&consent=\(percentEncoded(Account.consentText))\(extra)"
    return try await api.send(
      "POST", "/api/contacts/import?\(query)", bytes: Array(text.utf8),
      headers: ["content-type": "text/csv", "idempotency-key": key]
    ).json(200)
  }

  fileprivate func importFile(
    _ path: String, _ more: String..., in system: RunningSystem
  ) async throws -> CommandResult {
    try await system.daybook(
      ["import", "contacts", path, "--url", api.baseURL, "--api-key", key, "--json"] + more)
  }

  /// What happened to contacts, without what happened to imports.
  fileprivate func contactEventCount() async throws -> Int {
    try await events(types: "contact.*").count
  }
}

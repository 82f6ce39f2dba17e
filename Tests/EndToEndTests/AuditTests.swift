import Foundation
import HTTP
import JSON
import Supervisor
import Testing

extension EndToEnd {
  @Suite struct Audits {
    @Test func `an account's exported book is complete, checks offline and holds nobody else's`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let stranger = try await system.newAccount("Summit")
        let person = try await account.newPerson(1)
        let id = try await account.send("Hello", to: person)
        try await account.wait(forMessage: id, toBe: "delivered")
        try await account.receive("STOP", from: person)
        try await account.wait(forConsentOf: person, toBe: "opted_out")
        _ = try await stranger.newPerson(2)
        try await system.waitUntilCallbacksAreDone()

        let folder = system.home + "/export"
        let export = try await system.daybook(
          "export", "audit", "--org", account.id, "--out", folder, "--json")
        #expect(export.succeeded, "\(export.output)\(export.errors)")
        let count = try await account.events().count
        #expect(try export.json()["events"]?.int == Int64(count))
        let sound = try await system.daybook("verify", "bundle", folder, "--json")
        #expect(sound.succeeded, "\(sound.output)\(sound.errors)")
        #expect(try sound.json()["events"]?.int == Int64(count))

        let everything = try Folder.texts(folder)
        #expect(everything.contains { $0.text.contains(id) })
        #expect(!everything.contains { $0.text.contains(stranger.id) })
        try await system.expectVerified()
      }
    }

    /// A system that starts has the log long before it answers.
    @Test func `an export waits for whoever has the log and does not answer yet`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        try await system.kill("serve")
        let holder = Process()
        holder.executableURL = URL(filePath: "/usr/bin/flock")
        holder.arguments = [
          "--no-fork", system.home + "/log/writer.lock", "sh", "-c",
          "touch \(system.home)/held; exec sleep 3",
        ]
        try holder.run()
        try await eventually("the lock") {
          FileManager.default.fileExists(atPath: system.home + "/held")
        }
        let export = try await system.daybook(
          "export", "audit", "--org", account.id, "--out", system.home + "/export")
        #expect(export.succeeded, "\(export.output)\(export.errors)")
        #expect(export.errors.contains("waits"), "\(export.errors)")
        #expect(!holder.isRunning)
      }
    }

    @Test
    func
      `an export by the API is recorded, signed with the published key, and opens no credentials`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(1)
        let order: JSON = ["scope": "contact", "contact": .string(person.id)]
        let headers: HTTPHeaders = ["idempotency-key": "export-1"]
        let first = try await account.api.send(
          "POST", "/api/audit/exports", order, headers: headers)
        #expect(first.status == 202, "\(first.json.text)")
        let id = try #require(try first.json(202)["id"]?.string)
        let again = try await account.api.send(
          "POST", "/api/audit/exports", order, headers: headers)
        #expect(try again.json(202)["id"]?.string == id)
        let done = try await eventually("the export is written") {
          try await account.api.get("/api/audit/exports/\(id)")
        } until: {
          $0["status"] == "completed"
        }
        let key = try await account.api.send(
          "GET", "/.well-known/daybook/accounts/\(account.id)/vkey")
        #expect(key.status == 200)
        let published = String(decoding: key.body, as: UTF8.self)
          .trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(published == done["verifier_key"]?.string)
        let path = try #require(done["download"]?.string)
        let tar = try await account.api.stream(path, headers: [:])
        var bytes: [UInt8] = []
        for try await chunk in tar.body { bytes += chunk }
        let file = system.home + "/bundle.tar"
        try Data(bytes).write(to: URL(filePath: file))
        let folder = system.home + "/unpacked"
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true)
        let unpack = Process()
        unpack.executableURL = URL(filePath: "/usr/bin/env")
        unpack.arguments = ["tar", "-xf", file, "-C", folder]
        try unpack.run()
        unpack.waitUntilExit()
        #expect(unpack.terminationStatus == 0)
        let sound = try await system.daybook(
          "verify", "bundle", folder, "--key", published, "--json")
        #expect(sound.succeeded, "\(sound.output)\(sound.errors)")
        #expect(try sound.json()["authenticated"] == true)
        let recorded = try await account.events(types: "org.audit_exported")
        #expect(recorded.map { $0["data"]?["export"]?.string } == [id])
        let stranger = try await system.newAccount("Summit")
        #expect(try await stranger.api.send("GET", "/api/audit/exports/\(id)").status == 404)
        let rehearsal = try await system.daybook("log", "rehearse", "--json")
        #expect(rehearsal.succeeded, "\(rehearsal.output)")
        let stats = try await system.daybook("log", "stats", "--json").json()
        let byOrg = stats["orgs"]?.array ?? []
        #expect(byOrg.contains { $0["org"]?.string == account.id })
        let counts = byOrg.compactMap { $0["events"]?.int }
        #expect(counts.reduce(0, +) == stats["head"]?.int)
        #expect((stats["bytes_per_event"]?["all"]?.double ?? 0) > 0)
        let types = (stats["types"]?.array ?? []).compactMap { $0["type"]?.string }
        #expect(types.contains("org.audit_exported"))
      }
    }

    @Test func `a book in which somebody changed a byte is not believed`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        _ = try await account.newPerson(1, named: "Original")
        let folder = system.home + "/export"
        let export = try await system.daybook(
          "export", "audit", "--org", account.id, "--out", folder)
        #expect(export.succeeded, "\(export.output)\(export.errors)")
        let changed = try Folder.texts(folder).filter { $0.text.contains("Original") }
        try #require(!changed.isEmpty)
        for file in changed {
          try file.text.replacing("Original", with: "Invented")
            .write(toFile: file.path, atomically: true, encoding: .utf8)
        }
        let check = try await system.daybook("verify", "bundle", folder)
        #expect(check.exit == .code(2), "\(check.output)\(check.errors)")
      }
    }

    @Test func `the audit trail says who did what, and with which verdict`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(1, consents: false)
        #expect(try await account.text(person, "Buy now").status == 422)
        let trail = try await account.api.all("/api/audit/events")
        let events = try await account.events()
        #expect(trail.count == events.count)
        let created = try #require(trail.first { $0["type"]?.string == "contact.created" })
        #expect(created["actor"]?.string?.hasPrefix("key:") == true)
        let skipped = try #require(trail.first { $0["type"]?.string == "message.skipped" })
        #expect(skipped["verdict"]?["reason"]?.string == "no_consent", "\(skipped.text)")
      }
    }
  }
}

/// The files of an exported book.
private enum Folder {
  static func texts(_ folder: String) throws -> [(path: String, text: String)] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
    var texts: [(path: String, text: String)] = []
    for name in names {
      let path = folder + "/" + name
      var isDirectory: ObjCBool = false
      _ = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      guard !isDirectory.boolValue, let data = FileManager.default.contents(atPath: path) else {
        continue
      }
      texts.append((path, String(decoding: data, as: UTF8.self)))
    }
    return texts
  }
}

import Foundation
import HTTP
import JSON
import Testing

extension EndToEnd {
  @Suite struct Snapshots {
    @Test func `a running system has snapshots made, and the start after a kill goes on from them`()
      async throws
    {
      try await withSystem { system in
        try await system.stop("serve")
        try await system.start("serve", "--snapshot-every", "500")
        let account = try await system.newAccount("Lakeside")
        // More than the thousand events from which a snapshot is worth its file.
        let rows = (0..<1_100).map { "Pat\($0),pat\($0)@example.com" }
        let file = (["first_name,email"] + rows).joined(separator: "\n")
        let imported = try await account.api.send(
          "POST", "/api/contacts/import?tags=guests", bytes: Array(file.utf8),
          headers: ["content-type": "text/csv", "idempotency-key": "many"]
        ).json(200)
        #expect(imported["created"]?.int == 1_100)
        let path = "\(system.home)/snapshots/\(account.id).snapshot"
        try await eventually("the snapshot that another process makes") {
          FileManager.default.fileExists(atPath: path)
        }
        try await eventually("the writer to hear that it is done") {
          try Self.line(in: system, saying: "snapshots are made") != nil
        }

        try await system.crash("serve")
        let line = try #require(try Self.line(in: system, saying: "the books are read"))
        #expect(line["from_snapshots"]?.int == 1)
        #expect((line["events_folded"]?.int ?? .max) < 1_000)
        #expect(try await account.api.all("/api/contacts").count == 1_100)
        _ = try await account.newPerson(0)
        try await system.expectReadModelsEqualTheLog()
      }
    }

    /// The last such line of the writer's log.
    private static func line(in system: RunningSystem, saying message: String) throws -> JSON? {
      let text = try String(contentsOfFile: "\(system.home)/logs/serve.log", encoding: .utf8)
      return try text.split(separator: "\n").last { $0.contains(message) }
        .map { try JSON(parsing: Array($0.utf8)) }
    }
  }
}

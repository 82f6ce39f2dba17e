import Foundation
import Glibc
import HTTP
import JSON
import Postgres
import Testing

extension EndToEnd {
  @Suite struct Outages {
    @Test
    func `while Postgres is away writes go on and reads say so; afterwards all of it is there`()
      async throws
    {
      try await withSystem(database: .own) { system in
        let account = try await system.newAccount("Lakeside")
        let before = try await account.newPerson(0)
        #expect(try await account.api.all("/api/contacts").count == 1)

        try await system.stop("postgres")
        for index in 1...5 { _ = try await account.newPerson(index) }
        let read = try await account.api.send("GET", "/api/contacts")
        #expect(read.status == 503)
        #expect(read.json["error"]?["retryable"]?.bool == true)
        // The log answers by itself.
        #expect(try await account.events(types: "contact.created").count == 6)
        // So do the line to the provider and its way back.
        let id = try await account.send("Still here", to: before)
        try await eventually("the delivery on the log") {
          try await account.events(types: "message.delivered")
            .contains { $0["subject"]?["id"]?.string == id }
        }

        try await system.start("postgres")
        let contacts = try await eventually("the projector to catch up") {
          try await account.api.all("/api/contacts")
        } until: { contacts in
          contacts.count == 6
        }
        #expect(Set(contacts.compactMap { $0["phone"]?.string }).count == 6)
        #expect(try await account.message(id)["status"]?.string == "delivered")
        try await system.expectReadModelsEqualTheLog()
      }
    }

    @Test func `a killed database loses no read model its place`() async throws {
      try await withSystem(database: .own) { system in
        let account = try await system.newAccount("Lakeside")
        for index in 0..<3 {
          _ = try await account.newPerson(index)
          try await system.kill("postgres")
          _ = try await account.newPerson(100 + index)
          try await system.start("postgres")
        }
        try await eventually("the projector to catch up") {
          try await account.api.all("/api/contacts").count == 6
        }
        try await system.expectReadModelsEqualTheLog()
      }
    }

    @Test func `a read that takes too long is stopped and says so, and writes go on`() async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        _ = try await account.newPerson(0)
        #expect(try await account.api.all("/api/contacts").count == 1)

        let somebody = try PostgresConnection(await system.database)
        let schemas = try somebody.query(
          "SELECT quote_ident(schemaname) FROM pg_tables WHERE tablename = 'contact_tags'")
        try somebody.execute("BEGIN")
        for schema in schemas {
          try somebody.execute("LOCK TABLE \(try schema.text(0)).contacts IN ACCESS EXCLUSIVE MODE")
        }
        let read = try await account.api.send("GET", "/api/contacts")
        #expect(read.status == 503)
        #expect(read.errorCode == "read_timeout")
        #expect(read.json["error"]?["retryable"]?.bool == true)
        _ = try await account.newPerson(1)

        try somebody.execute("ROLLBACK")
        try await eventually("the projector to catch up") {
          try await account.api.all("/api/contacts").count == 2
        }
        try await system.expectReadModelsEqualTheLog()
      }
    }

    @Test func `while the provider is away texts wait, and go out once it is back`() async throws {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let people = [try await account.newPerson(0), try await account.newPerson(1)]
        try await system.stop("sandbox")
        var messages: [String] = []
        for person in people { messages.append(try await account.send("Later", to: person)) }
        try await system.crash("serve")
        try await system.start("sandbox")
        for message in messages { try await account.wait(forMessage: message, toBe: "delivered") }
        for person in people {
          #expect(try await account.received(by: person) == ["Later" + Account.optOutNotice])
        }
      }
    }

    /// On a file system of its own, which somebody else fills up: needs the right to mount one.
    @Test(.enabled(if: canMount, "nothing can be mounted here"))
    func `a full disk refuses writes with a clear error, reads go on, and room ends it by itself`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let person = try await account.newPerson(0)
        // Whoever reads the log makes files of its own in it.
        for process in ["serve", "project"] { try await system.stop(process) }
        let disk = "\(system.home)/log"
        try Self.moveToOwnDisk(disk)
        defer { unsafe umount2(disk, Int32(MNT_DETACH)) }
        for process in ["project", "serve"] { try await system.start(process) }
        _ = try await account.newPerson(1)

        // All that is left, as a whole and then to the last page.
        let filler = "\(disk)/filler"
        for blockBytes in [1 << 20, 4 << 10] { Self.fill(filler, by: blockBytes) }
        let (index, refused) = try await account.createUntilRefused()
        #expect(refused.status == 503)
        #expect(refused.errorCode == "log_full")
        #expect(refused.json["error"]?["retryable"]?.bool == true)
        #expect(refused.headers["retry-after"] == "1")
        #expect(try await account.api.get("/api/contacts/\(person.id)")["id"]?.string == person.id)
        let ready = try await account.api.send("GET", "/readyz")
        #expect(ready.status == 503)

        try FileManager.default.removeItem(atPath: filler)
        let done = try await eventually("the same request to be taken") {
          try await account.create(index)
        } until: {
          $0.status < 400
        }
        #expect(done.status == 201)
        #expect(try await system.daybook("verify").succeeded)
        try await system.stop("serve")
      }
    }

    /// Puts a small file system in the place of the folder, with what is in it.
    private static func moveToOwnDisk(_ path: String) throws {
      let aside = path + ".aside"
      try FileManager.default.moveItem(atPath: path, toPath: aside)
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try #require(unsafe mount("tmpfs", path, "tmpfs", 0, "size=48m,mode=700") == 0)
      for name in try FileManager.default.contentsOfDirectory(atPath: aside) {
        try FileManager.default.copyItem(atPath: "\(aside)/\(name)", toPath: "\(path)/\(name)")
      }
    }

    /// Whether this process may mount something.
    private static let canMount: Bool = {
      let path = FileManager.default.temporaryDirectory.appending(
        path: "daybook-mount-\(UUID().uuidString)"
      ).path(percentEncoded: false)
      guard unsafe mkdir(path, 0o700) == 0 else { return false }
      defer { unsafe rmdir(path) }
      guard unsafe mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0 else { return false }
      unsafe umount2(path, Int32(MNT_DETACH))
      return true
    }()

    /// Appends until nothing fits any more.
    private static func fill(_ path: String, by blockBytes: Int) {
      let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
      defer { close(descriptor) }
      let block = [UInt8](repeating: 0x5a, count: blockBytes)
      while unsafe write(descriptor, block, block.count) == block.count {}
    }
  }
}

extension Account {
  /// Some at once: the room that the log keeps ahead takes a thousand of them. Bounded, for a log that never fills.
  fileprivate func createUntilRefused() async throws -> (index: Int, answer: Answer) {
    let atOnce = 32
    for first in stride(from: 2, to: 20_000, by: atOnce) {
      let refused = try await withThrowingTaskGroup(of: (index: Int, answer: Answer).self) {
        for index in first..<first + atOnce {
          $0.addTask { (index, try await self.create(index)) }
        }
        return try await $0.first { $0.answer.status >= 400 }
      }
      if let refused { return refused }
    }
    throw HarnessError("twenty thousand contacts, and the disk is not full")
  }

  /// The same request for the same index.
  fileprivate func create(_ index: Int) async throws -> Answer {
    try await api.send(
      "POST", "/api/contacts",
      ["first_name": .string("Pat\(index)"), "phone": .string(People.phone(index))],
      headers: ["idempotency-key": "person-\(index)"])
  }
}

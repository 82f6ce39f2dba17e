import EventLog
import Foundation
import LMDB
import Testing
import Vault

@Suite struct BackupTests {
  /// A log, its backup folder and the place to restore to.
  private struct Place {
    let log: String
    let backup: String
    let restored: String

    init(_ directory: String) throws {
      log = directory + "/log"
      backup = directory + "/backup"
      restored = directory + "/restored"
      try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
    }

    var rootKey: FileRootKey {
      get throws { try FileRootKey(path: log + "/root.key", mayCreate: false) }
    }

    func backUp() throws -> BackupReport {
      let reader = try LMDBLogReader(directory: log)
      defer { reader.close() }
      return try reader.backUp(to: backup)
    }

    func restore(snapshot: String? = nil) throws -> RestoreReport {
      try LogRestore(backup: backup, target: restored, rootKey: try rootKey)
        .run(snapshot: snapshot, verifies: true)
    }

    func openRestored() throws -> LMDBEventLog {
      var options = LMDBEventLog.Options()
      options.rootKey = try rootKey
      return try LMDBEventLog(directory: restored, options: options)
    }
  }

  private func withPlace(_ body: (Place) async throws -> Void) async throws {
    try await withLogDirectory { directory async throws in try await body(try Place(directory)) }
  }

  private func append(_ count: Int, to log: LMDBEventLog, person: SubjectID = ann) async throws {
    let pending = (0..<count).map { number in
      log.enqueue(
        commit([event(UInt128(number % 5), payload: "\(number)", personal: [(person, "Ann")])]))
    }
    for each in pending { _ = try await each.receipt() }
  }

  /// As of a log larger than the map that is asked for: a restored file has no free page.
  @Test func `a log that fills its map is restored`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      try await append(50, to: log)
      let events = try log.read(after: 0, limit: .max, filter: .all).events
      _ = try place.backUp()
      await log.close()
      _ = try LogRestore(
        backup: place.backup, target: place.restored, rootKey: try place.rootKey, mapBytes: 4096
      ).run(verifies: true)
      let restored = try place.openRestored()
      #expect(try restored.read(after: 0, limit: .max, filter: .all).events == events)
      await restored.close()
    }
  }

  @Test func `a restored log has the same events, proofs and keys, and goes on`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      try await append(700, to: log)
      let events = try log.read(after: 0, limit: .max, filter: .all).events
      let report = try place.backUp()
      #expect(report.snapshot.head == 700)
      await log.close()

      let restored = try place.restore()
      #expect(restored.head == 700)
      #expect(restored.verification?.eventCount == 700)
      let again = try place.openRestored()
      #expect(try again.read(after: 0, limit: .max, filter: .all).events == events)
      #expect(try await again.append(commit([event(1)])).firstPosition == 701)
      #expect(try again.verify(isDeep: true).problems == [])
      await again.close()
    }
  }

  @Test func `a backup while the writer goes on is a consistent prefix`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      try await append(50, to: log)
      async let writing: Void = append(3_000, to: log)
      let report = try place.backUp()
      try await writing
      let events = try log.read(after: 0, limit: .max, filter: .all).events
      await log.close()
      let head = try place.restore().head
      #expect(head >= report.snapshot.head)
      let again = try place.openRestored()
      let restored = try again.read(after: 0, limit: .max, filter: .all).events
      #expect(restored == Array(events.prefix(Int(head))))
      await again.close()
    }
  }

  @Test func `the second backup stores only what is new, and both can be restored`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      for _ in 0..<40 { _ = try await log.append(commit([noise(200_000)])) }
      let first = try place.backUp()
      _ = try await log.append(commit([event(2)]))
      let second = try place.backUp()
      await log.close()
      #expect(second.newByteCount < first.newByteCount / 2)
      #expect(try place.restore(snapshot: first.snapshot.name).head == 40)
      try FileManager.default.removeItem(atPath: place.restored)
      #expect(try place.restore().head == 41)
    }
  }

  @Test func `a piece that was damaged in the folder is written anew by the next backup`()
    async throws
  {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      for _ in 0..<10 { _ = try await log.append(commit([noise(200_000)])) }
      await log.close()
      let first = try place.backUp()
      let folder = place.backup + "/chunks"
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      let damaged = URL(filePath: "\(folder)/\(try #require(names.first))")
      var bytes = try Data(contentsOf: damaged)
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: damaged)
      #expect(throws: EventLogError.self) { try BackupContent(checking: place.backup) }
      let second = try place.backUp()
      #expect(second.newByteCount < first.newByteCount)
      #expect(try BackupContent(checking: place.backup).snapshotCount == 2)
      #expect(try place.restore(snapshot: first.snapshot.name).head == 10)
    }
  }

  @Test func `whoever was erased stays erased, whatever snapshot is restored`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      try await append(3, to: log)
      try await append(3, to: log, person: bob)
      let old = try place.backUp()
      try await log.erase([ann], org: orgA)
      _ = try place.backUp()
      // As where the keys could not be rewritten any more: only the tombstone beside the snapshots knows.
      let vault = place.backup + "/vault"
      try FileManager.default.copyItem(atPath: vault, toPath: place.backup + "/before")
      try await log.erase([bob], org: orgA)
      try FileManager.default.removeItem(atPath: vault)
      try FileManager.default.moveItem(atPath: place.backup + "/before", toPath: vault)
      await log.close()
      #expect(try place.restore(snapshot: old.snapshot.name).tombstoneCount == 1)
      let again = try place.openRestored()
      let parts = try again.read(after: 0, limit: .max, filter: .all).events.map { $0.parts[1] }
      #expect(
        parts == Array(repeating: .erased(subject: ann), count: 3)
          + Array(repeating: .erased(subject: bob), count: 3))
      await again.close()
    }
  }

  @Test func `a restored log signs under another name, and never under the same one twice`()
    async throws
  {
    try await withPlace { place async throws in
      let key = try CheckpointKey(name: "ledger.example", seed: Array(repeating: 7, count: 32))
      let log = try LMDBEventLog(directory: place.log)
      try await append(3, to: log)
      let before = try await log.checkpoint(of: orgA, signedBy: key)
      _ = try place.backUp()
      await log.close()
      #expect(before.hasPrefix("ledger.example/i1/"))
      for incarnation in 2...3 {
        #expect(try place.restore().incarnation == incarnation)
        let again = try place.openRestored()
        let checkpoint = try await again.checkpoint(of: orgA, signedBy: key)
        #expect(checkpoint.hasPrefix("ledger.example/i\(incarnation)/"))
        await again.close()
        try FileManager.default.removeItem(atPath: place.restored)
      }
    }
  }

  @Test func `after a restore the signer refuses the incarnation before it`() async throws {
    try await withPlace { place async throws in
      let key = try CheckpointKey(name: "ledger.example", seed: Array(repeating: 7, count: 32))
      let log = try LMDBEventLog(directory: place.log)
      try await append(3, to: log)
      _ = try await log.checkpoint(of: orgA, signedBy: key)
      _ = try place.backUp()
      await log.close()
      #expect(try place.restore().incarnation == 2)
      let restored = try place.openRestored()
      _ = try await restored.checkpoint(of: orgA, signedBy: key)
      await restored.close()
      // The name of the old history over the new one, as a careless repair would put it back.
      let format = try Self.formatRecord(of: place.log)
      try Self.putFormatRecord(format, into: place.restored)
      let again = try place.openRestored()
      #expect(again.identity.incarnation == 1)
      await #expect(
        throws: EventLogError.corrupted(
          position: 0, reason: "a later incarnation of this log has signed checkpoints")
      ) { try await again.checkpoint(of: orgA, signedBy: key) }
      await again.close()
    }
  }

  private static func withFormatTable(
    of directory: String, _ body: (Environment, Table) throws -> Void
  ) throws {
    let environment = try Environment.open(
      path: directory + "/log",
      options: Environment.Options(mapBytes: 1 << 30, tables: ["meta": .bytes]))
    defer { environment.close() }
    try body(environment, environment.table("meta"))
  }

  private static func formatRecord(of directory: String) throws -> [UInt8] {
    var record: [UInt8] = []
    try withFormatTable(of: directory) { environment, meta in
      try environment.read { transaction throws in
        _ = try transaction.withValue(forKey: Array("format".utf8), in: meta) { span in
          record = unsafe span.withUnsafeBytes { unsafe Array($0) }
        }
      }
    }
    return record
  }

  private static func putFormatRecord(_ record: [UInt8], into directory: String) throws {
    try withFormatTable(of: directory) { environment, meta in
      try environment.write { transaction throws in
        try transaction.put(record, forKey: Array("format".utf8), in: meta)
      }
    }
  }

  @Test func `a damaged backup is refused, and leaves no log behind`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      try await append(200, to: log)
      _ = try place.backUp()
      await log.close()
      for folder in ["chunks", "vault", "snapshots"] {
        let path = "\(place.backup)/\(folder)"
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: path).first)
        let url = URL(filePath: "\(path)/\(name)")
        let sound = try Data(contentsOf: url)
        var damaged = sound
        damaged[damaged.count / 2] ^= 1
        try damaged.write(to: url)
        #expect(throws: EventLogError.self) { try place.restore() }
        #expect(!FileManager.default.fileExists(atPath: place.restored + "/log/data.mdb"))
        try sound.write(to: url)
      }
      #expect(try place.restore().head == 200)
    }
  }

  @Test func `no backup holds the root key or what is sealed`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      let secret = "Ann Example, +1 555 0100, ann@example.com"
      _ = try await log.append(commit([event(1, personal: [(ann, secret)])]))
      _ = try place.backUp()
      await log.close()
      let rootKey = try Data(contentsOf: URL(filePath: place.log + "/root.key"))
      for name in try FileManager.default.subpathsOfDirectory(atPath: place.backup) {
        guard let bytes = FileManager.default.contents(atPath: "\(place.backup)/\(name)") else {
          continue
        }
        #expect(bytes.range(of: rootKey) == nil, "\(name)")
        #expect(bytes.range(of: Data(secret.utf8)) == nil, "\(name)")
      }
    }
  }

  @Test func `a log is never restored over another one`() async throws {
    try await withPlace { place async throws in
      let log = try LMDBEventLog(directory: place.log)
      try await append(1, to: log)
      _ = try place.backUp()
      await log.close()
      let over = LogRestore(backup: place.backup, target: place.log, rootKey: try place.rootKey)
      #expect(throws: EventLogError.self) { try over.run() }
    }
  }
}

import Application
import Domain
import EventCodec
import EventLog
import Foundation
import Merkle
import Testing
import Vault

@Suite struct NotaryTests {
  private func log(_ directory: String, name: String = "log") throws -> LMDBEventLog {
    try LMDBEventLog(directory: directory + "/" + name)
  }

  private let org = Identifier(.org, 0xA)

  private func append(_ log: LMDBEventLog, _ payload: String) async throws {
    _ = try await log.append(
      Commit(
        org: OrgID(org.value),
        events: [
          NewEvent(
            stream: StreamID(1), type: "thing.happened", schemaVersion: 1,
            parts: [Part(subject: nil, payload: Array(payload.utf8))])
        ],
        context: CommitContext(
          actor: "user:test", origin: "api", correlation: "test", occurredAtMicros: 1)))
  }

  private func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = NSTemporaryDirectory() + "notary-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await body(directory)
  }

  @Test func `heads are entered once into the instance log, and each entry is proven`()
    async throws
  {
    try await withDirectory { directory in
      let log = try log(directory)
      let notary = try Notary(log: log, directory: directory)
      try await append(log, "one")
      let first = try await notary.publish(org)
      #expect(try await notary.publish(org) == first)
      try await append(log, "two")
      let second = try await notary.publish(org)
      #expect(second.older == [first.checkpoint])
      let instance = try NoteVerifier(verifierKey: notary.instanceVerifierKey)
      let proof = try InclusionProof(text: second.instanceProof)
      #expect(proof.index == 1)
      #expect(try proof.isValid(for: Array(second.head.text.utf8), verifier: instance))
      let again = try Notary(log: log, directory: directory)
      #expect(try await again.latest(of: org) == second.checkpoint)
      #expect(try await again.instanceCheckpoint == notary.instanceCheckpoint)
      let tile = try #require(try await again.instanceEntries(0, width: 2))
      #expect(tile.count == 4 + first.head.text.utf8.count + second.head.text.utf8.count)
      #expect(try await again.instanceEntries(0, width: 3) == nil)
      await log.close()
    }
  }

  /// What was signed is remembered outside the log: an older copy of the log cannot sign another history.
  @Test func `a log put back to an earlier state does not sign under its old incarnation`()
    async throws
  {
    try await withDirectory { directory in
      let original = try log(directory)
      try await append(original, "one")
      await original.close()
      try FileManager.default.copyItem(
        atPath: directory + "/log", toPath: directory + "/copy")
      let grown = try log(directory)
      try await append(grown, "two")
      let notary = try Notary(log: grown, directory: directory)
      let published = try await notary.publish(org)
      await grown.close()

      let restored = try log(directory, name: "copy")
      let again = try Notary(log: restored, directory: directory)
      let refusal = NotaryError.forked(origin: published.head.origin, size: 2)
      await #expect(throws: refusal) { try await again.publish(org) }
      try await append(restored, "another")
      await #expect(throws: refusal) { try await again.publish(org) }
      await restored.close()
    }
  }

  /// A rehearsal of a restore is thrown away: a head that it had signed would contradict one of the next restore.
  @Test func `nothing is signed after a restore until it is released`() async throws {
    try await withDirectory { directory in
      let original = try log(directory)
      try await append(original, "one")
      let first = try Notary(log: original, directory: directory)
      let former = try await first.publish(org)
      let reader = try LMDBLogReader(directory: directory + "/log")
      _ = try reader.backUp(to: directory + "/backup")
      reader.close()
      await original.close()
      let report = try LogRestore(
        backup: directory + "/backup", target: directory + "/restored",
        rootKey: try FileRootKey(path: directory + "/log/root.key", mayCreate: false)
      ).run()
      try FileManager.default.copyItem(
        atPath: directory + "/log/root.key", toPath: directory + "/restored/root.key")
      try RestoreRecord(
        restoredAtMicros: 7, head: report.head, dataUpToMicros: 6, incarnation: report.incarnation
      ).write(to: directory + "/restored.json")
      let hold = SendingHold(path: directory + "/restored.json") { 8 }
      let restored = try log(directory, name: "restored")
      try await append(restored, "another")
      for _ in 0..<2 {
        let notary = try Notary(log: restored, directory: directory, hold: hold)
        await #expect(throws: NotaryError.onHold) { try await notary.publish(org) }
        await #expect(throws: NotaryError.onHold) { try await notary.latest(of: org) }
        await #expect(throws: NotaryError.onHold) { try await notary.instanceCheckpoint }
        await #expect(throws: NotaryError.onHold) { try await notary.instanceEntries(0, width: 1) }
        // What the books quote is known all the same.
        #expect(try await notary.lastFormerHead(of: org) == former.head)
      }
      #expect(!FileManager.default.fileExists(atPath: directory + "/checkpoints/i2"))
      #expect(try restored.signedHead(of: OrgID(org.value))?.incarnation == 1)

      let notary = try Notary(log: restored, directory: directory, hold: hold)
      #expect(try hold.release())
      let published = try await notary.publish(org)
      #expect(published.head.origin.contains("/i2/"))
      let entries = try #require(try await notary.instanceEntries(0, width: 2))
      #expect(String(decoding: entries, as: UTF8.self).contains("/i1/instance"))
      await restored.close()
    }
  }

  @Test func `an instance log that lost or changed an entry is not gone on with`() async throws {
    try await withDirectory { directory in
      let log = try log(directory)
      try await append(log, "one")
      let notary = try Notary(log: log, directory: directory)
      _ = try await notary.publish(org)
      try await append(log, "two")
      _ = try await notary.publish(org)
      let path = directory + "/checkpoints/i1/entries"
      let entries = try Data(contentsOf: URL(filePath: path))
      for spoiled in [entries.prefix(entries.count / 2), entries.dropLast(3) + [0, 0, 0]] {
        try spoiled.write(to: URL(filePath: path))
        #expect(throws: NotaryError.instanceLogDamaged) {
          try Notary(log: log, directory: directory)
        }
      }
      // A write that a full disk has cut off, and the next one that succeeds.
      try entries.write(to: URL(filePath: path))
      let interrupted = try Notary(log: log, directory: directory)
      try (entries + [0, 90, 1, 2]).write(to: URL(filePath: path))
      try await append(log, "three")
      _ = try await interrupted.publish(org)
      #expect(
        try await Notary(log: log, directory: directory).instanceCheckpoint
          == interrupted.instanceCheckpoint)
      // What a crash cut off behind the signed head was never promised.
      let more = try Data(contentsOf: URL(filePath: path))
      try (more + [0, 90, 1, 2]).write(to: URL(filePath: path))
      let again = try Notary(log: log, directory: directory)
      #expect(try await again.instanceCheckpoint == interrupted.instanceCheckpoint)
      await log.close()
    }
  }

  @Test func `a head reaches an account's own book once a day, and only where something happened`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      let publisher = CheckpointPublisher(
        engine: try fixture.house.engine, notary: fixture.desk.notary, log: fixture.log
      ) { Issue.record("\($0)") }
      func sizes() throws -> [Int64] {
        try fixture.log.readOrg(OrgID(org.id.value), from: 0, limit: 1_000).compactMap {
          guard case .org(.checkpointPublished(let size, _)) = try EventCodec.decode($0).event
          else { return nil }
          return size
        }
      }
      let first = try fixture.log.treeHead(of: OrgID(org.id.value)).size
      await publisher.publishAll()
      #expect(try sizes() == [])
      try fixture.house.advance(byMicros: 25 * 3_600_000_000)
      await publisher.publishAll()
      await publisher.publishAll()
      #expect(try sizes() == [Int64(first)])
      try fixture.house.advance(byMicros: 25 * 3_600_000_000)
      await publisher.publishAll()
      #expect(try sizes() == [Int64(first)])
      _ = try await org.contact("+12125550111")
      let second = try fixture.log.treeHead(of: OrgID(org.id.value)).size
      await publisher.publishAll()
      #expect(try sizes() == [Int64(first), Int64(second)])
    }
  }
}

import Application
import Crypto
import Domain
import EventCodec
import EventLog
import Foundation
import Merkle
import Testing
import Vault

/// After a restore the first event of every book quotes the last checkpoint of the history before (verifiable-log.md 1.5).
@Suite struct RestoreNotesTests {
  private final class Reports: @unchecked Sendable {
    private let lock = NSLock()
    private var lines: [String] = []
    func add(_ line: String) { lock.withLock { lines.append(line) } }
    var all: [String] { lock.withLock { lines } }
  }

  /// A home with a book of which a head was signed, and its backup; then `rest`, in the first history still.
  private func withBackup(
    then rest: (ExportHouse, TestOrg) async throws -> Void,
    _ body: (_ home: String, _ org: Identifier) async throws -> Void
  ) async throws {
    let home = NSTemporaryDirectory() + "notes-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: home) }
    var made: Identifier?
    try await ExportHouse.with(home: home) { fixture in
      let org = try await fixture.house.org()
      made = org.id
      _ = try await org.contact("+12125550111", name: "Zoë")
      _ = try await fixture.desk.notary.publish(org.id)
      let reader = try LMDBLogReader(directory: home + "/log")
      defer { reader.close() }
      _ = try reader.backUp(to: home + "/backup")
      try await rest(fixture, org)
    }
    try await body(home, try #require(made))
  }

  private func restore(_ home: String, to name: String) throws -> UInt32 {
    let target = "\(home)/\(name)"
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: home + "/log/root.key", toPath: target + "/root.key")
    let key = try FileRootKey(path: target + "/root.key", mayCreate: false)
    return try LogRestore(backup: home + "/backup", target: target, rootKey: key).run().incarnation
  }

  private func tell(
    _ fixture: ExportHouse, reason: String = "the disk was lost", reportCount: Int = 0
  ) async throws {
    let reports = Reports()
    let record = RestoreRecord(
      restoredAtMicros: 7, head: 1, dataUpToMicros: 6,
      incarnation: fixture.desk.notary.identity.incarnation, reason: reason)
    await RestoreNotes(
      engine: try fixture.house.engine, notary: fixture.desk.notary, record: record
    ) { reports.add($0) }.write()
    #expect(reports.all.count == reportCount, "\(reports.all)")
  }

  private func restores(_ fixture: ExportHouse, _ org: Identifier) throws -> [RecordedEvent] {
    try fixture.log.readOrg(OrgID(org.value), from: 0, limit: 1_000)
      .filter { $0.type == "org.history_restored" }
  }

  @Test func `the first event after a restore quotes the last head, and both verifiers follow it`()
    async throws
  {
    var last: PublishedHead?
    try await withBackup { fixture, org in
      try await tell(fixture)
      #expect(try restores(fixture, org.id) == [], "the first history has nothing to tell")
      // Given out after the backup, and lost with the log.
      _ = try await org.contact("+12125550112", name: "Lost")
      last = try await fixture.desk.notary.publish(org.id)
    } _: { home, org in
      let published = try #require(last)
      #expect(try restore(home, to: "second") == 2)
      try await ExportHouse.with(home: home, log: "second") { fixture in
        let size = try fixture.log.treeHead(of: OrgID(org.value)).size
        try await tell(fixture)
        try await tell(fixture, reason: "told once")
        let event = try #require(try restores(fixture, org).first)
        #expect(try restores(fixture, org).count == 1 && event.orgSequence == size)
        guard case .org(.historyRestored(let restore)) = try EventCodec.decode(event).event else {
          return #expect(Bool(false), "another event")
        }
        #expect(
          restore
            == HistoryRestore(
              incarnation: 2, reason: "the disk was lost", restoredAtMicros: 7,
              lastCheckpoint: published.head.text))
        let bundle = try await fixture.export(of: org)
        let report = bundle.verify()
        #expect(report.problems == [])
        let told = try #require(report.restores.first)
        #expect(report.restores.count == 1 && told.incarnation == 2 && told.sequence == size)
        #expect(told.reason == "the disk was lost")
        #expect(told.lostEventCount == published.head.size - size)
        #expect(published.head.size > size)
        // A scope that asks for something else opens it all the same.
        let period = try await fixture.export(
          .period(fromMicros: 0, untilMicros: 1), of: org, to: "period")
        #expect(period.verify().restores.count == 1 && period.verify().problems == [])
        #expect(try StandAlone.check([bundle.path, period.path], key: bundle.key) == [0, 0])
        let withheld = try bundle.changing("openings/000.jsonl", to: bundle.path + "-w") { bytes in
          let lines = bytes.split(separator: 10).filter {
            !String(decoding: $0, as: UTF8.self).hasPrefix("{\"seq\":\(size),")
          }
          bytes = Array(lines.joined(separator: [10])) + [10]
        }
        try withheld.signManifest()
        #expect(withheld.verify().problems.contains { $0.contains("does not say from what") })
        #expect(try StandAlone.check([withheld.path], key: bundle.key) == [2])
      }
    }
  }

  @Test func `the instance log of a history begins with the last checkpoint of the one before`()
    async throws
  {
    var last = ""
    try await withBackup { fixture, _ in
      last = try await fixture.desk.notary.instanceCheckpoint
    } _: { home, org in
      #expect(try restore(home, to: "second") == 2)
      for _ in 0..<2 {
        try await ExportHouse.with(home: home, log: "second") { fixture in
          let bytes = try #require(try await fixture.desk.notary.instanceEntries(0, width: 1))
          let quoted = try Checkpoint(text: String(decoding: bytes.dropFirst(2), as: UTF8.self))
          #expect(quoted.origin.hasSuffix("/i1/instance"))
          #expect(last.hasPrefix(quoted.text))
          #expect(try await fixture.desk.notary.instanceEntries(0, width: 2) == nil)
        }
      }
    }
  }

  /// Restored on another machine: what the home remembered is gone, and the log itself knows what it had signed.
  @Test func `without the old home the head that the backup had signed is quoted`() async throws {
    var signed = ""
    try await withBackup { fixture, org in
      signed = try #require(try await fixture.desk.notary.latest(of: org.id))
    } _: { home, org in
      #expect(try restore(home, to: "second") == 2)
      try FileManager.default.removeItem(atPath: home + "/checkpoints")
      try await ExportHouse.with(home: home, log: "second") { fixture in
        try await tell(fixture)
        let told = try #require(try restores(fixture, org).first)
        guard case .org(.historyRestored(let restore)) = try EventCodec.decode(told).event else {
          return #expect(Bool(false), "another event")
        }
        #expect(signed.hasPrefix(try #require(restore.lastCheckpoint)))
        let bundle = try await fixture.export(of: org)
        #expect(bundle.verify().problems == [] && bundle.verify().restores[0].lostEventCount == 0)
        #expect(try StandAlone.check([bundle.path], key: bundle.key) == [0])
      }
    }
  }

  /// A new home makes a new key where nobody has kept the old one: it starts all the same, and says what it cannot quote.
  @Test func `what a lost key has signed keeps no history from its beginning`() async throws {
    try await withBackup { _, _ in
    } _: { home, org in
      #expect(try restore(home, to: "second") == 2)
      try FileManager.default.removeItem(atPath: home + "/checkpoint.key")
      try await ExportHouse.with(home: home, log: "second") { fixture in
        #expect(try await fixture.desk.notary.instanceEntries(0, width: 1) == nil)
        try await tell(fixture, reportCount: 1)
        let told = try #require(try restores(fixture, org).first)
        guard case .org(.historyRestored(let restore)) = try EventCodec.decode(told).event else {
          return #expect(Bool(false), "another event")
        }
        // The restored log knows what it had signed.
        #expect(restore.lastCheckpoint != nil)
        let bundle = try await fixture.export(of: org)
        #expect(bundle.verify().problems == [])
      }
    }
  }

  @Test func `a quote that the book does not go on from is found by every verifier`() async throws {
    try await withBackup { _, _ in
    } _: { home, org in
      #expect(try restore(home, to: "second") == 2)
      try await ExportHouse.with(home: home, log: "second") { fixture in
        let origin = try #require(
          try await fixture.desk.notary.lastFormerHead(of: org)?.origin)
        let other = Checkpoint(origin: origin, size: 2, root: MerkleTree.leafHash([1]))
        _ = try await fixture.house.engine.executor(for: org).perform(TestOrg.call) {
          workspace throws(CommandError) in
          try workspace.recordRestore(
            HistoryRestore(
              incarnation: 2, reason: "", restoredAtMicros: nil, lastCheckpoint: other.text))
        }
        let bundle = try await fixture.export(of: org)
        #expect(bundle.verify().problems.contains { $0.contains("does not go on") })
        #expect(try StandAlone.check([bundle.path], key: bundle.key) == [2])
        var rules = RuleVerifier(numbers: PhoneBook(), clock: SystemZoneClock())
        for event in try fixture.log.readOrg(OrgID(org.value), from: 0, limit: 1_000) {
          rules.check(try EventCodec.decode(event))
        }
        #expect(rules.violations == [])
        try rules.checkQuotedHeads(fixture.log)
        #expect(rules.violations.map(\.rule) == ["history_not_continued"])
      }
    }
  }
}

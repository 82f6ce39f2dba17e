import Foundation
import Synchronization
import Testing
import Vault

@testable import EventLog

/// What a backup folder keeps when it is another's, is not there, is used by two at once, or hears of an erasure.
@Suite struct BackupFolderTests {
  private struct Place {
    let directory: String

    var backup: String { directory + "/backup" }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    func open(
      _ name: String, reached: @escaping @Sendable (MaintenanceStep) -> Void = { _ in }
    ) throws -> LMDBEventLog {
      try FileManager.default.createDirectory(
        atPath: path(name), withIntermediateDirectories: true)
      var options = LMDBEventLog.Options()
      options.reached = reached
      return try LMDBEventLog(directory: path(name), options: options)
    }

    func backUp(_ name: String, keeping: Int? = nil) throws -> BackupSnapshot {
      let reader = try LMDBLogReader(directory: path(name))
      defer { reader.close() }
      return try reader.backUp(to: backup, keeping: keeping).snapshot
    }

    /// With the root key of the log `original`, which the new one gets too.
    func restore(
      _ name: String, from original: String, snapshot: String? = nil
    ) throws -> RestoreReport {
      let rootKey = try FileRootKey(path: path(original) + "/root.key", mayCreate: false)
      let report = try LogRestore(backup: backup, target: path(name), rootKey: rootKey)
        .run(snapshot: snapshot, verifies: true)
      try FileManager.default.copyItem(
        atPath: path(original) + "/root.key", toPath: path(name) + "/root.key")
      return report
    }
  }

  private func withPlace(_ body: (Place) async throws -> Void) async throws {
    try await withLogDirectory { directory async throws in
      try await body(Place(directory: directory))
    }
  }

  private func add(_ person: SubjectID, _ name: String, to log: LMDBEventLog) async throws {
    _ = try await log.append(commit([event(1, personal: [(person, name)])]))
  }

  /// The last event's personal part.
  private func lastPart(of log: LMDBEventLog) throws -> RecordedPart? {
    try log.read(after: 0, limit: .max, filter: .all).events.last?.parts.last
  }

  /// What a backup that was killed has left of the keys is of people who may be erased since.
  @Test func `an unfinished copy of the keys goes with the next erasure, and with the next backup`()
    async throws
  {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      _ = try place.backUp("log")
      let left = place.backup + "/vault/copy.new"
      try Data([1]).write(to: URL(filePath: left))
      try await log.erase([ann], org: orgA)
      #expect(!FileManager.default.fileExists(atPath: left))
      try Data([1]).write(to: URL(filePath: left))
      _ = try place.backUp("log")
      #expect(!FileManager.default.fileExists(atPath: left))
      await log.close()
    }
  }

  @Test func `an unfinished first copy of the keys goes with the next erasure`() async throws {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      _ = try place.backUp("log")
      // As a first backup leaves it that is killed while the keys are copied.
      let folder = place.backup + "/vault"
      let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
      try FileManager.default.moveItem(atPath: "\(folder)/\(name)", toPath: folder + "/copy.new")
      try await log.erase([ann], org: orgA)
      await log.close()
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }

  /// Goal: the newest copy of the keys stays, not the one with the latest time. Method: a backup of a clock that was a year ahead.
  @Test func `a clock that was put back takes no keys out of a folder, and leaves none in it`()
    async throws
  {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      let first = try place.backUp("log")
      let folder = place.backup + "/vault"
      let copy = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
      let ahead = BackupSnapshot(
        createdAtMicros: first.createdAtMicros + 31_536_000_000_000,
        incarnation: first.incarnation, head: first.head, recordedAtMicros: first.recordedAtMicros,
        chunks: first.chunks, files: first.files, books: first.books)
      try FileManager.default.moveItem(
        atPath: "\(folder)/\(copy)",
        toPath: "\(folder)/\(copy.replacing(first.name, with: ahead.name))")
      try FileManager.default.removeItem(
        atPath: "\(place.backup)/snapshots/\(first.name).json")
      try BackupFolder(path: place.backup).add(ahead)

      try await add(bob, "Bob", to: log)
      _ = try place.backUp("log")
      #expect(try place.restore("restored", from: "log").head == 2)
      let restored = try place.open("restored")
      #expect(try lastPart(of: restored) == .opened(subject: bob, payload: Array("Bob".utf8)))
      await restored.close()
      try await log.erase([ann], org: orgA)
      await log.close()
      #expect(try keys(of: [ann, bob], in: place) == [false, true])
    }
  }

  /// Whether the only vault of each history has the keys of all `people`, told one by one.
  private func keys(
    of people: [SubjectID], in place: Place, incarnation: Int = 1
  ) throws -> [Bool] {
    try withVault(in: place, incarnation: incarnation) { vault in
      try people.map { person in
        if case .available = try vault.key(KeyName(org: orgA.value, subject: person.value)) {
          return true
        }
        return false
      }
    }
  }

  /// The only vault of a history in the folder, read from a copy.
  private func withVault<Result>(
    in place: Place, incarnation: Int = 1, _ body: (Vault) throws -> Result
  ) throws -> Result {
    let names = try FileManager.default.contentsOfDirectory(atPath: place.backup + "/vault")
      .filter { $0.hasPrefix("\(incarnation)-") }
    #expect(names.count == 1)
    let copy = place.path("copy-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: "\(place.backup)/vault/\(try #require(names.first))", toPath: copy + "/data.mdb")
    let rootKey = try FileRootKey(path: place.path("log") + "/root.key", mayCreate: false)
    let vault = try Vault(path: copy, rootKey: rootKey)
    defer { vault.close() }
    return try body(vault)
  }

  /// Goal: a folder that no log knew for a while has nobody's keys who was erased meanwhile, in none of its histories.
  @Test func `a backup into a folder takes the erased out of the vaults of other histories too`()
    async throws
  {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      try await add(bob, "Bob", to: log)
      _ = try place.backUp("log")
      await log.close()
      _ = try place.restore("restored", from: "log")
      let reader = try LMDBLogReader(directory: place.path("restored"))
      #expect(try reader.forgetBackup(place.backup))
      reader.close()
      let restored = try place.open("restored")
      try await restored.erase([ann], org: orgA)
      #expect(try keys(of: [ann, bob], in: place) == [true, true])
      _ = try place.backUp("restored")
      await restored.close()
      #expect(try keys(of: [ann, bob], in: place) == [false, true])
      #expect(try keys(of: [ann, bob], in: place, incarnation: 2) == [false, true])
    }
  }

  @Test func `a history of another folder that goes on in this one keeps its number`() async throws
  {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      await log.close()
      let first = try place.backUp("log")
      try FileManager.default.copyItem(atPath: place.backup, toPath: place.path("elsewhere"))
      let rootKey = try FileRootKey(path: place.path("log") + "/root.key", mayCreate: false)
      let drill = LogRestore(
        backup: place.path("elsewhere"), target: place.path("drill"), rootKey: rootKey)
      #expect(try drill.run().incarnation == 2)
      try FileManager.default.copyItem(
        atPath: place.path("log") + "/root.key", toPath: place.path("drill") + "/root.key")
      _ = try place.backUp("drill")
      #expect(try place.restore("restored", from: "log", snapshot: first.name).incarnation == 3)
    }
  }

  @Test func `a verified restore refuses keys that are older than the log`() async throws {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      _ = try place.backUp("log")
      let folder = place.backup + "/vault"
      let older = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
      try FileManager.default.copyItem(
        atPath: "\(folder)/\(older)", toPath: place.path("older"))
      try await add(bob, "Bob", to: log)
      _ = try place.backUp("log")
      await log.close()
      for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
        try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
      }
      try FileManager.default.moveItem(atPath: place.path("older"), toPath: "\(folder)/\(older)")
      #expect(throws: EventLogError.keyMissing(position: 2)) {
        try place.restore("restored", from: "log")
      }
      #expect(try !LMDBEventLog.exists(in: place.path("restored")))
    }
  }

  /// Goal: whoever finds the log finds everything else that was restored with it.
  @Test func `there is no log before everything that belongs to it is in its place`() async throws {
    struct NoRoom: Error {}
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      await log.close()
      _ = try place.backUp("log")
      let rootKey = try FileRootKey(path: place.path("log") + "/root.key", mayCreate: false)
      let restore = LogRestore(
        backup: place.backup, target: place.path("restored"), rootKey: rootKey)
      #expect(throws: NoRoom.self) {
        try restore.run { report in
          #expect(report.head == 1 && report.incarnation == 2)
          throw NoRoom()
        }
      }
      #expect(try !LMDBEventLog.exists(in: place.path("restored")))
      // Another number: who knows what was done with the one before.
      #expect(try restore.run().incarnation == 3)
      #expect(try LMDBEventLog.exists(in: place.path("restored")))
    }
  }

  /// Goal: the keys go into the folder and out of it in pieces, and are what they were. Method: more than a piece of them.
  @Test
  func `a vault of several pieces is backed up, checked and restored, and a changed one is not`()
    async throws
  {
    try await withPlace { place in
      let log = try place.open("log")
      for first in stride(from: 1, through: 10_000, by: 500) as StrideThrough<UInt64> {
        let events = (first..<first + 500).map { number in
          event(1, personal: [(SubjectID(UInt128(number)), "Person \(number)")])
        }
        _ = try await log.append(commit(events))
      }
      await log.close()
      _ = try place.backUp("log")
      let folder = place.backup + "/vault"
      let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
      let copy = try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))
      #expect(copy.count > 1 << 20)
      _ = try BackupContent(checking: place.backup)
      let report = try place.restore("again", from: "log")
      #expect(report.verification?.eventCount == 10_000)
      let restored = try place.open("again")
      #expect(
        try lastPart(of: restored)
          == .opened(subject: SubjectID(10_000), payload: Array("Person 10000".utf8)))
      await restored.close()
      var changed = copy
      changed[changed.count - 1] ^= 1
      try changed.write(to: URL(filePath: "\(folder)/\(name)"))
      #expect(throws: EventLogError.self) { try BackupContent(checking: place.backup) }
      #expect(throws: EventLogError.self) { try place.restore("third", from: "log") }
      #expect(!FileManager.default.fileExists(atPath: place.path("third") + "/vault/data.mdb"))
    }
  }

  @Test func `a backup does not go into the log's own folder`() async throws {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      await log.close()
      try FileManager.default.createSymbolicLink(
        atPath: place.path("link"), withDestinationPath: place.path("log"))
      let reader = try LMDBLogReader(directory: place.path("log"))
      defer { reader.close() }
      let before = try FileManager.default.subpathsOfDirectory(atPath: place.path("log"))
      for name in ["log", "log/vault", "log/new/deep", "link/new"] {
        #expect(throws: EventLogError.self) { try reader.backUp(to: place.path(name)) }
      }
      #expect(try FileManager.default.subpathsOfDirectory(atPath: place.path("log")) == before)
      // Only its name begins alike.
      _ = try reader.backUp(to: place.path("log-backup"))
    }
  }

  /// The keys and the log of one restore would be taken away by the other.
  @Test func `nobody restores to where somebody restores or writes`() async throws {
    try await withPlace { place in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      await log.close()
      _ = try place.backUp("log")
      let rootKey = try FileRootKey(path: place.path("log") + "/root.key", mayCreate: false)
      let busy = try place.open("busy")
      let restore = LogRestore(
        backup: place.backup, target: place.path("busy"), rootKey: rootKey)
      #expect(throws: EventLogError.writerPresent) { try restore.run() }
      await busy.close()
      #expect(throws: EventLogError.self) { try restore.run() }
    }
  }

  @Test func `a folder takes the backups of one log`() async throws {
    try await withPlace { place async throws in
      for (name, person) in [("first", ann), ("second", bob)] {
        let log = try place.open(name)
        try await add(person, "Secret", to: log)
        await log.close()
      }
      _ = try place.backUp("first")
      let before = try FileManager.default.subpathsOfDirectory(atPath: place.backup).sorted()
      #expect(throws: EventLogError.self) { try place.backUp("second") }
      #expect(
        try FileManager.default.subpathsOfDirectory(atPath: place.backup).sorted() == before)
      _ = try place.restore("again", from: "first")
      let again = try place.open("again")
      #expect(try lastPart(of: again) == .opened(subject: ann, payload: Array("Secret".utf8)))
      await again.close()
    }
  }

  @Test func `a log and the one that was restored from it keep their keys in one folder`()
    async throws
  {
    try await withPlace { place async throws in
      let original = try place.open("original")
      try await add(SubjectID(1), "Zoe", to: original)
      _ = try place.backUp("original")
      #expect(try place.restore("drill", from: "original").incarnation == 2)
      // Both go on, each with a person whom the other has not.
      let drill = try place.open("drill")
      try await add(ann, "Ann", to: drill)
      let ofDrill = try place.backUp("drill")
      try await add(bob, "Bob", to: original)
      let ofOriginal = try place.backUp("original")
      let again = try place.backUp("drill")
      await drill.close()
      await original.close()
      for (index, (snapshot, expected)) in [
        (ofDrill, (ann, "Ann")), (ofOriginal, (bob, "Bob")), (again, (ann, "Ann")),
      ].enumerated() {
        _ = try place.restore("restored\(index)", from: "original", snapshot: snapshot.name)
        let log = try place.open("restored\(index)")
        #expect(
          try lastPart(of: log) == .opened(subject: expected.0, payload: Array(expected.1.utf8)))
        await log.close()
      }
    }
  }

  @Test func `backups at once take turns, and every snapshot can be restored`() async throws {
    try await withPlace { place async throws in
      let log = try place.open("log")
      let snapshots = try await withThrowingTaskGroup(of: [BackupSnapshot].self) { group in
        for _ in 0..<3 {
          group.addTask {
            var made: [BackupSnapshot] = []
            for _ in 0..<2 {
              _ = try await log.append(commit([noise(400_000)]))
              made.append(try place.backUp("log"))
            }
            return made
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      await log.close()
      #expect(snapshots.count == 6)
      #expect(try BackupContent(checking: place.backup).snapshotCount == 6)
      for (index, snapshot) in snapshots.enumerated() {
        let report = try place.restore("restored\(index)", from: "log", snapshot: snapshot.name)
        #expect(report.head >= snapshot.head)
      }
    }
  }

  @Test func `the keys of whoever is erased are in no vault of a folder any more`() async throws {
    try await withPlace { place async throws in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      try await add(bob, "Bob", to: log)
      _ = try place.backUp("log")
      try await log.erase([ann], org: orgA)
      await log.close()
      let names = try FileManager.default.contentsOfDirectory(atPath: place.backup + "/vault")
      #expect(names.count == 1)
      try withVault(in: place) { vault in
        guard case .erased = try vault.key(KeyName(org: orgA.value, subject: ann.value)),
          case .available = try vault.key(KeyName(org: orgA.value, subject: bob.value))
        else {
          Issue.record("one is erased, the other is there")
          return
        }
      }
      let report = try place.restore("restored", from: "log")
      // Known from the vault itself.
      #expect(report.tombstoneCount == 0)
    }
  }

  @Test func `a vault that a crash has left beside the rewritten one goes with the repetition`()
    async throws
  {
    try await withPlace { place async throws in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      _ = try place.backUp("log")
      let folder = place.backup + "/vault"
      let before = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
      try FileManager.default.copyItem(
        atPath: "\(folder)/\(before)", toPath: place.path("before"))
      try await log.erase([ann], org: orgA)
      // As it is left between putting the new one there and taking the old one away.
      try FileManager.default.moveItem(
        atPath: place.path("before"), toPath: "\(folder)/\(before)")
      try await log.erase([ann], org: orgA)
      await log.close()
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.count == 1 && left.first != before)
    }
  }

  @Test func `what was sealed for the erased is not in a log that is restored`() async throws {
    try await withPlace { place async throws in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      try await add(bob, "Bob", to: log)
      let old = try place.backUp("log")
      try await log.erase([ann], org: orgA)
      await log.close()
      _ = try place.restore("restored", from: "log", snapshot: old.name)
      // Before a writer has opened it.
      let reader = try LMDBLogReader(directory: place.path("restored"))
      defer { reader.close() }
      #expect(try reader.head() == 2)
      #expect(try reader.sealedParts(of: ann, org: orgA) == [])
      #expect(try reader.sealedParts(of: bob, org: orgA).count == 1)
      #expect(try reader.verify(jobCount: 1).problems == [])
    }
  }

  @Test func `a folder that is away is named, and the log is not rewritten again for it`()
    async throws
  {
    try await withPlace { place async throws in
      let steps = Mutex(0)
      let log = try place.open("log") { if $0 == .logRewritten { steps.withLock { $0 += 1 } } }
      try await add(ann, "Ann", to: log)
      _ = try place.backUp("log")
      let away = place.path("away")
      try FileManager.default.moveItem(atPath: place.backup, toPath: away)
      // Where a disk is not mounted there is mostly an empty folder.
      try FileManager.default.createDirectory(
        atPath: place.backup, withIntermediateDirectories: true)
      for _ in 0..<3 {
        let failure = await #expect(throws: EventLogError.self) {
          try await log.erase([ann], org: orgA)
        }
        #expect(failure?.description.contains(place.backup) == true)
      }
      #expect(steps.withLock { $0 } == 1)
      #expect(try FileManager.default.contentsOfDirectory(atPath: place.backup).isEmpty)
      let reader = try LMDBLogReader(directory: place.path("log"))
      #expect(try reader.backups().map { $0.problem == nil } == [false])
      try FileManager.default.removeItem(atPath: place.backup)
      try FileManager.default.moveItem(atPath: away, toPath: place.backup)
      #expect(try reader.backups().map(\.directory) == [place.backup])
      #expect(try reader.backups().allSatisfy { $0.problem == nil })
      try await log.erase([ann], org: orgA)
      #expect(steps.withLock { $0 } == 1)
      // Gone for good: nobody waits for it.
      try FileManager.default.moveItem(atPath: place.backup, toPath: away)
      try await add(bob, "Bob", to: log)
      await #expect(throws: EventLogError.self) { try await log.erase([bob], org: orgA) }
      #expect(try reader.forgetBackup(place.backup))
      #expect(try !reader.forgetBackup(place.backup))
      try await log.erase([bob], org: orgA)
      reader.close()
      await log.close()
    }
  }

  @Test func `a damaged log is not backed up, and pushes no sound snapshot out`() async throws {
    try await withPlace { place async throws in
      let log = try place.open("log")
      for _ in 0..<3 { _ = try await log.append(commit([noise(20_000)])) }
      let sound = try place.backUp("log", keeping: 1)
      await log.close()
      let url = URL(filePath: place.path("log") + "/log/data.mdb")
      var bytes = try Data(contentsOf: url)
      let held = try LMDBLogReader(directory: place.path("log"))
      let part = try #require(
        try held.read(after: 1, limit: 1, filter: .all).events.first?.parts[0])
      held.close()
      guard case .opened(_, let payload) = part else {
        Issue.record("the org's part opens")
        return
      }
      let found = try #require(bytes.range(of: Data(payload.prefix(64))))
      bytes[found.lowerBound] ^= 1
      try bytes.write(to: url)
      #expect(throws: EventLogError.self) { try place.backUp("log", keeping: 1) }
      #expect(try BackupContent(checking: place.backup).newestSnapshot == sound.name)
    }
  }

  @Test func `a check of a folder finds every damaged or missing file`() async throws {
    try await withPlace { place async throws in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      let snapshot = try place.backUp("log")
      await log.close()
      let content = try BackupContent(checking: place.backup)
      #expect(content.newestSnapshot == snapshot.name)
      #expect(content.head == 1)
      for folder in ["chunks", "vault", "snapshots"] {
        for name in try FileManager.default.contentsOfDirectory(
          atPath: "\(place.backup)/\(folder)")
        {
          let url = URL(filePath: "\(place.backup)/\(folder)/\(name)")
          let sound = try Data(contentsOf: url)
          var damaged = sound
          damaged[damaged.count / 2] ^= 1
          try damaged.write(to: url)
          #expect(throws: EventLogError.self) { try BackupContent(checking: place.backup) }
          try FileManager.default.removeItem(at: url)
          #expect(throws: EventLogError.self) { try BackupContent(checking: place.backup) }
          try sound.write(to: url)
        }
      }
      #expect(try BackupContent(checking: place.backup) == content)
    }
  }

  @Test func `a restore that was ended between its last steps can be repeated`() async throws {
    try await withPlace { place async throws in
      let log = try place.open("log")
      try await add(ann, "Ann", to: log)
      _ = try place.backUp("log")
      await log.close()
      _ = try place.restore("restored", from: "log")
      let restored = place.path("restored")
      try FileManager.default.removeItem(atPath: restored + "/root.key")
      // Keys that no restore has put there are not touched.
      try FileManager.default.moveItem(
        atPath: restored + "/log", toPath: place.path("aside"))
      #expect(throws: EventLogError.self) { try place.restore("restored", from: "log") }
      #expect(FileManager.default.fileExists(atPath: restored + "/vault/data.mdb"))
      // As it is left between the two renames.
      try FileManager.default.createDirectory(
        atPath: restored + "/restoring/log", withIntermediateDirectories: true)
      #expect(try place.restore("restored", from: "log").head == 1)
      let again = try place.open("restored")
      #expect(try lastPart(of: again) == .opened(subject: ann, payload: Array("Ann".utf8)))
      await again.close()
    }
  }
}

import Foundation
import Testing
import Vault

@testable import EventLog

/// Two histories that signed under one name would be a fork: whoever restores gets a number that no folder of the log that can be
/// reached has given to anybody.
@Suite struct HistoryNumberTests {
  private struct Place: Sendable {
    let directory: String

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    func open(_ name: String) throws -> LMDBEventLog {
      try FileManager.default.createDirectory(
        atPath: path(name), withIntermediateDirectories: true)
      return try LMDBEventLog(directory: path(name))
    }

    func backups(_ name: String) throws -> [KnownBackup] {
      let reader = try LMDBLogReader(directory: path(name))
      defer { reader.close() }
      return try reader.backups()
    }

    func backUp(_ name: String, to folder: String) async throws {
      try await onOwnThread {
        let reader = try LMDBLogReader(directory: path(name))
        defer { reader.close() }
        _ = try reader.backUp(to: path(folder))
      }
    }

    func restore(
      _ name: String, from folder: String, after known: UInt32 = 0
    ) async throws -> RestoreReport {
      try await onOwnThread {
        let rootKey = try FileRootKey(path: path("log/root.key"), mayCreate: false)
        let report = try LogRestore(backup: path(folder), target: path(name), rootKey: rootKey)
          .run(after: known)
        try FileManager.default.copyItem(
          atPath: path("log/root.key"), toPath: path(name) + "/root.key")
        return report
      }
    }
  }

  /// Goal: nothing is written into a folder that is mounted read-only, and nobody takes a number from it without answering for it.
  /// Method: a folder that is said to be; the files in it before and after.
  @Test func `a read-only folder is restored from under a number that somebody chose`() async throws
  {
    try await withTwoFolders { place in
      let before = try Self.content(of: place.path("one"))
      try await onOwnThread {
        let restore = LogRestore(
          backup: place.path("one"), target: place.path("restored"),
          rootKey: try FileRootKey(path: place.path("log/root.key"), mayCreate: false),
          isReadOnly: { $0 == place.path("one") })
        let error = #expect(throws: EventLogError.self) { try restore.run() }
        let text = try #require(error).description
        #expect(text.contains("\(place.path("one")) is read-only") && text.contains("--history"))
        let report = try restore.run(after: 6, isNumberGiven: true)
        #expect(report.incarnation == 7 && report.head == 1)
        #expect(report.untoldFolders == ["\(place.path("one")): it is read-only"])
      }
      #expect(try Self.content(of: place.path("one")) == before)
      // The other one was told.
      #expect(try await place.restore("another", from: "two").incarnation == 8)
    }
  }

  private static func content(of folder: String) throws -> [String: Data] {
    var content: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      content[name] = FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data()
    }
    return content
  }

  /// A log with two backup folders, each of which knows of the other one.
  private func withTwoFolders(_ body: (Place) async throws -> Void) async throws {
    try await withLogDirectory { directory async throws in
      let place = Place(directory: directory)
      let log = try place.open("log")
      _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])]))
      await log.close()
      for folder in ["one", "two", "one"] { try await place.backUp("log", to: folder) }
      try await body(place)
    }
  }

  @Test func `restores from two folders of one log are two histories`() async throws {
    try await withTwoFolders { place in
      #expect(try await place.restore("first", from: "one").incarnation == 2)
      let second = try await place.restore("second", from: "two")
      #expect(second.incarnation == 3)
      #expect(second.untoldFolders == [])
      #expect(try await place.restore("third", from: "one").incarnation == 4)
    }
  }

  @Test func `restores from two folders at the same time are two histories`() async throws {
    try await withTwoFolders { place in
      for round in 0..<5 {
        async let one = place.restore("one\(round)-", from: "one")
        async let two = place.restore("two\(round)-", from: "two")
        let numbers = [try await one.incarnation, try await two.incarnation]
        #expect(numbers[0] != numbers[1])
      }
    }
  }

  @Test func `a history that only the caller knows of is not begun again`() async throws {
    try await withTwoFolders { place async throws in
      #expect(try await place.restore("first", from: "one", after: 6).incarnation == 7)
      #expect(try await place.restore("second", from: "two").incarnation == 8)
    }
  }

  @Test func `a folder that is away at a restore is named, and until it knows of the history`()
    async throws
  {
    try await withTwoFolders { place in
      let away = place.path("away")
      try FileManager.default.moveItem(atPath: place.path("two"), toPath: away)
      let restored = try await place.restore("restored", from: "one")
      #expect(restored.incarnation == 2)
      #expect(restored.untoldFolders.count == 1)
      #expect(restored.untoldFolders.first?.contains(place.path("two")) == true)
      try FileManager.default.moveItem(atPath: away, toPath: place.path("two"))
      let one = try place.backups("restored")
      #expect(one.map(\.problem) == [nil, nil])
      #expect(one.filter { !$0.knowsHistory }.map(\.directory) == [place.path("two")])
      try await place.backUp("restored", to: "two")
      #expect(try place.backups("restored").allSatisfy(\.knowsHistory))
      #expect(try await place.restore("again", from: "two").incarnation == 3)
    }
  }

  /// Or an older backup would bring back whoever was erased after a restore from the other folder.
  @Test func `a log that was restored from one folder tells the others of erasures`() async throws {
    try await withTwoFolders { place in
      _ = try await place.restore("restored", from: "one")
      let restored = try place.open("restored")
      try await restored.erase([ann], org: orgA)
      await restored.close()
      _ = try await place.restore("again", from: "two")
      let again = try place.open("again")
      let part = try again.read(after: 0, limit: 1, filter: .all).events.last?.parts.last
      #expect(part == .erased(subject: ann))
      await again.close()
    }
  }

  /// Goal: what two folders are for. Method: somebody is erased while one of them is away, and the log is lost before that one is back.
  @Test func `a restore from a folder that was away asks the others who was erased, and tells it`()
    async throws
  {
    try await withTwoFolders { place in
      let (one, away) = (place.path("one"), place.path("away"))
      try FileManager.default.moveItem(atPath: one, toPath: away)
      let log = try place.open("log")
      // However often it is asked for: the folder that is there has one line of it.
      for _ in 0..<3 {
        await #expect(throws: EventLogError.self) { try await log.erase([ann], org: orgA) }
      }
      await log.close()
      let told = try String(contentsOfFile: place.path("two/tombstones"), encoding: .utf8)
      #expect(told.split(separator: "\n").count == 1)
      try FileManager.default.moveItem(atPath: away, toPath: one)
      func expectErased(_ name: String, count: Int) async throws {
        let report = try await place.restore(name, from: "one")
        #expect(report.tombstoneCount == count)
        let restored = try place.open(name)
        let part = try restored.read(after: 0, limit: 1, filter: .all).events.last?.parts.last
        #expect(part == .erased(subject: ann))
        await restored.close()
      }
      try await expectErased("restored", count: 1)
      #expect(try BackupFolder(path: one).tombstones().map(\.subject).contains(ann.value))
      try FileManager.default.removeItem(atPath: place.path("two"))
      // Its keys are gone from this one too.
      try await expectErased("again", count: 0)
    }
  }

  @Test func `a log knows every folder that its first backups go into at once`() async throws {
    try await withLogDirectory { directory async throws in
      let log = LogFolder(path: directory)
      let folders = (0..<16).map { "/backups/\($0)" }
      try await withThrowingTaskGroup { group in
        for folder in folders {
          group.addTask { _ = try await onOwnThread { try log.addBackup(folder) } }
        }
        try await group.waitForAll()
      }
      #expect(try Set(log.backups()) == Set(folders))
    }
  }

  @Test func `a log that cannot write down its backup says so of itself`() async throws {
    try await withLogDirectory { directory async throws in
      let place = Place(directory: directory)
      let log = try place.open("log")
      _ = try await log.append(commit([event(1)]))
      await log.close()
      // As on a disk that is mounted for reading: root may write wherever permissions forbid it.
      try FileManager.default.createDirectory(
        atPath: place.path("log/backups.new"), withIntermediateDirectories: false)
      let failure = await #expect(throws: EventLogError.self) {
        try await place.backUp("log", to: "one")
      }
      #expect(failure?.description.contains(place.path("log/backups")) == true)
      #expect(failure?.description.contains(place.path("one")) == false)
    }
  }
}

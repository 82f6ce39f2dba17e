import EventLog
import Foundation
import Testing
import Vault

/// New keys above the subjects' keys: nothing that is stored changes its meaning.
@Suite struct RotationTests {
  private static let directoryVariable = "DAYBOOK_ROTATION_TEST_DIRECTORY"
  private static let stepVariable = "DAYBOOK_ROTATION_TEST_STEP"

  private static func fill(_ log: LMDBEventLog, _ count: Int) async throws {
    for number in 0..<count {
      let person = SubjectID(UInt128(number % 20 + 1))
      _ = try await log.append(
        commit(
          [event(UInt128(number), personal: [(person, "secret \(number)")])],
          org: number % 2 == 0 ? orgA : orgB))
    }
  }

  @Test func `after a rotation everything opens, and the old keys open nothing`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      try await Self.fill(log, 60)
      let reader = try LMDBLogReader(directory: directory)
      let events = try log.read(after: 0, limit: .max, filter: .all).events
      let oldRoot = try Data(contentsOf: URL(filePath: directory + "/root.key"))
      try await log.rotateKeys(includingRoot: true)
      #expect(try Data(contentsOf: URL(filePath: directory + "/root.key")) != oldRoot)
      // A reader that was there before, the writer, and whoever opens now.
      #expect(try reader.read(after: 0, limit: .max, filter: .all).events == events)
      try await Self.fill(log, 30)
      try await log.rotateKeys(includingRoot: false)
      #expect(try reader.verify(isDeep: true).problems == [])
      reader.close()
      await log.close()
      let again = try LMDBEventLog(directory: directory)
      #expect(
        try again.read(after: 0, limit: 60, filter: .all).events == events)
      #expect(try again.verify(isDeep: true).problems == [])
      await again.close()
      let path = directory + "/old.key"
      try oldRoot.write(to: URL(filePath: path))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
      let key = try FileRootKey(path: path, mayCreate: false)
      let closed = try LMDBLogReader(directory: directory, rootKey: key)
      #expect(throws: EventLogError.wrongRootKey) {
        try closed.read(after: 0, limit: 9, filter: .all)
      }
      closed.close()
    }
  }

  @Test(arguments: MaintenanceStep.rotating)
  func `a rotation that was killed loses no key and is completed by the next one`(
    step: MaintenanceStep
  ) async throws {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      try await Self.fill(log, 40)
      let events = try log.read(after: 0, limit: .max, filter: .all).events
      await log.close()
      unsafe setenv(Self.directoryVariable, directory, 1)
      unsafe setenv(Self.stepVariable, step.rawValue, 1)
      await #expect(processExitsWith: .signal(SIGKILL)) { try await Self.rotateUntilKilled() }
      // Between two root keys nobody has kept the one that opens the keys.
      if step == .rootRewrapped {
        #expect(throws: EventLogError.self) { try Self.backUpAndRestore(directory) }
      } else {
        try Self.backUpAndRestore(directory)
      }
      let again = try LMDBEventLog(directory: directory)
      #expect(try again.read(after: 0, limit: .max, filter: .all).events == events)
      try await Self.fill(again, 10)
      try await again.rotateKeys(includingRoot: true)
      #expect(try again.read(after: 0, limit: 40, filter: .all).events == events)
      #expect(try again.verify(isDeep: true).problems == [])
      #expect(!FileManager.default.fileExists(atPath: directory + "/root.key.next"))
      await again.close()
    }
  }

  /// With a copy of the root key as whoever is told to keep `root.key` has it.
  private static func backUpAndRestore(_ directory: String) throws {
    let reader = try LMDBLogReader(directory: directory)
    defer { reader.close() }
    let backup = directory + "-backup-\(UUID().uuidString)"
    defer { _ = try? FileManager.default.removeItem(atPath: backup) }
    _ = try reader.backUp(to: backup)
    let kept = try FileRootKey(path: directory + "/root.key", mayCreate: false)
    let restored = backup + "/restored"
    _ = try LogRestore(backup: backup, target: restored, rootKey: kept).run(verifies: true)
  }

  /// The child.
  private static func rotateUntilKilled() async throws {
    let environment = ProcessInfo.processInfo.environment
    let directory = try #require(environment[directoryVariable])
    let fatal = try #require(MaintenanceStep(rawValue: environment[stepVariable] ?? ""))
    var options = LMDBEventLog.Options()
    options.reached = { if $0 == fatal { kill(getpid(), SIGKILL) } }
    let log = try LMDBEventLog(directory: directory, options: options)
    try await log.rotateKeys(includingRoot: true)
  }
}

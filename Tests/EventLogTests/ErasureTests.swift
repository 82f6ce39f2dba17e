import Crypto
import EventLog
import Foundation
import Merkle
import Testing

/// What is left of an erased subject: nothing but commitments.
@Suite struct ErasureTests {
  private static let directoryVariable = "DAYBOOK_ERASURE_TEST_DIRECTORY"
  private static let stepVariable = "DAYBOOK_ERASURE_TEST_STEP"
  private static let secret = "Ann Example, +1 555 0100, ann@example.com, and what she wrote"

  /// Small blocks and large ones, in several runs of the index; every third event is Ann's.
  private static func fill(_ directory: String) async throws {
    let log = try LMDBEventLog(directory: directory)
    for round in 0..<70 {
      let count = round % 8 == 7 ? 120 : 1
      var events: [NewEvent] = []
      for number in 0..<count {
        let isAnns = number % 3 == 0
        events.append(
          event(
            isAnns ? ann.value : UInt128(number),
            personal: isAnns ? [(ann, "\(secret) \(round)"), (bob, "Bob's \(round)")] : []))
      }
      _ = try await log.append(commit(events))
    }
    await log.close()
  }

  /// The stored bytes of all of Ann's parts, as they are in the files.
  private static func ciphertexts(_ directory: String) throws -> [Data] {
    let bytes = try Data(contentsOf: URL(filePath: directory + "/log/data.mdb"))
    let reader = try LMDBLogReader(directory: directory)
    defer { reader.close() }
    let sealed = try reader.sealedParts(of: ann, org: orgA).map { Data($0) }
    for part in sealed { try #require(bytes.range(of: part) != nil) }
    return sealed
  }

  /// Every file below `directory`, whatever its name.
  private static func expectGone(_ secrets: [Data], below directory: String) throws {
    for name in try FileManager.default.subpathsOfDirectory(atPath: directory) {
      let path = "\(directory)/\(name)"
      var isFolder: ObjCBool = false
      guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
        !isFolder.boolValue
      else { continue }
      let bytes = try Data(contentsOf: URL(filePath: path))
      #expect(!secrets.contains { bytes.range(of: $0) != nil }, "\(name)")
    }
  }

  @Test func `no file holds a byte that the subject's key sealed, and every proof still holds`()
    async throws
  {
    try await withLogDirectory { directory in
      try await Self.fill(directory)
      let ciphertexts = try Self.ciphertexts(directory)
      try #require(ciphertexts.count > 100)
      let reader = try LMDBLogReader(directory: directory)
      let before = try reader.treeHead(of: orgA)
      let count = try reader.head()
      let leaves = try reader.leaves(of: orgA, from: 0, limit: .max).map(\.leaf)
      let log = try LMDBEventLog(directory: directory)
      try await log.erase([ann], org: orgA)
      try Self.expectGone(ciphertexts + [Data(Self.secret.utf8)], below: directory)
      #expect(try log.treeHead(of: orgA) == before)
      #expect(try log.leaves(of: orgA, from: 0, limit: .max).map(\.leaf) == leaves)
      #expect(try log.verify(isDeep: true).problems == [])
      try Self.expectErased(reader, count: count)
      // What follows is stored in the new file, which the open reader takes over.
      _ = try await log.append(commit([event(1)], key: IdempotencyKey(name: "k", fingerprint: 1)))
      #expect(try reader.head() == count + 1)
      await log.close()
      reader.close()
    }
  }

  private static func expectErased(_ log: any EventReader, count: UInt64) throws {
    let events = try log.read(after: 0, limit: .max, filter: .all).events
    #expect(events.count == Int(count))
    for event in events where event.parts.count > 1 {
      #expect(event.parts[1] == .erased(subject: ann))
      guard case .opened(bob, let payload) = event.parts[2] else {
        Issue.record("Bob's part at \(event.position) is gone too")
        continue
      }
      #expect(String(decoding: payload, as: UTF8.self).hasPrefix("Bob's "))
    }
  }

  @Test(arguments: MaintenanceStep.erasing)
  func `an erasure that was killed is completed by another call`(
    step: MaintenanceStep
  ) async throws {
    try await withLogDirectory { directory async throws in
      try await Self.fill(directory)
      let ciphertexts = try Self.ciphertexts(directory)
      unsafe setenv(Self.directoryVariable, directory, 1)
      unsafe setenv(Self.stepVariable, step.rawValue, 1)
      await #expect(processExitsWith: .signal(SIGKILL)) { try await Self.eraseUntilKilled() }
      let reader = try LMDBLogReader(directory: directory)
      let count = try reader.head()
      try Self.expectErased(reader, count: count)
      #expect(try reader.verify(isDeep: true).problems == [])
      let log = try LMDBEventLog(directory: directory)
      try await log.erase([ann], org: orgA)
      try Self.expectGone(ciphertexts, below: directory)
      try Self.expectErased(log, count: count)
      try Self.expectErased(reader, count: count)
      #expect(try log.verify(isDeep: true).problems == [])
      await log.close()
      reader.close()
    }
  }

  /// The child.
  private static func eraseUntilKilled() async throws {
    let environment = ProcessInfo.processInfo.environment
    let directory = try #require(environment[directoryVariable])
    let fatal = try #require(MaintenanceStep(rawValue: environment[stepVariable] ?? ""))
    var options = LMDBEventLog.Options()
    options.reached = { if $0 == fatal { kill(getpid(), SIGKILL) } }
    let log = try LMDBEventLog(directory: directory, options: options)
    try await log.erase([ann], org: orgA)
  }
}

import Foundation
import Testing
import Vault

@testable import EventLog

/// A rewriting that fails on its way: what is written next is found again, and has the room that it needs.
@Suite(.serialized) struct UnfinishedRewritingTests {
  /// Goal: keys that are made after a rewriting of the vault has failed behind its rename(2), say because the new file could not be
  /// opened, are not lost. Method: what such a failure leaves, made by hand under a log that goes on: the next file, whole and
  /// named, while the one before is open.
  @Test func `keys made after a rewriting that failed at its end are in the file that counts`()
    async throws
  {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])]))
      try Self.leaveNextVault(directory)
      _ = try await log.append(commit([event(1, personal: [(bob, "Bob")])]))
      // As whoever asked for the first erasure does it over.
      try await log.erase([ann], org: orgA)
      _ = try await log.append(commit([event(1, personal: [(SubjectID(3), "Carol")])]))
      await log.close()
      let again = try LMDBEventLog(directory: directory)
      #expect(try again.verify(isDeep: true).problems == [])
      let parts = try again.read(after: 0, limit: .max, filter: .all).events.map { $0.parts[1] }
      #expect(
        parts == [
          .erased(subject: ann), .opened(subject: bob, payload: Array("Bob".utf8)),
          .opened(subject: SubjectID(3), payload: Array("Carol".utf8)),
        ])
      await again.close()
    }
  }

  private static func leaveNextVault(_ directory: String) throws {
    let path = directory + "/vault"
    let rootKey = try FileRootKey(path: directory + "/root.key", mayCreate: false)
    let vault = try Vault(path: path, rootKey: rootKey, mayCreate: false)
    defer { vault.close() }
    try FileManager.default.createDirectory(
      atPath: path + "/keys.1", withIntermediateDirectories: false)
    try vault.copyCompacting(to: path + "/keys.1")
    try Data("1".utf8).write(to: URL(filePath: path + "/current"))
  }
}

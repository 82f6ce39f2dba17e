import EventLog
import Foundation
import LMDB
import Testing
import Vault

/// What `daybook verify` says of a log: every problem is in the report, and there is always a report.
@Suite struct VerificationTests {
  /// Puts an empty vault in the place of the log's own.
  private static func loseVault(_ directory: String) throws {
    try FileManager.default.removeItem(atPath: directory + "/vault/data.mdb")
    let rootKey = try FileRootKey(path: directory + "/root.key", mayCreate: false)
    try Vault(path: directory + "/vault", rootKey: rootKey).close()
  }

  /// Puts another root key in the place of the log's own.
  private static func changeRootKey(_ directory: String) throws {
    try FileManager.default.removeItem(atPath: directory + "/root.key")
    _ = try FileRootKey(path: directory + "/root.key", mayCreate: true)
  }

  /// Flips one bit of what the root key wrapped: the key of the first org.
  private static func damageOrgKey(_ directory: String) throws {
    let environment = try Environment.open(
      path: directory + "/vault",
      options: Environment.Options(mapBytes: 1 << 30, tables: ["orgs": .bytes]))
    defer { environment.close() }
    let table = environment.table("orgs")
    try environment.write { transaction throws in
      var first: (key: [UInt8], value: [UInt8])?
      try transaction.reading.scan(table) { key, value in
        if first == nil { first = (key, unsafe value.withUnsafeBytes { unsafe Array($0) }) }
      }
      var (key, value) = try #require(first)
      value[value.count - 1] ^= 1
      try transaction.put(value, forKey: key, in: table)
    }
  }

  @Test(arguments: [
    (Self.loseVault, "key_missing"), (Self.changeRootKey, "wrong_root_key"),
    (Self.damageOrgKey, "wrong_root_key"),
  ])
  func `a key of an org that does not open is a problem, named once`(
    spoil: @Sendable (String) throws -> Void, code: String
  ) async throws {
    try await withLogDirectory { directory in
      try await fillTwoOrgs(directory)
      try spoil(directory)
      let reader = try LMDBLogReader(directory: directory)
      defer { reader.close() }
      for (jobCount, isDeep) in [(1, false), (2, true)] {
        let report = try reader.verify(isDeep: isDeep, jobCount: jobCount)
        let named = report.problems.filter { $0.reason.contains(code) }
        #expect(named.first?.position == 1)
        #expect(named.count <= 2, "once of each org")
        #expect(report.problems == named, "what follows from it is not said besides")
        #expect(report.eventCount == 5 && report.blockCount == 5)
      }
    }
  }

  @Test func `an empty log is sound`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let report = try log.verify(isDeep: true)
      #expect(report.problems == [] && report.headPosition == 0)
      await log.close()
    }
  }

  @Test func `a sound log verifies, in whole, in part and deeply`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for number in 0..<200 {
        let key = IdempotencyKey(name: "k\(number)", fingerprint: 1)
        _ = try await log.append(
          commit([event(UInt128(number % 5), personal: [(ann, "x")]), event(9)], key: key))
      }
      try await log.erase([ann], org: orgA)
      _ = try await log.append(commit([event(1, personal: [(bob, "x")])]))
      var positions: [UInt64] = []
      let report = try log.verify(isDeep: true) { positions.append($0.position) }
      #expect(report.problems == [])
      #expect(report.eventCount == 401)
      #expect(report.erasedPartCount == 200)
      #expect(report.openedPartCount == 1)
      #expect(report.treeHeads == [orgA: try log.treeHead(of: orgA)])
      #expect(positions.last == 401)
      let part = try log.verify(from: 300)
      #expect(part.problems == [])
      #expect(part.eventCount >= 102 && part.eventCount < 401)
      await log.close()
    }
  }

  /// Goal: what is signed while a verification is on its way is no damage.
  @Test func `a checkpoint may be signed meanwhile`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for _ in 0..<20 { _ = try await log.append(commit([event(1)])) }
      let key = try CheckpointKey(name: "x", seed: [UInt8](repeating: 1, count: 32))
      let reader = try LMDBLogReader(directory: directory)
      let (report, isSigned) = try await onOwnThread {
        var isSigned = false
        let report = try reader.verify { _ in
          guard !isSigned else { return }
          isSigned = true
          waiting {
            _ = try await log.append(commit([event(1)]))
            _ = try await log.checkpoint(of: orgA, signedBy: key)
          }
        }
        return (report, isSigned)
      }
      #expect(isSigned && report.problems == [] && report.eventCount == 20)
      #expect(try reader.verify().problems == [])
      reader.close()
      await log.close()
    }
  }

  /// Goal: a large block that is made meanwhile of small ones before and after the head that a verification began with is no
  /// damage. Method: two steps of it; between them the log grows by a run of the index and is compacted.
  @Test func `the block that the verification ends in may become larger meanwhile`() async throws {
    try await withLogDirectory { directory in
      var options = LMDBEventLog.Options()
      options.compaction.pauseFactor = nil
      options.compaction.blockEvents = 100
      let log = try LMDBEventLog(directory: directory, options: options)
      for _ in 0..<600 { _ = try await log.append(commit([event(1)])) }
      let reader = try LMDBLogReader(directory: directory)
      let (report, stepCount) = try await onOwnThread {
        var stepCount = 0
        let report = try reader.verify { _ in
          stepCount += 1
          guard stepCount == 1 else { return }
          waiting {
            for _ in 0..<100 { _ = try await log.append(commit([event(1)])) }
            _ = try await log.compact()
          }
        }
        return (report, stepCount)
      }
      #expect(stepCount > 1)
      #expect(report.problems == [])
      #expect(report.eventCount > 600 && report.headPosition == report.eventCount)
      #expect(try reader.verify(isDeep: true).problems == [])
      reader.close()
      await log.close()
    }
  }
}

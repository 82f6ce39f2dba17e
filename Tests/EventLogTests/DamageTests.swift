import EventLog
import Foundation
import LMDB
import Testing

/// One damaged block that no index run covers yet: it is named, and what cannot have been in it goes on.
@Suite struct DamageTests {
  private static let tables: [String: KeyKind] = [
    "meta": .bytes, "blocks": .number, "runs": .number, "orgs": .bytes, "nodes": .bytes,
    "heads": .bytes,
  ]

  private func damage(_ directory: String, block key: UInt64) throws {
    let environment = try Environment.open(
      path: directory + "/log",
      options: Environment.Options(mapBytes: 1 << 30, tables: Self.tables))
    defer { environment.close() }
    let blocks = environment.table("blocks")
    try environment.write { transaction throws in
      var bytes = try #require(
        try transaction.reading.withValue(forKey: key, in: blocks) { span in
          unsafe span.withUnsafeBytes { unsafe Array($0) }
        })
      bytes[bytes.count / 2] ^= 1
      try transaction.put(bytes, forKey: key, in: blocks)
    }
  }

  private func isNamed(_ position: UInt64, _ body: () throws -> Void) -> Bool {
    do {
      try body()
      return false
    } catch EventLogError.corrupted(position, _) {
      return true
    } catch {
      return false
    }
  }

  @Test func `an org that goes on after the damaged block is read and written as ever`()
    async throws
  {
    try await withLogDirectory { directory async throws in
      try await fillTwoOrgs(directory)
      try damage(directory, block: 2)
      let log = try LMDBEventLog(directory: directory)
      #expect(try log.head() == 5)
      #expect(try log.readStream(org: orgA, stream: stream(1), from: 1, limit: 9).count == 3)
      #expect(try log.readOrg(orgA, from: 0, limit: 9).count == 3)
      let receipt = try await log.append(
        commit([event(1)], expected: [stream(1): .exactly(3)]))
      #expect(receipt.firstPosition == 6)
      #expect(receipt.firstOrgSequence == 3)
      await log.close()
    }
  }

  @Test func `an org whose events may be in it is refused, with the position`() async throws {
    try await withLogDirectory { directory async throws in
      try await fillTwoOrgs(directory)
      try damage(directory, block: 2)
      let log = try LMDBEventLog(directory: directory)
      #expect(isNamed(2) { _ = try log.readOrg(orgB, from: 0, limit: 9) })
      #expect(
        isNamed(2) { _ = try log.readStream(org: orgB, stream: stream(1), from: 1, limit: 1) })
      #expect(isNamed(2) { _ = try log.orgs() })
      guard
        case .corrupted(2, _)? = await failure(of: log, appending: commit([event(1)], org: orgB))
      else {
        Issue.record("a commit of an org whose book is damaged was not refused")
        return
      }
      await log.close()
    }
  }

  @Test func `reading by position comes up to the damage, then names it`() async throws {
    try await withLogDirectory { directory async throws in
      try await fillTwoOrgs(directory)
      try damage(directory, block: 3)
      let reader = try LMDBLogReader(directory: directory)
      let page = try reader.read(after: 0, limit: 100, filter: .all)
      #expect(page.scannedTo == 2)
      #expect(page.events.map(\.position) == [1, 2])
      #expect(isNamed(3) { _ = try reader.read(after: 2, limit: 100, filter: .all) })
      #expect(try reader.read(after: 3, limit: 100, filter: .all).events.map(\.position) == [4, 5])
      #expect(try reader.verify().problems.contains { $0.position == 3 })
      reader.close()
    }
  }

  @Test func `where the last block is damaged nobody knows where to write on`() async throws {
    try await withLogDirectory { directory async throws in
      try await fillTwoOrgs(directory)
      try damage(directory, block: 5)
      let log = try LMDBEventLog(directory: directory)
      #expect(isNamed(5) { _ = try log.head() })
      #expect(try log.read(after: 0, limit: 9, filter: .all).scannedTo == 4)
      for org in [orgA, orgB] {
        guard
          case .corrupted(5, _)? = await failure(of: log, appending: commit([event(1)], org: org))
        else {
          Issue.record("a commit was taken behind a damaged end")
          return
        }
      }
      await log.close()
    }
  }

  @Test func `no index run is made over a damaged block`() async throws {
    try await withLogDirectory { directory async throws in
      try await fillTwoOrgs(directory)
      try damage(directory, block: 2)
      let log = try LMDBEventLog(directory: directory)
      for _ in 0..<140 { _ = try await log.append(commit([event(1)])) }
      #expect(isNamed(2) { _ = try log.readOrg(orgB, from: 0, limit: 9) })
      await log.close()
      let again = try LMDBLogReader(directory: directory)
      #expect(isNamed(2) { _ = try again.readOrg(orgB, from: 0, limit: 9) })
      #expect(try again.readOrg(orgA, from: 0, limit: .max).count == 143)
      again.close()
    }
  }

  @Test func `a log that ends before what was acknowledged is refused`() async throws {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1)]))
      await log.close()
      // An older copy of the file, put in its place.
      let old = try Data(contentsOf: URL(filePath: directory + "/log/data.mdb"))
      let again = try LMDBEventLog(directory: directory)
      _ = try await again.append(commit([event(1)]))
      await again.close()
      try old.write(to: URL(filePath: directory + "/log/data.mdb"))
      #expect(isNamed(2) { _ = try LMDBLogReader(directory: directory) })
      #expect(isNamed(2) { _ = try LMDBEventLog(directory: directory) })
    }
  }
}

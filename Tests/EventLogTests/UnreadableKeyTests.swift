import Dispatch
import Foundation
import LMDB
import Testing

@testable import EventLog

/// A record that was spoilt is in the way of those who need it, and of nobody who shares a group with them.
@Suite struct UnreadableKeyTests {
  enum Spoilt {
    case keyOfAnn
    case keyOfOrg
  }

  /// Goal: a flipped bit in the vault refuses the commits that need that key, and no others. Method: the log's newest events do not
  /// need it; the writer finds all commits at once, and makes one group of them.
  @Test(arguments: [Spoilt.keyOfAnn, .keyOfOrg])
  func `commits that need a key that does not open are refused, those beside them are taken`(
    spoilt: Spoilt
  ) async throws {
    try await withLogDirectory { directory async throws in
      try await Self.fill(directory)
      switch spoilt {
      case .keyOfAnn:
        try Self.flip(
          directory + "/vault", "keys",
          key: Self.bytes(orgA.value) + Self.bytes(ann.value) + [0, 0, 0, 0])
      case .keyOfOrg:
        try Self.flip(directory + "/vault", "orgs", key: Self.bytes(orgA.value) + [0, 0, 0, 1])
      }
      let log = try LMDBEventLog(directory: directory)
      let (carol, dave) = (SubjectID(3), SubjectID(4))
      let outcomes = try await Self.together(
        log,
        [
          commit([event(1, personal: [(ann, "Ann")])], org: orgA),
          commit([event(1)], org: orgA),
          commit([event(2, personal: [(carol, "Carol")])], org: orgA),
          commit([event(7)], org: orgB),
          commit([event(7, personal: [(dave, "Dave")])], org: orgB),
        ])
      switch spoilt {
      case .keyOfAnn: #expect(outcomes == ["log_corrupted", nil, nil, nil, nil])
      case .keyOfOrg:
        #expect(outcomes == ["wrong_root_key", "wrong_root_key", "wrong_root_key", nil, nil])
      }
      #expect(log.health == .writable)
      let newest = try log.read(after: 201, limit: .max, filter: EventFilter(org: orgB)).events
      #expect(newest.last?.parts.last == .opened(subject: dave, payload: Array("Dave".utf8)))
      await log.close()
    }
  }

  @Test func `whoever reads what a damaged key sealed is told where that is`() async throws {
    try await withLogDirectory { directory async throws in
      try await Self.fill(directory)
      try Self.flip(
        directory + "/vault", "keys",
        key: Self.bytes(orgA.value) + Self.bytes(ann.value) + [0, 0, 0, 0])
      let reader = try LMDBLogReader(directory: directory)
      defer { reader.close() }
      let failure = #expect(throws: EventLogError.self) {
        try reader.read(after: 0, limit: .max, filter: .all)
      }
      guard case .corrupted(position: 1, _) = failure else {
        Issue.record("\(String(describing: failure)) names no position")
        return
      }
      #expect(try reader.read(after: 1, limit: .max, filter: .all).events.count == 200)
    }
  }

  @Test func `a damaged run of the index is in the way of those who have to look into it`()
    async throws
  {
    try await withLogDirectory { directory async throws in
      try await Self.fill(directory)
      // Little-endian: the first one.
      try Self.flip(directory + "/log", "runs", key: [1, 0, 0, 0, 0, 0, 0, 0])
      let log = try LMDBEventLog(directory: directory)
      let outcomes = try await Self.together(
        log,
        [
          commit([event(7)], org: orgB),
          // Whether there were events of him before is not known.
          commit([event(7, personal: [(bob, "Bob")])], org: orgB),
          commit([event(7)], org: orgB),
        ])
      #expect(outcomes == [nil, "log_corrupted", nil])
      #expect(log.health == .writable)
      await log.close()
    }
  }

  /// Ann's event in the org A, and then events of the org B, beyond some runs of the index.
  private static func fill(_ directory: String) async throws {
    let log = try LMDBEventLog(directory: directory)
    _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])], org: orgA))
    for _ in 0..<200 { _ = try await log.append(commit([event(7)], org: orgB)) }
    await log.close()
  }

  /// The codes of the refusals of `commits`, which the writer finds all at once.
  private static func together(
    _ log: LMDBEventLog, _ commits: [Commit]
  ) async throws -> [String?] {
    let areAllQueued = DispatchSemaphore(value: 0)
    #expect(log.core.queue.add(.task { _ in areAllQueued.wait() }) == nil)
    let pending = commits.map { log.enqueue($0) }
    areAllQueued.signal()
    var outcomes: [String?] = []
    for each in pending {
      do throws(EventLogError) {
        _ = try await each.receipt()
        outcomes.append(nil)
      } catch {
        outcomes.append(error.code)
      }
    }
    return outcomes
  }

  private static func bytes(_ number: UInt128) -> [UInt8] {
    unsafe withUnsafeBytes(of: number.bigEndian) { unsafe Array($0) }
  }

  /// Flips a bit of the last byte of a value.
  private static func flip(_ path: String, _ name: String, key: [UInt8]) throws {
    let kind: KeyKind = name == "runs" ? .number : .bytes
    let environment = try Environment.open(
      path: path, options: Environment.Options(mapBytes: 1 << 30, tables: [name: kind]))
    defer { environment.close() }
    let table = environment.table(name)
    try environment.write { transaction throws in
      let value = try transaction.reading.withValue(forKey: key, in: table) { span in
        unsafe span.withUnsafeBytes { unsafe Array($0) }
      }
      var bytes = try #require(value)
      bytes[bytes.count - 1] ^= 1
      try transaction.put(bytes, forKey: key, in: table)
    }
  }
}

import CrashKit
import Foundation
import LMDB
import Testing
import Vault

@testable import EventLog

/// What the disk may do to the bytes: everything is reported, nothing wrong is served.
@Suite struct CorruptionTests {
  private func fill(_ directory: String) async throws -> [RecordedEvent] {
    let log = try LMDBEventLog(directory: directory)
    for number in 0..<130 {
      _ = try await log.append(
        commit([event(UInt128(number % 3), payload: "{\"n\":\(number)}", personal: [(ann, "A")])]))
    }
    let events = try log.read(after: 0, limit: .max, filter: .all).events
    await log.close()
    return events
  }

  /// Changes the value under `key` as `body` says, behind the log's back.
  private func tamper(
    _ directory: String, _ table: String, key: UInt64, _ body: ([UInt8]) throws -> [UInt8]
  ) throws {
    let environment = try Environment.open(
      path: directory + "/log",
      options: Environment.Options(
        mapBytes: 1 << 30,
        tables: [
          "meta": .bytes, "blocks": .number, "runs": .number, "orgs": .bytes, "nodes": .bytes,
          "heads": .bytes, "dictionaries": .number,
        ]))
    defer { environment.close() }
    let table = environment.table(table)
    try environment.write { transaction throws in
      let bytes = try transaction.reading.withValue(forKey: key, in: table) { span in
        unsafe span.withUnsafeBytes { unsafe Array($0) }
      }
      try transaction.put(try body(try #require(bytes)), forKey: key, in: table)
    }
  }

  @Test func `every flipped bit of a block is detected and nothing of it is served`() async throws {
    try await withLogDirectory { directory in
      let events = try await fill(directory)
      var random = SeededRandom(seed: 11)
      for _ in 0..<300 {
        var bit = 0
        let position = UInt64.random(in: 1...130, using: &random)
        try tamper(directory, "blocks", key: position) { bytes in
          bit = Int.random(in: 0..<bytes.count * 8, using: &random)
          return bytes.flipping(bit)
        }
        let reader = try LMDBLogReader(directory: directory)
        #expect(throws: EventLogError.self) {
          try reader.read(after: position - 1, limit: 1, filter: .all)
        }
        let report = try reader.verify()
        #expect(report.problems.contains { $0.position == position })
        reader.close()
        try tamper(directory, "blocks", key: position) { $0.flipping(bit) }
      }
      let reader = try LMDBLogReader(directory: directory)
      #expect(try reader.read(after: 0, limit: .max, filter: .all).events == events)
      #expect(try reader.verify().isSound)
      reader.close()
    }
  }

  @Test func `every flipped bit of an index run is detected`() async throws {
    try await withLogDirectory { directory in
      _ = try await fill(directory)
      var random = SeededRandom(seed: 12)
      for _ in 0..<100 {
        var bit = 0
        try tamper(directory, "runs", key: 1) { bytes in
          bit = Int.random(in: 0..<bytes.count * 8, using: &random)
          return bytes.flipping(bit)
        }
        let reader = try LMDBLogReader(directory: directory)
        #expect(throws: EventLogError.self) {
          try reader.readStream(org: orgA, stream: stream(1), from: 1, limit: 999)
        }
        reader.close()
        try tamper(directory, "runs", key: 1) { $0.flipping(bit) }
      }
    }
  }

  /// What is decompressed with it would have other words in it, and nothing else would say so.
  @Test func `every flipped bit of a dictionary is detected and nothing made with it is served`()
    async throws
  {
    try await withLogDirectory { directory in
      try await GoldenLog.write(to: directory)
      var random = SeededRandom(seed: 13)
      for _ in 0..<100 {
        var bit = 0
        try tamper(directory, "dictionaries", key: 1) { bytes in
          bit = Int.random(in: 0..<bytes.count * 8, using: &random)
          return bytes.flipping(bit)
        }
        let reader = try LMDBLogReader(directory: directory)
        let head = try reader.head()
        #expect(throws: EventLogError.self) {
          try reader.read(after: head - 1, limit: 1, filter: .all)
        }
        reader.close()
        try tamper(directory, "dictionaries", key: 1) { $0.flipping(bit) }
      }
      let reader = try LMDBLogReader(directory: directory)
      #expect(try reader.verify(isDeep: true).isSound)
      reader.close()
    }
  }

  /// Goal: what a filter leaves out costs neither decompression nor decoding. Method: behind its header a block holds nothing
  /// that could be decompressed, under a checksum that fits; only whoever looks there can notice.
  @Test func `a block that a filter leaves out is not looked into`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1, "x.one")]))
      _ = try await log.append(commit([event(2, "x.two")], org: orgB))
      await log.close()
      try tamper(directory, "blocks", key: 1) { bytes in
        // The fixed header, and a word for each of the two filters.
        let header = bytes.prefix(64 + 8 + 8)
        var spoiled = header + [UInt8](repeating: 0xff, count: bytes.count - header.count - 8)
        let sum = unsafe XXH64.hash(Array(spoiled).span.bytes, seed: 1)
        for index in 0..<8 as Range<UInt64> {
          spoiled.append(UInt8(truncatingIfNeeded: sum >> (8 * index)))
        }
        return Array(spoiled)
      }
      let reader = try LMDBLogReader(directory: directory)
      for filter in [EventFilter(org: orgB), EventFilter(types: ["x.two"])] {
        let page = try reader.read(after: 0, limit: 10, filter: filter)
        #expect(page.events.map(\.position) == [2])
      }
      for filter in [EventFilter.all, EventFilter(org: orgA), EventFilter(types: ["x.one"])] {
        #expect(throws: EventLogError.self) {
          try reader.read(after: 0, limit: 10, filter: filter)
        }
      }
      reader.close()
    }
  }

  @Test func `a block in another's place is refused`() async throws {
    try await withLogDirectory { directory in
      _ = try await fill(directory)
      var other: [UInt8] = []
      try tamper(directory, "blocks", key: 5) { bytes in
        other = bytes
        return bytes
      }
      try tamper(directory, "blocks", key: 6) { _ in other }
      let reader = try LMDBLogReader(directory: directory)
      #expect(throws: EventLogError.self) { try reader.read(after: 5, limit: 1, filter: .all) }
      #expect(!(try reader.verify().isSound))
      reader.close()
    }
  }

  /// Goal: what no checksum tells is told by what comes after it. Method: the third of four blocks is one of another history,
  /// sound in itself: of another org, and of another stream than the fourth goes on with.
  @Test func `a sound block of another history leaves gaps in streams and orgs`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(7)], org: orgB))
      for _ in 0..<3 { _ = try await log.append(commit([event(1)])) }
      await log.close()
      let forged = directory + "/forged"
      let other = try await Self.emptyLog(forged, withKeysOf: directory)
      _ = try await other.append(commit([event(7)], org: orgB))
      _ = try await other.append(commit([event(1)]))
      _ = try await other.append(commit([event(2)], org: orgB))
      await other.close()
      var block: [UInt8] = []
      try tamper(forged, "blocks", key: 3) { bytes in
        block = bytes
        return bytes
      }
      try tamper(directory, "blocks", key: 3) { _ in block }
      let reader = try LMDBLogReader(directory: directory)
      for (jobCount, maxStreamCount) in [(1, 1 << 21), (2, 1)] {
        let problems = try reader.verify(jobCount: jobCount, maxStreamCount: maxStreamCount)
          .problems.filter { $0.position == 4 }.map(\.reason)
        #expect(problems.contains("an org's sequence does not follow"))
        #expect(problems.contains("a stream's version does not follow"))
      }
      reader.close()
    }
  }

  /// Goal: a run of the index that says something else than its blocks is found, by its sum alone. Method: a sound run with one
  /// number changed: what is said of a thing, which thing it is, or in which block it is.
  @Test(arguments: [\IndexEntry.detail, \.hash, \.position])
  func `a run that does not fit its blocks is found`(
    number: any WritableKeyPath<IndexEntry, UInt64> & Sendable
  ) async throws {
    try await withLogDirectory { directory in
      _ = try await fill(directory)
      try tamper(directory, "runs", key: 1) { bytes in
        let bytes = unsafe bytes.span.bytes
        let run = try IndexRun(bytes, key: 1)
        var entries = run.entries(in: bytes)
        entries[entries.count / 2][keyPath: number] += 1
        return IndexRun.encode(entries.sorted(), info: run.info)
      }
      let reader = try LMDBLogReader(directory: directory)
      #expect(
        try reader.verify().problems.map(\.reason).contains("the index does not fit the events"))
      reader.close()
    }
  }

  /// Another history under the same keys.
  private static func emptyLog(
    _ forged: String, withKeysOf directory: String
  ) async throws -> LMDBEventLog {
    try FileManager.default.createDirectory(atPath: forged, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: directory + "/root.key", toPath: forged + "/root.key")
    var options = LMDBEventLog.Options()
    options.rootKey = try FileRootKey(path: forged + "/root.key", mayCreate: false)
    // Keys without a log are refused: the log comes first.
    await (try LMDBEventLog(directory: forged, options: options)).close()
    try FileManager.default.removeItem(atPath: forged + "/vault")
    try FileManager.default.copyItem(atPath: directory + "/vault", toPath: forged + "/vault")
    return try LMDBEventLog(directory: forged, options: options)
  }

  @Test func `what is written over with a sound checksum is found by the tree`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let key = try CheckpointKey(name: "ledger.example", path: directory + "/checkpoint.key")
      _ = try await log.append(commit([event(1, payload: "{\"n\":1}")]))
      _ = try await log.checkpoint(of: orgA, signedBy: key)
      await log.close()
      // Another history of the same shape: same ids, same key files, one other byte.
      let forged = directory + "/forged"
      let other = try await Self.emptyLog(forged, withKeysOf: directory)
      _ = try await other.append(commit([event(1, payload: "{\"n\":2}")]))
      await other.close()
      var block: [UInt8] = []
      try tamper(forged, "blocks", key: 1) { bytes in
        block = bytes
        return bytes
      }
      try tamper(directory, "blocks", key: 1) { _ in block }
      let again = try LMDBEventLog(directory: directory)
      #expect(
        try again.verify().problems.map(\.reason) == [
          "the checkpoint signed last is of another history"
        ])
      await #expect(throws: EventLogError.self) {
        try await again.checkpoint(of: orgA, signedBy: key)
      }
      await again.close()
    }
  }
}

extension [UInt8] {
  fileprivate func flipping(_ bit: Int) -> [UInt8] {
    var bytes = self
    bytes[bit / 8] ^= 1 << (bit % 8)
    return bytes
  }
}

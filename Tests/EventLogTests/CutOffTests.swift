import EventLog
import Foundation
import LMDB
import Testing

/// A data file that somebody has cut off is refused when it is opened: LMDB maps it, and a page that is missing would end
/// the process.
@Suite struct CutOffTests {
  @Test(arguments: ["log", "vault"])
  func `a file that is cut off is refused, with its name and both lengths`(
    folder: String
  ) async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for number in 0..<20 as Range<UInt128> {
        let person = SubjectID(number + 1)
        _ = try await log.append(commit([event(number, personal: [(person, "secret")])]))
      }
      await log.close()
      let path = "\(directory)/\(folder)/data.mdb"
      // Behind the meta pages, and before the pages that the last of them counts.
      try Self.cut(path, to: 3 * 4096)
      for open in [Self.openReader, Self.openWriter] {
        do {
          try open(directory)
          Issue.record("a file that is cut off was opened")
        } catch EventLogError.corrupted(0, let reason) {
          #expect(reason.contains("/\(folder)/data.mdb is cut off: it has 12288 bytes, and its"))
        }
      }
    }
  }

  /// Goal: what is not there, or is less than any log, is damage to who reads, and stays as it is.
  @Test(arguments: ["log", "vault"], [nil, 0, 1, 4096, 8191] as [UInt64?])
  func `a reader makes no file and mends none`(folder: String, byteCount: UInt64?) async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1, personal: [(ann, "secret")])]))
      await log.close()
      let path = "\(directory)/\(folder)/data.mdb"
      if let byteCount {
        try Self.cut(path, to: byteCount)
      } else {
        try FileManager.default.removeItem(atPath: path)
      }
      #expect(throws: EventLogError.self) { try Self.openReader(directory) }
      if byteCount != nil || folder == "vault" {
        do {
          try Self.openReader(directory)
        } catch EventLogError.corrupted(0, let reason) {
          #expect(
            reason.contains("/\(folder)/data.mdb is \(byteCount == nil ? "missing" : "cut off")"))
        }
      }
      let attributes = try? FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes?[.size] as? UInt64 == byteCount)
      // Nor does a writer put an empty vault beside a log, or an empty log beside keys.
      if folder == "vault" || byteCount == nil {
        #expect(throws: EventLogError.self) { try Self.openWriter(directory) }
        let after = try? FileManager.default.attributesOfItem(atPath: path)
        #expect(after?[.size] as? UInt64 == byteCount)
      }
    }
  }

  @Test func `a vault whose folder is missing is damage, and the wake word that is cut off too`()
    async throws
  {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1)]))
      await log.close()
      try Self.cut(directory + "/wake", to: 0)
      #expect(throws: EventLogError.self) { try Self.openReader(directory) }
      try FileManager.default.removeItem(atPath: directory + "/vault")
      do {
        try Self.openReader(directory)
        Issue.record("opened without keys")
      } catch EventLogError.corrupted(0, let reason) {
        #expect(reason.contains("/vault is missing"))
      }
      #expect(!FileManager.default.fileExists(atPath: directory + "/vault"))
    }
  }

  private static func openReader(_ directory: String) throws {
    try LMDBLogReader(directory: directory).close()
  }

  private static func openWriter(_ directory: String) throws {
    _ = try LMDBEventLog(directory: directory)
  }

  private static func cut(_ path: String, to byteCount: UInt64) throws {
    let file = try FileHandle(forUpdating: URL(filePath: path))
    try file.truncate(atOffset: byteCount)
    try file.close()
  }

  /// Goal: a file whose last pages were taken and given up in one transaction, which LMDB counts and does not write, opens.
  /// Method: a value that is larger than the room ahead, put and removed at once, where there are free pages already.
  @Test func `a file is as long as its pages say, also where the last of them were given up`()
    async throws
  {
    try await withLogDirectory { directory in
      let options = Environment.Options(mapBytes: 64 << 20, tables: ["values": .number])
      func write(_ body: (inout WriteTransaction, Table) throws -> Void) throws {
        let environment = try Environment.open(path: directory, options: options)
        defer { environment.close() }
        let table = environment.table("values")
        try environment.write { transaction throws in try body(&transaction, table) }
      }
      let value = [UInt8](repeating: 7, count: 64 << 10)
      for key in 0..<4 as Range<UInt64> {
        try write { transaction, table in try transaction.put(value, forKey: key, in: table) }
      }
      for key in 0..<2 as Range<UInt64> {
        try write { transaction, table in _ = try transaction.remove(key, from: table) }
      }
      try write { transaction, table in
        try transaction.put(value, forKey: 9, in: table)
        try transaction.put([UInt8](repeating: 7, count: 16 << 20), forKey: 10, in: table)
        _ = try transaction.remove(10, from: table)
      }
      let environment = try Environment.open(path: directory, options: options)
      defer { environment.close() }
      let end = try environment.read { transaction throws in try transaction.pageEnd() }
      #expect(end > 16 << 20, "the pages that were given up are counted")
      let kept = try environment.read { transaction throws in
        try transaction.withValue(forKey: 9, in: environment.table("values")) { $0.byteCount }
      }
      #expect(kept == value.count)
    }
  }
}

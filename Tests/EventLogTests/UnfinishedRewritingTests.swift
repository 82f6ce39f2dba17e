import Foundation
import Glibc
import Synchronization
import Testing
import Vault

@testable import EventLog
@testable import LMDB

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

  /// Method: a file that something is mounted on is in nobody's place but its own.
  @Test(.enabled(if: canMount, "nothing can be mounted here"))
  func `a file that cannot be put in its place takes no room`() async throws {
    try await withEnvironment { environment, table, path in
      func count() throws -> Int {
        try environment.read { transaction throws in try transaction.entryCount(in: table) }
      }
      func put(_ number: UInt64) throws {
        try environment.write { transaction throws in
          try transaction.put([1], forKey: number, in: table)
        }
      }
      try put(1)
      try Self.whileMounted(path + "/data.mdb") {
        #expect(throws: LMDBError.self) { try environment.rewrite() }
        #expect(!FileManager.default.fileExists(atPath: path + "/rewrite"))
        try put(2)
        #expect(try count() == 2)
      }
      try environment.rewrite()
      #expect(try count() == 2)
    }
  }

  @Test(.enabled(if: canMount, "nothing can be mounted here"))
  func `a vault that cannot be put in its place takes no room`() async throws {
    try await withLogDirectory { directory in
      let rootKey = try FileRootKey(path: directory + "/root.key", mayCreate: true)
      let vault = try Vault(path: directory, rootKey: rootKey)
      let names = (1...2).map { KeyName(org: 1, subject: $0) }
      _ = try vault.provide([names[0]])
      try vault.compact()
      try Self.whileMounted(directory + "/current") {
        #expect(throws: VaultError.self) { try vault.compact() }
        #expect(!FileManager.default.fileExists(atPath: directory + "/keys.2"))
        _ = try vault.provide([names[1]])
      }
      try vault.compact()
      vault.close()
      let again = try Vault(path: directory, rootKey: rootKey, mayCreate: false)
      defer { again.close() }
      for state in try again.keys(names) {
        if case .available = state { continue }
        Issue.record("a key is not there")
      }
    }
  }

  private static func whileMounted(_ path: String, _ body: () throws -> Void) throws {
    try #require(unsafe mount(path, path, "none", UInt(MS_BIND), nil) == 0)
    defer { unsafe umount2(path, Int32(MNT_DETACH)) }
    try body()
  }

  /// Goal: an erasure on a disk with less room than the log takes leaves the room there is to those who write, and is done once there
  /// is more.
  @Test(.enabled(if: canMount, "nothing can be mounted here"))
  func `an erasure that the disk has no room for takes none, and is done once there is`()
    async throws
  {
    try await withSmallDisk(mebibytes: 40) { disk async throws in
      let log = try LMDBEventLog(directory: disk.home)
      _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])]))
      for _ in 0..<120 { _ = try await log.append(commit([noise(200_000)])) }
      let refusal = await #expect(throws: EventLogError.self) {
        try await log.erase([ann], org: orgA)
      }
      #expect(refusal?.description.contains("the disk has") == true)
      #expect(!FileManager.default.fileExists(atPath: disk.home + "/log/rewrite"))
      // Nor is the vault copied each time that somebody asks again.
      #expect(!FileManager.default.fileExists(atPath: disk.home + "/vault/current"))
      let part = try log.read(after: 0, limit: 1, filter: .all).events.last?.parts.last
      #expect(part == .erased(subject: ann))
      #expect(try await log.append(commit([event(1)])).firstPosition == 122)
      #expect(log.health == .writable)
      try disk.grow(toMebibytes: 96)
      try await log.erase([ann], org: orgA)
      #expect(try log.verify(isDeep: true).problems == [])
      await log.close()
    }
  }

  @Test func `a copy leaves room to those who write beside it`() async throws {
    try await withSmallDisk(mebibytes: 24) { disk async throws in
      let options = Environment.Options(mapBytes: 64 << 20, tables: ["values": .number])
      let environment = try Environment.open(path: disk.home, options: options)
      defer { environment.close() }
      let table = environment.table("values")
      try environment.write { transaction throws in
        for key in 0..<8 as Range<UInt64> {
          try transaction.put(Array(repeating: 1, count: 1 << 20), forKey: key, in: table)
        }
      }
      let byteCount = try environment.copyByteCount()
      func fill(leaving freeBytes: Int) throws {
        var status = statvfs()
        try #require(unsafe statvfs(disk.home, &status) == 0)
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        let filler = unsafe open(disk.home + "/filler", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(filler) }
        var before = stat()
        try #require(unsafe fstat(filler, &before) == 0)
        try #require(ftruncate(filler, 0) == 0)
        let size = Int(before.st_size) + free - freeBytes
        try #require(posix_fallocate(filler, 0, off_t(size)) == 0)
      }
      try fill(leaving: byteCount + Environment.minFreeBytes - 4096)
      let refusal = #expect(throws: LMDBError.self) { try environment.rewrite() }
      #expect(refusal?.isDiskFull == true)
      // Of which the folder that it is written into takes a page.
      try fill(leaving: byteCount + Environment.minFreeBytes + 4096)
      try environment.rewrite()
    }
  }

  /// Goal: no commit is acknowledged that a power cut would take along with the name of its file. Method: the flush of the folder
  /// fails behind the rename(2).
  @Test func `what is committed after a rewriting whose name was not made durable waits for that`()
    async throws
  {
    try await withLogDirectory { directory in
      let failures = Atomic<Int>(0)
      let flushes = Atomic<Int>(0)
      var options = Environment.Options(mapBytes: 64 << 20, tables: ["values": .number])
      options.willFlushNames = { () throws(LMDBError) in
        flushes.add(1, ordering: .relaxed)
        guard failures.load(ordering: .relaxed) > 0 else { return }
        failures.subtract(1, ordering: .relaxed)
        throw LMDBError(function: "fsync", code: EIO, message: "")
      }
      let environment = try Environment.open(path: directory, options: options)
      defer { environment.close() }
      let table = environment.table("values")
      func put(_ number: UInt64) throws {
        try environment.write { transaction throws in
          try transaction.put([1], forKey: number, in: table)
        }
      }
      func count() throws -> Int {
        try environment.read { transaction throws in try transaction.entryCount(in: table) }
      }
      try put(1)
      failures.store(2, ordering: .relaxed)
      #expect(throws: LMDBError.self) { try environment.rewrite() }
      #expect(throws: LMDBError.self) { try put(2) }
      #expect(try count() == 1)
      try put(2)
      #expect(try count() == 2)
      #expect(flushes.load(ordering: .relaxed) == 3)
      try put(3)
      // A writer that was killed in between may have left it so.
      try environment.takeOverFromKilledWriter()
      #expect(flushes.load(ordering: .relaxed) == 4)
    }
  }
}

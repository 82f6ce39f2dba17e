import CrashKit
import EventLog
import Foundation
import LMDB
import Synchronization
import Testing
import Vault

/// Files that are exchanged while other processes have them open, and whoever does it is killed on the way.
@Suite(.serialized) struct ExchangedFileTests {
  private static let tool = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "crash").path(percentEncoded: false)

  /// Goal: a process that opens a log is killed while it makes the lock file, and another one waits for it: that one sees the
  /// log, and not the empty tree that LMDB would begin with. Method: the first one is stopped before it maps the
  /// log's file, with the lock file made; the second one is asked for, the first one killed.
  @Test func `who waits for an opener that is killed sees the whole log`() async throws {
    try await withLogDirectory { directory in
      try await Self.makeCompactedLog(directory)
      let faults = [
        "DAYBOOK_FAULT_ROOT": directory, "DAYBOOK_FAULTS": "stop:resize:2",
      ]
      let first = try Child(
        tool: Self.tool, ["tail", directory, directory + "/first"], faults: faults)
      try await Self.wait { Self.isStopped(first) }
      let second = try Child(tool: Self.tool, ["tail", directory, directory + "/second"])
      defer { second.kill() }
      try await Self.wait { try Self.isWaitingForLock(second) }
      first.kill()
      try await Self.wait { try Self.seen(directory + "/second") == 3 }
      let log = try LMDBEventLog(directory: directory)
      #expect(try log.head() == 3)
      #expect(try await log.append(commit([event(1)])).lastPosition == 4)
      try await Self.wait { try Self.seen(directory + "/second") == 4 }
      await log.close()
    }
  }

  /// Goal: nothing is ever written over a log whose lock file is of another state. Method: that file says, while a reader keeps it, that nothing
  /// was committed yet.
  @Test func `a lock file that does not fit stops the writer, and the log stays as it is`()
    async throws
  {
    try await withLogDirectory { directory in
      try await Self.makeCompactedLog(directory)
      let reader = try Child(tool: Self.tool, ["tail", directory, directory + "/seen"])
      try await Self.wait { try Self.seen(directory + "/seen") == 3 }
      let lock = try FileHandle(forUpdating: URL(filePath: directory + "/log/lock.mdb"))
      // Behind magic number, format and a mutex of 40 bytes (mdb.c, `MDB_txbody`).
      try lock.seek(toOffset: 48)
      try lock.write(contentsOf: [UInt8](repeating: 0, count: 8))
      try lock.close()
      let path = directory + "/log/data.mdb"
      let before = try Data(contentsOf: URL(filePath: path))
      #expect(throws: EventLogError.self) { _ = try LMDBEventLog(directory: directory) }
      #expect(try Data(contentsOf: URL(filePath: path)) == before)
      reader.kill()
      _ = try reader.wait()
      let log = try LMDBEventLog(directory: directory)
      #expect(try log.head() == 3)
      #expect(try log.verify(isDeep: true).problems == [])
      await log.close()
    }
  }

  /// Whoever exchanges the files deletes the lock file first: killed then, it leaves the data file that the others have open.
  @Test func `a reader of the file before goes over to the lock file of the next writer`()
    async throws
  {
    try await withLogDirectory { directory in
      try await Self.makeCompactedLog(directory)
      let reader = try Child(tool: Self.tool, ["tail", directory, directory + "/seen"])
      defer { reader.kill() }
      try await Self.wait { try Self.seen(directory + "/seen") == 3 }
      try FileManager.default.removeItem(atPath: directory + "/log/lock.mdb")
      let log = try LMDBEventLog(directory: directory)
      for number in 4...9 as ClosedRange<UInt64> {
        _ = try await log.append(commit([event(1)]))
        try await Self.wait { try Self.seen(directory + "/seen") == number }
      }
      await log.close()
    }
  }

  @Test func `a reader of the vault goes over to the rewritten one in the middle of its reading`()
    throws
  {
    let directory = FileManager.default.temporaryDirectory.appending(
      path: "daybook-vault-\(UUID().uuidString)"
    ).path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { _ = try? FileManager.default.removeItem(atPath: directory) }
    let rootKey = try FileRootKey(path: directory + "/root.key", mayCreate: true)
    let writer = try Vault(path: directory, rootKey: rootKey)
    defer { writer.close() }
    let names = (1...4).map { KeyName(org: 1, subject: $0) }
    _ = try writer.provide(names)
    let reader = try Vault(path: directory, rootKey: rootKey, mayCreate: false)
    defer { reader.close() }
    for (round, name) in names.enumerated() {
      try reader.refresh()
      try writer.erase([name.subject], org: 1, atMicros: 1)
      try writer.compact()
      // No `refresh` in between: what it reads is one stretch.
      let states = try reader.keys(names)
      #expect(states.count { if case .erased = $0 { true } else { false } } == round + 1)
      #expect(!states.contains { if case .missing = $0 { true } else { false } })
      let copy = directory + "/copy.\(round)"
      try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: false)
      try writer.compact()
      try reader.copyCompacting(to: copy)
      #expect(FileManager.default.fileExists(atPath: copy + "/data.mdb"))
    }
  }

  /// Goal: whoever reads within a reading, as the first look at a dictionary does, comes to its end although another process has put another
  /// file in place meanwhile. It would wait for its own transaction otherwise, for ever.
  @Test func `a reading within a reading is of the same snapshot, whatever file is in place`()
    async throws
  {
    try await withLogDirectory { directory in
      let isDone = Atomic<Bool>(false)
      let counts = Mutex<[Int]>([])
      let options = Environment.Options(mapBytes: 64 << 20, tables: ["values": .number])
      let environment = try Environment.open(path: directory, options: options)
      let table = environment.table("values")
      try environment.write { transaction throws in
        try transaction.put([1], forKey: 1, in: table)
      }
      do {
        Thread.detachNewThread {
          do {
            try environment.read { outer throws in
              for name in ["data.mdb", "lock.mdb"] {
                let path = directory + "/" + name
                try FileManager.default.copyItem(atPath: path, toPath: path + ".new")
                guard unsafe rename(path + ".new", path) == 0 else { throw CrashError("rename") }
              }
              let inner = try environment.read { inner throws in
                try inner.entryCount(in: table)
              }
              let both = [try outer.entryCount(in: table), inner]
              counts.withLock { $0 = both }
            }
          } catch { Issue.record(error) }
          isDone.store(true, ordering: .sequentiallyConsistent)
        }
        try await Self.wait { isDone.load(ordering: .sequentiallyConsistent) }
      }
      #expect(counts.withLock { $0 } == [1, 1])
      let after = try environment.read { transaction throws in
        try transaction.entryCount(in: table)
      }
      #expect(after == 1)
      environment.close()
    }
  }

  // MARK: -

  /// Three events in a file that a rewriting has just put in place: its first meta page is of an empty tree.
  private static func makeCompactedLog(_ directory: String) async throws {
    let log = try LMDBEventLog(directory: directory)
    for _ in 0..<3 { _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])])) }
    _ = try await log.compact()
    await log.close()
    // As between the two files that `EnvironmentFiles.putRewrittenInPlace` exchanges, and the opening of the new one.
    for folder in ["log", "vault"] {
      try FileManager.default.removeItem(atPath: "\(directory)/\(folder)/lock.mdb")
    }
  }

  private static func seen(_ path: String) throws -> UInt64? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try TailingProcess.steps(path).last?.position
  }

  /// The letter after the name in `/proc/PID/stat`: T is stopped.
  private static func isStopped(_ child: Child) -> Bool {
    let text = try? String(
      contentsOfFile: "/proc/\(child.process.processIdentifier)/stat", encoding: .utf8)
    return text?.split(separator: ")").last?.hasPrefix(" T") ?? false
  }

  /// proc(5): lines of those who wait have an arrow.
  private static func isWaitingForLock(_ child: Child) throws -> Bool {
    try String(contentsOfFile: "/proc/locks", encoding: .utf8).split(separator: "\n").contains {
      $0.contains("->") && $0.split(separator: " ").contains("\(child.process.processIdentifier)")
    }
  }

  /// Gives it the time it takes on a busy machine.
  private static func wait(until isDone: () throws -> Bool) async throws {
    for _ in 0..<6_000 {
      if try isDone() { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw CrashError("it does not happen")
  }
}

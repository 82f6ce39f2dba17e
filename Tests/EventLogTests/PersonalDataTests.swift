import EventLog
import Foundation
import Testing
import Vault

@Suite struct ErasureConformanceTests {
  @Test(arguments: LogKind.allCases)
  func `an erased subject's parts read as erased, everything else as before`(
    kind: LogKind
  ) async throws {
    try await kind.withLog { log async throws in
      _ = try await log.append(
        commit([event(1, personal: [(ann, "Ann's"), (bob, "Bob's")]), event(2)]))
      _ = try await log.append(commit([event(1, personal: [(ann, "same id")])], org: orgB))
      try await log.erase([ann], org: orgA)
      let events = try log.read(after: 0, limit: 9, filter: .all).events
      #expect(
        events[0].parts == [
          .opened(subject: nil, payload: Array("{}".utf8)), .erased(subject: ann),
          .opened(subject: bob, payload: Array("Bob's".utf8)),
        ])
      #expect(events[2].parts[1] == .opened(subject: ann, payload: Array("same id".utf8)))
      #expect(
        try log.readStream(org: orgA, stream: stream(1), from: 1, limit: 1).first?.parts[1]
          == .erased(subject: ann))
      try await log.erase([ann], org: orgA)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `no part of an erased subject is taken any more`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      try await log.erase([ann], org: orgA)
      #expect(
        await failure(of: log, appending: commit([event(1, personal: [(ann, "x")])]))
          == .invalidCommit(reason: "a part of an erased subject"))
      _ = try await log.append(commit([event(1, personal: [(bob, "x")])]))
      _ = try await log.append(commit([event(1, personal: [(ann, "x")])], org: orgB))
    }
  }
}

@Suite struct SealingTests {
  private let secret = "Ann Example, +1 555 0100, ann@example.com, and what she wrote"

  @Test func `personal bytes are nowhere in the files, public ones may be`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let long = String(repeating: secret, count: 5)
      _ = try await log.append(commit([event(1, personal: [(ann, secret), (bob, long)])]))
      await log.close()
      for file in ["log/data.mdb", "vault/data.mdb", "wake", "writer.lock"] {
        let bytes = try Data(contentsOf: URL(filePath: "\(directory)/\(file)"))
        #expect(bytes.range(of: Data(secret.utf8)) == nil, "\(file)")
      }
      let again = try LMDBEventLog(directory: directory)
      let parts = try again.read(after: 0, limit: 1, filter: .all).events[0].parts
      #expect(parts[1] == .opened(subject: ann, payload: Array(secret.utf8)))
      #expect(parts[2] == .opened(subject: bob, payload: Array(long.utf8)))
      await again.close()
    }
  }

  @Test func `an erasure holds in readers that had the key, and after opening again`() async throws
  {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let reader = try LMDBLogReader(directory: directory)
      _ = try await log.append(commit([event(1, personal: [(ann, secret)])]))
      func annsPart(_ log: any EventReader) throws -> RecordedPart {
        try log.read(after: 0, limit: 1, filter: .all).events[0].parts[1]
      }
      #expect(try annsPart(reader) == .opened(subject: ann, payload: Array(secret.utf8)))
      try await log.erase([ann], org: orgA)
      #expect(try annsPart(reader) == .erased(subject: ann))
      #expect(try annsPart(log) == .erased(subject: ann))
      reader.close()
      await log.close()
      let again = try LMDBEventLog(directory: directory)
      #expect(try annsPart(again) == .erased(subject: ann))
      await again.close()
    }
  }

  @Test func `a key that is missing without a tombstone is an alarm`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1), event(1, personal: [(ann, secret)])]))
      await log.close()
      try FileManager.default.removeItem(atPath: directory + "/vault/data.mdb")
      let key = try FileRootKey(path: directory + "/root.key", mayCreate: false)
      try Vault(path: directory + "/vault", rootKey: key).close()
      let reader = try LMDBLogReader(directory: directory)
      defer { reader.close() }
      #expect(throws: EventLogError.keyMissing(position: 2)) {
        try reader.read(after: 0, limit: 9, filter: .all)
      }
    }
  }

  @Test func `a log never opens with a new root key, nor with another one`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1, personal: [(ann, secret)])]))
      await log.close()
      let path = directory + "/root.key"
      try FileManager.default.removeItem(atPath: path)
      #expect(throws: EventLogError.storage(reason: "root_key_missing")) {
        try LMDBEventLog(directory: directory)
      }
      var options = LMDBEventLog.Options()
      options.rootKey = try FileRootKey(path: path, mayCreate: true)
      #expect(throws: EventLogError.wrongRootKey) {
        try LMDBEventLog(directory: directory, options: options)
      }
      let other = try LMDBLogReader(directory: directory)
      defer { other.close() }
      #expect(throws: EventLogError.wrongRootKey) {
        try other.read(after: 0, limit: 9, filter: .all)
      }
    }
  }

  @Test func `a root key that others may read is refused`() async throws {
    try await withLogDirectory { directory in
      let path = directory + "/root.key"
      _ = try FileRootKey(path: path, mayCreate: true)
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
      let reason = "others may read \(path), which 'chmod 600' changes"
      #expect(throws: VaultError.rootKeyUnusable(reason: reason)) {
        try FileRootKey(path: path, mayCreate: false)
      }
    }
  }
}

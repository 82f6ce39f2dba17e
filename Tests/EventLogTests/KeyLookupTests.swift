import EventLog
import Foundation
import LMDB
import Testing
import Vault

/// The keys of a block's people are looked up together by whoever reads all of it, and one by one by everybody else.
@Suite struct KeyLookupTests {
  @Test func `what is read together is what is read one by one, also of the erased`() async throws {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      for org in [orgA, orgB] {
        let events = (0..<40).map { number in
          event(UInt128(number), personal: [(SubjectID(UInt128(100 + number)), "Person \(number)")])
        }
        _ = try await log.append(commit(events, org: org))
      }
      try await log.erase([SubjectID(103), SubjectID(117)], org: orgA)
      await log.close()
      func page(after position: UInt64, limit: Int, org: OrgID? = nil) throws -> [RecordedEvent] {
        // Another reader each time: none has a key in memory.
        let reader = try LMDBLogReader(directory: directory)
        defer { reader.close() }
        return try reader.read(after: position, limit: limit, filter: EventFilter(org: org)).events
      }
      let together = try page(after: 0, limit: .max)
      #expect(together.count == 80)
      #expect(together.count { $0.parts[1] == .erased(subject: SubjectID(103)) } == 1)
      #expect(
        together.last?.parts[1]
          == .opened(subject: SubjectID(139), payload: Array("Person 39".utf8)))
      for event in together {
        let reader = try LMDBLogReader(directory: directory)
        defer { reader.close() }
        #expect(
          try reader.readOrg(event.org, from: event.orgSequence, limit: 1).first == event)
      }
      for org in [orgA, orgB] {
        #expect(try page(after: 0, limit: .max, org: org) == together.filter { $0.org == org })
      }
    }
  }

  @Test func `keys come in the order of their names, the unknown and the erased among them`()
    async throws
  {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1, personal: [(ann, "Ann"), (bob, "Bob")])]))
      try await log.erase([bob], org: orgA)
      await log.close()
      let rootKey = try FileRootKey(path: directory + "/root.key", mayCreate: false)
      func state(_ vault: Vault, _ name: KeyName) throws -> String {
        switch try vault.key(name) {
        case .available(let key): "\(key.keyID.bytes) \(key.encryption)"
        case .erased: "erased"
        case .missing: "missing"
        }
      }
      let names = [bob, ann, SubjectID(7), ann].map {
        KeyName(org: orgA.value, subject: $0.value)
      }
      let (one, other) = (
        try Self.vault(directory, rootKey), try Self.vault(directory, rootKey)
      )
      defer {
        one.close()
        other.close()
      }
      // Twice: from the file, and from memory.
      for _ in 0..<2 {
        let together = try one.keys(names).map { state -> String in
          switch state {
          case .available(let key): "\(key.keyID.bytes) \(key.encryption)"
          case .erased: "erased"
          case .missing: "missing"
          }
        }
        #expect(together == (try names.map { try state(other, $0) }))
        #expect(together[0] == "erased" && together[2] == "missing")
        #expect(together[1] == together[3])
      }
    }
  }

  private static func vault(_ directory: String, _ rootKey: any RootKey) throws -> Vault {
    try Vault(path: directory + "/vault", rootKey: rootKey)
  }
}

/// A vault that was lost, or is another log's, is not written with.
@Suite struct LostVaultTests {
  @Test func `a log without its vault is not opened for writing`() async throws {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])]))
      await log.close()
      try FileManager.default.moveItem(
        atPath: directory + "/vault", toPath: directory + "/aside")
      #expect(throws: EventLogError.self) { try LMDBEventLog(directory: directory) }
      try FileManager.default.removeItem(atPath: directory + "/vault")
      try FileManager.default.moveItem(
        atPath: directory + "/aside", toPath: directory + "/vault")
      let again = try LMDBEventLog(directory: directory)
      #expect(try await again.append(commit([event(1)])).firstPosition == 2)
      await again.close()
    }
  }

  @Test func `an org's key is never made twice`() async throws {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1)], org: orgA))
      await log.close()
      try FileManager.default.copyItem(
        atPath: directory + "/vault", toPath: directory + "/before")
      let second = try LMDBEventLog(directory: directory)
      _ = try await second.append(commit([event(1)], org: orgB))
      await second.close()
      // A vault of before the second org.
      try FileManager.default.removeItem(atPath: directory + "/vault")
      try FileManager.default.moveItem(
        atPath: directory + "/before", toPath: directory + "/vault")
      // It lacks the key of the newest event: keys that were made now would be lost once the right one is put back.
      #expect(throws: EventLogError.keyMissing(position: 2)) {
        try LMDBEventLog(directory: directory)
      }
    }
  }

  /// Goal: a key that got lost alone is in nobody's way but its own org's, or its own subject's, and is not made anew.
  /// Method: it is taken out of the vault of a log whose newest event does not need it.
  @Test(arguments: [KeyName.org(orgA.value), KeyName(org: orgA.value, subject: ann.value)])
  func `commits that need a lost key are refused, and all others are taken`(
    lost: KeyName
  ) async throws {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])], org: orgA))
      // Beyond one run of the index, so that the last blocks are of others.
      for number in 0..<200 as Range<UInt128> {
        _ = try await log.append(commit([event(number)], org: orgB))
      }
      await log.close()
      try Self.take(lost, from: directory)
      let again = try LMDBEventLog(directory: directory)
      async let other = again.append(commit([event(7)], org: orgB))
      async let refused = failure(
        of: again, appending: commit([event(1, personal: [(ann, "Ann")])], org: orgA))
      _ = try await other
      guard case .keyMissing = await refused else {
        Issue.record("an event was taken under another key than those before it")
        return
      }
      if lost.subject != 0 {
        let bob = SubjectID(78)
        _ = try await again.append(commit([event(2, personal: [(bob, "Bob")])], org: orgA))
      }
      await again.close()
      let key = try FileRootKey(path: directory + "/root.key", mayCreate: false)
      let vault = try Self.vault(directory, key)
      defer { vault.close() }
      guard case .missing = try vault.key(lost) else {
        Issue.record("a lost key was made anew")
        return
      }
    }
  }

  /// Goal: an org whose key is lost takes nobody else's comparison away. Method: two orgs in every block.
  @Test func `orgs that share blocks with one whose key is lost are compared to the end`()
    async throws
  {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory)
      let pending = (0..<40 as Range<UInt128>).map { number in
        log.enqueue(commit([event(number)], org: number % 2 == 0 ? orgA : orgB))
      }
      for each in pending { _ = try await each.receipt() }
      let head = try log.treeHead(of: orgB)
      await log.close()
      try Self.take(.org(orgA.value), from: directory)
      let reader = try LMDBLogReader(directory: directory)
      defer { reader.close() }
      let report = try reader.verify()
      #expect(report.blockCount < 40, "blocks have both orgs")
      #expect(report.treeHeads == [orgB: head])
      #expect(report.problems.count == 1)
      #expect(report.problems.first?.reason.contains("can not be made again from here") == true)
    }
  }

  private static func vault(_ directory: String, _ rootKey: any RootKey) throws -> Vault {
    try Vault(path: directory + "/vault", rootKey: rootKey)
  }

  private static func take(_ name: KeyName, from directory: String) throws {
    let tables: [String: KeyKind] = [
      "orgs": .bytes, "keys": .bytes, "tombstones": .bytes, "state": .bytes,
    ]
    let environment = try Environment.open(
      path: directory + "/vault", options: Environment.Options(mapBytes: 1 << 30, tables: tables))
    defer { environment.close() }
    let bytes = [name.org, name.subject].flatMap { number in
      (0..<16).reversed().map { UInt8(truncatingIfNeeded: number >> UInt128(8 * $0)) }
    }
    try environment.write { transaction throws in
      let isTaken = try transaction.remove(
        bytes + [0, 0, 0, 0], from: environment.table("keys"))
      #expect(isTaken)
    }
  }
}

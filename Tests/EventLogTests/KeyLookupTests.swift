import EventLog
import Foundation
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
      let again = try LMDBEventLog(directory: directory)
      guard case .keyMissing = await failure(of: again, appending: commit([event(1)], org: orgB))
      else {
        Issue.record("an event was taken under another key than those before it")
        return
      }
      await again.close()
    }
  }
}

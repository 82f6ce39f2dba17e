import Merkle
import Testing

@testable import EventLog

@Suite struct IndexSearchTests {
  /// Goal: wherever an org's book is begun, the right events come, in whichever of the index's runs they are. Method: a run of many
  /// entries of one org, then runs that have both orgs, one or none of them, and blocks without a run; every place of both
  /// books, and the ends of them.
  @Test func `a book is read and proven from any place, whichever runs of the index have it`()
    async throws
  {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      var counts: [OrgID: UInt64] = [:]
      /// One block each: as many as the index has without a run make one.
      func write(_ orgs: [OrgID], count: Int = IndexWriter.maxTailBlocks) async throws {
        for number in 0..<count {
          let org = orgs[number % orgs.count]
          _ = try await log.append(commit([event(UInt128(number % 5))], org: org))
          counts[org, default: 0] += 1
        }
      }
      for _ in 0..<IndexWriter.mergeCount { try await write([orgA]) }
      let others = OrgID(0xC)
      for orgs in [[orgB], [others], [orgA, orgB], [others], [orgA], [orgB]] {
        try await write(orgs)
      }
      try await write([orgA, others, orgB], count: 10)
      let runs = try log.store.reading { transaction throws in
        try log.store.view(transaction).runs
      }
      #expect(runs.map(\.level) == [1, 0, 0, 0, 0, 0, 0])
      let reader = try LMDBLogReader(directory: directory)
      for org in [orgA, orgB] {
        let count = try #require(counts[org])
        let head = try log.treeHead(of: org)
        #expect(head.size == count)
        for first in 0..<count {
          let page = try log.readOrg(org, from: first, limit: 3)
          try #require(
            page.map(\.orgSequence) == Array(first..<min(first + 3, count)), "\(org) \(first)")
          try #require(try reader.readOrg(org, from: first, limit: 3) == page)
          guard first.isMultiple(of: 7) || first + 2 > count else { continue }
          let leaf = try #require(try log.leaves(of: org, from: first, limit: 1).first)
          try #require(
            MerkleTree.isIncluded(
              MerkleTree.leafHash(leaf.leaf), index: first, size: count,
              proof: try reader.inclusionProof(of: org, orgSequence: first, size: count),
              root: head.root), "\(org) \(first)")
        }
        #expect(try log.readOrg(org, from: count, limit: 3) == [])
        #expect(try reader.readOrg(org, from: .max, limit: 3) == [])
      }
      reader.close()
      await log.close()
    }
  }

  /// Goal: the index that a transaction sees is that of its own commit, also after the file was rewritten and another one took its
  /// place. Method: a reader that looked at the runs before, then the erasure of a person, then more runs.
  @Test func `runs are looked at anew after each commit and each rewriting`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let reader = try LMDBLogReader(directory: directory)
      for round in 1...3 {
        for _ in 0..<IndexWriter.maxTailBlocks {
          _ = try await log.append(commit([event(1, personal: [(round < 3 ? ann : bob, "x")])]))
        }
        let count = try log.treeHead(of: orgA).size
        for log in [log, reader] as [any EventReader] {
          #expect(try log.readOrg(orgA, from: count - 2, limit: 5).count == 2)
          #expect(try log.readOrg(orgA, from: 10, limit: 5).count == 5)
        }
        if round == 2 { try await log.erase([ann], org: orgA) }
      }
      #expect(try reader.verify().problems == [])
      reader.close()
      await log.close()
    }
  }

  /// Goal: two streams of one block that share a hash keep their own versions. Method: ids of which the hash takes nothing, since
  /// their upper half makes its factor zero; a writer that opened anew, which has to ask the index.
  @Test func `streams that share a hash do not lend each other their versions`() async throws {
    try await withLogDirectory { directory in
      let (one, other) =
        (0xE703_7ED1_A0B4_28DB << 64 | 1, 0xE703_7ED1_A0B4_28DB << 64 | 2)
        as (
          UInt128, UInt128
        )
      let log = try LMDBEventLog(directory: directory)
      #expect(
        log.store.hash.stream(StreamID(one), org: orgA)
          == log.store.hash.stream(StreamID(other), org: orgA))
      _ = try await log.append(commit([event(one), event(other), event(other), event(other)]))
      await log.close()
      for (name, version) in [(one, 1), (other, 3)] as [(UInt128, UInt64)] {
        let again = try LMDBEventLog(directory: directory)
        let receipt = try await again.append(
          commit([event(name)], expected: [StreamID(name): .exactly(version)]))
        #expect(receipt.versions.map(\.version) == [version + 1])
        await again.close()
      }
      let reader = try LMDBLogReader(directory: directory)
      #expect(try reader.verify().problems == [])
      reader.close()
    }
  }
}

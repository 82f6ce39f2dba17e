import Crypto
import EventLog
import Merkle
import Testing

@Suite struct ProofTests {
  private func fill(_ log: LMDBEventLog, count: Int, org: OrgID = orgA) async throws {
    for number in 0..<count {
      let personal = number.isMultiple(of: 3) ? [(ann, "Ann \(number)"), (bob, "Bob")] : []
      _ = try await log.append(
        commit(
          [event(UInt128(number % 7), payload: "{\"n\":\(number)}", personal: personal)], org: org))
    }
  }

  @Test func `any event is proven in any later tree, before and after a flush of the index`()
    async throws
  {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      try await fill(log, count: 300)
      try await fill(log, count: 20, org: orgB)
      let head = try log.treeHead(of: orgA)
      #expect(head.size == 300)
      let leaves = try log.leaves(of: orgA, from: 0, limit: 1000)
      #expect(leaves.count == 300)
      var frontier = Frontier()
      for leaf in leaves { frontier.append(MerkleTree.leafHash(leaf.leaf)) }
      #expect(frontier.root == head.root)
      for (sequence, size) in [(0, 300), (299, 300), (255, 256), (256, 257), (17, 64), (150, 299)] {
        let proof = try log.inclusionProof(
          of: orgA, orgSequence: UInt64(sequence), size: UInt64(size))
        let isIncluded = MerkleTree.isIncluded(
          MerkleTree.leafHash(leaves[sequence].leaf), index: UInt64(sequence), size: UInt64(size),
          proof: proof, root: try log.root(of: orgA, size: UInt64(size)))
        #expect(isIncluded)
      }
      for (old, new) in [(1, 300), (256, 300), (100, 257), (300, 300)] {
        let isConsistent = MerkleTree.isConsistent(
          old: UInt64(old), oldRoot: try log.root(of: orgA, size: UInt64(old)), new: UInt64(new),
          newRoot: try log.root(of: orgA, size: UInt64(new)),
          proof: try log.consistencyProof(of: orgA, from: UInt64(old), to: UInt64(new)))
        #expect(isConsistent)
      }
      await log.close()
      let again = try LMDBEventLog(directory: directory)
      #expect(try again.treeHead(of: orgA) == head)
      try await fill(again, count: 5)
      #expect(try again.root(of: orgA, size: 300) == head.root)
      await again.close()
    }
  }

  @Test func `an opening fits its commitment, and no proof dies with an erasure`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      try await fill(log, count: 10)
      let before = try log.leaves(of: orgA, from: 0, limit: 10)
      let opening = try #require(before[3].openings.first { $0.part == 1 })
      #expect(opening.payload == Array("Ann 3".utf8))
      var place: [UInt8] = Array(repeating: 0, count: 15) + [0xA]
      place += [0, 0, 0, 0, 0, 0, 0, 3, 1]
      let commitment = HMACSHA256.authenticate(
        Array("daybook/part/v1\0".utf8) + place + opening.payload, key: opening.salt)
      let leaf = before[3].leaf
      // Three parts of 49 bytes at the end; the second one's commitment is its last 32.
      #expect(Array(leaf[(leaf.count - 49 - 32)..<(leaf.count - 49)]) == commitment)
      let head = try log.treeHead(of: orgA)
      try await log.erase([ann], org: orgA)
      let after = try log.leaves(of: orgA, from: 0, limit: 10)
      #expect(after.map(\.leaf) == before.map(\.leaf))
      #expect(after[3].openings.map(\.part) == [0, 2])
      #expect(try log.treeHead(of: orgA) == head)
      await log.close()
    }
  }

  @Test func `checkpoints are signed, verify, and go on from each other`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let key = try CheckpointKey(name: "ledger.example", path: directory + "/checkpoint.key")
      try await fill(log, count: 3)
      let first = try await log.checkpoint(of: orgA, signedBy: key)
      #expect(try await log.checkpoint(of: orgA, signedBy: key) == first)
      let verifier = log.verifier(of: orgA, key: key)
      let head = try Checkpoint(text: try verifier.open(first))
      #expect(head.origin == "ledger.example/i1/org/0000000000000000000000000000000a")
      #expect(head.size == 3)
      #expect(head.root == (try log.treeHead(of: orgA).root))
      try await fill(log, count: 2)
      let second = try Checkpoint(
        text: try verifier.open(try await log.checkpoint(of: orgA, signedBy: key)))
      let isConsistent = MerkleTree.isConsistent(
        old: head.size, oldRoot: head.root, new: second.size, newRoot: second.root,
        proof: try log.consistencyProof(of: orgA, from: 3, to: 5))
      #expect(isConsistent)
      #expect(try log.verify().isSound)
      await log.close()
    }
  }
}

@Suite struct VerificationTests {
  @Test func `a sound log verifies, in whole, in part and deeply`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for number in 0..<200 {
        let key = IdempotencyKey(name: "k\(number)", fingerprint: 1)
        _ = try await log.append(
          commit([event(UInt128(number % 5), personal: [(ann, "x")]), event(9)], key: key))
      }
      try await log.erase([ann], org: orgA)
      _ = try await log.append(commit([event(1, personal: [(bob, "x")])]))
      var positions: [UInt64] = []
      let report = try log.verify(isDeep: true) { position, _ in positions.append(position) }
      #expect(report.problems == [])
      #expect(report.eventCount == 401)
      #expect(report.erasedPartCount == 200)
      #expect(report.openedPartCount == 1)
      #expect(report.treeHeads == [orgA: try log.treeHead(of: orgA)])
      #expect(positions.last == 401)
      let part = try log.verify(from: 300)
      #expect(part.problems == [])
      #expect(part.eventCount >= 102 && part.eventCount < 401)
      await log.close()
    }
  }
}

import Crypto
import LMDB
import Merkle
import Testing

@testable import EventLog

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

  @Test func `a node's neighbours are known by their keys`() {
    let first = TreeNode.key(org: orgA, level: 8, index: 510)
    func isKey(_ key: [UInt8], _ distance: Int) -> Bool {
      unsafe TreeNode.isKey(key.span.bytes, distance, after: first)
    }
    #expect(isKey(first, 0))
    // A byte further on as well.
    #expect(isKey(TreeNode.key(org: orgA, level: 8, index: 512), 2))
    #expect(!isKey(TreeNode.key(org: orgA, level: 8, index: 512), 1))
    #expect(!isKey(TreeNode.key(org: orgA, level: 8, index: 509), 0))
    #expect(!isKey(TreeNode.key(org: orgA, level: 16, index: 511), 1))
    #expect(!isKey(TreeNode.key(org: orgB, level: 8, index: 511), 1))
    #expect(!isKey(Array(TreeNode.key(org: orgA, level: 8, index: 511).dropLast()), 1))
    #expect(!isKey(TreeNode.key(org: orgA, level: 8, index: 511) + [0], 1))
  }

  /// A proof among so many is made of a few nodes that are stored next to each other, and of as many as are hashed together.
  @Test func `any event of thousands is proven, beside another org's as many`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for round in 0..<43 {
        for org in [orgA, orgB] {
          let events = (0..<100).map { number in
            event(UInt128(number % 7), payload: "{\"n\":\(100 * round + number)}")
          }
          _ = try await log.append(commit(events, org: org))
        }
      }
      for org in [orgA, orgB] {
        let leaves = try log.leaves(of: org, from: 0, limit: 10_000)
          .map { MerkleTree.leafHash($0.leaf) }
        #expect(leaves.count == 4300)
        var roots: [Digest] = [MerkleTree.emptyRoot]
        var frontier = Frontier()
        for leaf in leaves {
          frontier.append(leaf)
          roots.append(frontier.root)
        }
        for (sequence, size) in [
          (0, 512), (511, 513), (512, 1024), (700, 1536), (1030, 2048), (0, 2700), (2047, 2048),
          (2048, 2700), (2699, 2700), (1299, 2305), (100, 4096), (4095, 4096), (4200, 4300),
        ] {
          let proof = try log.inclusionProof(
            of: org, orgSequence: UInt64(sequence), size: UInt64(size))
          let isIncluded = MerkleTree.isIncluded(
            leaves[sequence], index: UInt64(sequence), size: UInt64(size), proof: proof,
            root: roots[size])
          #expect(isIncluded, "\(sequence) of \(size)")
        }
        for (old, new) in [
          (1, 2700), (512, 2700), (600, 1100), (1024, 2048), (2047, 2560), (4096, 4300),
        ] {
          let isConsistent = MerkleTree.isConsistent(
            old: UInt64(old), oldRoot: roots[old], new: UInt64(new), newRoot: roots[new],
            proof: try log.consistencyProof(of: org, from: UInt64(old), to: UInt64(new)))
          #expect(isConsistent, "\(old) to \(new)")
        }
      }
      await log.close()
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

@Suite struct VerificationPassTests {
  /// Adds as many blocks as the index has without a run.
  private func writeRun(_ log: LMDBEventLog) async throws {
    for _ in 0..<IndexWriter.maxTailBlocks { _ = try await log.append(commit([event(1)])) }
  }

  /// Goal: rows of subtrees that are not written yet, or that an older writer wrote sooner, change no proof and are made whole
  /// with the next run of the index. Method: 600 leaves without a run; the proofs of the writer, who has the subtrees in memory,
  /// of another reader, who has not, and of a writer that opened anew; then some subtrees of each tile put into the rows.
  @Test
  func
    `subtrees since the last run of the index are proven, kept over an opening, and written with the next`()
    async throws
  {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for number in 0..<600 { _ = log.enqueue(commit([event(UInt128(number % 9))])) }
      _ = try await log.append(commit([event(1)]))
      let rows = (0..<3).map { TileRow.key(org: orgA, tile: $0) }
      let slots = try log.store.withTree(of: orgA) { _, source in
        try (0..<37).map { try source(TileRow.level, $0).bytes }
      }
      let proofs = try proofs(log)
      let reader = try LMDBLogReader(directory: directory)
      #expect(try self.proofs(reader) == proofs)
      #expect(try reader.verify().problems == [])
      await log.close()
      // All of the first tile, some of the second, none of the third, as writers did that wrote them with every group.
      for (row, known) in zip(rows, [slots[..<16], slots[16..<21], []]) {
        try tamperNode(directory, row: row) { bytes in
          #expect(bytes.isEmpty)
          return Array(known.joined())
        }
      }
      #expect(try self.proofs(reader) == proofs)
      #expect(try reader.verify().problems == [])
      let again = try LMDBEventLog(directory: directory)
      _ = try await again.append(commit([event(1)]))
      #expect(try self.proofs(again) == proofs)
      try await writeRun(again)
      #expect(try self.proofs(again) == proofs)
      #expect(try reader.verify().problems == [])
      await again.close()
      reader.close()
      for (row, known) in zip(rows, [slots[..<16], slots[16..<32], slots[32...]]) {
        try tamperNode(directory, row: row) { bytes in
          #expect(bytes.starts(with: known.joined()))
          return bytes
        }
      }
    }
  }

  private func proofs(_ log: some LogProver) throws -> [[Digest]] {
    try [0, 17, 255, 256, 511, 590, 600].map {
      try log.inclusionProof(of: orgA, orgSequence: $0, size: 601)
    }
  }

  private func fill(_ directory: String, commitCount: Int = 900) async throws {
    let log = try LMDBEventLog(directory: directory)
    var pending: [PendingAppend] = []
    for number in 0..<commitCount {
      let key = IdempotencyKey(name: "k\(number)", fingerprint: 1)
      let some = (0..<3).map {
        event(UInt128((number * 7 + $0 * 131) % 1500), personal: [(ann, "x")])
      }
      pending.append(
        log.enqueue(commit(some, org: number.isMultiple(of: 4) ? orgB : orgA, key: key)))
      if number.isMultiple(of: 9) { _ = try await pending[number].receipt() }
    }
    for each in pending { _ = try await each.receipt() }
    await log.close()
  }

  /// The same findings whatever the number of threads, and however little memory there is for streams.
  @Test func `threads and slices change nothing about what is found`() async throws {
    try await withLogDirectory { directory in
      try await fill(directory)
      let reader = try LMDBLogReader(directory: directory)
      let alone = try reader.verify(isDeep: true)
      #expect(alone.problems == [])
      #expect(alone.eventCount == 2700 && alone.openedPartCount == 2700)
      #expect(try reader.verify(isDeep: true, jobCount: 4) == alone)
      #expect(try reader.verify(isDeep: true, jobCount: 2, maxStreamCount: 600) == alone)
      #expect(
        alone.treeHeads == [
          orgA: try reader.treeHead(of: orgA), orgB: try reader.treeHead(of: orgB),
        ])
      reader.close()
    }
  }

  /// Goal: every proof is right whichever rows of subtrees a log has: all, none of an old log, or a spoiled one,
  /// which verification has to name.
  @Test func `proofs do not need the stored subtrees, and spoiled ones are found`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for number in 0..<600 { _ = log.enqueue(commit([event(UInt128(number % 9))])) }
      _ = try await log.append(commit([event(1)]))
      // Rows come with a run of the index.
      try await writeRun(log)
      let proofs = try proofs(log)
      await log.close()
      let row =
        Array(repeating: UInt8(0), count: 15) + [0xA, 0] + Array(repeating: UInt8(0), count: 8)
      try tamperNode(directory, row: row) { bytes in
        #expect(bytes.count == 16 * 32)
        return []
      }
      let without = try LMDBLogReader(directory: directory)
      #expect(try self.proofs(without) == proofs)
      without.close()
      try tamperNode(directory, row: row) { _ in Array(repeating: 7, count: 16 * 32) }
      let spoiled = try LMDBLogReader(directory: directory)
      #expect(
        try spoiled.verify().problems.map(\.reason).contains(
          "the stored subtrees of an org's tree are others"))
      spoiled.close()
    }
  }

  /// Goal: each stored node is compared, since proofs are made of all of them. Method: as many leaves as have one node of level 16,
  /// of which alone their root is made; below it one node is spoiled, or missing.
  @Test func `a stored node below the one that a root is made of is compared too`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for _ in 0..<64 {
        _ = try await log.append(commit(Array(repeating: event(1), count: 1024)))
      }
      let head = try log.treeHead(of: orgA)
      #expect(head.size == 65_536)
      await log.close()
      let reader = try LMDBLogReader(directory: directory)
      defer { reader.close() }
      #expect(try reader.verify(jobCount: 2).problems == [])
      let row = TreeNode.key(org: orgA, level: TreeNode.levelStep, index: 5)
      for spoil in [{ $0.map { $0 ^ 1 } }, { _ in [] }] as [([UInt8]) -> [UInt8]] {
        try tamperNode(directory, row: row, spoil)
        #expect(try reader.treeHead(of: orgA) == head)
        #expect(
          try reader.verify(jobCount: 2).problems.map(\.reason) == [
            "a stored node of an org's tree is another one, or missing"
          ])
      }
    }
  }
}

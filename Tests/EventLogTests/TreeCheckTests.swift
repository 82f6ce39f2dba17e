import Merkle
import Synchronization
import Testing

@testable import EventLog

/// The rows of `nodes` have no sums of their own: nothing is signed over them unless they agree with each other.
@Suite struct TreeCheckTests {
  private let key: CheckpointKey

  init() throws {
    key = try CheckpointKey(name: "ledger.example", seed: [UInt8](repeating: 1, count: 32))
  }

  private func head(_ note: String, _ log: LMDBEventLog) throws -> TreeHead {
    let signed = try Checkpoint(text: try log.verifier(of: orgA, key: key).open(note))
    return TreeHead(size: signed.size, root: signed.root)
  }

  /// As many leaves as have one node of level 16, and 64 more, with all rows written.
  private func fill(_ log: LMDBEventLog) async throws {
    for _ in 0..<64 { _ = try await log.append(commit(Array(repeating: event(1), count: 1024))) }
    for _ in 0..<IndexWriter.maxTailBlocks { _ = try await log.append(commit([event(1)])) }
  }

  /// Goal: whichever row is damaged, no head is signed and what is said is that the row is. Method: one bit of a row of each kind,
  /// a process that has not signed yet; then the bit put back.
  @Test func `no head is signed over a damaged row of an org's tree`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      try await fill(log)
      await log.close()
      let reader = try LMDBLogReader(directory: directory)
      defer { reader.close() }
      let sound = try reader.treeHead(of: orgA)
      #expect(sound.size == 65_600)
      #expect(try reader.checkedHead(of: orgA) == sound)
      for (row, what) in [
        (TileRow.key(org: orgA, tile: 5), "each other in tile 5"),
        (TreeNode.key(org: orgA, level: 8, index: 255), "each other in tile 255"),
        (TreeNode.key(org: orgA, level: 16, index: 0), "each other at level 16, node 0"),
        (TileRow.key(org: orgA, tile: 256), ""),
      ] {
        try tamperNode(directory, row: row) { bytes in [bytes[0] ^ 1] + bytes.dropFirst() }
        #expect(throws: EventLogError.self) { try reader.checkedHead(of: orgA) }
        let again = try LMDBEventLog(directory: directory)
        for _ in 0..<2 {
          let error = await #expect(throws: EventLogError.self) {
            try await again.checkpoint(of: orgA, signedBy: key)
          }
          let text = try #require(error).description
          #expect(text.contains("contradict " + what), "\(text)")
        }
        #expect(try again.signedHead(of: orgA) == nil, "nothing was kept to be signed either")
        await again.close()
        try tamperNode(directory, row: row) { bytes in [bytes[0] ^ 1] + bytes.dropFirst() }
      }
      let mended = try LMDBEventLog(directory: directory)
      #expect(try head(try await mended.checkpoint(of: orgA, signedBy: key), mended) == sound)
      await mended.close()
    }
  }

  /// Goal: a row that is damaged after it was compared changes no signed head, and is not called another history. Method: two full
  /// tiles signed for; a bit of a node that their root is made of; one more event.
  @Test func `a row that is damaged between two heads is no fork`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit(Array(repeating: event(1), count: 512)))
      _ = try await log.checkpoint(of: orgA, signedBy: key)
      _ = try await log.append(commit([event(1)]))
      await log.close()
      let row = TreeNode.key(org: orgA, level: 8, index: 0)
      let again = try LMDBEventLog(directory: directory)
      while try !again.store.checkRows(of: orgA) {}
      try tamperNode(directory, row: row) { bytes in [bytes[0] ^ 1] + bytes.dropFirst() }
      let error = await #expect(throws: EventLogError.self) {
        try await again.checkpoint(of: orgA, signedBy: key)
      }
      let text = try #require(error).description
      #expect(text.contains("each other in tile 0"), "\(text)")
      await again.close()
    }
  }

  /// Goal: rows are compared once, some at a time, and those of a log of before there were any are not missed. Method: tile by
  /// tile; the rows of the first tile taken away.
  @Test func `rows are compared in steps, as far as there are any`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      _ = try await log.append(commit(Array(repeating: event(1), count: 900)))
      for _ in 0..<IndexWriter.maxTailBlocks { _ = try await log.append(commit([event(1)])) }
      await log.close()
      try tamperNode(directory, row: TileRow.key(org: orgA, tile: 0)) { _ in [] }
      let again = try LMDBEventLog(directory: directory)
      let steps = try (0..<4).map { _ in try again.store.checkRows(of: orgA, tileCount: 1) }
      #expect(steps == [false, false, true, true])
      #expect(again.store.checkedTrees.withLock { $0[orgA]?.size } == 768)
      let head = try head(try await again.checkpoint(of: orgA, signedBy: key), again)
      #expect(head == (try again.treeHead(of: orgA)))
      await again.close()
    }
  }
}

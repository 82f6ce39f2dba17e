import Crypto
import LMDB
import Merkle

/// An org's tree as the blocks give it, compared on the way with the subtrees that are stored.
struct VerifiedTree {
  private let org: OrgID
  private(set) var frontier = Frontier()
  /// Subtrees of level 4 of the tile in progress.
  private var slots: [Digest] = []

  init(org: OrgID) { self.org = org }

  /// False where a stored row of subtrees is another one.
  mutating func append(_ leaves: [Digest], store: LogStore) -> Bool {
    var completed: [(index: UInt64, hash: Digest)] = []
    frontier.append(contentsOf: leaves) { level, index, hash in
      if level == TileRow.level { completed.append((index, hash)) }
    }
    var isSound = true
    for slot in completed {
      slots.append(slot.hash)
      guard slots.count == TileRow.slotCount else { continue }
      if !isStored(slot.index / UInt64(TileRow.slotCount), store) { isSound = false }
      slots.removeAll(keepingCapacity: true)
    }
    return isSound
  }

  /// Whether the tile's row, where there is one, is what was computed. Rows of a log from before there were any
  /// are missing.
  private func isStored(_ tile: UInt64, _ store: LogStore) -> Bool {
    let key = TileRow.key(org: org, tile: tile)
    do {
      let stored = try store.reading { transaction throws in
        try transaction.withValue(forKey: key, in: store.nodes) { LogStore.bytes($0) }
      }
      guard let stored else { return true }
      return stored == slots.flatMap(\.bytes)
    } catch {
      return false
    }
  }
}

extension LogVerifier {
  func compareTrees() throws(EventLogError) {
    for (org, tree) in trees.sorted(by: { $0.key < $1.key }) {
      let tree = tree.frontier
      report.treeHeads[org] = TreeHead(size: tree.size, root: tree.root)
      do throws(EventLogError) {
        let stored = try store.root(of: org, size: tree.size)
        if stored != tree.root { note(0, "the stored nodes of an org's tree are others") }
        try compareRecords(org, tree)
      } catch {
        note(0, Self.reason(error))
      }
    }
  }

  private func compareRecords(_ org: OrgID, _ tree: Frontier) throws(EventLogError) {
    let (flushed, signed) = try mappingErrors {
      try store.reading { transaction throws in
        (
          try store.flushedTree(of: org, transaction),
          try transaction.withValue(forKey: OrgRecord.key(org), in: store.heads) { value in
            try SignedHead(value)
          }
        )
      }
    }
    if flushed.size > 0, flushed.size <= tree.size,
      flushed.root != (try store.root(of: org, size: flushed.size))
    {
      note(0, "the stored frontier of an org's tree is another one")
    }
    guard let signed, signed.incarnation == store.format.incarnation else { return }
    if signed.head.size > tree.size {
      note(0, "a checkpoint was signed for more events than the log has")
    } else if signed.head.root != (try store.root(of: org, size: signed.head.size)) {
      note(0, "the checkpoint signed last is of another history")
    }
  }
}

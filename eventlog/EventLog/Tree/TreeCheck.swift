import LMDB
import Merkle
import Synchronization

/// The rows of `nodes` have no sums of their own, but say everything twice: the subtrees of sixteen leaves make the node of their
/// tile, and 256 nodes the one eight levels above. Before a head is signed they are compared with each other, and what they all
/// make with the tree that the writer has grown from the leaves: a head whose proofs could not be made is not given out.
///
/// A process reads all rows of an org once, before the first head that it signs, and from then on those that came since.
extension LogStore {
  /// So many are read in one transaction: 2 MiB of rows.
  static let tilesAtOnce: UInt64 = 4096

  /// Compares rows that this process has not compared yet, some of them where there are many. True once it has them all.
  ///
  /// - Throws: `.corrupted` where they contradict each other; the next call begins anew.
  func checkRows(
    of org: OrgID, tileCount: UInt64 = LogStore.tilesAtOnce
  ) throws(EventLogError) -> Bool {
    try forgettingWhenDamaged(org) { () throws(EventLogError) in
      let known = checkedTrees.withLock { $0[org] } ?? Frontier()
      let (checked, size) = try checkSomeRows(tileCount, of: org, after: known)
      checkedTrees.withLock { trees in
        // Somebody else may have come further meanwhile.
        if trees[org]?.size ?? 0 < checked.size { trees[org] = checked }
      }
      return checked.size + TileRow.leafCount > size
    }
  }

  /// Also how many leaves the tree has.
  private func checkSomeRows(
    _ tileCount: UInt64, of org: OrgID, after known: Frontier
  ) throws(EventLogError) -> (checked: Frontier, size: UInt64) {
    try withOrgTree(of: org) { size, tree, transaction throws in
      (try known.growing(by: tileCount, upTo: size, with: tree, org, transaction), size)
    }
  }

  /// For the writer's thread: the tree does not grow meanwhile.
  ///
  /// - Throws: `.corrupted` where the rows contradict each other, or the head that is about to be signed.
  func requireRows(of org: OrgID, agreeingWith head: TreeHead) throws(EventLogError) {
    while try !checkRows(of: org) {}
    try forgettingWhenDamaged(org) { () throws(EventLogError) in
      let checked = checkedTrees.withLock { $0[org] } ?? Frontier()
      try withOrgTree(of: org) { size, tree, transaction throws in
        let made = try checked.completed(to: size, with: tree, transaction)
        try Self.require(
          made.size == head.size && made.root == head.root, "the tree that the writer has grown")
      }
    }
  }

  /// The head of the tree of `org`, with all its rows read anew and compared.
  ///
  /// - Throws: `.corrupted` where they contradict each other, or what the record of the org and the leaves after it make.
  func checkedHead(of org: OrgID) throws(EventLogError) -> TreeHead {
    try forgettingWhenDamaged(org) { () throws(EventLogError) in
      var checked = Frontier()
      var size: UInt64
      repeat {
        (checked, size) = try checkSomeRows(Self.tilesAtOnce, of: org, after: checked)
      } while checked.size + TileRow.leafCount <= size
      return try withOrgTree(of: org) { size, tree, transaction throws in
        var grown = try flushedTree(of: org, transaction)
        if grown.size < size {
          try tree.forEachLeaf(from: grown.size, transaction) { hasher in
            grown.append(hasher.leafHash)
            return grown.size < size
          }
        }
        let made = try checked.completed(to: size, with: tree, transaction)
        try Self.require(made == grown, "the record of the org")
        return TreeHead(size: size, root: grown.root)
      }
    }
  }

  /// What was damaged once is looked at again, whoever asks next.
  private func forgettingWhenDamaged<Result>(
    _ org: OrgID, _ body: () throws(EventLogError) -> Result
  ) throws(EventLogError) -> Result {
    do throws(EventLogError) {
      return try body()
    } catch {
      checkedTrees.withLock { $0[org] = nil }
      throw error
    }
  }

  fileprivate static func require(_ agree: Bool, _ what: String) throws(EventLogError) {
    guard agree else {
      throw .corrupted(
        position: 0,
        reason: "the stored rows of the org's tree contradict \(what); nothing is signed over them:"
          + " 'daybook verify' says where they are damaged, a backup from before has them sound")
    }
  }
}

extension Frontier {
  /// With the next `tileCount` full tiles, each of which is compared with what is stored of it and of what it completes.
  fileprivate func growing(
    by tileCount: UInt64, upTo size: UInt64, with tree: OrgTree, _ org: OrgID,
    _ transaction: borrowing ReadTransaction
  ) throws -> Frontier {
    var grown = self
    let first = self.size / TileRow.leafCount
    for tile in first..<max(first, min(first + tileCount, size / TileRow.leafCount)) {
      let node = try tree.subtree(level: TreeNode.levelStep, index: tile, transaction)
      // A tile of before there were rows has the node alone, which is compared with those above it.
      let slots = try tree.rootOfSlots(ofTile: tile, transaction)
      try LogStore.require(slots ?? node == node, "each other in tile \(tile)")
      var completed: [TreeNode] = []
      grown.append(subtree: node, level: TreeNode.levelStep) { level, index, hash in
        guard level.isMultiple(of: TreeNode.levelStep) else { return }
        completed.append(TreeNode(org: org, level: level, index: index, hash: hash))
      }
      for node in completed {
        let stored = try tree.subtree(level: node.level, index: node.index, transaction)
        try LogStore.require(
          stored == node.hash, "each other at level \(node.level), node \(node.index)")
      }
    }
    return grown
  }

  /// With the rest of the leaves up to `size`, which fill no tile.
  fileprivate func completed(
    to size: UInt64, with tree: OrgTree, _ transaction: borrowing ReadTransaction
  ) throws -> Frontier {
    var grown = self
    while grown.size < size {
      let level = size - grown.size >= TileRow.leavesPerSlot ? TileRow.level : 0
      let next = try tree.subtree(
        level: level, index: grown.size >> UInt64(level), transaction)
      grown.append(subtree: next, level: level) { _, _, _ in }
    }
    return grown
  }
}

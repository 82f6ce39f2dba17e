import Crypto
import LMDB
import Merkle

/// An org's tree as the blocks give it, compared on the way with the subtrees that are stored.
struct VerifiedTree {
  /// What the blocks say that a row of the table `nodes` holds.
  struct Row {
    let org: OrgID
    let tile: UInt64
    let hashes: [Digest]
    /// Of the block that completed it, or of one soon after it.
    let position: UInt64

    var key: [UInt8] { TileRow.key(org: org, tile: tile) }
    var bytes: [UInt8] { hashes.flatMap(\.bytes) }
  }

  /// What grew at once, as the table `nodes` has to hold it.
  struct Grown {
    var rows: [Row] = []
    var nodes: [Node] = []
  }

  struct Node {
    let node: TreeNode
    /// As of a row.
    let position: UInt64
  }

  private let org: OrgID
  private(set) var frontier = Frontier()
  /// Subtrees of level 4 of the tile in progress.
  private var slots: [Digest] = []
  /// Not in the tree yet, and the block of the last of them.
  private var waiting: [Digest] = []
  private var position: UInt64 = 0

  init(org: OrgID) { self.org = org }

  /// Whether leaves were added since it grew.
  var isGrowing: Bool { !waiting.isEmpty }

  /// Adds the leaves of the block at `position`.
  mutating func add(_ leaves: ArraySlice<Digest>, at position: UInt64) {
    waiting += leaves
    self.position = position
  }

  /// Hashes what was added: many leaves together cost less. Returns the rows and nodes that are complete.
  mutating func grow() -> Grown {
    var grown = Grown()
    var completed: [(index: UInt64, hash: Digest)] = []
    let (org, position) = (org, position)
    frontier.append(contentsOf: waiting) { level, index, hash in
      if level == TileRow.level {
        completed.append((index, hash))
      } else if level.isMultiple(of: TreeNode.levelStep) {
        let node = TreeNode(org: org, level: level, index: index, hash: hash)
        grown.nodes.append(Node(node: node, position: position))
      }
    }
    waiting.removeAll(keepingCapacity: true)
    for slot in completed {
      slots.append(slot.hash)
      guard slots.count == TileRow.slotCount else { continue }
      let tile = slot.index / UInt64(TileRow.slotCount)
      grown.rows.append(Row(org: org, tile: tile, hashes: slots, position: position))
      slots.removeAll(keepingCapacity: true)
    }
    return grown
  }
}

/// How far a verification has come with an org.
struct VerifiedOrg {
  let id: OrgID
  /// nil before the first of its events that is looked at.
  var nextSequence: UInt64?
  var tree: VerifiedTree
  /// False once leaves are missing from the tree: then it says nothing of what is stored.
  var isComparable = true
}

extension LogVerifier {
  /// Takes the leaves of a step into the trees, and compares the rows of subtrees and the nodes that are stored: every node, since
  /// a root is made of the highest ones alone, and proofs are of those below.
  func growTrees() {
    let grown = grownOrgs.map { orgs[$0].tree.grow() }
    grownOrgs.removeAll(keepingCapacity: true)
    let (rows, nodes) = (grown.flatMap(\.rows), grown.flatMap(\.nodes))
    var areRowsSound = rows.map { _ in false }
    var areNodesSound = nodes.map { _ in false }
    // Where reading fails, what was not read is not sound.
    _ = try? store.reading { transaction throws in
      for (index, row) in rows.enumerated() {
        areRowsSound[index] = try isStored(row, transaction)
      }
      for (index, node) in nodes.enumerated() {
        areNodesSound[index] = try isStored(node, transaction)
      }
    }
    for (row, isSound) in zip(rows, areRowsSound) where !isSound {
      note(row.position, "the stored subtrees of an org's tree are others")
    }
    for (node, isSound) in zip(nodes, areNodesSound) where !isSound {
      note(node.position, "a stored node of an org's tree is another one, or missing")
    }
  }

  /// It is stored with the event that completes it.
  private func isStored(
    _ known: VerifiedTree.Node, _ transaction: borrowing ReadTransaction
  ) throws -> Bool {
    let stored = try transaction.withValue(forKey: known.node.key, in: store.nodes) {
      LogStore.bytes($0)
    }
    return stored == known.node.hash.bytes
  }

  /// A row of a log from before there were any is missing; one that was completed after the last run of the index still lacks
  /// what was added since.
  private func isStored(
    _ row: VerifiedTree.Row, _ transaction: borrowing ReadTransaction
  ) throws -> Bool {
    let stored = try transaction.withValue(forKey: row.key, in: store.nodes) { LogStore.bytes($0) }
    guard let stored, stored != row.bytes else { return true }
    let end = (row.tile + 1) * TileRow.leafCount
    return try stored.count.isMultiple(of: Digest.byteCount) && row.bytes.starts(with: stored)
      && store.flushedTree(of: row.org, transaction).size < end
  }

  func compareTrees() throws(EventLogError) {
    for known in orgs.sorted(by: { $0.id < $1.id }) where known.isComparable {
      let (org, tree) = (known.id, known.tree.frontier)
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
          try store.signedHead(of: org, transaction)
        )
      }
    }
    if flushed.size > 0, flushed.size <= tree.size,
      flushed.root != (try store.root(of: org, size: flushed.size))
    {
      note(0, "the stored frontier of an org's tree is another one")
    }
    guard let signed, signed.incarnation == store.format.incarnation else { return }
    // Signed meanwhile, perhaps, like what it is of: the log only grows.
    if signed.head.size > tree.size, signed.head.size > (try store.treeHead(of: org).size) {
      note(0, "a checkpoint was signed for more events than the log has")
    } else if signed.head.root != (try store.root(of: org, size: signed.head.size)) {
      note(0, "the checkpoint signed last is of another history")
    }
  }
}

import Crypto
import LMDB
import Merkle
import Vault

/// A row of the table `nodes`: the root of a complete subtree whose level is a multiple of eight. That
/// is what a C2SP tile of a level above 0 is made of; lower nodes are made again from leaves.
/// Key: org (16), level / 8 (1), index (8), big-endian. Value: the hash.
struct TreeNode {
  static let levelStep = 8

  let org: OrgID
  let level: Int
  let index: UInt64
  let hash: Digest

  var key: [UInt8] { Self.key(org: org, level: level, index: index) }

  static func key(org: OrgID, level: Int, index: UInt64) -> [UInt8] {
    var key = OrgRecord.key(org)
    key.append(UInt8(level / levelStep))
    key.appendBig(index)
    return key
  }
}

// MARK: - Frontiers

extension LogStore {
  /// The tree of `org` as of the last index flush.
  func flushedTree(
    of org: OrgID, _ transaction: borrowing ReadTransaction
  ) throws -> Frontier {
    let key = OrgRecord.key(org)
    return try transaction.withValue(forKey: key, in: orgs) { value in
      try OrgRecord(value, key: key).frontier
    } ?? Frontier()
  }

  /// The trees of all orgs that the tail of the index has events of, up to the head.
  func trees(
    _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws -> [OrgID: Frontier] {
    var trees: [OrgID: Frontier] = [:]
    for org in view.tail.nextSequences.keys { trees[org] = try flushedTree(of: org, transaction) }
    guard view.tail.blockCount > 0 else { return trees }
    try transaction.scan(blocks, fromAtOrBelow: view.tail.indexedThrough + 1) { key, bytes in
      guard key > view.tail.indexedThrough else { return true }
      let block = try load(bytes, key: key)
      let hasher = LeafHasher()
      try block.forEachPlace { place in
        let org = block.directory.identity(of: place).org
        try block.makeLeaf(at: place, hasher, vault: vault)
        trees[org]?.append(hasher.leafHash)
        return true
      }
      return true
    }
    return trees
  }
}

// MARK: - Leaves

extension LoadedBlock {
  /// Makes the leaf of an event in `hasher`. Needs the org's key, but none of a subject: the commitments
  /// of personal parts are stored, and outlive their keys.
  func makeLeaf(at place: EventPlace, _ hasher: LeafHasher, vault: Vault) throws {
    let record = directory.events[place.ordinal]
    let org = directory.identity(of: place).org
    let position = directory.header.firstPosition + UInt64(place.ordinal)
    guard case .available(let orgKey) = try vault.key(KeyName.org(org.value)) else {
      throw EventLogError.keyMissing(position: position)
    }
    hasher.start(header(at: place), partCount: record.partCount)
    let end = place.payloadOffset + directory.parts[record.firstPart].byteCount
    hasher.addPart(
      keyID: orgKey.id,
      commitment: unsafe hasher.commitment(
        orgKey, org: org, orgSequence: place.orgSequence, part: 0,
        payload: payload.span.bytes.extracting(place.payloadOffset..<end)))
    for index in 1..<record.partCount {
      let subject = directory.subjects[directory.parts[record.firstPart + index].subjectIndex]
      let name = KeyName(
        org: org.value, subject: subject.id.value, generation: subject.keyGeneration)
      let offset = (place.personalIndex + index - 1) * Digest.byteCount
      guard let commitment = Digest(commitments[offset..<offset + Digest.byteCount]) else {
        preconditionFailure("the directory has compared the commitments' size")
      }
      hasher.addPart(keyID: name.id, commitment: commitment)
    }
  }

  private func header(at place: EventPlace) -> LeafHeader {
    let record = directory.events[place.ordinal]
    let commit = directory.commits[place.commitOrdinal]
    return LeafHeader(
      org: directory.orgs[commit.orgIndex].id, orgSequence: place.orgSequence,
      recordedAtMicros: commit.recordedAtMicros,
      stream: directory.streams[record.streamIndex].id, streamVersion: place.streamVersion,
      type: directory.types[record.typeIndex], schemaVersion: record.schemaVersion)
  }
}

extension Digest {
  static var byteCount: Int { 32 }
}

// MARK: - Subtrees

/// The complete subtrees of one org's tree, from the table `nodes` and, below level 8, from the leaves.
final class OrgTree {
  private let store: LogStore
  private let org: OrgID
  private let view: IndexView
  /// The leaf hashes of the tile looked at last, and its index.
  private var tile: (index: UInt64, leaves: [Digest])?

  init(store: LogStore, org: OrgID, view: IndexView) {
    self.store = store
    self.org = org
    self.view = view
  }

  func subtree(
    level: Int, index: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> Digest {
    if level < TreeNode.levelStep {
      return try subtreeOfTile(level: level, index: index, transaction)
    }
    if level.isMultiple(of: TreeNode.levelStep) {
      let key = TreeNode.key(org: org, level: level, index: index)
      let stored = try transaction.withValue(forKey: key, in: store.nodes) { bytes in
        Digest(LogStore.bytes(bytes))
      }
      guard case .some(.some(let hash)) = stored else {
        throw EventLogError.corrupted(position: 0, reason: "a node of an org's tree is missing")
      }
      return hash
    }
    return MerkleTree.nodeHash(
      try subtree(level: level - 1, index: 2 * index, transaction),
      try subtree(level: level - 1, index: 2 * index + 1, transaction))
  }

  private func subtreeOfTile(
    level: Int, index: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> Digest {
    let first = index << UInt64(level)
    let leaves = try leaves(ofTile: first / UInt64(TilePath.leafCount), transaction)
    let start = Int(first % UInt64(TilePath.leafCount))
    guard start + (1 << level) <= leaves.count else {
      throw EventLogError.corrupted(position: 0, reason: "an org's book is shorter than its tree")
    }
    var frontier = Frontier()
    for leaf in leaves[start..<start + (1 << level)] { frontier.append(leaf) }
    return frontier.root
  }

  /// The hashes of the tile's leaves: 256, or as many as the book has.
  func leaves(
    ofTile index: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> [Digest] {
    if let tile, tile.index == index { return tile.leaves }
    var leaves: [Digest] = []
    let first = index * UInt64(TilePath.leafCount)
    try forEachLeaf(from: first, transaction) { hasher in
      leaves.append(hasher.leafHash)
      return leaves.count < TilePath.leafCount
    }
    tile = (index, leaves)
    return leaves
  }

  /// Visits the leaves from `first` on until `body` returns false.
  func forEachLeaf(
    from first: UInt64, _ transaction: borrowing ReadTransaction,
    _ body: (LeafHasher) throws -> Bool
  ) throws {
    let hasher = LeafHasher()
    var next = first
    try store.forEachEntry(
      store.hash.org(org), detail: first, isExhaustive: false, view, transaction
    ) { entry in
      let block = try store.block(at: entry.position, transaction)
      var goesOn = true
      try block.forEachPlace { place in
        guard block.directory.identity(of: place).org == org, place.orgSequence >= first else {
          return true
        }
        guard place.orgSequence == next else {
          throw EventLogError.corrupted(position: entry.position, reason: "an org's book has a gap")
        }
        next += 1
        try block.makeLeaf(at: place, hasher, vault: store.vault)
        goesOn = try body(hasher)
        return goesOn
      }
      return goesOn
    }
  }
}

extension LogStore {
  /// Runs `body` with the size of the tree of `org` and its subtrees.
  func withTree<Result>(
    of org: OrgID, _ body: (UInt64, SubtreeSource) throws -> Result
  ) throws(EventLogError) -> Result {
    try mappingErrors {
      try reading { transaction throws in
        let view = try view(transaction)
        let tree = OrgTree(store: self, org: org, view: view)
        let size = try view.tail.nextSequences[org] ?? flushedTree(of: org, transaction).size
        return try body(size) { level, index throws in
          try tree.subtree(level: level, index: index, transaction)
        }
      }
    }
  }
}

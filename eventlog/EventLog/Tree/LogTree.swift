import Crypto
import LMDB
import Merkle
import Synchronization
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

  /// Whether `key` is that of the node which lies `distance` to the right of the one with the key `first`, at its level.
  static func isKey(_ key: RawSpan, _ distance: Int, after first: [UInt8]) -> Bool {
    let indexOffset = first.count - 8
    let first = unsafe first.span.bytes
    guard key.byteCount == first.byteCount else { return false }
    for offset in 0..<indexOffset where key.load8(at: offset) != first.load8(at: offset) {
      return false
    }
    let firstIndex = first.load64(at: indexOffset).byteSwapped
    return key.load64(at: indexOffset).byteSwapped == firstIndex + UInt64(distance)
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

  /// The trees of all orgs that the tail of the index has events of, up to the head, and the subtrees that they complete.
  func trees(
    _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws -> (trees: [OrgID: Frontier], slots: TileSlots) {
    var trees: [OrgID: Frontier] = [:]
    var slots = TileSlots()
    for org in view.tail.nextSequences.keys { trees[org] = try flushedTree(of: org, transaction) }
    guard view.tail.blockCount > 0 else { return (trees, slots) }
    var batch = EventBatch()
    var keys = LeafKeys(vault: vault)
    try transaction.scan(blocks, fromAtOrBelow: view.tail.indexedThrough + 1) { key, bytes in
      guard key > view.tail.indexedThrough,
        !view.tail.damages.contains(where: { $0.position == key })
      else { return true }
      let block = try load(bytes, key: key, includingSealed: false)
      try keys.forEachLeaf(of: block, from: 0, &batch) { orgIndex, leaf in
        let org = block.directory.orgs[orgIndex].id
        trees[org]?.append(leaf) { level, index, hash in
          if level == TileRow.level { slots.add(hash, org: org, index: index) }
        }
      }
      return true
    }
    return (trees, slots)
  }
}

// MARK: - Leaves

/// Makes leaves of one block after the other, and asks the vault once for each org of a block.
struct LeafKeys {
  /// What leaves made together take of an org's key: without a reference to it, which would be counted for every event.
  private struct BatchKey {
    let salt: CommitmentBatch.SaltKey
    let id: KeyID
  }

  /// An event whose leaf is made together with others.
  private struct Pending {
    let orgIndex: Int
    let header: LeafBatch.Header
    let typeIndex: Int
    /// Of the org's part, which lies in the payload frame.
    let payloadStart: Int
    /// Among the block's: the org's part, then the personal ones.
    let firstPart: Int
    let partCount: Int
    /// Of its first personal part, among the block's.
    let personalIndex: Int
  }

  private let vault: Vault
  private var position: UInt64?
  /// By the orgs' and the subjects' indexes in the block.
  private var orgKeys: [SubjectKey?] = []
  private var batchKeys: [BatchKey?] = []
  /// Empty where they are made as they are asked for.
  private var keyIDs: [KeyID] = []
  private var subjectCount = 0
  private var types: [[UInt8]] = []
  /// Why an org's key cannot be had, by the orgs' indexes in the block; where `leavesOutClosed` only.
  private(set) var failures: [Int: EventLogError] = [:]
  /// Whether the events of an org whose key cannot be had are left out, so that those beside them get their leaves.
  private let leavesOutClosed: Bool
  /// What is made next, all together.
  private var pending: [Pending] = []
  private var commitmentPlaces: [Int] = []

  init(vault: Vault, leavesOutClosed: Bool = false) {
    self.vault = vault
    self.leavesOutClosed = leavesOutClosed
  }

  /// Makes the leaf of an event in `hasher`. Needs the org's key, but none of a subject: the commitments
  /// of personal parts are stored, and outlive their keys.
  mutating func makeLeaf(
    of block: LoadedBlock, at place: EventPlace, _ hasher: inout LeafHasher
  ) throws {
    begin(block)
    let tables = block.directory.tables
    let record = block.directory.events[place.ordinal]
    let orgIndex = block.directory.commits[place.commitOrdinal].orgIndex
    let org = block.directory.orgs[orgIndex].id
    let orgKey = try orgKey(orgIndex, block, place.ordinal)
    hasher.start(block.leafHeader(at: place), partCount: record.partCount)
    let end = place.payloadOffset + block.directory.parts[record.firstPart].byteCount
    hasher.addPart(
      keyID: orgKey.keyID,
      commitment: unsafe hasher.commitment(
        orgKey, org: org, orgSequence: place.orgSequence, part: 0,
        payload: block.payload.span.bytes.extracting(place.payloadOffset..<end)))
    for index in 1..<record.partCount {
      let subjectIndex = block.directory.parts[record.firstPart + index].subjectIndex
      let offset = (place.personalIndex + index - 1) * Digest.byteCount
      hasher.addPart(
        // A thousand events may have a thousand people, and sixteen of them are asked for.
        keyID: keyIDs.isEmpty
          ? KeyName.keyIDs(of: [Self.name(of: subjectIndex, tables)])[0] : keyIDs[subjectIndex],
        commitment: unsafe Digest(block.commitments.span.bytes, at: offset))
    }
  }

  /// Calls `body` with the index of each event's org in the block, and its leaf, from event `first` on; many at a time are
  /// hashed together.
  mutating func forEachLeaf(
    of block: LoadedBlock, from first: Int, _ batch: inout EventBatch,
    _ body: (_ orgIndex: Int, _ leaf: Digest) -> Void
  ) throws {
    begin(block)
    let tables = block.directory.tables
    provideKeyIDs(tables)
    try provideBatchKeys(block, from: first)
    var versions = tables.streams.map(\.versionBefore)
    var sequences = tables.orgs.map(\.firstSequence)
    var personalIndex = 0
    for commitOrdinal in tables.commits.indices {
      let (orgIndex, recordedAtMicros, events) = (
        tables.commits[commitOrdinal].orgIndex, tables.commits[commitOrdinal].recordedAtMicros,
        tables.commits[commitOrdinal].events
      )
      let org = tables.orgs[orgIndex].id
      let isLeftOut = batchKeys[orgIndex] == nil
      for ordinal in events {
        let event = tables.events[ordinal]
        versions[event.streamIndex] &+= 1
        if ordinal >= first, !isLeftOut {
          let header = LeafBatch.Header(
            org: org, orgSequence: sequences[orgIndex], recordedAtMicros: recordedAtMicros,
            stream: tables.streams[event.streamIndex].id,
            streamVersion: versions[event.streamIndex], schemaVersion: event.schemaVersion)
          pending.append(
            Pending(
              orgIndex: orgIndex, header: header, typeIndex: event.typeIndex,
              payloadStart: event.payloadOffset, firstPart: event.firstPart,
              partCount: event.partCount, personalIndex: personalIndex))
          if pending.count == EventBatch.maxCount { addLeaves(of: block, &batch, body) }
        }
        sequences[orgIndex] &+= 1
        personalIndex += event.partCount - 1
      }
    }
    addLeaves(of: block, &batch, body)
  }

  /// Makes the leaves of the pending events, and forgets those.
  private mutating func addLeaves(
    of block: LoadedBlock, _ batch: inout EventBatch,
    _ body: (_ orgIndex: Int, _ leaf: Digest) -> Void
  ) {
    defer { pending.removeAll(keepingCapacity: true) }
    let parts = block.directory.tables.parts
    batch.commitments.begin(pending.count) { index in
      let header = pending[index].header
      return CommitmentBatch.Part(
        key: batchKey(pending[index].orgIndex).salt, org: header.org,
        orgSequence: header.orgSequence, index: 0,
        payloadByteCount: parts[pending[index].firstPart].byteCount)
    }
    batch.commitments.write(from: unsafe block.payload.span.bytes) { pending[$0].payloadStart }
    batch.commitments.finish()
    batch.leaves.begin(pending.count) { index in
      LeafBatch.byteCount(
        type: types[pending[index].typeIndex], partCount: pending[index].partCount)
    }
    writeLeaves(of: block, &batch.leaves)
    batch.leaves.write(batch.commitments, at: commitmentPlaces)
    batch.leaves.finish { index, leaf in body(pending[index].orgIndex, leaf) }
  }

  /// But for the commitments of the orgs' parts, which belong to `commitmentPlaces`.
  private mutating func writeLeaves(of block: LoadedBlock, _ leaves: inout LeafBatch) {
    commitmentPlaces.removeAll(keepingCapacity: true)
    let parts = block.directory.tables.parts
    let commitments = unsafe block.commitments.span.bytes
    leaves.write { starts, target in
      for (index, event) in pending.enumerated() {
        let key = batchKey(event.orgIndex)
        let first = LeafBatch.write(
          event.header, type: types[event.typeIndex], partCount: event.partCount,
          at: Int(starts[index]), to: &target)
        var place = LeafBatch.writePart(key.id, at: first, to: &target)
        commitmentPlaces.append(place)
        for part in 1..<event.partCount {
          place = LeafBatch.writePart(
            keyIDs[parts[event.firstPart + part].subjectIndex], at: place + Digest.byteCount,
            to: &target)
          let stored = (event.personalIndex + part - 1) * Digest.byteCount
          target.store(commitments.extracting(stored..<stored + Digest.byteCount), at: place)
        }
      }
    }
  }

  private mutating func begin(_ block: LoadedBlock) {
    if position == block.directory.header.firstPosition,
      orgKeys.count == block.directory.orgs.count,
      subjectCount == block.directory.subjects.count
    {
      return
    }
    position = block.directory.header.firstPosition
    orgKeys.removeAll(keepingCapacity: true)
    orgKeys.append(contentsOf: repeatElement(nil, count: block.directory.orgs.count))
    batchKeys.removeAll(keepingCapacity: true)
    batchKeys.append(contentsOf: repeatElement(nil, count: block.directory.orgs.count))
    let tables = block.directory.tables
    failures.removeAll()
    types = tables.types.map { Array($0.utf8) }
    keyIDs.removeAll(keepingCapacity: true)
    subjectCount = tables.subjects.count
  }

  private mutating func provideKeyIDs(_ tables: BlockTables) {
    guard keyIDs.isEmpty else { return }
    keyIDs = KeyName.keyIDs(of: tables.subjects.indices.map { Self.name(of: $0, tables) })
  }

  private static func name(of subject: Int, _ tables: BlockTables) -> KeyName {
    let subject = tables.subjects[subject]
    return KeyName(
      org: tables.orgs[subject.orgIndex].id.value, subject: subject.id.value,
      generation: subject.keyGeneration)
  }

  private mutating func orgKey(
    _ index: Int, _ block: LoadedBlock, _ ordinal: Int
  ) throws -> SubjectKey {
    if let known = orgKeys[index] { return known }
    let name = KeyName.org(block.directory.orgs[index].id.value)
    guard case .available(let key) = try vault.key(name) else {
      throw EventLogError.keyMissing(
        position: block.directory.header.firstPosition + UInt64(ordinal))
    }
    orgKeys[index] = key
    return key
  }

  /// Asks for the keys of the orgs that have an event from `first` on: once, not again for each of those.
  private mutating func provideBatchKeys(_ block: LoadedBlock, from first: Int) throws {
    let commits = block.directory.tables.commits
    for index in commits.indices {
      let (orgIndex, events) = (commits[index].orgIndex, commits[index].events)
      guard batchKeys[orgIndex] == nil, failures[orgIndex] == nil, events.upperBound > first else {
        continue
      }
      do throws(EventLogError) {
        let key = try mappingErrors { try orgKey(orgIndex, block, events.lowerBound) }
        batchKeys[orgIndex] = BatchKey(salt: key.salt.chains, id: key.keyID)
      } catch {
        guard leavesOutClosed else { throw error }
        failures[orgIndex] = error
      }
    }
  }

  private func batchKey(_ orgIndex: Int) -> BatchKey {
    guard let key = batchKeys[orgIndex] else { preconditionFailure("asked for before") }
    return key
  }
}

extension LoadedBlock {
  func leafHeader(at place: EventPlace) -> LeafHeader {
    let record = directory.events[place.ordinal]
    let orgIndex = directory.commits[place.commitOrdinal].orgIndex
    return LeafHeader(
      org: directory.orgs[orgIndex].id, orgSequence: place.orgSequence,
      recordedAtMicros: directory.commits[place.commitOrdinal].recordedAtMicros,
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
  /// The row of the tile looked at last, and its index.
  private var row: (tile: UInt64, hashes: [Digest])?
  /// The leaf hashes of the sixteen looked at last, and their index.
  private var slot: (index: UInt64, leaves: [Digest])?

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
        bytes.byteCount == Digest.byteCount ? Digest(bytes, at: 0) : nil
      }
      guard case .some(.some(let hash)) = stored else {
        throw EventLogError.corrupted(position: 0, reason: "a node of an org's tree is missing")
      }
      return hash
    }
    return try subtreeOfStored(level: level, index: index, transaction)
  }

  /// Of the nodes at the stored level below, which lie next to each other.
  private func subtreeOfStored(
    level: Int, index: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> Digest {
    let storedLevel = level - level % TreeNode.levelStep
    let count = 1 << (level - storedLevel)
    let first = index << UInt64(level - storedLevel)
    let start = TreeNode.key(org: org, level: storedLevel, index: first)
    var nodes: [Digest] = []
    nodes.reserveCapacity(count)
    try transaction.scan(store.nodes, from: start) { key, value in
      guard TreeNode.isKey(key, nodes.count, after: start), value.byteCount == Digest.byteCount
      else { return false }
      nodes.append(Digest(value, at: 0))
      return nodes.count < count
    }
    guard nodes.count == count else {
      throw EventLogError.corrupted(position: 0, reason: "a node of an org's tree is missing")
    }
    var tree = Frontier()
    tree.append(contentsOf: nodes) { _, _, _ in }
    return tree.root
  }

  private func subtreeOfTile(
    level: Int, index: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> Digest {
    if level > TileRow.level {
      return MerkleTree.nodeHash(
        try subtree(level: level - 1, index: 2 * index, transaction),
        try subtree(level: level - 1, index: 2 * index + 1, transaction))
    }
    if level == TileRow.level, let stored = try storedSlot(index, transaction) { return stored }
    let first = index << UInt64(level)
    let leaves = try leaves(ofSlot: first / TileRow.leavesPerSlot, transaction)
    let start = Int(first % TileRow.leavesPerSlot)
    guard start + (1 << level) <= leaves.count else {
      throw EventLogError.corrupted(position: 0, reason: "an org's book is shorter than its tree")
    }
    var frontier = Frontier()
    for leaf in leaves[start..<start + (1 << level)] { frontier.append(leaf) }
    return frontier.root
  }

  /// The root of a full tile as its subtrees of sixteen leaves give it; nil where neither its row nor memory has all of them.
  func rootOfSlots(
    ofTile tile: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> Digest? {
    var frontier = Frontier()
    let first = tile * UInt64(TileRow.slotCount)
    for index in first..<first + UInt64(TileRow.slotCount) {
      guard let slot = try storedSlot(index, transaction) else { return nil }
      frontier.append(slot)
    }
    return frontier.root
  }

  /// nil where neither the tile's row nor memory has it.
  private func storedSlot(
    _ index: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> Digest? {
    let tile = index / UInt64(TileRow.slotCount)
    if row?.tile != tile {
      let key = TileRow.key(org: org, tile: tile)
      row = (tile, try transaction.withValue(forKey: key, in: store.nodes, Self.digests) ?? [])
    }
    let slot = Int(index % UInt64(TileRow.slotCount))
    if let hashes = row?.hashes, slot < hashes.count { return hashes[slot] }
    return store.newestSlots.withLock { $0.hash(org: org, index: index) }
  }

  private static func digests(_ bytes: RawSpan) -> [Digest] {
    (0..<bytes.byteCount / Digest.byteCount).map { Digest(bytes, at: $0 * Digest.byteCount) }
  }

  /// The hashes of sixteen leaves, or of as many as the book has there.
  private func leaves(
    ofSlot index: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> [Digest] {
    if let slot, slot.index == index { return slot.leaves }
    var leaves: [Digest] = []
    try forEachLeaf(from: index * TileRow.leavesPerSlot, transaction) { hasher in
      leaves.append(hasher.leafHash)
      return leaves.count < Int(TileRow.leavesPerSlot)
    }
    slot = (index, leaves)
    return leaves
  }

  /// Visits the leaves from `first` on until `body` returns false.
  func forEachLeaf(
    from first: UInt64, _ transaction: borrowing ReadTransaction,
    _ body: (inout LeafHasher) throws -> Bool
  ) throws {
    var hasher = LeafHasher()
    var keys = LeafKeys(vault: store.vault)
    var next = first
    var seenThrough: UInt64 = 0
    try store.forEachEntry(
      store.hash.org(org), detail: first, .growingInMostRuns, view, transaction
    ) { entry in
      guard entry.position > seenThrough else { return true }
      let block = try store.block(at: entry.position, includingSealed: false, transaction)
      seenThrough = block.directory.header.lastPosition
      var goesOn = true
      try block.forEachPlace { place in
        guard block.directory.identity(of: place).org == org, place.orgSequence >= first else {
          return true
        }
        guard place.orgSequence == next else {
          throw EventLogError.corrupted(position: entry.position, reason: "an org's book has a gap")
        }
        next += 1
        try keys.makeLeaf(of: block, at: place, &hasher)
        goesOn = try body(&hasher)
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
    try withOrgTree(of: org) { size, tree, transaction throws in
      try body(size) { level, index throws in
        try tree.subtree(level: level, index: index, transaction)
      }
    }
  }

  func withOrgTree<Result>(
    of org: OrgID, _ body: (UInt64, OrgTree, borrowing ReadTransaction) throws -> Result
  ) throws(EventLogError) -> Result {
    try mappingErrors {
      try reading { transaction throws in
        let view = try view(transaction)
        try requireSound(org, view.tail, transaction)
        let tree = OrgTree(store: self, org: org, view: view)
        let size = try view.tail.nextSequences[org] ?? flushedTree(of: org, transaction).size
        return try body(size, tree, transaction)
      }
    }
  }
}

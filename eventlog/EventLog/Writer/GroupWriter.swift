import Crypto
import LMDB
import Merkle
import Synchronization
import Vault
import Zstd

/// Turns groups of commits into blocks, which `GroupCommitter` stores: everything that only the one writer thread
/// may do. What it holds in memory runs ahead of the disk by the group that is being stored and the one that is
/// planned meanwhile, and is read again from the disk after one that failed.
final class GroupWriter {
  private struct Answer {
    let fingerprint: UInt128
    let receipt: Receipt
  }

  let store: LogStore
  let nowMicros: @Sendable () -> Int64
  private var builder = BlockBuilder()
  /// The blocks of the group in progress that are full.
  private var filled: [BlockBuilder] = []
  /// Next sequences of the orgs that are in them.
  private var filledSequences: [OrgID: UInt64] = [:]
  /// Used again: they keep their memory.
  private var spareBuilders: [BlockBuilder] = []
  /// For blocks that are there already: nobody waits for them.
  var rewriter = BlockEncoder(.resting)
  let reached: @Sendable (MaintenanceStep) -> Void

  private(set) var head: UInt64 = 0
  /// Of the last event, and of the group in progress.
  private var recordedAtMicros = Int64.min
  private var groupMicros = Int64.min
  private var streams = RecentMap<StreamKey, UInt64>()
  private var answers = RecentMap<UInt128, Answer>()
  private var trees: [OrgID: Frontier] = [:]
  /// Completed since the last commit, for the same transaction.
  private var newNodes: [TreeNode] = []
  private var newSlots = TileSlots()
  private let finisher: BlockFinisher
  /// Among the subjects of the group in progress.
  private var erasedSubjects: Set<KeyName> = []
  /// Keys of the group in progress that have to be there, and cannot be had: what the commits are told that need them.
  private var lostKeys: [KeyName: EventLogError] = [:]
  /// For the group in progress.
  private var hasMadeKeys = false
  private let committer: GroupCommitter
  /// What the transaction sees that the group in progress is planned on.
  private var view = IndexWriter().view(head: 0)
  /// What memory knows is not what is on the disk.
  private var mustReload = true

  init(
    committer: GroupCommitter, nowMicros: @escaping @Sendable () -> Int64,
    reached: @escaping @Sendable (MaintenanceStep) -> Void
  ) {
    self.committer = committer
    store = committer.store
    self.nowMicros = nowMicros
    self.reached = reached
    finisher = BlockFinisher(vault: store.vault)
  }

  /// Reads where the log stands: the last block, the runs, and the blocks after the last run.
  func load() throws(EventLogError) {
    try mappingErrors {
      try store.environment.takeOverFromKilledWriter()
      try store.environment.read { transaction throws in
        let view = try store.view(transaction)
        if view.tail.endsDamaged, let last = view.tail.damages.last { throw last.error }
        head = view.head
        recordedAtMicros =
          try transaction.withLast(in: store.blocks) { key, block in
            try BlockHeader(block, key: key).recordedAtMicros
          } ?? .min
        streams = RecentMap()
        answers = RecentMap()
        let (trees, slots) = try store.trees(view, transaction)
        self.trees = trees
        newNodes = []
        newSlots = TileSlots()
        store.newestSlots.withLock { $0 = slots }
        committer.start(from: IndexWriter(view, trees: trees, slots: slots))
        builder = BlockBuilder()
        filled = []
        filledSequences = [:]
      }
    }
    try mappingErrors { try useNewestDictionary() }
    mustReload = false
  }

  func useNewestDictionary() throws { finisher.dictionary = try store.dictionaries.newest() }

  /// What `items` become, and what they are told once that is stored. Reads and changes memory alone, but for keys.
  ///
  /// Where it fails nothing of it may be stored, and the next one needs that no group is being stored.
  func plan(_ items: [Queued]) -> PlannedGroup {
    var group = PlannedGroup(items: items, firstPosition: head + 1)
    do throws(EventLogError) {
      if mustReload { try load() }
      group.firstPosition = head + 1
      group.blocks = try plan(items, &group.outcomes)
      group.hasMadeKeys = hasMadeKeys
      group.nodes = newNodes
      group.slots = newSlots
      group.trees = changedTrees(of: group.blocks)
      newNodes = []
      newSlots = TileSlots()
    } catch {
      mustReload = true
      group.fail(with: error)
    }
    return group
  }

  /// How the storing of a group ended. The one after it may be planned already, and is nothing where this failed.
  func settle(_ outcome: Result<Void, EventLogError>) {
    switch outcome {
    case .failure: mustReload = true
    case .success:
      guard committer.settle() else { return }
      streams.forget()
      answers.forget()
    }
  }

  private func changedTrees(of blocks: [EncodedBlock]) -> [OrgID: Frontier] {
    var changed: [OrgID: Frontier] = [:]
    for block in blocks {
      for org in block.orgs { changed[org] = trees[org] }
    }
    return changed
  }
}

// MARK: - Trees

extension GroupWriter {
  /// The durable head: between two groups nothing in memory is ahead of the disk.
  func currentHead(of org: OrgID) throws -> TreeHead {
    if mustReload { try load() }
    let tree = try store.environment.read { transaction throws in
      try trees[org] ?? store.flushedTree(of: org, transaction)
    }
    return TreeHead(size: tree.size, root: tree.root)
  }
}

// MARK: - Planning

extension GroupWriter {
  private func plan(
    _ items: [Queued], _ outcomes: inout [Result<Receipt, EventLogError>]
  ) throws(EventLogError) -> [EncodedBlock] {
    groupMicros = max(recordedAtMicros, nowMicros())
    return try mappingErrors {
      // Keys are on disk before the events that they seal: the other order loses events.
      erasedSubjects = try provideKeys(Self.keyNames(of: items))
      return try store.environment.read { transaction throws in
        view = committer.view(head: head, transaction)
        for item in items {
          if builder.isEmpty { builder.start(at: head + 1) }
          do {
            outcomes.append(.success(try take(item, transaction)))
          } catch let refusal as EventLogError where refusal.isRefusal {
            outcomes.append(.failure(refusal))
          }
          if builder.byteCount >= BlockBuilder.targetBytes { closeBlock() }
        }
        if !builder.isEmpty { closeBlock() }
        return try finishBlocks()
      }
    }
  }

  private func provideKeys(_ names: [KeyName]) throws -> Set<KeyName> {
    lostKeys = [:]
    do {
      let (erased, unreadable, madeCount) = try store.vault.provide(names, mayMake: new)
      hasMadeKeys = madeCount > 0
      for (name, error) in unreadable {
        lostKeys[name] =
          error == .wrongRootKey
          ? .wrongRootKey : .corrupted(position: 0, reason: error.description)
      }
      return erased
    } catch let error as VaultError where error.isOfTheDisk {
      // No event was stored: at worst there are keys that seal nothing.
      throw EventLogError.readOnly(reason: error.description)
    }
  }

  /// Those of `names` that nothing was sealed with yet; the others are lost. With another key in the place of an org's its
  /// leaves, which are signed for, could not be made again; in the place of a subject's, nobody would hear that it is gone.
  private func new(_ names: [KeyName]) throws -> [KeyName] {
    try store.environment.read { transaction throws in
      let view = committer.view(head: head, transaction)
      try noteSealed(names.filter { $0.subject != 0 }, view, transaction)
      for name in names where name.subject == 0 {
        let org = OrgID(name.org)
        do {
          let size = try trees[org]?.size ?? store.flushedTree(of: org, transaction).size
          if size > 0 { lostKeys[name] = .keyMissing(position: 0) }
        } catch let damage as EventLogError where damage.isRefusal {
          lostKeys[name] = damage
        }
      }
    }
    return names.filter { lostKeys[$0] == nil && lostKeys[.org($0.org)] == nil }
  }

  /// Of a subject whose events cannot be asked for, because a run or a block is damaged, nobody knows whether there are any.
  private func noteSealed(
    _ subjects: [KeyName], _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws {
    do {
      for (name, position) in try store.lastBlocks(of: subjects, view, transaction) {
        lostKeys[name] = .keyMissing(position: position)
      }
    } catch let damage as EventLogError where damage.isRefusal {
      if subjects.count == 1 {
        lostKeys[subjects[0]] = damage
      } else {
        for name in subjects { try noteSealed([name], view, transaction) }
      }
    }
  }

  private func closeBlock() {
    for stream in builder.streams { streams[stream.key] = stream.version }
    for org in builder.orgs { filledSequences[org.id] = org.nextSequence }
    filled.append(builder)
    builder = spareBuilders.popLast() ?? BlockBuilder()
  }

  private func finishBlocks() throws -> [EncodedBlock] {
    let blocks = try finisher.finish(
      filled, recordedAtMicros: recordedAtMicros, hash: store.hash)
    for block in blocks { grow(block.leaves) }
    spareBuilders += filled
    filled.removeAll(keepingCapacity: true)
    filledSequences.removeAll(keepingCapacity: true)
    return blocks
  }

  private func grow(_ leaves: [(org: OrgID, hash: Digest)]) {
    var next = 0
    while next < leaves.count {
      let org = leaves[next].org
      // Once for the events of a commit, which are all of one org, and in place.
      let own = leaves[next...].prefix { $0.org == org }
      grow(&trees[org, default: Frontier()], of: org, own.map(\.hash))
      next = own.endIndex
    }
  }

  private func grow(_ tree: inout Frontier, of org: OrgID, _ leaves: [Digest]) {
    tree.append(contentsOf: leaves) { level, index, hash in
      if level == TileRow.level {
        newSlots.add(hash, org: org, index: index)
      } else if level.isMultiple(of: TreeNode.levelStep) {
        newNodes.append(TreeNode(org: org, level: level, index: index, hash: hash))
      }
    }
  }

  /// Checks one commit and puts it into the block. Field by field: a whole commit is a dozen references.
  private func take(
    _ item: Queued, _ transaction: borrowing ReadTransaction
  ) throws -> Receipt {
    let org = item.commit.org
    let request = item.commit.idempotencyKey.map { RequestName.hash(org: org, name: $0.name) }
    if let request, let key = item.commit.idempotencyKey,
      let known = try answer(request, key, transaction)
    {
      return known
    }
    let sequence = try nextSequence(of: org, transaction)
    if let expected = item.commit.expectedOrgSequence, expected != sequence {
      throw EventLogError.sequenceConflict(expected: expected, actual: sequence)
    }
    try checkVersions(item.commit.expected, org: org, transaction)
    try checkKeys(of: item.commit.events, org: org)
    try checkSubjects(of: item.commit.events, org: org)
    let receipt = try store(item, sequence: sequence, request: request, transaction)
    if let request, let key = item.commit.idempotencyKey {
      answers[request] = Answer(fingerprint: key.fingerprint, receipt: receipt)
    }
    return receipt
  }

  private func answer(
    _ request: UInt128, _ key: IdempotencyKey, _ transaction: borrowing ReadTransaction
  ) throws -> Receipt? {
    if let known = answers[request] {
      guard key.fits(known.fingerprint) else { throw EventLogError.idempotencyMismatch }
      return known.receipt.asReplay()
    }
    return try store.receipt(name: request, of: key, view, transaction)
  }

  private func nextSequence(
    of org: OrgID, _ transaction: borrowing ReadTransaction
  ) throws -> UInt64 {
    if let open = builder.nextSequence(of: org) ?? filledSequences[org] { return open }
    try store.requireSound(org, view.tail, transaction)
    if let known = trees[org] { return known.size }
    let stored = try store.flushedTree(of: org, transaction)
    if stored.size == 0 { try requireNew(org, transaction) }
    trees[org] = stored
    return stored.size
  }

  /// An org without a record has no events: LMDB's pages have no checksums, and may have lost the record.
  private func requireNew(
    _ org: OrgID, _ transaction: borrowing ReadTransaction
  ) throws {
    try store.forEachEntryBackwards(
      store.hash.org(org), atOrBelow: .max, view, transaction
    ) { entry in
      guard
        try store.directory(at: entry.position, transaction).orgs.contains(where: { $0.id == org })
      else { return true }
      throw EventLogError.corrupted(
        position: entry.position, reason: "the record of the event's org is missing")
    }
  }

  private func version(
    of key: StreamKey, _ transaction: borrowing ReadTransaction
  ) throws -> UInt64 {
    try builder.version(of: key) ?? storedVersion(of: key, transaction)
  }

  /// Before the block in progress.
  private func storedVersion(
    of key: StreamKey, _ transaction: borrowing ReadTransaction
  ) throws -> UInt64 {
    if let known = streams[key] { return known }
    let stored = try store.version(of: key, view, transaction)
    streams[key] = stored
    return stored
  }

  private func checkVersions(
    _ expected: [StreamID: ExpectedVersion], org: OrgID, _ transaction: borrowing ReadTransaction
  ) throws {
    var conflict: (stream: StreamID, expected: ExpectedVersion, actual: UInt64)?
    for (stream, expected) in expected {
      let actual = try version(of: StreamKey(org: org, stream: stream), transaction)
      guard !expected.accepts(actual) else { continue }
      // Of several, the one with the smallest id: the same answer whatever the dictionary's order.
      if let known = conflict, known.stream < stream { continue }
      conflict = (stream, expected, actual)
    }
    if let conflict {
      throw EventLogError.versionConflict(
        stream: conflict.stream, expected: conflict.expected, actual: conflict.actual)
    }
  }

  /// Some more than once: the vault knows most of them, and asking costs as much as telling them apart.
  private static func keyNames(of items: [Queued]) -> [KeyName] {
    var names: [KeyName] = []
    var last: OrgID?
    for item in items {
      let org = item.commit.org
      // The org's own key: for the commitments of its parts.
      if org != last { names.append(KeyName.org(org.value)) }
      last = org
      for event in item.commit.events where event.parts.count > 1 {
        for part in event.parts {
          guard let subject = part.subject else { continue }
          names.append(KeyName(org: org.value, subject: subject.value))
        }
      }
    }
    return names
  }

  private func checkKeys(of events: [NewEvent], org: OrgID) throws(EventLogError) {
    guard !lostKeys.isEmpty else { return }
    if let error = lostKeys[.org(org.value)] { throw error }
    for event in events {
      for part in event.parts {
        guard let subject = part.subject else { continue }
        let name = KeyName(org: org.value, subject: subject.value)
        if let error = lostKeys[name] { throw error }
      }
    }
  }

  private func checkSubjects(of events: [NewEvent], org: OrgID) throws(EventLogError) {
    guard !erasedSubjects.isEmpty else { return }
    for event in events where event.parts.count > 1 {
      for part in event.parts {
        guard let subject = part.subject else { continue }
        if erasedSubjects.contains(KeyName(org: org.value, subject: subject.value)) {
          throw .invalidCommit(reason: "a part of an erased subject")
        }
      }
    }
  }

  private func store(
    _ item: Queued, sequence: UInt64, request: UInt128?,
    _ transaction: borrowing ReadTransaction
  ) throws -> Receipt {
    let org = item.commit.org
    let events = item.commit.events
    // All that can fail comes first: the block holds whole commits only.
    let streams = try streamsToTouch(by: events, org: org, transaction)
    recordedAtMicros = groupMicros
    let orgIndex = builder.index(of: org, nextSequence: sequence)
    var touched: [Int] = []
    var streamIndex = 0
    for index in events.indices {
      switch streams[index] {
      case .sameAsBefore: break
      case .open(let index): streamIndex = index
      case .new(let version):
        streamIndex = builder.openStream(
          StreamKey(org: org, stream: events[index].stream), orgIndex: orgIndex, version: version)
      }
      if builder.add(events.span[index], streamIndex: streamIndex, orgIndex: orgIndex) {
        touched.append(streamIndex)
      }
    }
    builder.endCommit(
      item.commit, orgIndex: orgIndex, recordedAtMicros: recordedAtMicros, request: request)
    defer { head += UInt64(events.count) }
    return Receipt(
      firstPosition: head + 1, eventCount: events.count, firstOrgSequence: sequence,
      versions: touched.map {
        StreamVersion(
          stream: builder.streams[$0].key.stream, version: builder.streams[$0].version)
      },
      recordedAtMicros: recordedAtMicros, isReplay: false)
  }

  /// The stream of an event, seen from the block in progress.
  private enum TouchedStream {
    /// The event before has the same one.
    case sameAsBefore
    case open(index: Int)
    /// The block does not have it yet, or has it of an earlier event of this commit.
    case new(version: UInt64)
  }

  /// One for each event.
  private func streamsToTouch(
    by events: [NewEvent], org: OrgID, _ transaction: borrowing ReadTransaction
  ) throws -> [TouchedStream] {
    var touched: [TouchedStream] = []
    touched.reserveCapacity(events.count)
    var last: StreamID?
    for index in events.indices {
      let stream = events[index].stream
      let key = StreamKey(org: org, stream: stream)
      if stream == last {
        touched.append(.sameAsBefore)
      } else if let index = builder.streamIndex(of: key) {
        touched.append(.open(index: index))
      } else {
        touched.append(.new(version: try storedVersion(of: key, transaction)))
      }
      last = stream
    }
    return touched
  }
}

extension EventLogError {
  /// Whether it is an answer to one commit, and no failure of the log.
  fileprivate var isRefusal: Bool {
    switch self {
    // Damage, or a lost key, that a commit meets before anything of it is taken is in the way of those of its org alone.
    case .versionConflict, .sequenceConflict, .idempotencyMismatch, .invalidCommit, .corrupted,
      .keyMissing, .wrongRootKey:
      true
    case .overloaded, .logFull, .readOnly, .outcomeUnknown, .closed, .writerPresent, .storage:
      false
    }
  }
}

// MARK: - After a failure

extension GroupWriter {
  /// Whether the disk takes a flush again: opens what LMDB will not use any more after a failed flush, and
  /// flushes something, so that whatever the failed flush has left is as durable as it looks.
  ///
  /// - Throws: Why it does not; nothing is lost by trying again.
  func probe(after failure: EventLogError) throws(EventLogError) {
    mustReload = true
    if case .logFull = failure, try store.folder.freeBytes() < Environment.minFreeBytes {
      throw failure
    }
    try mappingErrors {
      if store.environment.isBroken { try store.environment.reopen() }
      let format = store.format.bytes
      // The full map may be what failed.
      try store.rewriting { transaction throws in
        try transaction.put(format, forKey: LogStore.formatKey, in: store.meta)
      }
      try store.vault.probe()
    }
  }
}

/// A map of what was used lately: bounded, and complete for what came after the last index flush.
struct RecentMap<Key: Hashable, Value> {
  /// About 100 bytes each, twice: 40 MB.
  private static var maxCount: Int { 200_000 }

  private var young: [Key: Value] = [:]
  private var old: [Key: Value] = [:]

  subscript(key: Key) -> Value? {
    get { young[key] ?? old[key] }
    set { young[key] = newValue }
  }

  /// Called after an index flush only: what the map forgets is in the index then.
  mutating func forget() {
    guard young.count > Self.maxCount else { return }
    old = young
    young = [:]
  }
}

import LMDB
import Merkle

/// The writer's side of the index: collects the entries of new blocks, and writes them as sorted runs in
/// the transaction of the block that fills the batch. Runs of one size are merged by eights, so that
/// an entry is written four or five times in all, always in sequence: the log's answer to a B-tree
/// insert per event.
struct IndexWriter {
  /// A reader looks through at most this much without a run.
  static let maxTailEntries = 8192
  static let maxTailBlocks = 64
  static let mergeCount = 8
  /// Larger runs are not merged any more: 2^21 entries are about 30 MB, written in one transaction.
  static let maxRunEntries = 1 << 21

  private(set) var runs: [RunInfo] = []
  private var tail = IndexTail(indexedThrough: 0)
  /// Those of each block: one array of all would be copied with every group, since the index of the group before lives on.
  private var entries: [[IndexEntry]] = []
  private var entryCount = 0
  private var blockCount = 0
  /// As the last group left them, since the last run.
  private var changedTrees: [OrgID: Frontier] = [:]
  /// Of each group since the last run. A group on its own would write as many pages for its subtrees as for all the rest.
  private var slots: [TileSlots] = []
  private var indexedThrough: UInt64 = 0
  /// Whether the last group wrote a run.
  private(set) var isFlushed = false

  init() {}

  /// `trees`: of the orgs in the tail of `view`; `slots`: what they completed there.
  init(_ view: IndexView, trees: [OrgID: Frontier], slots: TileSlots) {
    runs = view.runs
    tail = view.tail
    entries = [view.tail.entries]
    entryCount = view.tail.entries.count
    blockCount = view.tail.blockCount
    changedTrees = trees
    self.slots = [slots]
    indexedThrough = view.tail.indexedThrough
  }

  /// For what the writer does not have in memory: the runs, and the tail that was there when it opened.
  func view(head: UInt64) -> IndexView { IndexView(head: head, runs: runs, tail: tail) }

  /// The index with the blocks of `group`, whose runs are written in `transaction` where the batch is full.
  func adding(
    _ group: PlannedGroup, store: LogStore, _ transaction: inout WriteTransaction
  ) throws -> IndexWriter {
    let blocks = group.blocks
    var next = self
    next.isFlushed = false
    for block in blocks {
      next.entries.append(block.entries)
      next.entryCount += block.entries.count
    }
    next.changedTrees.merge(group.trees) { $1 }
    if !group.slots.isEmpty { next.slots.append(group.slots) }
    next.blockCount += blocks.count
    // A run says that it knows everything in its stretch: none over a damaged block.
    guard tail.damages.isEmpty,
      next.blockCount >= Self.maxTailBlocks || next.entryCount >= Self.maxTailEntries,
      let last = blocks.last
    else { return next }
    try next.flush(through: last.lastPosition, store, &transaction)
    return next
  }

  private mutating func flush(
    through position: UInt64, _ store: LogStore, _ transaction: inout WriteTransaction
  ) throws {
    let info = RunInfo(
      firstPosition: indexedThrough + 1, lastPosition: position, level: 0, entryCount: entryCount)
    var sorted = entries.flatMap(\.self)
    sorted.sort()
    try transaction.append(
      IndexRun.encode(sorted, info: info), forKey: info.firstPosition, to: store.runs)
    runs.append(info)
    while try mergeLast(store, &transaction) {}
    for (org, tree) in changedTrees {
      try transaction.put(
        OrgRecord(org: org, frontier: tree).bytes, forKey: OrgRecord.key(org), in: store.orgs)
    }
    try slots.reduce(into: TileSlots()) { $0.add($1) }.write(to: store.nodes, &transaction)
    indexedThrough = position
    tail = IndexTail(indexedThrough: position)
    entries.removeAll()
    entryCount = 0
    changedTrees.removeAll(keepingCapacity: true)
    slots.removeAll()
    blockCount = 0
    isFlushed = true
  }

  /// Makes one run out of the last eight where they are of one level; false where they are not.
  private mutating func mergeLast(
    _ store: LogStore, _ transaction: inout WriteTransaction
  ) throws -> Bool {
    let merged = runs.suffix(Self.mergeCount)
    guard merged.count == Self.mergeCount, let first = merged.first, let last = merged.last,
      merged.allSatisfy({ $0.level == first.level })
    else { return false }
    let entryCount = merged.reduce(0) { $0 + $1.entryCount }
    guard entryCount <= Self.maxRunEntries else { return false }
    var sources: [[IndexEntry]] = []
    for info in merged {
      sources.append(
        try store.withRun(info, transaction.reading) { run, bytes in run.entries(in: bytes) })
    }
    let info = RunInfo(
      firstPosition: first.firstPosition, lastPosition: last.lastPosition, level: first.level + 1,
      entryCount: entryCount)
    for source in merged { _ = try transaction.remove(source.firstPosition, from: store.runs) }
    try transaction.append(
      IndexRun.encode(IndexRun.merge(sources), info: info), forKey: info.firstPosition,
      to: store.runs)
    runs.removeLast(Self.mergeCount)
    runs.append(info)
    return true
  }
}

import LMDB
import Synchronization

/// What the blocks after the last run hold, in memory: at most one flush's worth.
struct IndexTail {
  /// The newest transaction that it was read in: what it says is ahead of the snapshots of those before.
  var transaction = (opening: 0, id: 0)
  var indexedThrough: UInt64
  var coveredThrough: UInt64
  var recordedAtMicros = Int64.min
  /// In the order of the blocks.
  var entries: [IndexEntry] = []
  var nextSequences: [OrgID: UInt64] = [:]
  var blockCount = 0
  /// In the order of the blocks.
  var damages: [Damage] = []
  /// The last block is damaged: where the log ends is unknown.
  private(set) var endsDamaged = false

  init(indexedThrough: UInt64) {
    self.indexedThrough = indexedThrough
    coveredThrough = indexedThrough
  }

  mutating func add(_ directory: BlockDirectory, hash: IndexHash) {
    entries.append(contentsOf: directory.entries(hash))
    for (org, next) in directory.nextSequences() { nextSequences[org] = next }
    coveredThrough = directory.header.lastPosition
    recordedAtMicros = directory.header.recordedAtMicros
    blockCount += 1
    endsDamaged = false
    for index in damages.indices { damages[index].add(directory) }
  }

  mutating func addDamaged(_ key: UInt64, reason: String) {
    damages.append(Damage(position: key, reason: reason, before: nextSequences))
    coveredThrough = key
    blockCount += 1
    endsDamaged = true
  }
}

/// How the entries of a hash are looked for.
enum EntrySearch {
  /// Each of them is looked at.
  case everywhere
  /// Their details grow with the position (they do, unless two things share a hash): in a run with many, those with a
  /// smaller detail are passed over.
  case growing
  /// And most runs have some, as of an org: runs before the first that counts are passed over as well.
  case growingInMostRuns
}

/// The runs that one transaction saw.
struct KnownRuns {
  let opening: Int
  let transaction: Int
  let infos: [RunInfo]
}

/// The index as one transaction sees it.
struct IndexView {
  let head: UInt64
  let runs: [RunInfo]
  let tail: IndexTail
}

extension LogStore {
  func head(_ transaction: borrowing ReadTransaction) throws -> UInt64 {
    try transaction.withLast(in: blocks) { key, block in
      let header = try BlockHeader(block, key: key)
      try checkLast(block, header)
      return header.lastPosition
    } ?? 0
  }

  /// The last block says where the log ends: believed once its checksum was compared.
  private func checkLast(_ block: RawSpan, _ header: BlockHeader) throws {
    let last = CheckedBlock(block, header)
    guard checkedLast.withLock({ $0 }) != last else { return }
    try BlockHeader.checkSum(of: block, key: header.firstPosition)
    checkedLast.withLock { $0 = last }
  }

  func runInfos(_ transaction: borrowing ReadTransaction) throws -> [RunInfo] {
    var infos: [RunInfo] = []
    try transaction.scan(runs, fromAtOrBelow: 0) { key, bytes in
      let info = try IndexRun(bytes, key: key).info
      let expected = infos.last.map { $0.lastPosition + 1 } ?? 1
      guard info.firstPosition == expected else {
        throw EventLogError.corrupted(position: expected, reason: "the index has a gap")
      }
      infos.append(info)
      return true
    }
    return infos
  }

  /// Looks at them once for each commit: what those of a busy log have in common is not worth the care. For transactions that
  /// only read: the number of one that writes is the same before and after what it writes.
  private func knownRunInfos(_ transaction: borrowing ReadTransaction) throws -> [RunInfo] {
    let (opening, id) = (environment.openingCount, transaction.id)
    let known = knownRuns.withLock { $0 }
    if let known, known.opening == opening, known.transaction == id { return known.infos }
    let infos = try runInfos(transaction)
    knownRuns.withLock { $0 = KnownRuns(opening: opening, transaction: id, infos: infos) }
    return infos
  }

  /// Not in a write transaction: see `knownRunInfos`.
  func view(_ transaction: borrowing ReadTransaction) throws -> IndexView {
    let runs = try knownRunInfos(transaction)
    let indexedThrough = runs.last?.lastPosition ?? 0
    let cached = tail.withLock { $0 }
    var current = cached ?? IndexTail(indexedThrough: indexedThrough)
    let (opening, id) = (environment.openingCount, transaction.id)
    let isAhead = current.transaction.opening == opening && current.transaction.id > id
    if current.indexedThrough != indexedThrough || isAhead {
      current = IndexTail(indexedThrough: indexedThrough)
    }
    try extend(&current, transaction)
    current.transaction = (opening, id)
    let extended = current
    tail.withLock { known in
      // A transaction that began earlier than the one that filled the cache does not set it back.
      if let known, known.coveredThrough > extended.coveredThrough { return }
      known = extended
    }
    let head = extended.endsDamaged ? extended.coveredThrough : try head(transaction)
    return IndexView(head: head, runs: runs, tail: extended)
  }

  /// Adds the blocks that `tail` does not cover yet.
  func extend(_ tail: inout IndexTail, _ transaction: borrowing ReadTransaction) throws {
    var added = tail
    try transaction.scan(blocks, fromAtOrBelow: tail.coveredThrough + 1) { key, block in
      guard key > added.coveredThrough else { return true }
      // Where a damaged block ends is not known; the next one begins somewhere behind it.
      guard key == added.coveredThrough + 1 || added.endsDamaged else {
        throw EventLogError.corrupted(position: added.coveredThrough + 1, reason: "no such block")
      }
      do {
        let header = try checkedHeader(block, key: key)
        added.add(try directory(block, header: header), hash: hash)
      } catch EventLogError.corrupted(_, let reason) {
        added.addDamaged(key, reason: reason)
      }
      return true
    }
    tail = added
  }

  /// Visits the entries with `hash` in the order of the log until `body` returns false. Entries whose
  /// detail is below `detail` are left out.
  func forEachEntry(
    _ hash: UInt64, detail: UInt64, _ search: EntrySearch, _ view: IndexView,
    _ transaction: borrowing ReadTransaction, _ body: (IndexEntry) throws -> Bool
  ) throws {
    let start =
      search == .growingInMostRuns && detail > 0
      ? try firstRun(with: hash, detail: detail, view.runs, transaction) : 0
    for info in view.runs[start...] {
      let goesOn = try withRun(info, transaction) { run, bytes throws -> Bool in
        var range = run.range(of: hash, in: bytes)
        if search != .everywhere, range.count > 64 {
          range = run.firstIndex(in: range, detail: detail, in: bytes)..<range.upperBound
        }
        for index in range {
          let entry = run.entry(index, in: bytes)
          if entry.detail >= detail, try !body(entry) { return false }
        }
        return true
      }
      guard goesOn else { return }
    }
    for entry in view.tail.entries
    where entry.hash == hash && entry.detail >= detail && entry.position <= view.head {
      guard try body(entry) else { return }
    }
  }

  /// The first of `runs` that has an entry with `hash` and at least `detail`; their count where none has. What is looked at is
  /// a few pages of each, and there may be dozens of runs.
  private func firstRun(
    with hash: UInt64, detail: UInt64, _ runs: [RunInfo], _ transaction: borrowing ReadTransaction
  ) throws -> Int {
    var (low, high, found) = (0, runs.count, runs.count)
    while low < high {
      let middle = (low + high) / 2
      var next = middle
      var last: UInt64?
      while next < high, last == nil {
        last = try withRun(runs[next], transaction) { run, bytes in
          run.lastDetail(of: hash, in: bytes)
        }
        next += 1
      }
      if let last, last < detail {
        low = next
      } else {
        if last != nil { found = next - 1 }
        high = middle
      }
    }
    return found
  }

  /// The same from the newest entry to the oldest, those at or below `position`.
  func forEachEntryBackwards(
    _ hash: UInt64, atOrBelow position: UInt64, _ view: IndexView,
    _ transaction: borrowing ReadTransaction, _ body: (IndexEntry) throws -> Bool
  ) throws {
    let limit = min(position, view.head)
    for entry in view.tail.entries.reversed() where entry.hash == hash && entry.position <= limit {
      guard try body(entry) else { return }
    }
    for info in view.runs.reversed() where info.firstPosition <= limit {
      let goesOn = try withRun(info, transaction) { run, bytes throws -> Bool in
        for index in run.range(of: hash, in: bytes).reversed() {
          let entry = run.entry(index, in: bytes)
          if entry.position <= limit, try !body(entry) { return false }
        }
        return true
      }
      guard goesOn else { return }
    }
  }

  func withRun<Result>(
    _ info: RunInfo, _ transaction: borrowing ReadTransaction,
    _ body: (IndexRun, RawSpan) throws -> Result
  ) throws -> Result {
    let found = try transaction.withValue(forKey: info.firstPosition, in: runs) { bytes in
      let run = try IndexRun(bytes, key: info.firstPosition)
      try checkOnce(run, bytes)
      return try body(run, bytes)
    }
    guard let found else {
      throw EventLogError.corrupted(position: info.firstPosition, reason: "no such index run")
    }
    return found
  }

  private func checkOnce(_ run: IndexRun, _ bytes: RawSpan) throws {
    let name = CheckedRun(
      firstPosition: run.info.firstPosition, lastPosition: run.info.lastPosition)
    guard !checkedRuns.withLock({ $0.contains(name) }) else { return }
    bytes.prefetch()
    try IndexRun.checkSum(of: bytes, key: run.info.firstPosition)
    checkedRuns.withLock { _ = $0.insert(name) }
  }
}

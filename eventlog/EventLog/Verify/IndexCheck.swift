import Crypto
import LMDB

/// Compares the runs of the index with what the blocks of their stretches ask for.
struct IndexCheck {
  /// In order: the first one's stretch is being read.
  var pending: [RunInfo] = []
  private var sum = EntrySum()
  private let key = EntrySum.Key(first: Random.uint64(), second: Random.uint64())
  /// Of the idempotency keys of the stretch.
  private var requests: Set<UInt64> = []
  /// Those that came twice, or share a hash.
  private var repeated: Set<UInt64> = []
  /// Of subjects that the index may name and need not: older writers did, so they matter only where the sums differ.
  private var implied: [Implied] = []
  private var blockStarts: [UInt64] = []

  private struct Implied: Hashable {
    let hash: UInt64
    let blockStart: UInt64
  }

  mutating func add(_ block: BlockFindings) {
    guard let info = pending.first, block.key >= info.firstPosition, !block.isPartial else {
      return
    }
    blockStarts.append(block.key)
    for hash in block.implied { implied.append(Implied(hash: hash, blockStart: block.key)) }
    var seen: Set<UInt64> = []
    for request in block.requests {
      if !requests.insert(request).inserted { repeated.insert(request) }
      if seen.insert(request).inserted {
        sum.add(IndexEntry(hash: request, position: block.key, detail: 0), key)
      }
    }
    for entry in block.entries where seen.isEmpty || !seen.contains(entry.hash) {
      sum.add(entry, key)
    }
  }

  /// Does without the run that covers `position`: blocks were made into one while its stretch was read.
  mutating func forget(at position: UInt64) {
    guard let info = pending.first, info.firstPosition <= position, position <= info.lastPosition
    else { return }
    pending.removeFirst()
    begin()
  }

  private mutating func begin() {
    sum = EntrySum()
    requests.removeAll(keepingCapacity: true)
    repeated.removeAll(keepingCapacity: true)
    implied.removeAll(keepingCapacity: true)
    blockStarts.removeAll(keepingCapacity: true)
  }

  /// What a stored entry says of the blocks as they are now; nil where it says nothing that has to be there.
  @inline(__always)
  private func canonical(
    _ entry: IndexEntry, _ starts: BlockStarts, without implied: Set<Implied>
  ) -> IndexEntry? {
    let start = starts.last(atOrBelow: entry.position)
    guard implied.isEmpty || !implied.contains(Implied(hash: entry.hash, blockStart: start)) else {
      return nil
    }
    return IndexEntry(
      hash: entry.hash, position: start,
      detail: !requests.isEmpty && requests.contains(entry.hash) ? 0 : entry.detail)
  }

  /// Compares the runs whose stretch lies before `next`. Called after each step; a run's stretch ends with a
  /// block, and no step goes beyond it before it is compared.
  mutating func finish(before next: UInt64, _ verifier: LogVerifier) {
    while let info = pending.first, info.lastPosition < next {
      pending.removeFirst()
      compare(info, verifier)
      begin()
    }
  }

  private func compare(_ info: RunInfo, _ verifier: LogVerifier) {
    do {
      var stored = try entries(of: info, without: [], verifier.store)
      if stored.sum != sum, !implied.isEmpty {
        stored = try entries(of: info, without: Set(implied), verifier.store)
      }
      if stored.sum != sum {
        verifier.note(info.firstPosition, "the index does not fit the events")
      }
      try checkRequests(stored.candidates, verifier)
    } catch {
      verifier.note(info.firstPosition, LogVerifier.reason(error))
    }
  }

  /// Of the run that covers the stretch now: the writer may have merged it with others meanwhile.
  private func entries(
    of info: RunInfo, without implied: Set<Implied>, _ store: LogStore
  ) throws -> (sum: EntrySum, candidates: [IndexEntry]) {
    let starts = BlockStarts(blockStarts)
    return try store.reading { transaction throws in
      var sum = EntrySum()
      var candidates: [IndexEntry] = []
      var isFirst = true
      try transaction.scan(store.runs, fromAtOrBelow: info.firstPosition) { key, bytes in
        guard isFirst else { return false }
        isFirst = false
        let run = try IndexRun(bytes, key: key)
        try IndexRun.checkSum(of: bytes, key: key)
        guard run.info.firstPosition <= info.firstPosition,
          run.info.lastPosition >= info.lastPosition
        else { throw EventLogError.corrupted(position: key, reason: "no such index run") }
        var last: IndexEntry?
        // Of the small blocks that are one now, the last one's entry counts.
        var newest: IndexEntry?
        for index in 0..<run.info.entryCount {
          let entry = run.entry(index, in: bytes)
          if let last, entry < last {
            throw EventLogError.corrupted(position: key, reason: "the index run is not sorted")
          }
          last = entry
          guard entry.position >= info.firstPosition, entry.position <= info.lastPosition else {
            continue
          }
          if let canonical = canonical(entry, starts, without: implied) {
            if let known = newest,
              known.hash != canonical.hash || known.position != canonical.position
            {
              sum.add(known, self.key)
            }
            newest = canonical
          }
          if !repeated.isEmpty, repeated.contains(entry.hash) { candidates.append(entry) }
        }
        if let newest { sum.add(newest, self.key) }
        return true
      }
      if isFirst { throw EventLogError.corrupted(position: 0, reason: "no such index run") }
      return (sum, candidates)
    }
  }

  /// An idempotency key that was used twice inside a run. Across runs the writer's own look-up, which
  /// uses the runs just compared, rules it out.
  private func checkRequests(_ candidates: [IndexEntry], _ verifier: LogVerifier) throws {
    let store = verifier.store
    let starts = BlockStarts(blockStarts)
    for (one, other) in zip(candidates, candidates.dropFirst()) where one.hash == other.hash {
      let isOneBlock =
        starts.last(atOrBelow: one.position) == starts.last(atOrBelow: other.position)
      let names = try store.reading { transaction throws in
        try (isOneBlock ? [one] : [one, other]).flatMap { entry throws in
          try store.directory(at: entry.position, transaction).commits
            .compactMap(\.request?.name).filter { store.hash.request($0) == entry.hash }
        }
      }
      if Set(names).count < names.count {
        verifier.note(other.position, "an idempotency key was used twice")
      }
    }
  }
}

/// Which block of a stretch a position lies in.
struct BlockStarts {
  /// In order.
  private let starts: [UInt64]
  private let shift: UInt64
  /// By the multiples of 2 to the `shift` after the first start: the index of the last one at or below it.
  private var guesses: [UInt32] = []

  init(_ starts: [UInt64]) {
    self.starts = starts
    guard let first = starts.first, let last = starts.last else {
      shift = 0
      return
    }
    // As many guesses as blocks, about: each leaves a handful of them to choose from.
    let width = (last - first) / UInt64(starts.count) + 1
    shift = UInt64(64 - (width - 1).leadingZeroBitCount)
    var index = 0
    for slot in 0...(last - first) >> shift {
      while index + 1 < starts.count, starts[index + 1] - first <= slot << shift { index += 1 }
      guesses.append(UInt32(index))
    }
    guesses.append(UInt32(starts.count - 1))
  }

  /// The start of the block that `position` lies in; itself where it lies before all of them.
  @inline(__always)
  func last(atOrBelow position: UInt64) -> UInt64 {
    guard let first = starts.first, first <= position else { return position }
    let slot = Int(min((position - first) >> shift, UInt64(guesses.count - 2)))
    // Without a branch that depends on what is found: entries come in no order, so half of them would be mispredicted.
    var base = Int(guesses[slot])
    var count = Int(guesses[slot + 1]) - base + 1
    while count > 1 {
      let half = count / 2
      base += starts[base + half] <= position ? half : 0
      count -= half
    }
    return starts[base]
  }
}

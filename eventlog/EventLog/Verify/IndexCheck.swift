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

  mutating func add(_ block: BlockFindings) {
    guard let info = pending.first, block.key >= info.firstPosition else { return }
    for entry in block.entries { sum.add(entry, key) }
    for request in block.requests where !requests.insert(request).inserted {
      repeated.insert(request)
    }
  }

  /// Compares the runs whose stretch lies before `next`. Called after each step; a run's stretch ends with a
  /// block, and no step goes beyond it before it is compared.
  mutating func finish(before next: UInt64, _ verifier: LogVerifier) {
    while let info = pending.first, info.lastPosition < next {
      pending.removeFirst()
      compare(info, verifier)
      sum = EntrySum()
      requests.removeAll(keepingCapacity: true)
      repeated.removeAll(keepingCapacity: true)
    }
  }

  private func compare(_ info: RunInfo, _ verifier: LogVerifier) {
    do {
      let stored = try entries(of: info, verifier.store)
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
    of info: RunInfo, _ store: LogStore
  ) throws -> (sum: EntrySum, candidates: [IndexEntry]) {
    try store.reading { transaction throws in
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
        for index in 0..<run.info.entryCount {
          let entry = run.entry(index, in: bytes)
          if let last, entry < last {
            throw EventLogError.corrupted(position: key, reason: "the index run is not sorted")
          }
          last = entry
          guard entry.position >= info.firstPosition, entry.position <= info.lastPosition else {
            continue
          }
          sum.add(entry, self.key)
          if repeated.contains(entry.hash) { candidates.append(entry) }
        }
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
    for (one, other) in zip(candidates, candidates.dropFirst()) where one.hash == other.hash {
      let names = try store.reading { transaction throws in
        try [one, other].map { entry throws -> UInt128? in
          let directory = try store.directory(at: entry.position, transaction)
          guard entry.detail < UInt64(directory.commits.count),
            let request = directory.commits[Int(entry.detail)].request,
            store.hash.request(request.name) == entry.hash
          else { return nil }
          return request.name
        }
      }
      if let first = names[0], first == names[1] {
        verifier.note(other.position, "an idempotency key was used twice")
      }
    }
  }
}

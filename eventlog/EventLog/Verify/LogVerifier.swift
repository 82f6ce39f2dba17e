import Crypto
import LMDB
import Merkle
import Vault

/// What is wrong at a place of the log.
package struct VerificationProblem: Equatable, Sendable {
  /// 0 where it has no place in the log.
  package let position: UInt64
  package let reason: String
}

/// What a verification looked at and what it found.
package struct VerificationReport: Equatable, Sendable {
  package var eventCount: UInt64 = 0
  package var blockCount: UInt64 = 0
  package var byteCount: UInt64 = 0
  package var headPosition: UInt64 = 0
  /// How many sealed parts were opened, and how many belong to erased subjects. Zero unless deep.
  package var openedPartCount: UInt64 = 0
  package var erasedPartCount: UInt64 = 0
  /// Of the whole book, where the verification began at the first event.
  package var treeHeads: [OrgID: TreeHead] = [:]
  /// At most `LogVerifier.maxProblemCount`.
  package var problems: [VerificationProblem] = []

  package var isSound: Bool { problems.isEmpty }
}

/// Reads the log and checks everything that can be checked without knowing what events mean: checksums,
/// density, order, versions, sequences, the index, idempotency entries, and the trees. A class: what it has
/// seen so far is large, and a copy a block made it quadratic.
final class LogVerifier {
  static let maxProblemCount = 1000
  /// Between two reports of progress.
  private static let blocksPerStep = 256

  private let store: LogStore
  private let isDeep: Bool
  private let isWhole: Bool
  private let first: UInt64
  private(set) var report = VerificationReport()
  private var next: UInt64 = 0
  private var recordedAtMicros = Int64.min
  private var versions: [StreamKey: UInt64] = [:]
  private var sequences: [OrgID: UInt64] = [:]
  private var trees: [OrgID: Frontier] = [:]
  private let hasher = LeafHasher()
  private var entries: [IndexEntry] = []
  private var pendingRuns: [RunInfo] = []
  /// Of the idempotency keys since the last run: streams have equal hashes in every block.
  private var requestHashes: Set<UInt64> = []

  init(store: LogStore, from first: UInt64, isDeep: Bool) {
    self.store = store
    self.isDeep = isDeep
    self.first = max(first, 1)
    isWhole = first <= 1
  }

  func run(
    progress: (_ position: UInt64, _ head: UInt64) -> Void
  ) throws(EventLogError) -> VerificationReport {
    let view = try indexView()
    report.headPosition = view.head
    // Runs that begin before the first block looked at cannot be compared whole.
    pendingRuns = view.runs
    var goesOn = true
    while goesOn {
      goesOn = try step(view)
      progress(min(max(next, 1) - 1, view.head), view.head)
    }
    if isWhole {
      try compareTrees(view)
      if next != view.head + 1 { note(next, "the log ends before its head") }
    }
    return report
  }

  /// The runs and the head alone: the blocks after the last run, which readers look through in memory,
  /// may be the damaged ones.
  private func indexView() throws(EventLogError) -> IndexView {
    let (head, runs) = try mappingErrors {
      try store.reading { transaction throws in
        let head =
          try transaction.withLast(in: store.blocks) { key, block in
            // A damaged last block says nothing of its own end.
            (try? BlockHeader(block, key: key))?.lastPosition ?? key
          } ?? 0
        return (head, Result { try store.runInfos(transaction) })
      }
    }
    do {
      let infos = try runs.get()
      return IndexView(
        head: head, runs: infos, tail: IndexTail(indexedThrough: infos.last?.lastPosition ?? 0))
    } catch {
      note(0, Self.reason(error))
      return IndexView(head: head, runs: [], tail: IndexTail(indexedThrough: 0))
    }
  }

  private func note(_ position: UInt64, _ reason: String) {
    guard report.problems.count < Self.maxProblemCount else { return }
    report.problems.append(VerificationProblem(position: position, reason: reason))
  }

  /// Looks at some blocks in a transaction of their own: a long one would keep the writer from reusing
  /// pages.
  private func step(_ view: IndexView) throws(EventLogError) -> Bool {
    var count = 0
    var isAtEnd = true
    try mappingErrors {
      try store.reading { transaction throws in
        try transaction.scan(store.blocks, fromAtOrBelow: next == 0 ? first : next) { key, bytes in
          if next != 0, key < next { return true }
          guard key <= view.head, count < Self.blocksPerStep else {
            isAtEnd = key > view.head
            return false
          }
          count += 1
          look(at: bytes, key: key, transaction)
          try finishRuns(view, transaction)
          return true
        }
      }
    }
    return !isAtEnd
  }

  private func look(
    at bytes: RawSpan, key: UInt64, _ transaction: borrowing ReadTransaction
  ) {
    if next == 0 { pendingRuns.removeAll { $0.firstPosition < key } }
    if next != 0, key != next { note(next, "events are missing up to \(key)") }
    report.blockCount += 1
    report.byteCount += UInt64(bytes.byteCount)
    do {
      let header = try store.checkedHeader(bytes, key: key)
      next = header.lastPosition + 1
      report.eventCount += UInt64(header.eventCount)
      if header.recordedAtMicros < recordedAtMicros { note(key, "time runs backwards") }
      recordedAtMicros = max(recordedAtMicros, header.recordedAtMicros)
      try check(try store.load(bytes, key: key), transaction)
    } catch {
      if next <= key { next = key + 1 }
      note(key, Self.reason(error))
    }
  }

  private static func reason(_ error: any Error) -> String {
    if case EventLogError.corrupted(_, let reason) = error { return reason }
    return "\(error)"
  }

  private func check(
    _ block: LoadedBlock, _ transaction: borrowing ReadTransaction
  ) throws {
    let directory = block.directory
    let key = directory.header.firstPosition
    entries += directory.entries(store.hash)
    for case let request? in directory.commits.lazy.map(\.request) {
      requestHashes.insert(store.hash.request(request.name))
    }
    for stream in directory.streams {
      let name = StreamKey(org: directory.orgs[stream.orgIndex].id, stream: stream.id)
      if let known = versions[name] ?? (isWhole ? 0 : nil), known != stream.versionBefore {
        note(key, "a stream's version does not follow")
      }
      versions[name] = stream.versionBefore
    }
    for org in directory.orgs {
      if let known = sequences[org.id] ?? (isWhole ? 0 : nil), known != org.firstSequence {
        note(key, "an org's sequence does not follow")
      }
    }
    for (org, next) in directory.nextSequences() { sequences[org] = next }
    try checkEvents(block, transaction)
  }

  private func checkEvents(
    _ block: LoadedBlock, _ transaction: borrowing ReadTransaction
  ) throws {
    try block.forEachPlace { place in
      let identity = block.directory.identity(of: place)
      let record = block.directory.events[place.ordinal]
      let stream = block.directory.streams[record.streamIndex]
      let position = block.directory.header.firstPosition + UInt64(place.ordinal)
      if block.directory.orgs[stream.orgIndex].id != identity.org {
        note(position, "an event's stream belongs to another org")
      }
      versions[StreamKey(org: identity.org, stream: identity.stream)] = place.streamVersion
      if isWhole {
        try block.makeLeaf(at: place, hasher, vault: store.vault)
        trees[identity.org, default: Frontier()].append(hasher.leafHash)
      }
      if isDeep { try open(block, place) }
      return true
    }
  }

  private func open(_ block: LoadedBlock, _ place: EventPlace) throws {
    for part in try block.event(at: place).parts {
      switch part {
      case .opened(nil, _): continue
      case .opened: report.openedPartCount += 1
      case .erased: report.erasedPartCount += 1
      }
    }
  }
}

// MARK: - Index and trees

extension LogVerifier {
  /// Compares the runs whose stretch is behind with the entries that its blocks ask for.
  private func finishRuns(
    _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws {
    while let info = pendingRuns.first, info.lastPosition < next {
      pendingRuns.removeFirst()
      let expected = entries.filter {
        $0.position >= info.firstPosition && $0.position <= info.lastPosition
      }
      .sorted()
      entries.removeAll { $0.position <= info.lastPosition }
      do {
        let stored = try store.withRun(info, transaction) { run, bytes in run.entries(in: bytes) }
        if stored != expected { note(info.firstPosition, "the index does not fit the events") }
        try checkRequests(stored, transaction)
        requestHashes.removeAll(keepingCapacity: true)
      } catch let error as EventLogError {
        note(info.firstPosition, Self.reason(error))
      }
    }
  }

  /// An idempotency key that was used twice inside a run. Across runs the writer's own look-up, which
  /// uses the runs just compared, rules it out.
  private func checkRequests(
    _ stored: [IndexEntry], _ transaction: borrowing ReadTransaction
  ) throws {
    for (one, other) in zip(stored, stored.dropFirst())
    where one.hash == other.hash && requestHashes.contains(one.hash) {
      guard let first = try request(one, transaction), let second = try request(other, transaction)
      else { continue }
      if first == second { note(other.position, "an idempotency key was used twice") }
    }
  }

  private func request(
    _ entry: IndexEntry, _ transaction: borrowing ReadTransaction
  ) throws -> UInt128? {
    let directory = try store.directory(at: entry.position, transaction)
    guard entry.detail < UInt64(directory.commits.count),
      let request = directory.commits[Int(entry.detail)].request,
      store.hash.request(request.name) == entry.hash
    else { return nil }
    return request.name
  }

  private func compareTrees(_ view: IndexView) throws(EventLogError) {
    for (org, tree) in trees.sorted(by: { $0.key < $1.key }) {
      report.treeHeads[org] = TreeHead(size: tree.size, root: tree.root)
      do throws(EventLogError) {
        let stored = try store.root(of: org, size: tree.size)
        if stored != tree.root { note(0, "the stored nodes of an org's tree are others") }
      } catch {
        note(0, Self.reason(error))
      }
    }
    try mappingErrors {
      try store.reading { transaction throws in
        for (org, tree) in trees {
          do {
            try compareRecords(org, tree, transaction)
          } catch {
            note(0, Self.reason(error))
          }
        }
      }
    }
  }

  private func compareRecords(
    _ org: OrgID, _ tree: Frontier, _ transaction: borrowing ReadTransaction
  ) throws {
    let flushed = try store.flushedTree(of: org, transaction)
    if flushed.size > 0, flushed.size <= tree.size,
      flushed.root != (try store.root(of: org, size: flushed.size))
    {
      note(0, "the stored frontier of an org's tree is another one")
    }
    let signed = try transaction.withValue(forKey: OrgRecord.key(org), in: store.heads) { value in
      try SignedHead(value)
    }
    guard let signed, signed.incarnation == store.format.incarnation else { return }
    if signed.head.size > tree.size {
      note(0, "a checkpoint was signed for more events than the log has")
    } else if signed.head.root != (try store.root(of: org, size: signed.head.size)) {
      note(0, "the checkpoint signed last is of another history")
    }
  }
}

extension LMDBEventLog {
  /// Checks the log from position `first` on, and the trees where that is the whole log. Deep: opens
  /// every sealed part too. Reading and writing go on meanwhile; blocks the calling thread.
  package func verify(
    from first: UInt64 = 1, isDeep: Bool = false,
    progress: (_ position: UInt64, _ head: UInt64) -> Void = { _, _ in }
  ) throws(EventLogError) -> VerificationReport {
    let verifier = LogVerifier(store: store, from: first, isDeep: isDeep)
    return try verifier.run(progress: progress)
  }
}

extension LMDBLogReader {
  /// See `LMDBEventLog.verify`.
  package func verify(
    from first: UInt64 = 1, isDeep: Bool = false,
    progress: (_ position: UInt64, _ head: UInt64) -> Void = { _, _ in }
  ) throws(EventLogError) -> VerificationReport {
    let verifier = LogVerifier(store: store, from: first, isDeep: isDeep)
    return try verifier.run(progress: progress)
  }
}

import Crypto
import Dispatch
import LMDB
import Merkle
import Synchronization
import Vault

/// What is wrong at a place of the log.
package struct VerificationProblem: Equatable, Sendable {
  /// 0 where it has no place in the log.
  package let position: UInt64
  package let reason: String

  package init(position: UInt64, reason: String) {
    self.position = position
    self.reason = reason
  }
}

/// What a verification looked at and what it found.
package struct VerificationReport: Equatable, Sendable {
  package var eventCount: UInt64 = 0
  package var blockCount: UInt64 = 0
  /// As stored.
  package var byteCount: UInt64 = 0
  /// Decompressed.
  package var contentByteCount: UInt64 = 0
  /// What SHA-256 went over to make commitments, leaves and nodes again, padding included.
  package var hashedByteCount: UInt64 = 0
  package var headPosition: UInt64 = 0
  /// How many sealed parts were opened, and how many belong to erased subjects. Zero unless deep.
  package var openedPartCount: UInt64 = 0
  package var erasedPartCount: UInt64 = 0
  /// Of the whole book, where the verification began at the first event.
  package var treeHeads: [OrgID: TreeHead] = [:]
  /// At most `LogVerifier.maxProblemCount`.
  package var problems: [VerificationProblem] = []

  package init() {}

  package var isSound: Bool { problems.isEmpty }
}

/// How a log is verified.
struct VerificationOptions: Sendable {
  /// Trees and stream versions are compared from their beginning where this is 1.
  var firstPosition: UInt64
  /// Whether every sealed part is opened too.
  var isDeep: Bool
  /// Threads that examine blocks.
  var jobCount: Int
  /// How many streams are held in memory at once.
  var maxStreamCount = 1 << 21
}

/// How far a verification has come.
package struct VerificationProgress: Sendable {
  package let position: UInt64
  package let headPosition: UInt64
  package let eventCount: UInt64
  package let contentByteCount: UInt64
}

/// Reads the log and checks everything that can be checked without knowing what events mean: checksums,
/// density, order, versions, sequences, the index, idempotency entries, and the trees.
///
/// Blocks are taken apart by several threads and put together in their order, in steps: while one thread puts a step
/// together or reads another one, the others examine those between. Memory is bounded by the steps, one run of the index,
/// and `maxStreamCount`.
final class LogVerifier {
  static let maxProblemCount = 1000
  /// Stored bytes of a step.
  private static let stepBytes = 1 << 20
  private static let maxStepBlocks = 512
  /// What the threads have to do while one of them compares a run of the index.
  private static let spareStepCount = 3
  /// Two blocks of SHA-256 for each: a tree has about as many nodes as leaves.
  private static let nodeByteCount = 128

  /// `first`: the first of its events that was not seen yet. Later than its key where small blocks that were seen have
  /// become part of this large one meanwhile.
  typealias RawBlock = (key: UInt64, bytes: [UInt8], first: UInt64)

  let store: LogStore
  let options: VerificationOptions
  let isWhole: Bool
  var report = VerificationReport()
  var next: UInt64 = 0
  var recordedAtMicros = Int64.min
  var versions: VersionTable
  /// In the order in which the log names them.
  var orgs: [VerifiedOrg] = []
  var orgIndexes: [OrgID: Int] = [:]
  /// Whose trees have leaves of this step.
  var grownOrgs: [Int] = []
  var index: IndexCheck

  init(store: LogStore, _ options: VerificationOptions) {
    self.store = store
    self.options = options
    isWhole = options.firstPosition <= 1
    versions = VersionTable(slice: VersionTable.Slice(), maxCount: options.maxStreamCount)
    index = IndexCheck()
  }

  /// On threads that leave the cores to those who append and read.
  func run(
    progress: (VerificationProgress) -> Void
  ) throws(EventLogError) -> VerificationReport {
    try BackgroundThread.run(.lowest) { () throws(EventLogError) in try verify(progress: progress) }
  }

  private func verify(
    progress: (VerificationProgress) -> Void
  ) throws(EventLogError) -> VerificationReport {
    let view = try indexView()
    report.headPosition = view.head
    // Runs that begin before the first block looked at cannot be compared whole.
    index.pending = view.runs
    let examination = Examination(makesLeaves: isWhole, isDeep: options.isDeep)
    try pass(to: view.head, examination) { findings in
      merge(findings)
    } progress: {
      progress(
        VerificationProgress(
          position: min(max(next, 1) - 1, view.head), headPosition: view.head,
          eventCount: report.eventCount, contentByteCount: report.contentByteCount))
    }
    // A large block that was made meanwhile may go on behind it.
    report.headPosition = max(view.head, max(next, 1) - 1)
    try checkOtherStreams(to: view.head)
    if isWhole {
      try compareTrees()
      // `next` is 0 as long as no block was seen: an empty log's first event is still to come.
      if max(next, 1) <= view.head { note(next, "the log ends before its head") }
    }
    return report
  }

  func note(_ position: UInt64, _ reason: String) {
    guard report.problems.count < Self.maxProblemCount else { return }
    report.problems.append(VerificationProblem(position: position, reason: reason))
  }

  static func reason(_ error: any Error) -> String {
    if case EventLogError.corrupted(_, let reason) = error { return reason }
    return "\(error)"
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
}

// MARK: - Steps

extension LogVerifier {
  /// Takes every block up to `head` to `merge`, in order.
  private func pass(
    to head: UInt64, _ examination: Examination, merge: ([BlockFindings]) -> Void,
    progress: () -> Void
  ) throws(EventLogError) {
    let queue = ExaminationQueue()
    let examiner = BlockExaminer(store: store, examination)
    let threads = ExaminingThreads(
      queue, store: store, examination, count: max(options.jobCount, 1) - 1)
    defer { threads.end() }
    let maxStepCount = options.jobCount <= 1 ? 1 : options.jobCount + Self.spareStepCount
    var after: UInt64 = 0
    var isAtEnd = false
    while true {
      while !isAtEnd, queue.stepCount < maxStepCount {
        let blocks = try read(after: &after, to: head)
        isAtEnd = blocks.isEmpty
        if !isAtEnd { queue.add(blocks) }
      }
      guard let findings = queue.takeFirst(helpingWith: examiner) else { return }
      merge(findings)
      progress()
    }
  }

  /// Copies some blocks, in a transaction of their own: a long one would keep the writer from reusing pages.
  private func read(
    after: inout UInt64, to head: UInt64
  ) throws(EventLogError) -> [RawBlock] {
    var blocks: [RawBlock] = []
    var byteCount = 0
    let start = after == 0 ? max(options.firstPosition, 1) : after + 1
    let seen = after
    try mappingErrors {
      try store.reading { transaction throws in
        try transaction.scan(store.blocks, fromAtOrBelow: start) { key, bytes in
          let last = (try? BlockHeader(bytes, key: key))?.lastPosition ?? key
          if seen != 0, last <= seen { return true }
          guard key <= head, byteCount < Self.stepBytes, blocks.count < Self.maxStepBlocks else {
            return false
          }
          bytes.prefetch()
          blocks.append((key, LogStore.bytes(bytes), seen == 0 ? key : max(key, seen + 1)))
          byteCount += bytes.byteCount
          // A damaged block says nothing of its end.
          after = last
          return true
        }
      }
    }
    return blocks
  }

  private func checkOtherStreams(to head: UInt64) throws(EventLogError) {
    guard isWhole else { return }
    var left = versions.left
    var examination = Examination()
    examination.isAboutStreamsAlone = true
    while let slice = left.popLast() {
      versions = VersionTable(slice: slice, maxCount: options.maxStreamCount)
      try pass(to: head, examination) { findings in
        for block in findings where block.problems.isEmpty { follow(block) }
      } progress: {
      }
      left += versions.left
    }
  }
}

// MARK: - Putting together

extension LogVerifier {
  private func merge(_ findings: [BlockFindings]) {
    for block in findings { merge(block) }
    growTrees()
  }

  private func merge(_ block: BlockFindings) {
    if next == 0 { index.pending.removeAll { $0.firstPosition < block.key } }
    if next != 0, block.key != next { note(block.key, "events are missing up to \(block.key)") }
    report.blockCount += 1
    report.byteCount += UInt64(block.byteCount)
    report.eventCount += UInt64(block.eventCount)
    report.contentByteCount += UInt64(block.contentByteCount)
    report.hashedByteCount += UInt64(block.hashedByteCount)
    report.openedPartCount += block.openedPartCount
    report.erasedPartCount += block.erasedPartCount
    next = max(next, block.lastPosition + 1)
    for problem in block.problems { note(problem.position, problem.reason) }
    if block.eventCount > 0, block.recordedAtMicros < recordedAtMicros {
      note(block.key, "time runs backwards")
    }
    recordedAtMicros = max(recordedAtMicros, block.recordedAtMicros)
    follow(block)
    followOrgs(block)
    if block.isPartial { index.forget(at: block.key) }
    index.add(block)
    index.finish(before: next, self)
  }

  /// Each stream goes on from the version at which it was left.
  private func follow(_ block: BlockFindings) {
    for stream in versions.follow(block.streams, isWhole: isWhole)
    where !isHashShared(stream, before: block.key) {
      note(block.key, "a stream's version does not follow")
    }
  }

  /// Two streams of one hash look like one that jumps: the index, which is checked itself, tells them apart.
  private func isHashShared(_ stream: BlockFindings.Stretch, before position: UInt64) -> Bool {
    let version = try? store.reading { transaction throws in
      let view = try store.view(transaction)
      var found: UInt64 = 0
      try store.forEachEntryBackwards(
        store.hash.stream(stream.stream.stream, org: stream.stream.org),
        atOrBelow: position - 1, view, transaction
      ) { entry in
        let directory = try store.directory(at: entry.position, transaction)
        guard let last = directory.lastVersion(of: stream.stream) else { return true }
        // A block that was made larger meanwhile reaches beyond.
        found = directory.header.lastPosition < position ? last : entry.detail
        return false
      }
      return found
    }
    return version == stream.versionBefore
  }

  private func followOrgs(_ block: BlockFindings) {
    report.hashedByteCount += UInt64(Self.nodeByteCount * (block.leaves?.count ?? 0))
    for found in block.orgs {
      let index = index(of: found.org)
      if let known = orgs[index].nextSequence ?? (isWhole ? 0 : nil), known != found.firstSequence {
        note(block.key, "an org's sequence does not follow")
      }
      orgs[index].nextSequence = found.nextSequence
      guard isWhole, orgs[index].isComparable else { continue }
      if let leaves = block.leaves, found.leafFailure == nil {
        if !orgs[index].tree.isGrowing { grownOrgs.append(index) }
        orgs[index].tree.add(leaves[found.leaves], at: block.key)
      } else {
        // Said once of an org, not again of each of its blocks.
        orgs[index].isComparable = false
        let reason = found.leafFailure ?? "its leaves were not made"
        note(block.key, "an org's tree can not be made again from here on: \(reason)")
      }
    }
  }

  private func index(of org: OrgID) -> Int {
    if let known = orgIndexes[org] { return known }
    orgs.append(VerifiedOrg(id: org, tree: VerifiedTree(org: org)))
    orgIndexes[org] = orgs.count - 1
    return orgs.count - 1
  }
}

extension LMDBEventLog {
  /// Checks the log from position `first` on, and the trees where that is the whole log. Deep: opens every
  /// sealed part too. Reading and writing go on meanwhile; blocks the calling thread.
  package func verify(
    from first: UInt64 = 1, isDeep: Bool = false, jobCount: Int = 1,
    progress: (VerificationProgress) -> Void = { _ in }
  ) throws(EventLogError) -> VerificationReport {
    let options = VerificationOptions(firstPosition: first, isDeep: isDeep, jobCount: jobCount)
    return try LogVerifier(store: store, options).run(progress: progress)
  }
}

extension LMDBLogReader {
  /// See `LMDBEventLog.verify`. `maxStreamCount`: how many streams are held in memory at once; more take
  /// further passes over the directories.
  package func verify(
    from first: UInt64 = 1, isDeep: Bool = false, jobCount: Int = 1, maxStreamCount: Int = 1 << 21,
    progress: (VerificationProgress) -> Void = { _ in }
  ) throws(EventLogError) -> VerificationReport {
    let options = VerificationOptions(
      firstPosition: first, isDeep: isDeep, jobCount: jobCount, maxStreamCount: maxStreamCount)
    return try LogVerifier(store: store, options).run(progress: progress)
  }
}

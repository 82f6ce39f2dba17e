import Dispatch
import Synchronization
import Vault

/// The log on disk: the one writer, and a reader like any other.
///
/// A thread of its own takes everything that is queued, decides it in order, packs it into blocks,
/// stores them in one LMDB transaction and answers after the flush.
package final class LMDBEventLog: EventLogWriter {
  package struct Options: Sendable {
    /// Address space to begin with; the map doubles by itself when it is full.
    package var mapBytes = 16 << 30
    /// More waiting commits, or more waiting bytes, are refused as `.overloaded`.
    package var maxWaitingCount = 65_536
    package var maxWaitingBytes = 256 << 20
    /// nil: the file `root.key` in the log's directory, made with the log.
    package var rootKey: (any RootKey)?
    package var nowMicros: @Sendable () -> Int64 = { SystemClock.nowMicros() }
    /// Called on the writer thread as erasures and rewritings go on.
    package var reached: @Sendable (MaintenanceStep) -> Void = { _ in }
    package var compaction = CompactionOptions()

    package init() {}
  }

  let core: WriterCore
  var store: LogStore { core.store }

  /// Opens the log in `directory`, creating it where there is none. Takes the same time whatever the
  /// log's size and however the last writer ended.
  ///
  /// - Throws: `.storage` where another writer has the log open, or it cannot be read.
  package init(directory: String, options: Options = Options()) throws(EventLogError) {
    core = try WriterCore(folder: LogFolder(path: directory), options: options)
    core.start()
  }

  deinit { core.queue.close() }

  package func enqueue(_ commit: Commit) -> PendingAppend {
    let pending = PendingAppend()
    do throws(EventLogError) {
      let byteCount = try CommitRules.check(commit)
      let item = Queued(commit: commit, pending: pending, byteCount: byteCount)
      if let refusal = core.queue.add(.commit(item)) { pending.resolve(.failure(refusal)) }
    } catch {
      pending.resolve(.failure(error))
    }
    return pending
  }

  package var health: WriterHealth { core.health }

  package func close() async { await core.close() }

  package func head() throws(EventLogError) -> UInt64 { try core.store.head() }

  package func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    try core.store.read(after: position, limit: limit, filter: filter)
  }

  package func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    try core.store.readStream(
      org: org, stream: stream, from: version, limit: limit, direction: direction)
  }

  package func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    try core.store.readOrg(org, from: orgSequence, limit: limit)
  }

  package func orgs() throws(EventLogError) -> [OrgID: UInt64] { try core.store.orgCounts() }

  package func receipt(
    org: OrgID, idempotencyKey: IdempotencyKey
  ) throws(EventLogError) -> Receipt? {
    try core.store.receipt(org: org, key: idempotencyKey)
  }

  package func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    try await core.waiters.wait(beyond: position, timeoutMillis: timeoutMillis)
  }
}

extension LMDBEventLog: SubjectEraser {
  package func erase(_ subjects: Set<SubjectID>, org: OrgID) async throws(EventLogError) {
    try await core.onWriterThread { try $0.erase(subjects, org: org) }
    let nowMicros = SystemClock.nowMicros()
    try store.announce(
      subjects.map { Tombstone(org: org.value, subject: $0.value, atMicros: nowMicros) })
  }
}

extension LMDBEventLog {
  /// Makes the log as small as it gets: all small blocks into large ones, and what is free given back to the disk. Reading
  /// goes on; commits wait while the file is copied. Positions, events and proofs stay the same.
  package func compact() async throws(EventLogError) -> CompactionReport {
    let compactor = core.compactor
    let outcome: Result<CompactionReport, EventLogError> = await withCheckedContinuation {
      waiting in
      DispatchQueue.global(qos: .utility).async {
        waiting.resume(
          returning: Result { () throws(EventLogError) in try compactor.finish() })
      }
    }
    let report = try outcome.get()
    try await core.onWriterThread { try $0.rewriteFile() }
    return report
  }
}

extension LMDBEventLog {
  /// What compacting in the background has used of a core so far.
  package var backgroundProcessorNanos: Int64 { core.compactor.processorNanos }
}

/// What the writer thread and the facade share. The thread keeps it alive until the queue is closed and
/// empty, also when nobody holds the facade any more.
final class WriterCore: Sendable {
  private enum Closing {
    case open([CheckedContinuation<Void, Never>])
    case closed
  }

  let store: LogStore
  let queue: WriterQueue
  let waiters: HeadWaiters
  private let word: WakeWord
  private let lock: WriterLock
  private let nowMicros: @Sendable () -> Int64
  private let reached: @Sendable (MaintenanceStep) -> Void
  let compactor: Compactor
  private let closing = Mutex(Closing.open([]))
  private let state = Mutex(WriterHealth.writable)

  /// Larger groups gain nothing and make their members wait: about a millisecond of compression.
  private static let maxGroupBytes = 4 << 20
  private static let maxGroupCount = 4096

  init(folder: LogFolder, options: LMDBEventLog.Options) throws(EventLogError) {
    try folder.create()
    lock = try WriterLock(path: folder.lockPath)
    word = try WakeWord(path: folder.wakePath, isWriter: true)
    nowMicros = options.nowMicros
    reached = options.reached
    queue = WriterQueue(maxCount: options.maxWaitingCount, maxBytes: options.maxWaitingBytes)
    store = try LogStore.open(
      folder, mapBytes: options.mapBytes,
      rootKey: try folder.rootKey(options.rootKey, mayCreate: true), isWriter: true)
    let queue = queue
    compactor = Compactor(store: store, options: options.compaction, reached: reached) {
      queue.add(.task($0))
    }
    do throws(EventLogError) {
      waiters = HeadWaiters(head: try store.openingHead(word))
    } catch {
      store.close()
      throw error
    }
  }

  var health: WriterHealth { state.withLock { $0 } }

  func setHealth(_ health: WriterHealth) { state.withLock { $0 = health } }

  func start() {
    DispatchQueue(label: "daybook.log.write").async { self.run() }
    compactor.start()
  }

  func close() async {
    queue.close()
    await withCheckedContinuation { continuation in
      let isClosed = closing.withLock { closing in
        switch closing {
        case .closed: return true
        case .open(let waiting):
          closing = .open(waiting + [continuation])
          return false
        }
      }
      if isClosed { continuation.resume() }
    }
  }

  private func run() {
    let writer = GroupWriter(store: store, nowMicros: nowMicros, reached: reached)
    while let items = queue.takeAll() {
      var group: [Queued] = []
      var byteCount = 0
      for item in items {
        switch item {
        case .commit(let queued):
          if group.count >= Self.maxGroupCount || byteCount + queued.byteCount > Self.maxGroupBytes
          {
            append(&group, &byteCount, writer)
          }
          group.append(queued)
          byteCount += queued.byteCount
        case .task(let task):
          append(&group, &byteCount, writer)
          task(writer)
        }
      }
      append(&group, &byteCount, writer)
    }
    finish()
  }

  private func append(_ group: inout [Queued], _ byteCount: inout Int, _ writer: GroupWriter) {
    guard !group.isEmpty else { return }
    if case .readOnly(let reason, _) = health {
      answer(group, group.map { _ in .failure(reason.asRefusal) })
    } else {
      answer(group, writer.append(group))
      if let failure = writer.takeFailure() { probe(writer, after: failure) }
    }
    group.removeAll(keepingCapacity: true)
    byteCount = 0
  }

  /// Runs `body` on the writer thread, after everything that was queued before.
  func onWriterThread<Result: Sendable>(
    _ body: @escaping @Sendable (GroupWriter) throws -> Result
  ) async throws(EventLogError) -> Result {
    let outcome: Swift.Result<Result, EventLogError> = await withCheckedContinuation { waiting in
      let refusal = queue.add(
        .task { writer in
          waiting.resume(
            returning: Swift.Result { () throws(EventLogError) in
              try mappingErrors { try body(writer) }
            })
        })
      if let refusal { waiting.resume(returning: .failure(refusal)) }
    }
    return try outcome.get()
  }

  private func answer(
    _ items: [Queued], _ outcomes: [Result<Receipt, EventLogError>]
  ) {
    var grown: UInt64 = 0
    for (item, outcome) in zip(items, outcomes) {
      if case .success(let receipt) = outcome { grown = max(grown, receipt.lastPosition) }
      item.pending.resolve(outcome)
    }
    if grown > waiters.head {
      waiters.advance(to: grown)
      compactor.wake(head: grown)
      word.signal(head: grown)
    }
  }

  private func finish() {
    compactor.close()
    waiters.close()
    word.wakeAll()
    store.close()
    lock.release()
    let waiting = closing.withLock { closing -> [CheckedContinuation<Void, Never>] in
      guard case .open(let waiting) = closing else { return [] }
      closing = .closed
      return waiting
    }
    for continuation in waiting { continuation.resume() }
  }
}

import Crypto
import Dispatch
import LMDB
import Synchronization

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
    package var nowMicros: @Sendable () -> Int64 = { SystemClock.nowMicros() }

    package init() {}
  }

  private let core: WriterCore

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
      if let refusal = core.queue.add(item) { pending.resolve(.failure(refusal)) }
    } catch {
      pending.resolve(.failure(error))
    }
    return pending
  }

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
  private let closing = Mutex(Closing.open([]))

  /// Larger groups gain nothing and make their members wait: about a millisecond of compression.
  private static let maxGroupBytes = 4 << 20
  private static let maxGroupCount = 4096

  init(folder: LogFolder, options: LMDBEventLog.Options) throws(EventLogError) {
    try folder.create()
    lock = try WriterLock(path: folder.lockPath)
    word = try WakeWord(path: folder.wakePath, isWriter: true)
    nowMicros = options.nowMicros
    queue = WriterQueue(maxCount: options.maxWaitingCount, maxBytes: options.maxWaitingBytes)
    let environment = try mappingErrors {
      try Environment.open(
        path: folder.logPath,
        options: Environment.Options(mapBytes: options.mapBytes, tables: LogStore.tables))
    }
    do throws(EventLogError) {
      try Self.createFormat(in: environment, nowMicros: SystemClock.nowMicros())
      store = try LogStore(environment)
      waiters = HeadWaiters(head: try store.head())
    } catch {
      environment.close()
      throw error
    }
  }

  private static func createFormat(
    in environment: Environment, nowMicros: Int64
  ) throws(EventLogError) {
    let meta = environment.table(LogStore.metaTable)
    try mappingErrors {
      let isThere = try environment.read { transaction throws in
        try transaction.withValue(forKey: LogStore.formatKey, in: meta) { _ in true } ?? false
      }
      guard !isThere else { return }
      let logID = UInt128(Random.uint64()) << 64 | UInt128(Random.uint64())
      let format = LogFormat(
        logID: logID, hashSeed: Random.uint64(), createdAtMicros: nowMicros)
      try environment.write { transaction throws in
        try transaction.put(format.bytes, forKey: LogStore.formatKey, in: meta)
      }
    }
  }

  func start() {
    DispatchQueue(label: "daybook.log.write").async { self.run() }
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
    let writer = GroupWriter(store: store, nowMicros: nowMicros)
    while let items = queue.takeAll() {
      var rest = items[...]
      while !rest.isEmpty {
        let group = Self.nextGroup(of: rest)
        rest = rest.dropFirst(group.count)
        answer(group, writer.append(group), head: writer.head)
      }
    }
    finish()
  }

  private static func nextGroup(of items: ArraySlice<Queued>) -> ArraySlice<Queued> {
    var byteCount = 0
    var count = 0
    for item in items {
      byteCount += item.byteCount
      if count > 0, byteCount > maxGroupBytes || count >= maxGroupCount { break }
      count += 1
    }
    return items.prefix(count)
  }

  private func answer(
    _ items: ArraySlice<Queued>, _ outcomes: [Result<Receipt, EventLogError>], head: UInt64
  ) {
    var grown: UInt64 = 0
    for (item, outcome) in zip(items, outcomes) {
      if case .success(let receipt) = outcome { grown = max(grown, receipt.lastPosition) }
      item.pending.resolve(outcome)
    }
    if grown > waiters.head {
      waiters.advance(to: grown)
      word.signal()
    }
  }

  private func finish() {
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

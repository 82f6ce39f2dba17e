import Synchronization
import Vault

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
      let head = try store.openingHead(word)
      waiters = HeadWaiters(head: head)
      // A vault that was lost is not made anew: what is written with other keys would be another book.
      if head > 0, try mappingErrors({ try store.vault.isEmpty() }) {
        throw .storage(
          reason:
            "the log has \(head) events and no keys: put \(folder.vaultPath) back, or restore a backup"
        )
      }
      try store.requireNewestKeys()
    } catch {
      store.close()
      throw error
    }
  }

  var health: WriterHealth { state.withLock { $0 } }

  func setHealth(_ health: WriterHealth) { state.withLock { $0 = health } }

  func start() {
    BackgroundThread.start { self.run() }
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
    let committer = GroupCommitter(store: store)
    let writer = GroupWriter(committer: committer, nowMicros: nowMicros, reached: reached)
    let pipeline = WriterPipeline(self, writer, committer)
    while let items = queue.takeAll() { pipeline.take(items) }
    pipeline.settle()
    finish()
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

  /// On whichever thread stored them.
  func answer(_ items: [Queued], _ outcomes: [Result<Receipt, EventLogError>]) {
    var grown: UInt64 = 0
    // The oldest last: who waits for it finds all that came with it there.
    for index in items.indices.reversed() {
      if case .success(let receipt) = outcomes[index] { grown = max(grown, receipt.lastPosition) }
      items[index].pending.resolve(outcomes[index])
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

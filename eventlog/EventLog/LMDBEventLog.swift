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
  private struct Erasures {
    /// Whose keys this process has destroyed. Only what is known to be on disk is not done once more.
    var withoutKeys: Set<KeyName> = []
    /// Whose parts it has taken out, and a backup does not know of yet.
    var withoutParts: Set<KeyName> = []
    /// Of whom every backup knows, and whose parts are not taken out yet.
    var told: Set<KeyName> = []
  }

  /// Those that are not over.
  private let erasures = Mutex(Erasures())
  var store: LogStore { core.store }

  /// Opens the log in `directory`, creating it where there is none. Takes the same time whatever the
  /// log's size and however the last writer ended.
  ///
  /// - Throws: `.writerPresent` where another writer has the log open; `.corrupted` or `.storage` where it cannot be read.
  package init(directory: String, options: Options = Options()) throws(EventLogError) {
    core = try WriterCore(folder: LogFolder(path: directory), options: options)
    core.start()
  }

  deinit { core.queue.close() }

  /// Whether there is a log in `directory`, which opening would not make.
  ///
  /// - Throws: `.storage` where it cannot be told.
  package static func exists(in directory: String) throws(EventLogError) -> Bool {
    try LogFolder(path: directory).hasLog()
  }

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
  package func destroyKeys(
    of subjects: Set<SubjectID>, org: OrgID
  ) async throws(EventLogError) {
    let names = Self.names(of: subjects, org)
    guard !erasures.withLock({ $0.withoutKeys.isSuperset(of: names) }) else { return }
    try await core.onWriterThread { try $0.destroyKeys(of: subjects, org: org) }
    erasures.withLock { $0.withoutKeys.formUnion(names) }
  }

  /// - Throws: also where there is no room to take the parts out, or a backup folder cannot hear of it. Neither waits for the
  ///   other, and a repetition has only left what did not happen.
  package func erase(_ subjects: Set<SubjectID>, org: OrgID) async throws(EventLogError) {
    try await destroyKeys(of: subjects, org: org)
    let names = Self.names(of: subjects, org)
    var failure: EventLogError?
    do throws(EventLogError) { try await takeOut(subjects, org) } catch { failure = error }
    // Whatever became of that: a restore from a folder that does not know of it would bring them back.
    do throws(EventLogError) { try await announce(subjects, org) } catch {
      failure = failure ?? error
    }
    if let failure { throw failure }
    erasures.withLock { erasures in
      erasures.withoutKeys.subtract(names)
      erasures.withoutParts.subtract(names)
      erasures.told.subtract(names)
    }
  }

  private func takeOut(_ subjects: Set<SubjectID>, _ org: OrgID) async throws(EventLogError) {
    let names = Self.names(of: subjects, org)
    guard !erasures.withLock({ $0.withoutParts.isSuperset(of: names) }) else { return }
    try await core.onWriterThread { try $0.takeOut(subjects, org: org) }
    erasures.withLock { $0.withoutParts.formUnion(names) }
  }

  /// Tells the backups.
  private func announce(_ subjects: Set<SubjectID>, _ org: OrgID) async throws(EventLogError) {
    let names = Self.names(of: subjects, org)
    guard !erasures.withLock({ $0.told.isSuperset(of: names) }) else { return }
    let nowMicros = SystemClock.nowMicros()
    let tombstones = subjects.map {
      Tombstone(org: org.value, subject: $0.value, atMicros: nowMicros)
    }
    try await onBackgroundThread { [store] () throws(EventLogError) in
      try store.announce(tombstones)
    }
    erasures.withLock { $0.told.formUnion(names) }
  }

  private static func names(of subjects: Set<SubjectID>, _ org: OrgID) -> Set<KeyName> {
    Set(subjects.map { KeyName(org: org.value, subject: $0.value) })
  }

  private func onBackgroundThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws(EventLogError) -> Value
  ) async throws(EventLogError) -> Value {
    let outcome: Result<Value, EventLogError> = await withCheckedContinuation { waiting in
      DispatchQueue.global(qos: .utility).async {
        waiting.resume(returning: Result { () throws(EventLogError) in try body() })
      }
    }
    return try outcome.get()
  }
}

extension LMDBEventLog {
  /// Makes the log as small as it gets: all small blocks into large ones, and what is free given back to the disk. Reading
  /// goes on; commits wait while the file is copied. Positions, events and proofs stay the same.
  ///
  /// - Throws: What went wrong, with the log's folder where it is the disk; what was made large before stays so.
  package func compact() async throws(EventLogError) -> CompactionReport {
    let compactor = core.compactor
    do throws(EventLogError) {
      let report = try await onBackgroundThread { () throws(EventLogError) in
        try compactor.finish()
      }
      try await core.onWriterThread { try $0.store.rewriteFile() }
      return report
    } catch {
      switch error {
      // Whoever compacts a log because its disk is full has more than one folder to look at.
      case .storage(let reason): throw .storage(reason: "\(store.folder.path): \(reason)")
      case .logFull:
        throw .storage(
          reason:
            "\(store.folder.path): no room on its disk; what was done stays: make room, and begin again"
        )
      case .readOnly(let reason): throw .readOnly(reason: "\(store.folder.path): \(reason)")
      case .versionConflict, .sequenceConflict, .idempotencyMismatch, .invalidCommit, .overloaded,
        .outcomeUnknown, .closed, .writerPresent, .corrupted, .keyMissing, .wrongRootKey:
        throw error
      }
    }
  }
}

extension LMDBEventLog {
  /// What compacting in the background has used of a core so far.
  package var backgroundProcessorNanos: Int64 { core.compactor.processorNanos }
}

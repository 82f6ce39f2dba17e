import Dispatch
import LMDB
import Synchronization
import Zstd

/// What a compaction has done so far.
package struct CompactionReport: Equatable, Sendable {
  package var eventCount: UInt64 = 0
  package var blocksBefore = 0
  package var blocksAfter = 0
  package var bytesBefore = 0
  package var bytesAfter = 0
}

/// How small blocks become large ones.
package struct CompactionOptions: Sendable {
  /// nil: not in the background.
  package var pauseFactor: Int? = 9
  /// Events of one large block: what reading one event decompresses at most, against what it saves.
  package var blockEvents = 1024
  /// The first dictionary is learnt from this many events, the next one from sixteen times as many, and so on.
  package var dictionaryEvents: UInt64 = 8192

  package init() {}
}

/// Makes large blocks out of the writer's small ones, in the background: reads and compresses on a thread of its own, and
/// leaves to the writer's thread only the transaction that puts the large block in the small ones' place. A step is one
/// transaction; a crash between two leaves nothing undone.
final class Compactor: Sendable {
  /// Before compression.
  private static let maxBlockBytes = 2 << 20
  private static let wakeEvents: UInt64 = 4096
  private static let retryNanos = 10_000_000_000

  private struct State {
    var isClosed = false
    var wokenAt: UInt64 = 0
    var processorTime: ThreadProcessorTime?
  }

  let options: CompactionOptions
  private let store: LogStore
  private let reached: @Sendable (MaintenanceStep) -> Void
  /// Runs a body on the writer's thread.
  private let onWriter: @Sendable (@escaping WriterTask) -> EventLogError?
  private let state = Mutex(State())
  private let arrivals = DispatchSemaphore(value: 0)

  init(
    store: LogStore, options: CompactionOptions,
    reached: @escaping @Sendable (MaintenanceStep) -> Void,
    onWriter: @escaping @Sendable (@escaping WriterTask) -> EventLogError?
  ) {
    self.store = store
    self.options = options
    self.reached = reached
    self.onWriter = onWriter
  }

  func start() {
    guard let pauseFactor = options.pauseFactor else { return }
    BackgroundThread.start(.low) { self.run(pauseFactor: pauseFactor) }
  }

  /// Tells that the log has grown.
  func wake(head: UInt64) {
    let isDue = state.withLock { state in
      guard head >= state.wokenAt + Self.wakeEvents else { return false }
      state.wokenAt = head
      return true
    }
    if isDue { arrivals.signal() }
  }

  func close() {
    state.withLock { $0.isClosed = true }
    arrivals.signal()
  }

  /// What the thread has used of a core since it started.
  var processorNanos: Int64 { state.withLock { $0.processorTime?.nanos } ?? 0 }

  private var isClosed: Bool { state.withLock { $0.isClosed } }

  private func run(pauseFactor: Int) {
    let processorTime = ThreadProcessorTime()
    state.withLock { $0.processorTime = processorTime }
    // Its clock ends with the thread.
    defer { state.withLock { $0.processorTime = nil } }
    while !isClosed {
      let start = SystemClock.monotonicNanos()
      do throws(EventLogError) {
        guard try step(isLast: false) != nil else {
          arrivals.wait()
          continue
        }
        // Most of the time belongs to those who append and read.
        pause(nanos: Int(SystemClock.monotonicNanos() - start) * pauseFactor)
      } catch {
        // What cannot be compacted stays as it is and is reported by whoever reads it.
        pause(nanos: Self.retryNanos)
      }
    }
  }

  /// Ends early where the log is closed, but for no arrival: where much is appended there is always one, and what comes meanwhile
  /// is looked at after it.
  private func pause(nanos: Int) {
    let end = DispatchTime.now() + .nanoseconds(nanos)
    while !isClosed, arrivals.wait(timeout: end) == .success {}
  }
}

// MARK: - Steps

extension Compactor {
  /// Does what is left to do, without pauses.
  func finish() throws(EventLogError) -> CompactionReport {
    var report = CompactionReport()
    while let step = try step(isLast: true) { report.add(step) }
    return report
  }

  /// Learns a dictionary or makes one large block; nil where there is nothing to do. `isLast`: also where
  /// a larger run of the index would allow larger blocks later.
  func step(isLast: Bool) throws(EventLogError) -> CompactionReport? {
    if try learn() { return CompactionReport() }
    return try mappingErrors {
      guard let small = try small(isLast: isLast) else { return nil }
      return try replace(small)
    }
  }

  private func learn() throws(EventLogError) -> Bool {
    try mappingErrors {
      let head: UInt64 = try store.head()
      let learntAt = try store.dictionaries.newest()?.headWhenLearnt ?? 0
      let triedAt = try store.compacted().dictionaryTriedAt
      guard head >= options.dictionaryEvents, head >= 16 * learntAt, head >= 2 * triedAt else {
        return false
      }
      let dictionary = try store.trainDictionary()
      try onWriterThread { writer throws in try writer.keep(dictionary, head: head) }
      return true
    }
  }

  /// Blocks that follow each other and become one.
  private struct Small {
    var blocks: [LoadedBlock] = []
    var sources: [BlockSource] = []
    var eventCount = 0
    var byteCount = 0
  }

  private func small(isLast: Bool) throws -> Small? {
    try store.reading { transaction throws in
      let start = try store.compacted(transaction).position
      // A large block lies in one run of the index, and stays in one when runs become larger.
      guard let run = try store.runInfos(transaction).first(where: { $0.lastPosition > start }),
        isLast || run.lastPosition - run.firstPosition >= UInt64(options.blockEvents)
      else { return nil }
      let end = run.lastPosition
      var small = Small()
      try transaction.scan(store.blocks, fromAtOrBelow: start + 1) { key, bytes in
        guard key > start else { return true }
        let header = try store.checkedHeader(bytes, key: key)
        guard header.lastPosition <= end else { return false }
        let rawBytes = header.directoryRawBytes + header.payloadRawBytes + header.sealedBytes
        let isFull =
          small.eventCount + header.eventCount > options.blockEvents
          || small.byteCount + rawBytes > Self.maxBlockBytes
        if isFull, !small.blocks.isEmpty { return false }
        small.blocks.append(try store.load(bytes, key: key))
        small.sources.append(BlockSource(key: key, bytes: bytes))
        small.eventCount += header.eventCount
        small.byteCount += rawBytes
        return true
      }
      return small.blocks.isEmpty ? nil : small
    }
  }

  private func replace(_ small: Small) throws -> CompactionReport {
    var merger = try BlockMerger(
      vault: store.vault, dictionary: try store.dictionaries.newest())
    for block in small.blocks { try merger.add(block, dictionaries: store.dictionaries) }
    var encoder = BlockEncoder(.resting)
    let bytes = try encoder.encode(merger.finish()).bytes
    reached(.blockMerged)
    let sources = small.sources
    let last = small.blocks.last?.directory.header.lastPosition ?? 0
    let isReplaced = try onWriterThread { writer throws in
      try writer.replace(sources, with: bytes, through: last)
    }
    reached(.blockReplaced)
    guard isReplaced else { return CompactionReport() }
    return CompactionReport(
      eventCount: UInt64(small.eventCount), blocksBefore: sources.count, blocksAfter: 1,
      bytesBefore: sources.reduce(0) { $0 + $1.byteCount }, bytesAfter: bytes.count)
  }

  private func onWriterThread<Result: Sendable>(
    _ body: @escaping @Sendable (GroupWriter) throws -> Result
  ) throws -> Result {
    let outcome = Mutex<Swift.Result<Result, EventLogError>?>(nil)
    let isDone = DispatchSemaphore(value: 0)
    let refusal = onWriter { writer in
      let result = Swift.Result { () throws(EventLogError) in
        try mappingErrors { try body(writer) }
      }
      outcome.withLock { $0 = result }
      isDone.signal()
    }
    if let refusal { throw refusal }
    isDone.wait()
    guard let result = outcome.withLock({ $0 }) else {
      preconditionFailure("the writer ran the body before it signalled")
    }
    return try result.get()
  }
}

extension CompactionReport {
  fileprivate mutating func add(_ step: CompactionReport) {
    eventCount += step.eventCount
    blocksBefore += step.blocksBefore
    blocksAfter += step.blocksAfter
    bytesBefore += step.bytesBefore
    bytesAfter += step.bytesAfter
  }
}

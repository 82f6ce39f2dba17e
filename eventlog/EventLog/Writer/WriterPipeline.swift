import Dispatch
import LMDB
import Synchronization

/// The two stages of writing: while one group is compressed into its transaction and flushed, the next is planned. The
/// writer thread's own. Why: EventLog/decisions/0003-one-group-ahead.md.
final class WriterPipeline {
  /// How the storing on the other thread ended.
  private final class Storing: Sendable {
    private let outcome = Mutex<Result<Void, EventLogError>?>(nil)
    private let isDone = DispatchSemaphore(value: 0)

    func finish(_ result: Result<Void, EventLogError>) {
      outcome.withLock { $0 = result }
      isDone.signal()
    }

    func wait() -> Result<Void, EventLogError> {
      isDone.wait()
      guard let result = outcome.withLock({ $0 }) else {
        preconditionFailure("the semaphore tells that there is an outcome")
      }
      return result
    }
  }

  /// Larger groups gain nothing and make their members wait: about a millisecond of compression.
  private static let maxGroupBytes = 4 << 20
  private static let maxGroupCount = 4096
  /// Less than this on its way is one group, and more are two: with fewer, what is saved by storing and planning at a time
  /// goes into more flushes.
  private static let minPipelinedBytes = 48 << 10

  private let core: WriterCore
  private let writer: GroupWriter
  private let committer: GroupCommitter
  private let commits = DispatchQueue(label: "daybook.log.commit")
  /// What goes on on `commits`: one group at most.
  private var storing: Storing?
  private var storingBytes = 0

  init(_ core: WriterCore, _ writer: GroupWriter, _ committer: GroupCommitter) {
    self.core = core
    self.writer = writer
    self.committer = committer
  }

  /// Takes what was queued, in order. What it stores last may still be on its way when it returns.
  func take(_ items: [WriterItem]) {
    let share = Self.share(ofWaiting: items.reduce(0) { $0 + $1.byteCount }, beside: storingBytes)
    var group: [Queued] = []
    var byteCount = 0
    func close(isMoreWaiting: Bool) {
      append(group, byteCount: byteCount, isMoreWaiting: isMoreWaiting)
      group.removeAll(keepingCapacity: true)
      byteCount = 0
    }
    for item in items {
      switch item {
      case .commit(let queued):
        let isFull =
          byteCount >= share || group.count >= Self.maxGroupCount
          || byteCount + queued.byteCount > Self.maxGroupBytes
        if isFull { close(isMoreWaiting: true) }
        group.append(queued)
        byteCount += queued.byteCount
      case .task(let task):
        close(isMoreWaiting: false)
        settle()
        task(writer)
        recoverFromTask()
      }
    }
    close(isMoreWaiting: false)
  }

  /// How much of what waits one group takes. Two halves of all that is on its way go round evenly: of two uneven groups the
  /// small one is a flush for little, and the large one is planned while the disk rests.
  static func share(ofWaiting waiting: Int, beside storing: Int) -> Int {
    let half = max((waiting + storing) / 2, minPipelinedBytes / 2)
    return waiting > half + half / 2 ? (waiting + 1) / 2 : waiting
  }

  private func append(_ items: [Queued], byteCount: Int, isMoreWaiting: Bool) {
    guard !items.isEmpty else { return }
    if case .readOnly(let reason, _) = core.health {
      core.answer(items, items.map { _ in .failure(reason.asRefusal) })
      return
    }
    let group = writer.plan(items)
    // Whoever waited for it comes again, more often than not.
    let answeredBytes = storingBytes
    // What this one is told may rest on the group before it.
    guard settle() else {
      return append(items, byteCount: byteCount, isMoreWaiting: isMoreWaiting)
    }
    if let failure = group.failure {
      core.doubtDisk(because: failure)
      core.answer(items, group.outcomes)
      recover(from: failure)
    } else if group.blocks.isEmpty {
      core.answer(items, group.outcomes)
    } else if isMoreWaiting || group.hasMadeKeys
      || core.queue.byteCount + answeredBytes >= Self.minPipelinedBytes
    {
      start(group, byteCount: byteCount)
    } else {
      // Little to do meanwhile: without a change of threads it is there sooner.
      finish(store(group))
    }
  }

  private func start(_ group: PlannedGroup, byteCount: Int) {
    let storing = Storing()
    self.storing = storing
    storingBytes = byteCount
    // The next one has time to grow until this one is stored.
    core.queue.gather(byteCount / 2)
    commits.async { [core, committer] in
      let outcome = Self.store(group, committer, core)
      core.queue.gather(0)
      storing.finish(outcome)
      // The writer thread may wait for commits, and has to hear of it.
      if case .failure = outcome { _ = core.queue.add(.task { _ in }) }
    }
  }

  private func store(_ group: PlannedGroup) -> Result<Void, EventLogError> {
    Self.store(group, committer, core)
  }

  private static func store(
    _ group: PlannedGroup, _ committer: GroupCommitter, _ core: WriterCore
  ) -> Result<Void, EventLogError> {
    do throws(EventLogError) {
      try committer.commit(group)
      core.answer(group.items, group.outcomes)
      return .success(())
    } catch {
      var failed = group
      failed.fail(with: error)
      core.doubtDisk(because: error)
      core.answer(group.items, failed.outcomes)
      return .failure(error)
    }
  }

  /// Waits for the group that is being stored. False where it failed: what was planned after it is nothing.
  @discardableResult
  func settle() -> Bool {
    guard let storing else { return true }
    self.storing = nil
    storingBytes = 0
    return finish(storing.wait())
  }

  @discardableResult
  private func finish(_ outcome: Result<Void, EventLogError>) -> Bool {
    writer.settle(outcome)
    guard case .failure(let failure) = outcome else { return true }
    recover(from: failure)
    return false
  }

  /// A flush that failed under a compaction or an erasure is told to whoever asked for that, and may leave an
  /// environment that no transaction begins in: the next group would be refused for it.
  private func recoverFromTask() {
    // While the log is read-only it is being tried anyway.
    guard core.health == .writable, core.store.environment.isBroken else { return }
    recover(from: .readOnly(reason: "a flush failed beside the groups"))
  }

  /// Looks whether the disk takes a flush again, where it was the disk's doing.
  private func recover(from failure: EventLogError) {
    if failure.isOfTheDisk { core.probe(writer, after: failure) }
  }
}

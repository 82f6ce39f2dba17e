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

  private let core: WriterCore
  private let writer: GroupWriter
  private let committer: GroupCommitter
  private let commits = DispatchQueue(label: "daybook.log.commit")
  /// What goes on on `commits`: one group at most.
  private var storing: Storing?

  init(_ core: WriterCore, _ writer: GroupWriter, _ committer: GroupCommitter) {
    self.core = core
    self.writer = writer
    self.committer = committer
  }

  /// Takes what was queued, in order. What it stores last may still be on its way when it returns.
  func take(_ items: [WriterItem]) {
    var group: [Queued] = []
    var byteCount = 0
    for item in items {
      switch item {
      case .commit(let queued):
        if group.count >= Self.maxGroupCount || byteCount + queued.byteCount > Self.maxGroupBytes {
          append(group, isMoreWaiting: true)
          group.removeAll(keepingCapacity: true)
          byteCount = 0
        }
        group.append(queued)
        byteCount += queued.byteCount
      case .task(let task):
        append(group, isMoreWaiting: false)
        group.removeAll(keepingCapacity: true)
        byteCount = 0
        settle()
        task(writer)
        recoverFromTask()
      }
    }
    // Less than a block is planned in less time than a flush takes, and grows while it waits for one.
    append(group, isMoreWaiting: core.queue.byteCount >= BlockBuilder.targetBytes)
  }

  private func append(_ items: [Queued], isMoreWaiting: Bool) {
    guard !items.isEmpty else { return }
    if case .readOnly(let reason, _) = core.health {
      core.answer(items, items.map { _ in .failure(reason.asRefusal) })
      return
    }
    let group = writer.plan(items)
    // What this one is told may rest on the group before it.
    guard settle() else { return append(items, isMoreWaiting: isMoreWaiting) }
    if let failure = group.failure {
      core.doubtDisk(because: failure)
      core.answer(items, group.outcomes)
      recover(from: failure)
    } else if group.blocks.isEmpty {
      core.answer(items, group.outcomes)
    } else if isMoreWaiting || group.hasMadeKeys {
      start(group)
    } else {
      // Little to do meanwhile: without a change of threads it is there sooner.
      finish(store(group))
    }
  }

  private func start(_ group: PlannedGroup) {
    let storing = Storing()
    self.storing = storing
    commits.async { [core, committer] in
      let outcome = Self.store(group, committer, core)
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

import Dispatch
import Synchronization

/// A commit that waits for the writer. A class: it is handed on several times, and a commit is a dozen references.
final class Queued: Sendable {
  let commit: Commit
  let pending: PendingAppend
  let byteCount: Int

  init(commit: Commit, pending: PendingAppend, byteCount: Int) {
    self.commit = commit
    self.pending = pending
    self.byteCount = byteCount
  }
}

/// Something else that only the writer thread may do, between two groups.
typealias WriterTask = @Sendable (GroupWriter) -> Void

enum WriterItem {
  case commit(Queued)
  case task(WriterTask)

  var byteCount: Int {
    switch self {
    case .commit(let queued): queued.byteCount
    case .task: 0
    }
  }

  var isCommit: Bool {
    if case .commit = self { return true }
    return false
  }
}

/// What is between the callers and the writer thread. Bounded by count and by bytes.
final class WriterQueue: Sendable {
  private struct State {
    var items: [WriterItem] = []
    var byteCount = 0
    var isClosed = false
    var isWriterWaiting = false
    /// The writer takes nothing while fewer wait.
    var gatheredBytes = 0

    var isReady: Bool { isClosed || (!items.isEmpty && byteCount >= gatheredBytes) }

    /// Whether the writer is to be woken for what has changed; once.
    mutating func mustWake() -> Bool {
      guard isWriterWaiting, isReady else { return false }
      isWriterWaiting = false
      return true
    }
  }

  private let maxCount: Int
  private let maxBytes: Int
  private let state = Mutex(State())
  private let arrivals = DispatchSemaphore(value: 0)

  init(maxCount: Int, maxBytes: Int) {
    self.maxCount = maxCount
    self.maxBytes = maxBytes
  }

  /// Why `item` was not taken; nil where it was. A task is refused by a closed queue alone: a full one may be waiting
  /// for just that task, which looks whether the disk works again.
  func add(_ item: WriterItem) -> EventLogError? {
    let (refusal, mustWake) = state.withLock { state -> (EventLogError?, Bool) in
      if state.isClosed { return (.closed, false) }
      // One commit always fits: a limit below its size would refuse it for ever.
      let isFull = state.byteCount + item.byteCount > maxBytes && !state.items.isEmpty
      if item.isCommit, state.items.count >= maxCount || isFull {
        return (.overloaded(waiting: state.items.count), false)
      }
      state.items.append(item)
      state.byteCount += item.byteCount
      if !item.isCommit { state.gatheredBytes = 0 }
      return (nil, state.mustWake())
    }
    if mustWake { arrivals.signal() }
    return refusal
  }

  /// Lets the writer finish what is queued and end.
  func close() {
    let mustWake = state.withLock { state in
      state.isClosed = true
      return state.mustWake()
    }
    if mustWake { arrivals.signal() }
  }

  /// Of the commits that wait.
  var byteCount: Int { state.withLock { $0.byteCount } }

  /// Lets the writer wait until commits of `byteCount` wait for it, or anything else does; until the next call.
  func gather(_ byteCount: Int) {
    let mustWake = state.withLock { state in
      state.gatheredBytes = byteCount
      return state.mustWake()
    }
    if mustWake { arrivals.signal() }
  }

  /// Everything that waits; blocks until there is something, or as much as `gather` said. nil once closed and empty.
  func takeAll() -> [WriterItem]? {
    while true {
      let (items, isDone) = state.withLock { state -> ([WriterItem], Bool) in
        guard state.isReady else {
          state.isWriterWaiting = true
          return ([], false)
        }
        let items = state.items
        state.items = []
        state.byteCount = 0
        return (items, items.isEmpty && state.isClosed)
      }
      if isDone { return nil }
      if !items.isEmpty { return items }
      arrivals.wait()
    }
  }
}

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
      defer { state.isWriterWaiting = false }
      return (nil, state.isWriterWaiting)
    }
    if mustWake { arrivals.signal() }
    return refusal
  }

  /// Lets the writer finish what is queued and end.
  func close() {
    let mustWake = state.withLock { state in
      state.isClosed = true
      defer { state.isWriterWaiting = false }
      return state.isWriterWaiting
    }
    if mustWake { arrivals.signal() }
  }

  /// Of the commits that wait.
  var byteCount: Int { state.withLock { $0.byteCount } }

  /// Everything that waits; blocks until there is something. nil once closed and empty.
  func takeAll() -> [WriterItem]? {
    while true {
      let (items, isDone) = state.withLock { state -> ([WriterItem], Bool) in
        let items = state.items
        state.items = []
        state.byteCount = 0
        if items.isEmpty, !state.isClosed { state.isWriterWaiting = true }
        return (items, items.isEmpty && state.isClosed)
      }
      if isDone { return nil }
      if !items.isEmpty { return items }
      arrivals.wait()
    }
  }
}

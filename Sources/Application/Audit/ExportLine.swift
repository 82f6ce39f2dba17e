import Dispatch
import Domain
import Synchronization

/// Exports that are to be written, one after the other, on a thread of their own: those that serve requests are as few as the
/// processors, and a large book keeps one for minutes. Of several accounts each has its turn.
final class ExportLine: Sendable {
  private struct Order {
    let id: Identifier
    let org: Identifier
    let work: @Sendable () -> Void
  }

  private struct State {
    var waiting: [Order] = []
    var underWay: (order: Order, task: Task<Void, Never>)?
    /// When each account had its last turn, while anybody waits.
    var lastTurns: [Identifier: Int] = [:]

    func contains(_ id: Identifier) -> Bool {
      underWay?.order.id == id || waiting.contains { $0.id == id }
    }
  }

  private let state = Mutex(State())
  private let thread = ExportThread()

  /// Puts an order into the line; one that is in it stays where it is.
  func add(_ id: Identifier, of org: Identifier, _ work: @escaping @Sendable () -> Void) {
    state.withLock { state in
      guard !state.contains(id) else { return }
      state.waiting.append(Order(id: id, org: org, work: work))
      if state.underWay == nil { beginNext(&state) }
    }
  }

  func contains(_ id: Identifier) -> Bool { state.withLock { $0.contains(id) } }

  /// Takes out what is ordered for `org`: what has not begun never will, and what is being written has its task called off
  /// and is over when this returns.
  ///
  /// - Returns: what was being written.
  func callOff(_ org: Identifier) async -> Identifier? {
    let underWay = state.withLock { state in
      state.waiting.removeAll { $0.org == org }
      return state.underWay.flatMap { $0.order.org == org ? $0 : nil }
    }
    underWay?.task.cancel()
    await underWay?.task.value
    return underWay?.order.id
  }

  private func beginNext(_ state: inout State) {
    // The earliest of the account whose turn is longest ago.
    let turns = state.lastTurns
    let next = state.waiting.indices.min {
      turns[state.waiting[$0].org, default: 0] < turns[state.waiting[$1].org, default: 0]
    }
    guard let next else {
      state.lastTurns = [:]
      return
    }
    let order = state.waiting.remove(at: next)
    state.lastTurns[order.org] = 1 + (turns.values.max() ?? 0)
    let task = Task.detached(executorPreference: thread) { [self] in
      order.work()
      self.state.withLock { state in
        state.underWay = nil
        beginNext(&state)
      }
    }
    state.underWay = (order, task)
  }
}

private final class ExportThread: TaskExecutor {
  private let queue = DispatchQueue(label: "daybook.exports", qos: .utility)

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
  }
}

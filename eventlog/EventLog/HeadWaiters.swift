import Synchronization

/// The tasks that wait for the log to grow. Holds no thread for them: a continuation each, and a
/// sleeping task for the timeout.
package final class HeadWaiters: Sendable {
  private enum Waiter {
    /// Has an id, its continuation is about to come.
    case arriving(beyond: UInt64)
    case waiting(beyond: UInt64, CheckedContinuation<Void, Never>)
  }

  private struct State {
    var head: UInt64
    var isClosed = false
    var nextID: UInt64 = 0
    var waiters: [UInt64: Waiter] = [:]
  }

  private let state: Mutex<State>

  package init(head: UInt64) { state = Mutex(State(head: head)) }

  /// The highest head announced so far.
  package var head: UInt64 { state.withLock { $0.head } }

  package var waiterCount: Int { state.withLock { $0.waiters.count } }

  /// Returns once the head is beyond `position`, at the latest after `timeoutMillis`, with the head.
  ///
  /// - Throws: `CancellationError`, or `EventLogError.closed` once the log is closed (a caller that
  ///   loops would spin otherwise).
  package func wait(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    let arrived = try state.withLock { state throws -> (id: UInt64?, head: UInt64) in
      if state.head > position { return (nil, state.head) }
      if state.isClosed { throw EventLogError.closed }
      if timeoutMillis <= 0 { return (nil, state.head) }
      state.nextID += 1
      state.waiters[state.nextID] = .arriving(beyond: position)
      return (state.nextID, state.head)
    }
    guard let id = arrived.id else { return arrived.head }
    try await suspend(id: id, timeoutMillis: timeoutMillis)
    return try state.withLock { state throws in
      if state.head <= position, state.isClosed { throw EventLogError.closed }
      return state.head
    }
  }

  /// Wakes those who wait for a head up to `head`. A lower head than before changes nothing.
  package func advance(to head: UInt64) {
    let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      guard head > state.head else { return [] }
      state.head = head
      return Self.remove(from: &state) { $0 < head }
    }
    for continuation in woken { continuation.resume() }
  }

  /// Ends all waiting, now and later.
  package func close() {
    let woken = state.withLock { state in
      state.isClosed = true
      return Self.remove(from: &state) { _ in true }
    }
    for continuation in woken { continuation.resume() }
  }

  private func suspend(id: UInt64, timeoutMillis: Int) async throws {
    let timer = Task {
      do { try await Task.sleep(for: .milliseconds(timeoutMillis)) } catch { return }
      self.finish(id)
    }
    defer { timer.cancel() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let mustWait = state.withLock { state in
          guard case .arriving(let position) = state.waiters[id] else { return false }
          state.waiters[id] = .waiting(beyond: position, continuation)
          return true
        }
        if !mustWait { continuation.resume() }
      }
    } onCancel: {
      finish(id)
    }
    try Task.checkCancellation()
  }

  private func finish(_ id: UInt64) {
    let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
    if case .waiting(_, let continuation) = waiter { continuation.resume() }
  }

  private static func remove(
    from state: inout State, where isDone: (UInt64) -> Bool
  ) -> [CheckedContinuation<Void, Never>] {
    var woken: [CheckedContinuation<Void, Never>] = []
    for (id, waiter) in state.waiters {
      switch waiter {
      case .arriving(let position):
        if isDone(position) { state.waiters[id] = nil }
      case .waiting(let position, let continuation):
        guard isDone(position) else { continue }
        state.waiters[id] = nil
        woken.append(continuation)
      }
    }
    return woken
  }
}

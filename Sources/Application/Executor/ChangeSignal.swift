import Synchronization

/// Wakes whoever waits for something to have changed. A raise without a waiter is remembered, so
/// none is missed between looking and waiting.
package final class ChangeSignal: Sendable {
  private struct State {
    var generation: UInt64 = 0
    var nextID: UInt64 = 0
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
  }

  private let state = Mutex(State())

  package init() {}

  /// How often it was raised. Read before looking at the thing itself.
  package var generation: UInt64 { state.withLock { $0.generation } }

  package func raise() {
    let waiters = state.withLock { state in
      state.generation &+= 1
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns once the generation is beyond `seen`, after `timeout`, or when the task is cancelled.
  package func wait(beyond seen: UInt64, timeout: Duration?) async {
    guard let timeout else { return await suspend(beyond: seen) }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.suspend(beyond: seen) }
      group.addTask {
        // Cut short only by cancellation, which ends the waiting anyway.
        try? await Task.sleep(for: timeout)
      }
      await group.next()
      group.cancelAll()
    }
  }

  private func suspend(beyond seen: UInt64) async {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          guard state.generation == seen, !Task.isCancelled else { return true }
          state.waiters[id] = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
    }
  }
}

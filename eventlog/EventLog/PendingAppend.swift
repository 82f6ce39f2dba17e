import Synchronization

/// A commit in the queue: its receipt once it is on disk, or the reason why it is not.
///
/// Resolved once by the writer; waited for by any number of tasks, before or after.
package final class PendingAppend: Sendable {
  private enum State {
    case waiting([CheckedContinuation<Result<Receipt, EventLogError>, Never>])
    case resolved(Result<Receipt, EventLogError>)
  }

  private let state = Mutex<State>(.waiting([]))

  package init() {}

  /// nil until the writer resolved this append.
  package var outcome: Result<Receipt, EventLogError>? {
    guard case .resolved(let result) = state.withLock({ $0 }) else { return nil }
    return result
  }

  /// Suspends until the writer resolved this append. Costs no thread.
  package func receipt() async throws(EventLogError) -> Receipt {
    // Of many appends that were on their way together, most are there once the first one is.
    if let known = outcome { return try known.get() }
    let result: Result<Receipt, EventLogError> = await withCheckedContinuation { continuation in
      let known = state.withLock { state -> Result<Receipt, EventLogError>? in
        switch state {
        case .resolved(let result):
          return result
        case .waiting(let continuations):
          state = .waiting(continuations + [continuation])
          return nil
        }
      }
      if let known { continuation.resume(returning: known) }
    }
    return try result.get()
  }

  /// Wakes whoever waits. A second call is a defect of the writer.
  package func resolve(_ result: Result<Receipt, EventLogError>) {
    let waiting = state.withLock { state in
      switch state {
      case .resolved: preconditionFailure("an append is resolved once")
      case .waiting(let continuations):
        state = .resolved(result)
        return continuations
      }
    }
    for continuation in waiting { continuation.resume(returning: result) }
  }
}

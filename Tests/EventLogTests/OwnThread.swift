import Foundation
import Testing

/// What `body` returns, which may block: on a thread of its own. Swift has as many threads for tasks as there are
/// processors, and as many tests that wait in them for tasks wait for ever.
func onOwnThread<Output: Sendable>(
  _ body: @escaping @Sendable () throws -> Output
) async throws -> Output {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
  }
}

/// Runs `body` to its end from where nothing can be awaited: within `onOwnThread`.
func waiting(_ body: @escaping @Sendable () async throws -> Void) {
  let isDone = DispatchSemaphore(value: 0)
  Task.detached {
    do { try await body() } catch { Issue.record(error) }
    isDone.signal()
  }
  isDone.wait()
}

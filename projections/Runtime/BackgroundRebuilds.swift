import Synchronization

/// The rebuilds that run beside the live projections, one after the other.
package final class BackgroundRebuilds: Sendable {
  private struct State {
    var names: Set<String> = []
    var task: Task<Void, Never>?
    /// After a failure, so that it is not tried again all the time.
    var notBefore = ContinuousClock.now
  }

  private static let pauseAfterFailure = Duration.seconds(30)
  private let state = Mutex(State())

  /// Whether a projection that lacks more than `lag` events should rather be made anew: where the others, of
  /// which one is at `furthest`, would have to wait for it, and where it lacks most of the log in any case.
  package static func isWorthwhile(
    at position: UInt64, furthest: UInt64, head: UInt64, lag: UInt64
  ) -> Bool {
    let limit = position + lag
    return limit < furthest || limit < head && position < head / 2
  }

  /// What is being rebuilt now.
  var names: Set<String> { state.withLock { $0.names } }

  /// Begins, unless one runs or has just failed.
  func begin(_ names: [String], _ work: @escaping @Sendable ([String]) async throws -> Void) {
    state.withLock { state in
      guard !names.isEmpty, state.task == nil, state.notBefore <= .now else { return }
      state.names = Set(names)
      state.task = Task {
        do {
          try await work(names)
          self.end(after: .zero)
        } catch {
          // `work` has told why.
          self.end(after: Self.pauseAfterFailure)
        }
      }
    }
  }

  /// This one's new rows serve: it goes on while the others are still being rebuilt.
  func leave(_ name: String) {
    state.withLock { _ = $0.names.remove(name) }
  }

  private func end(after pause: Duration) {
    state.withLock { state in
      state.names = []
      state.task = nil
      state.notBefore = .now + pause
    }
  }

  /// Waits for the one that runs; true where there was one.
  func wait() async -> Bool {
    guard let task = state.withLock({ $0.task }) else { return false }
    await task.value
    return true
  }

  /// Ends the one that runs, without a trace.
  func cancel() async {
    state.withLock { $0.task }?.cancel()
    _ = await wait()
  }
}

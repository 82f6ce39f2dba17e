import Synchronization

/// Lets a few through at a time and keeps a short line; turns away whoever would make it longer.
final class AdmissionGate: Sendable {
  private struct State {
    var runningCount = 0
    var line: [CheckedContinuation<Bool, Never>] = []
  }

  private let width: Int
  private let lineLimit: Int
  private let state = Mutex(State())

  init(width: Int, lineLimit: Int) {
    self.width = width
    self.lineLimit = lineLimit
  }

  /// Those inside and those in the line.
  var count: Int { state.withLock { $0.runningCount + $0.line.count } }

  /// Runs `body` when it is its turn.
  ///
  /// - Throws: 503 `overloaded` at once where the line is full.
  nonisolated(nonsending) func pass<Result: Sendable>(
    _ body: nonisolated(nonsending) () async throws(APIError) -> Result
  ) async throws(APIError) -> Result {
    guard await enter() else { throw .overloaded }
    defer { leave() }
    return try await body()
  }

  /// False where the line is full.
  private nonisolated(nonsending) func enter() async -> Bool {
    await withCheckedContinuation { continuation in
      let isAdmitted = state.withLock { state -> Bool? in
        if state.runningCount < width {
          state.runningCount += 1
          return true
        }
        guard state.line.count < lineLimit else { return false }
        state.line.append(continuation)
        return nil
      }
      if let isAdmitted { continuation.resume(returning: isAdmitted) }
    }
  }

  private func leave() {
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      guard !state.line.isEmpty else {
        state.runningCount -= 1
        return nil
      }
      // The place goes to whoever waited longest.
      return state.line.removeFirst()
    }
    next?.resume(returning: true)
  }
}

extension APIError {
  static let overloaded = APIError(
    503, "unavailable", "overloaded", "The server is busy; nothing was done. Try again.",
    isRetryable: true)
}

/// Reads that keep the database busy for long have a line of their own, with fewer places than there
/// are connections: what people and programs wait for at every step is never behind them. (Writes ask
/// the database nothing.)
struct ReportLane: Sendable {
  private let gate: AdmissionGate

  init(connectionCount: Int) {
    gate = AdmissionGate(width: max(1, connectionCount / 2), lineLimit: 32)
  }

  nonisolated(nonsending) func run<Result: Sendable>(
    _ operation: Operation, _ body: nonisolated(nonsending) () async throws(APIError) -> Result
  ) async throws(APIError) -> Result {
    guard operation.isReport else { return try await body() }
    return try await gate.pass(body)
  }
}

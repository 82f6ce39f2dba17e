import Synchronization

/// Lets a few through at a time and keeps a short line, in which nobody is behind all that somebody else has brought:
/// the first of a key is before the second of any other. Where the line is full, whoever has brought the most goes.
///
/// Source: start-time fair queueing (Goyal, Vin and Cheng, 1996), with requests of equal length.
final class FairGate<Key: Hashable & Sendable>: Sendable {
  fileprivate struct Waiting {
    let key: Key
    let turn: Int
    let continuation: CheckedContinuation<Bool, Never>
  }

  fileprivate struct State {
    var runningCount = 0
    /// In the order of their coming.
    var line: [Waiting] = []
    /// Of whoever was let in last.
    var turn = 0
    /// When the next of a key has its turn, where that is not at once.
    var nextTurns: [Key: Int] = [:]
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

  /// Runs `body` when it is the turn of `key`.
  ///
  /// - Throws: 503 `overloaded` where the line is full: at once, or when others come who have brought less.
  nonisolated(nonsending) func pass<Result: Sendable>(
    _ key: Key, _ body: nonisolated(nonsending) () async throws(APIError) -> Result
  ) async throws(APIError) -> Result {
    guard await enter(key) else { throw .overloaded }
    defer { leave() }
    return try await body()
  }

  private nonisolated(nonsending) func enter(_ key: Key) async -> Bool {
    await withCheckedContinuation { continuation in
      let (isAdmitted, displaced) = state.withLock { state in
        state.add(key, continuation, width: width, lineLimit: lineLimit)
      }
      displaced?.resume(returning: false)
      if let isAdmitted { continuation.resume(returning: isAdmitted) }
    }
  }

  private func leave() { state.withLock { $0.next() }?.resume(returning: true) }
}

/// The one key of a line where whoever comes first is first.
struct Anybody: Hashable, Sendable {}

extension FairGate<Anybody> {
  nonisolated(nonsending) func pass<Result: Sendable>(
    _ body: nonisolated(nonsending) () async throws(APIError) -> Result
  ) async throws(APIError) -> Result {
    try await pass(Anybody(), body)
  }
}

extension APIError {
  static let overloaded = APIError(
    503, "unavailable", "overloaded", "The server is busy; nothing was done. Try again.",
    isRetryable: true)

  /// Nobody reads it: what was asked for is not looked for any further.
  static let clientGone = APIError(
    503, "unavailable", "client_gone", "The client hung up before its answer was there.",
    isRetryable: true)
}

extension FairGate.State {
  /// Whether the newcomer is admitted, nil where they wait, and who has to go for them.
  fileprivate mutating func add(
    _ key: Key, _ newcomer: CheckedContinuation<Bool, Never>, width: Int, lineLimit: Int
  ) -> (Bool?, CheckedContinuation<Bool, Never>?) {
    let turn = max(self.turn, nextTurns[key] ?? 0)
    guard runningCount == width else {
      runningCount += 1
      nextTurns[key] = turn + 1
      begin(turn)
      return (true, nil)
    }
    var displaced: CheckedContinuation<Bool, Never>?
    if line.count == lineLimit {
      // The latest of those whose turn is last.
      guard let lastTurn = line.map(\.turn).max(), turn < lastTurn,
        let place = line.lastIndex(where: { $0.turn == lastTurn })
      else { return (false, nil) }
      let last = line.remove(at: place)
      nextTurns[last.key] = lastTurn
      displaced = last.continuation
    }
    nextTurns[key] = turn + 1
    line.append(FairGate.Waiting(key: key, turn: turn, continuation: newcomer))
    return (nil, displaced)
  }

  /// Whoever has the place that is free; nil where nobody waits.
  fileprivate mutating func next() -> CheckedContinuation<Bool, Never>? {
    // The earliest of those whose turn is first.
    guard let place = line.indices.min(by: { line[$0].turn < line[$1].turn }) else {
      runningCount -= 1
      if runningCount == 0 { nextTurns = [:] }
      return nil
    }
    let next = line.remove(at: place)
    begin(next.turn)
    return next.continuation
  }

  /// Somebody is let in, out of the line or past it: whoever came while there was none is not behind what they had then.
  private mutating func begin(_ turn: Int) {
    self.turn = turn
    nextTurns = nextTurns.filter { $0.value > turn }
  }
}

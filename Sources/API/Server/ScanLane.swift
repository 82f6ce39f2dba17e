import Domain
import Foundation

/// Where the log of events and that of requests are searched: a stretch of them keeps a processor or the disk busy for
/// some hundredths of a second, and one answer may take hundreds of stretches.
///
/// On threads of its own, for the reason that passwords have: half as many as processors at a time. Whoever searches
/// comes back for each stretch, so that nobody is behind all that another account goes through.
struct ScanLane: Sendable {
  /// Readers who wait: searches and pages, of which an account has so many at a time, and tails, which were let in before
  /// and are not turned away on the way.
  private let gate: FairGate<Identifier>
  /// A search goes back to the line with all that it has found so far: of more of them all would be later, and none
  /// sooner.
  private let searches = WaitingPlaces(limit: 64, accountLimit: 4)

  init(width: Int = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)) {
    gate = FairGate(width: width, lineLimit: .max)
  }

  /// Those inside and those in the line.
  var count: Int { gate.count }

  /// Runs `body`, which takes turns for `account` and keeps what they bring.
  ///
  /// - Throws: 429 `rate_limited` where the account searches as much as it may already, 503 `overloaded` where all do.
  nonisolated(nonsending) func search<Output: Sendable>(
    for account: Identifier,
    _ body: nonisolated(nonsending) () async throws(APIError) -> Output
  ) async throws(APIError) -> Output {
    try await searches.wait(of: account, body)
  }

  /// What `body` returns or throws, which may block; nil where whoever asked had gone when their turn came. `account`: of
  /// whoever asks, whatever account it is about.
  func run<Output: Sendable, Failure: Error>(
    for account: Identifier, _ body: @escaping @Sendable () throws(Failure) -> Output
  ) async throws(APIError) -> Result<Output, Failure>? {
    try await gate.pass(account) { () async throws(APIError) -> Result<Output, Failure>? in
      guard !Task.isCancelled else { return nil }
      return await onThread { Result { () throws(Failure) in try body() } }
    }
  }
}

/// What `body` returns, on a thread of its own, which may block.
func onThread<Output: Sendable>(_ body: @escaping @Sendable () -> Output) async -> Output {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread { continuation.resume(returning: body()) }
  }
}

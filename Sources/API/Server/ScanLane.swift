import Domain
import Foundation

/// Where the log of events and that of requests are searched: a stretch of them keeps a processor or the disk busy for
/// some hundredths of a second, and one answer may take hundreds of stretches.
///
/// On threads of its own, for the reason that passwords have: half as many as processors at a time. Whoever searches
/// comes back for each stretch, so that nobody is behind all that another account goes through.
struct ScanLane: Sendable {
  /// Readers who wait: as many as requests may be under way, and tails, which were let in before and are not turned
  /// away on the way.
  private let gate: FairGate<Identifier>

  init(width: Int = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)) {
    gate = FairGate(width: width, lineLimit: .max)
  }

  /// Those inside and those in the line.
  var count: Int { gate.count }

  /// What `body` returns or throws, which may block; nil where whoever asked had gone when their turn came.
  func run<Output: Sendable, Failure: Error>(
    for org: Identifier, _ body: @escaping @Sendable () throws(Failure) -> Output
  ) async throws(APIError) -> Result<Output, Failure>? {
    try await gate.pass(org) { () async throws(APIError) -> Result<Output, Failure>? in
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

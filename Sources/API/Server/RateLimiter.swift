import Domain
import HTTP
import Synchronization

/// A bucket of tokens for every caller: `burst` of them at first, refilled by `perMinute`.
package final class RateLimiter: Sendable {
  /// What a caller has left.
  package struct Budget: Sendable, Equatable {
    package var limit: RateLimit
    package var isAllowed: Bool
    package var remaining: Int
    /// Until there is a token again; 0 where there is one.
    package var waitMicros: Int64
    /// Until the bucket is full.
    package var fullAfterMicros: Int64
  }

  private struct Bucket {
    /// In millionths: a token comes every `60 / perMinute` seconds, not all at once.
    var microTokens: Int64
    var atMicros: Int64
  }

  private let buckets = Mutex<[Identifier: Bucket]>([:])
  /// Above this number full buckets are dropped: a full one and a missing one are the same.
  private static let sweepCount = 10_000

  package init() {}

  /// Takes one token where there is one. `nowMicros` never goes back.
  package func take(_ caller: Identifier, _ limit: RateLimit, nowMicros: Int64) -> Budget {
    let full = Int64(limit.burst) * 1_000_000
    let perMinute = Int64(limit.perMinute)
    return buckets.withLock { buckets in
      if buckets.count > Self.sweepCount { Self.sweep(&buckets, nowMicros) }
      let before = buckets[caller] ?? Bucket(microTokens: full, atMicros: nowMicros)
      // An hour fills every bucket that can be set; more would only overflow.
      let passedMicros = min(max(0, nowMicros - before.atMicros), 3_600_000_000)
      var tokens = min(full, before.microTokens + passedMicros / 60 * perMinute)
      let isAllowed = tokens >= 1_000_000
      if isAllowed { tokens -= 1_000_000 }
      buckets[caller] = Bucket(microTokens: tokens, atMicros: nowMicros)
      return Budget(
        limit: limit, isAllowed: isAllowed, remaining: Int(tokens / 1_000_000),
        waitMicros: max(0, 1_000_000 - tokens) * 60 / perMinute,
        fullAfterMicros: (full - tokens) * 60 / perMinute)
    }
  }

  private static func sweep(_ buckets: inout [Identifier: Bucket], _ nowMicros: Int64) {
    buckets = buckets.filter { nowMicros - $0.value.atMicros < 3_600_000_000 }
  }
}

extension RateLimiter.Budget {
  func show(in headers: inout HTTPHeaders) {
    headers.set("ratelimit-limit", String(limit.burst))
    headers.set("ratelimit-remaining", String(remaining))
    headers.set("ratelimit-reset", String((fullAfterMicros + 999_999) / 1_000_000))
  }
}

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

  /// Whose tokens they are.
  package enum Payer: Hashable, Sendable {
    /// A key, or all keys of an account together.
    case known(Identifier)
    /// Whoever comes with a key from where it is not used, or without its signature, by their address; nil: one behind which
    /// are many clients.
    case refused(key: Identifier, client: ClientKey?)
  }

  private struct Bucket {
    var limit: RateLimit
    /// In parts: `perMinute` of them come every microsecond, so that nothing is lost however often is asked.
    var parts: Int64
    var atMicros: Int64

    var fullParts: Int64 { Int64(limit.burst) * RateLimiter.partsPerToken }

    mutating func refill(_ limit: RateLimit, nowMicros: Int64) {
      self.limit = limit
      // Eleven days; more than this would overflow.
      let passedMicros = min(max(0, nowMicros - atMicros), 1_000_000_000_000)
      parts = min(fullParts, parts + passedMicros * Int64(limit.perMinute))
      atMicros = max(atMicros, nowMicros)
    }

    /// How long until there are so many parts.
    func micros(until wanted: Int64) -> Int64 {
      let perMicro = Int64(limit.perMinute)
      return (max(0, wanted - parts) + perMicro - 1) / perMicro
    }
  }

  private struct State {
    var buckets: [Payer: Bucket] = [:]
    /// Above this number full buckets are dropped: a full one and a missing one are the same.
    var sweepCount = 10_000
  }

  /// The microseconds of a minute.
  private static let partsPerToken: Int64 = 60_000_000

  private let state = Mutex(State())

  package init() {}

  /// Takes one token where there is one. Where `nowMicros` goes back, nothing comes in.
  package func take(_ payer: Payer, _ limit: RateLimit, nowMicros: Int64) -> Budget {
    state.withLock { state in
      if state.buckets.count > state.sweepCount { Self.sweep(&state, nowMicros) }
      var bucket =
        state.buckets[payer]
        ?? Bucket(
          limit: limit, parts: Int64(limit.burst) * Self.partsPerToken, atMicros: nowMicros)
      bucket.refill(limit, nowMicros: nowMicros)
      let isAllowed = bucket.parts >= Self.partsPerToken
      if isAllowed { bucket.parts -= Self.partsPerToken }
      state.buckets[payer] = bucket
      return Budget(
        limit: limit, isAllowed: isAllowed, remaining: Int(bucket.parts / Self.partsPerToken),
        waitMicros: bucket.micros(until: Self.partsPerToken),
        fullAfterMicros: bucket.micros(until: bucket.fullParts))
    }
  }

  private static func sweep(_ state: inout State, _ nowMicros: Int64) {
    state.buckets = state.buckets.filter { _, bucket in
      var bucket = bucket
      bucket.refill(bucket.limit, nowMicros: nowMicros)
      return bucket.parts < bucket.fullParts
    }
    state.sweepCount = max(10_000, 2 * state.buckets.count)
  }
}

extension RateLimiter.Budget {
  func show(in headers: inout HTTPHeaders) {
    headers.set("ratelimit-limit", String(limit.burst))
    headers.set("ratelimit-remaining", String(remaining))
    headers.set("ratelimit-reset", String((fullAfterMicros + 999_999) / 1_000_000))
  }
}

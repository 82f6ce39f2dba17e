import Domain
import Testing

@testable import API

@Suite struct RateLimiterTests {
  private static let key = Identifier(.apiKey, 7)
  private static let limit = RateLimit(perMinute: 60, burst: 120)

  /// How many of `count` requests at one moment are taken.
  private func taken(
    _ count: Int, from limiter: RateLimiter, _ limit: RateLimit = Self.limit, at micros: Int64,
    by caller: Identifier = Self.key
  ) -> Int {
    (0..<count).count { _ in limiter.take(.known(caller), limit, nowMicros: micros).isAllowed }
  }

  @Test func `a key that says nothing else has 60 a minute and a burst of 120`() {
    #expect(RateLimit.standard == Self.limit)
  }

  @Test func `the burst is there at once, then one request a second`() {
    let limiter = RateLimiter()
    #expect(taken(200, from: limiter, at: 0) == 120)
    #expect(taken(200, from: limiter, at: 999_999) == 0)
    #expect(taken(200, from: limiter, at: 1_000_000) == 1)
    #expect(taken(200, from: limiter, at: 60_999_999) == 59)
    #expect(taken(200, from: limiter, at: 61_000_000) == 1)
  }

  @Test func `what was not used is not more than the burst`() {
    let limiter = RateLimiter()
    #expect(taken(1, from: limiter, at: 0) == 1)
    #expect(taken(200, from: limiter, at: 86_400_000_000) == 120)
  }

  @Test func `a day of asking as often as one can is a request a second and the burst`() {
    let limiter = RateLimiter()
    var count = 0
    for step in 0..<(86_400 * 2) {
      count += taken(2, from: limiter, at: Int64(step) * 500_000)
    }
    #expect(count == 120 + 86_399)
  }

  @Test(arguments: [1, 7, 60, 600])
  func `whoever asks a thousand times a second loses nothing by it`(perMinute: Int) {
    let limiter = RateLimiter()
    let limit = RateLimit(perMinute: perMinute, burst: 2)
    var count = 0
    for millis in 0...60_000 {
      count += taken(1, from: limiter, limit, at: Int64(millis) * 1_000 + Int64(millis % 7))
    }
    #expect(count == perMinute + 2)
  }

  @Test func `a budget says what is left, and when there is more`() {
    let limiter = RateLimiter()
    let first = limiter.take(.known(Self.key), Self.limit, nowMicros: 0)
    #expect(first.remaining == 119 && first.waitMicros == 0)
    #expect(first.fullAfterMicros == 1_000_000)
    _ = taken(119, from: limiter, at: 0)
    let refused = limiter.take(.known(Self.key), Self.limit, nowMicros: 250_000)
    #expect(!refused.isAllowed && refused.remaining == 0)
    #expect(refused.waitMicros == 750_000 && refused.fullAfterMicros == 119_750_000)
    // Whoever waits as long as that is taken.
    #expect(taken(1, from: limiter, at: 250_000 + refused.waitMicros) == 1)
  }

  @Test func `nobody pays for another`() {
    let limiter = RateLimiter()
    #expect(taken(200, from: limiter, at: 0) == 120)
    #expect(taken(200, from: limiter, at: 0, by: Identifier(.apiKey, 8)) == 120)
  }

  @Test func `a limit that changes counts from the next request`() {
    let limiter = RateLimiter()
    #expect(taken(200, from: limiter, at: 0) == 120)
    #expect(taken(10, from: limiter, RateLimit(perMinute: 600, burst: 5), at: 1_000_000) == 5)
    #expect(taken(10, from: limiter, RateLimit(perMinute: 1, burst: 1), at: 2_000_000) == 0)
  }

  @Test func `the largest limit does not overflow, and a clock that goes back gives nothing`() {
    let limiter = RateLimiter()
    let largest = RateLimit(perMinute: 1_000_000, burst: 2_000_000)
    #expect(taken(10, from: limiter, largest, at: 4_000_000_000_000_000) == 10)
    #expect(taken(10, from: limiter, largest, at: 9_000_000_000_000_000) == 10)
    #expect(taken(200, from: limiter, at: 9_000_000_000_000_000, by: Identifier(.apiKey, 9)) == 120)
    #expect(taken(200, from: limiter, at: 0, by: Identifier(.apiKey, 9)) == 0)
  }

  @Test func `ten thousand forgotten keys take no budget away from the one that is used`() {
    let limiter = RateLimiter()
    #expect(taken(120, from: limiter, at: 0) == 120)
    for number in 100..<10_200 {
      _ = limiter.take(.known(Identifier(.apiKey, UInt128(number))), Self.limit, nowMicros: 1)
    }
    #expect(taken(1, from: limiter, at: 500_000) == 0)
  }
}

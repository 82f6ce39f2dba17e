import Domain

/// Slows an org's calls down while its provider does not take any: one probe at a time, further and
/// further apart, instead of a queue of refusals. Forgotten once one is taken.
struct Circuit {
  private var failureCount = 0
  private var openUntilMicros: Micros = 0

  /// How many calls may start now.
  func room(at nowMicros: Micros, callingCount: Int) -> Int {
    if failureCount == 0 { return .max }
    return callingCount == 0 && nowMicros >= openUntilMicros ? 1 : 0
  }

  /// Until a probe may be made; nil where that depends on a call that is under way.
  func waitMicros(at nowMicros: Micros) -> Int64? {
    failureCount > 0 && openUntilMicros > nowMicros ? openUntilMicros - nowMicros : nil
  }

  /// How long one message waits after its attempt number `attempt` (from 1): up to five minutes.
  static func backOffMicros(after attempt: Int) -> Int64 {
    min(Int64(1) << Int64(max(0, min(attempt - 1, 9))), 300) * 1_000_000
  }

  /// After a call that was not taken: how long to wait, at least as long as the provider asked.
  mutating func open(at nowMicros: Micros, askedMicros: Int64) -> Int64 {
    if nowMicros >= openUntilMicros { failureCount += 1 }
    let seconds = min(Int64(1) << Int64(min(failureCount - 1, 8)), 120)
    let waitMicros = max(askedMicros, max(seconds, 1) * 1_000_000)
    openUntilMicros = max(openUntilMicros, nowMicros + waitMicros)
    return waitMicros
  }
}

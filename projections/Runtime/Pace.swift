/// How soon a lane's next round may begin.
///
/// Most of a small round is what every round costs: a dozen answers of the server, a commit, a wake-up. Where
/// events keep coming, rounds are `interval` apart and take what came meanwhile. Whoever comes to a lane that
/// had time to rest is applied at once, and so are the next few.
package struct Pace {
  /// Events for which no round waits.
  package static let fullRound = 1_000

  package static let interval = Duration.milliseconds(30)
  /// Rounds that need not be apart, after as many intervals of rest.
  package static let spare = 8

  /// When the rounds so far would have begun, had each kept its interval.
  private var due: ContinuousClock.Instant

  package init(_ now: ContinuousClock.Instant = .now) { due = now }

  /// nil: now.
  package func wait(_ now: ContinuousClock.Instant = .now) -> Duration? {
    let wait = due - now - Self.interval * Self.spare
    return wait > .zero ? wait : nil
  }

  /// A round began.
  package mutating func note(_ begun: ContinuousClock.Instant) {
    due = max(due, begun) + Self.interval
  }
}

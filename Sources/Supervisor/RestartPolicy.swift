/// How long to wait before a process that ended is started again: at once after a long life, then
/// twice as long after each short one.
package struct RestartPolicy: Sendable, Equatable {
  /// A process that ran this long was well: the next end counts as its first.
  static let steadySeconds = 30.0
  static let firstDelaySeconds = 0.2
  static let longestDelaySeconds = 15.0

  /// Ends in a row after a short life.
  private(set) var shortLives = 0

  package init() {}

  /// Notes the end of a process that ran for `seconds`.
  ///
  /// - Returns: the seconds to wait.
  package mutating func delayAfterEnd(ranSeconds seconds: Double) -> Double {
    shortLives = seconds >= Self.steadySeconds ? 1 : shortLives + 1
    let doublings = min(shortLives - 1, 10)
    return min(Self.firstDelaySeconds * Double(1 << doublings), Self.longestDelaySeconds)
  }
}

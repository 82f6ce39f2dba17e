import Crypto
import Domain
import Synchronization

/// Locks out whoever guesses passwords for an email that nobody has, as `User` does where somebody has it: the
/// answers tell nobody which emails are known. Forgotten with the process, and when there are very many.
final class StrangerLocks: Sendable {
  private struct Attempts {
    var failedCount = 0
    var lockedUntilMicros: Micros?
    var lastMicros: Micros
  }

  /// What is kept of an email: not what somebody typed.
  private typealias Key = [UInt8]

  /// Some ten megabytes.
  private static let keptCount = 100_000

  private let attempts = Mutex<[Key: Attempts]>([:])

  func lockedUntilMicros(_ email: String) -> Micros? {
    attempts.withLock { $0[Self.key(email)]?.lockedUntilMicros }
  }

  func recordFailure(_ email: String, nowMicros: Micros) {
    attempts.withLock { all in
      if all.count >= Self.keptCount { Self.forgetOldest(&all) }
      var found = all[Self.key(email)] ?? Attempts(lastMicros: nowMicros)
      found.lastMicros = nowMicros
      found.failedCount += 1
      if found.failedCount >= User.failureLimit {
        found.failedCount = 0
        found.lockedUntilMicros = nowMicros + User.lockMicros
      }
      all[Self.key(email)] = found
    }
  }

  private static func forgetOldest(_ all: inout [Key: Attempts]) {
    let middle = all.values.map(\.lastMicros).sorted()[all.count / 2]
    all = all.filter { $0.value.lastMicros > middle }
  }

  private static func key(_ email: String) -> Key { SHA256.hash(Array(email.lowercased().utf8)) }
}

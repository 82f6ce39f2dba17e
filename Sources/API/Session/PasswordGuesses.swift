import Crypto
import Domain
import Synchronization

/// Wrong passwords by email, whether somebody has it or nobody: a guess counts before it is answered, and the answers,
/// and when they come, tell nobody which emails are known.
///
/// Of a user it is kept until the log has it, which goes on counting: so that nobody waits for the log, and guesses
/// are no more than some while it takes no events. Of an email that nobody has it is forgotten with the process, and when
/// there are very many.
final class PasswordGuesses: Sendable {
  private struct Attempts {
    var failedCount = 0
    var lockedUntilMicros: Micros?
    var lastMicros: Micros
    /// Those of which the log has nothing yet.
    var unrecordedCount = 0
  }

  /// What is kept of an email: not what somebody typed.
  private typealias Key = [UInt8]

  /// Some ten megabytes.
  private static let keptCount = 100_000

  private let attempts = Mutex<[Key: Attempts]>([:])

  /// `user`: what the log knows of whoever has the email.
  func lockedUntilMicros(_ email: String, _ user: User.State?) -> Micros? {
    let unrecorded = attempts.withLock { $0[Self.key(email)]?.lockedUntilMicros }
    return [unrecorded, user?.lockedUntilMicros].compactMap(\.self).max()
  }

  /// Of a user `recorded` has to follow once the log has it.
  func add(_ email: String, _ user: User.State?, nowMicros: Micros) {
    attempts.withLock { all in
      if all.count >= Self.keptCount { Self.forgetOldest(&all) }
      var found = all[Self.key(email)] ?? Attempts(lastMicros: nowMicros)
      found.lastMicros = nowMicros
      found.failedCount = max(found.failedCount, user?.failedCount ?? 0) + 1
      if user != nil { found.unrecordedCount += 1 }
      if found.failedCount >= User.failureLimit {
        found.failedCount = 0
        found.lockedUntilMicros = nowMicros + User.lockMicros
      }
      all[Self.key(email)] = found
    }
  }

  /// One of a user's is in the log.
  func recorded(_ email: String) {
    attempts.withLock { all in
      guard var found = all[Self.key(email)] else { return }
      found.unrecordedCount -= 1
      all[Self.key(email)] = found.unrecordedCount > 0 ? found : nil
    }
  }

  /// The right password came.
  func forget(_ email: String) { attempts.withLock { $0[Self.key(email)] = nil } }

  private static func forgetOldest(_ all: inout [Key: Attempts]) {
    let middle = all.values.map(\.lastMicros).sorted()[all.count / 2]
    all = all.filter { $0.value.lastMicros > middle }
  }

  private static func key(_ email: String) -> Key { SHA256.hash(Array(email.lowercased().utf8)) }
}

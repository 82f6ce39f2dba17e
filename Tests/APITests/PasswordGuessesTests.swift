import Domain
import Testing

@testable import API

@Suite struct PasswordGuessesTests {
  private static let email = "ann@example.com"

  private static func user(failed: Int = 0, lockedUntil: Micros? = nil) -> User.State {
    var state = User.State()
    state.failedCount = failed
    state.lockedUntilMicros = lockedUntil
    return state
  }

  @Test func `an email that nobody has is locked as one that somebody has, and as soon`() {
    let known = PasswordGuesses()
    let unknown = PasswordGuesses()
    for count in 1...User.failureLimit {
      // The log is slow: it knows of none of them yet.
      known.add(Self.email, Self.user(), nowMicros: Micros(count))
      unknown.add(Self.email, nil, nowMicros: Micros(count))
      let locked = known.lockedUntilMicros("ANN@example.com", Self.user())
      #expect(locked == unknown.lockedUntilMicros("ANN@example.com", nil))
      #expect(
        locked == (count == User.failureLimit ? Micros(count) + User.lockMicros : nil), "\(count)")
    }
  }

  @Test func `those of the log count on, each once`() {
    let guesses = PasswordGuesses()
    guesses.add(Self.email, Self.user(failed: 3), nowMicros: 1)
    // The log has it by now, and is not known to have it.
    #expect(guesses.lockedUntilMicros(Self.email, Self.user(failed: 4)) == nil)
    guesses.add(Self.email, Self.user(failed: 4), nowMicros: 2)
    #expect(guesses.lockedUntilMicros(Self.email, Self.user(failed: 4)) != nil)
  }

  @Test func `what the log has is the log's: an administrator lets in by an event`() {
    let guesses = PasswordGuesses()
    for count in 0..<5 { guesses.add(Self.email, Self.user(failed: count), nowMicros: 1) }
    for _ in 0..<4 { guesses.recorded(Self.email) }
    #expect(guesses.lockedUntilMicros(Self.email, Self.user()) != nil)
    guesses.recorded(Self.email)
    #expect(guesses.lockedUntilMicros(Self.email, Self.user()) == nil)
    #expect(guesses.lockedUntilMicros(Self.email, Self.user(lockedUntil: 9)) == 9)
    guesses.recorded(Self.email)
  }

  @Test
  func `while the log takes nothing, guesses are no more than some, and the right password counts`()
  {
    let guesses = PasswordGuesses()
    for _ in 0..<4 { guesses.add(Self.email, Self.user(), nowMicros: 1) }
    guesses.forget(Self.email)
    for _ in 0..<4 { guesses.add(Self.email, Self.user(), nowMicros: 1) }
    #expect(guesses.lockedUntilMicros(Self.email, Self.user()) == nil)
    guesses.add(Self.email, Self.user(), nowMicros: 1)
    #expect(guesses.lockedUntilMicros(Self.email, Self.user()) != nil)
  }
}

/// A person who works with the console. Stream: the user's id.
///
/// Invariant: a locked or deactivated user cannot sign in; a new password and a deactivation end every older session,
/// and a session that ended, or was signed out of, stays ended.
package enum User: Decider {
  package enum Command: Sendable, Equatable {
    case create(UserDetails, role: String)
    case recordSignIn
    /// `nowMicros` is the real time: guessing goes on while a test clock stands still.
    case recordFailedSignIn(nowMicros: Micros, address: String)
    /// `session`: what tells it from the user's others. `untilMicros`: when it would end by itself.
    case signOut(session: String, untilMicros: Micros)
    case rename(String)
    case changeRole(String)
    /// scrypt, with its parameters and salt.
    case changePassword(hash: String)
    case deactivate
    case reactivate
    case unlock
  }

  package enum Event: Sendable, Equatable {
    case created(details: Personal<UserDetails>, role: String)
    case signedIn
    /// From where. Events of before it was recorded read as if it was erased.
    case signInFailed(address: Personal<String>)
    case signedOut(session: String, untilMicros: Micros)
    case renamed(name: Personal<String>)
    case roleChanged(from: String, to: String)
    case passwordChanged(hash: Personal<String>)
    case locked(untilMicros: Micros)
    case unlocked
    case deactivated
    case reactivated
  }

  package struct State: Sendable, Equatable, Codable {
    package var exists = false
    package var details: UserDetails?
    package var role = ""
    /// Failed sign-ins since the last one that succeeded.
    package var failedCount = 0
    package var isActive = true
    /// Each time every session ended, for good.
    package var deactivatedCount = 0
    package var lockedUntilMicros: Micros?
    /// Sessions that were signed out of, with when each would have ended by itself.
    package var endedSessions: [String: Micros] = [:]
    /// Every session that would end by then is over.
    package var sessionsEndedThroughMicros: Micros = .min

    package init() {}

    /// Whether a session that ends by itself at `untilMicros` was ended before.
    package func hasEnded(session: String, untilMicros: Micros) -> Bool {
      untilMicros <= sessionsEndedThroughMicros || endedSessions[session] != nil
    }
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case emptyName
  }

  /// As many wrong passwords in a row lock the user out.
  package static let failureLimit = 5
  package static let lockMicros: Micros = 15 * 60 * 1_000_000
  /// More than anybody signs out of within a session's life. Beyond it the oldest sessions end, signed out of
  /// or not: what is remembered stays small, and nothing that ended comes back.
  package static let endedSessionLimit = 100

  package static let initialState = State()
}

/// Personal to the user.
package struct UserDetails: Sendable, Equatable, Codable {
  package var email: String
  package var name: String
  /// scrypt, with its parameters and salt.
  package var passwordHash: String

  package init(email: String, name: String, passwordHash: String) {
    self.email = email
    self.name = name
    self.passwordHash = passwordHash
  }
}

// MARK: - Decide

extension User {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if case .create(let details, let role) = command {
      guard !state.exists else { throw .alreadyExists }
      return [.created(details: .known(details), role: role)]
    }
    guard state.exists else { throw .notFound }
    switch command {
    case .create: throw .alreadyExists
    case .recordSignIn: return [.signedIn]
    case .recordFailedSignIn(let nowMicros, let address):
      let failed = Event.signInFailed(address: .known(address))
      guard state.failedCount + 1 >= failureLimit else { return [failed] }
      return [failed, .locked(untilMicros: nowMicros + lockMicros)]
    case .signOut(let session, let untilMicros):
      guard !state.hasEnded(session: session, untilMicros: untilMicros) else { return [] }
      return [.signedOut(session: session, untilMicros: untilMicros)]
    case .rename(let name):
      guard !name.isBlank else { throw .emptyName }
      return state.details?.name == name ? [] : [.renamed(name: .known(name))]
    case .changeRole(let role):
      return state.role == role ? [] : [.roleChanged(from: state.role, to: role)]
    case .changePassword(let hash): return [.passwordChanged(hash: .known(hash))]
    case .deactivate: return state.isActive ? [.deactivated] : []
    case .reactivate: return state.isActive ? [] : [.reactivated]
    case .unlock: return state.lockedUntilMicros == nil ? [] : [.unlocked]
    }
  }
}

// MARK: - Evolve

extension User {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let details, let role):
      next.exists = true
      next.details = details.value
      next.role = role
    case .signedIn:
      next.failedCount = 0
      next.lockedUntilMicros = nil
    case .signInFailed: next.failedCount += 1
    case .signedOut(let session, let untilMicros):
      next.endedSessions[session] = untilMicros
      next.forgetOldestSessions()
    case .renamed(let name): next.details?.name = name.value ?? ""
    case .roleChanged(_, let role): next.role = role
    case .passwordChanged(let hash): next.details?.passwordHash = hash.value ?? ""
    case .locked(let untilMicros):
      next.lockedUntilMicros = untilMicros
      next.failedCount = 0
    case .unlocked: next.lockedUntilMicros = nil
    case .deactivated:
      next.isActive = false
      next.deactivatedCount += 1
    case .reactivated: next.isActive = true
    }
    return next
  }
}

extension User.State {
  fileprivate mutating func forgetOldestSessions() {
    guard endedSessions.count > User.endedSessionLimit,
      let oldest = endedSessions.values.min()
    else { return }
    sessionsEndedThroughMicros = max(sessionsEndedThroughMicros, oldest)
    endedSessions = endedSessions.filter { $0.value > oldest }
  }
}

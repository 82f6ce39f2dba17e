import Domain
import Testing

@Suite struct UserTests {
  static let details = UserDetails(email: "ann@example.com", name: "Ann", passwordHash: "scrypt")
  static let created = User.Event.created(details: .known(details), role: "owner")
  static let failed = User.Event.signInFailed(address: .known("::1"))

  @Test func `a user is created once`() {
    Given(User.self).when(.create(Self.details, role: "owner")).then(Self.created)
    Given(User.self, Self.created).when(.create(Self.details, role: "owner"))
      .thenRejected(.alreadyExists)
  }

  @Test func `sign-ins are recorded for users only`() {
    Given(User.self, Self.created).when(.recordSignIn).then(.signedIn)
    Given(User.self, Self.created).when(.recordFailedSignIn(nowMicros: 1, address: "::1"))
      .then(Self.failed)
    Given(User.self).when(.recordSignIn).thenRejected(.notFound)
    Given(User.self).when(.recordFailedSignIn(nowMicros: 1, address: "::1")).thenRejected(.notFound)
  }

  @Test func `a sign-in ends the count of failures`() {
    let failed = User.state(after: [Self.created, Self.failed, Self.failed])
    #expect(failed.failedCount == 2)
    #expect(User.evolve(failed, with: .signedIn).failedCount == 0)
  }

  @Test func `the fifth wrong password in a row locks the user out for a while`() {
    let history = [Self.created] + Array(repeating: Self.failed, count: 4)
    let state = User.state(after: history)
    let decided = Result { () throws(User.Rejection) in
      try User.decide(.recordFailedSignIn(nowMicros: 7, address: "::1"), given: state)
    }
    #expect(decided == .success([Self.failed, .locked(untilMicros: 7 + User.lockMicros)]))
    let locked = User.evolve(state, with: .locked(untilMicros: 9))
    #expect(locked.lockedUntilMicros == 9 && locked.failedCount == 0)
    #expect(User.evolve(locked, with: .signedIn).lockedUntilMicros == nil)
  }

  @Test func `a session is signed out of once, and stays ended`() {
    let command = User.Command.signOut(session: "ab", untilMicros: 9)
    let event = User.Event.signedOut(session: "ab", untilMicros: 9)
    Given(User.self, Self.created).when(command).then(event)
    Given(User.self, Self.created, event, .signedIn).when(command).thenNothing()
    let state = User.state(after: [Self.created, event])
    #expect(state.hasEnded(session: "ab", untilMicros: 9))
    #expect(!state.hasEnded(session: "cd", untilMicros: 9))
  }

  @Test func `what is remembered of ended sessions is bounded, and none comes back`() {
    let count = Int64(User.endedSessionLimit) * 3
    let ended = (0..<count).map { User.Event.signedOut(session: "s\($0)", untilMicros: 100 + $0) }
    let state = User.state(after: [Self.created] + ended)
    #expect(state.endedSessions.count <= User.endedSessionLimit)
    for number in 0..<count {
      #expect(state.hasEnded(session: "s\(number)", untilMicros: 100 + number))
    }
    #expect(!state.hasEnded(session: "now", untilMicros: 100 + count))
  }

  @Test func `a change of role names the one before`() {
    Given(User.self, Self.created).when(.changeRole("developer"))
      .then(.roleChanged(from: "owner", to: "developer"))
    Given(User.self, Self.created).when(.changeRole("owner")).thenNothing()
  }

  @Test func `an erased user has no details`() {
    let state = User.state(after: [.created(details: .erased, role: "owner")])
    #expect(state.exists && state.details == nil && state.role == "owner")
  }
}

@Suite struct APIKeyTests {
  static let created = APIKey.Event.created(name: "CI", secretHash: "ab", scopes: ["read"])

  @Test func `a key is created once`() {
    let command = APIKey.Command.create(name: "CI", secretHash: "ab", scopes: ["read"])
    Given(APIKey.self).when(command).then(Self.created)
    Given(APIKey.self, Self.created).when(command).thenRejected(.alreadyExists)
  }

  @Test func `a key is revoked once, and stays so`() {
    Given(APIKey.self).when(.revoke).thenRejected(.notFound)
    Given(APIKey.self, Self.created).when(.revoke).then(.revoked)
    Given(APIKey.self, Self.created, .revoked).when(.revoke).thenNothing()
    #expect(APIKey.state(after: [Self.created, .revoked]).isRevoked)
  }
}

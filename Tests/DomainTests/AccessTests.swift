import Domain
import Testing

@Suite struct UserTests {
  static let details = UserDetails(email: "ann@example.com", name: "Ann", passwordHash: "scrypt")
  static let created = User.Event.created(details: .known(details), role: "owner")

  @Test func `a user is created once`() {
    Given(User.self).when(.create(Self.details, role: "owner")).then(Self.created)
    Given(User.self, Self.created).when(.create(Self.details, role: "owner"))
      .thenRejected(.alreadyExists)
  }

  @Test func `sign-ins are recorded for users only`() {
    Given(User.self, Self.created).when(.recordSignIn).then(.signedIn)
    Given(User.self, Self.created).when(.recordFailedSignIn).then(.signInFailed)
    Given(User.self).when(.recordSignIn).thenRejected(.notFound)
    Given(User.self).when(.recordFailedSignIn).thenRejected(.notFound)
  }

  @Test func `a sign-in ends the count of failures`() {
    let failed = User.state(after: [Self.created, .signInFailed, .signInFailed])
    #expect(failed.failedCount == 2)
    #expect(User.evolve(failed, with: .signedIn).failedCount == 0)
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

/// A person who works with the console. Stream: the user's id.
package enum User: Decider {
  package enum Command: Sendable, Equatable {
    case create(UserDetails, role: String)
    case recordSignIn
    case recordFailedSignIn
  }

  package enum Event: Sendable, Equatable {
    case created(details: Personal<UserDetails>, role: String)
    case signedIn
    case signInFailed
  }

  package struct State: Sendable, Equatable {
    package var exists = false
    package var details: UserDetails?
    package var role = ""
    /// Failed sign-ins since the last one that succeeded.
    package var failedCount = 0

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
  }

  package static let initialState = State()
}

/// Personal to the user.
package struct UserDetails: Sendable, Equatable {
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

/// A secret with which a program acts for an org. Stream: the key's id.
package enum APIKey: Decider {
  package enum Command: Sendable, Equatable {
    /// `secretHash` is the SHA-256 of the secret in hex; the secret itself is shown once.
    case create(name: String, secretHash: String, scopes: [String])
    case revoke
  }

  package enum Event: Sendable, Equatable {
    case created(name: String, secretHash: String, scopes: [String])
    case revoked
  }

  package struct State: Sendable, Equatable {
    package var exists = false
    package var isRevoked = false
    package var name = ""
    package var secretHash = ""
    package var scopes: [String] = []

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
  }

  package static let initialState = State()
}

// MARK: - Decide

extension User {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .create(let details, let role):
      guard !state.exists else { throw .alreadyExists }
      return [.created(details: .known(details), role: role)]
    case .recordSignIn:
      guard state.exists else { throw .notFound }
      return [.signedIn]
    case .recordFailedSignIn:
      guard state.exists else { throw .notFound }
      return [.signInFailed]
    }
  }
}

extension APIKey {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .create(let name, let secretHash, let scopes):
      guard !state.exists else { throw .alreadyExists }
      return [.created(name: name, secretHash: secretHash, scopes: scopes)]
    case .revoke:
      guard state.exists else { throw .notFound }
      return state.isRevoked ? [] : [.revoked]
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
    case .signInFailed:
      next.failedCount += 1
    }
    return next
  }
}

extension APIKey {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let name, let secretHash, let scopes):
      next.exists = true
      next.name = name
      next.secretHash = secretHash
      next.scopes = scopes
    case .revoked:
      next.isRevoked = true
    }
    return next
  }
}

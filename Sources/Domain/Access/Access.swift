/// A person who works with the console. Stream: the user's id.
package enum User {
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
package enum APIKey {
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

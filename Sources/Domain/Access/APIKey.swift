/// A secret with which a program acts for an org. Stream: the key's id.
package enum APIKey: Decider {
  package enum Command: Sendable, Equatable {
    /// `secretHash` is the SHA-256 of the secret in hex; the secret itself is shown once.
    case create(name: String, secretHash: String, scopes: [String])
    case restrict(Restrictions)
    case rename(String)
    case changeScopes([String])
    /// nil: the account's own.
    case setLimit(RateLimit?)
    /// A new secret; the one before works until `previousUntilMicros`.
    case roll(secretHash: String, previousUntilMicros: Micros)
    case revoke
  }

  package enum Event: Sendable, Equatable {
    case created(name: String, secretHash: String, scopes: [String])
    case revoked
    case restricted(Restrictions)
    case renamed(name: String)
    case scopesChanged(scopes: [String])
    case limitSet(RateLimit?)
    case rolled(secretHash: String, previousUntilMicros: Micros)
  }

  /// From where, until when and how a key may be used.
  package struct Restrictions: Sendable, Equatable, Codable {
    package var expiresAtMicros: Micros?
    /// IP addresses or networks (`203.0.113.0/24`); empty: from anywhere.
    package var networks: [String]
    /// Every request has to be signed with this secret; nil: none has to.
    package var signingSecret: Personal<String>?

    package init(
      expiresAtMicros: Micros? = nil, networks: [String] = [],
      signingSecret: Personal<String>? = nil
    ) {
      self.expiresAtMicros = expiresAtMicros
      self.networks = networks
      self.signingSecret = signingSecret
    }
  }

  /// Works for a while beside the new one.
  package struct PreviousSecret: Sendable, Equatable, Codable {
    package let hash: String
    package let untilMicros: Micros
  }

  package struct State: Sendable, Equatable, Codable {
    package var exists = false
    package var isRevoked = false
    package var name = ""
    package var secretHash = ""
    package var previous: PreviousSecret?
    package var scopes: [String] = []
    package var restrictions = Restrictions()
    package var limit: RateLimit?

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case emptyName
  }

  package static let initialState = State()
}

/// How many requests a key may make: a bucket of `burst` tokens that refills by `perMinute`.
package struct RateLimit: Sendable, Equatable, Codable {
  package var perMinute: Int
  package var burst: Int

  package init(perMinute: Int, burst: Int) {
    self.perMinute = perMinute
    self.burst = burst
  }

  package static let standard = RateLimit(perMinute: 60, burst: 120)

  /// What all keys of an account have together, where each has this one: more than one of them can use, and less
  /// than whoever makes many would get.
  package var together: RateLimit { RateLimit(perMinute: 2 * perMinute, burst: 2 * burst) }
}

extension APIKey.State {
  /// What the key has where its account has `usual`: its own at most so much, also where that was lowered since.
  package func limit(within usual: RateLimit) -> RateLimit {
    guard let limit else { return usual }
    return RateLimit(
      perMinute: min(limit.perMinute, usual.perMinute), burst: min(limit.burst, usual.burst))
  }
}

// MARK: - Decide

extension APIKey {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if case .create(let name, let secretHash, let scopes) = command {
      guard !state.exists else { throw .alreadyExists }
      guard !name.isBlank else { throw .emptyName }
      return [.created(name: name, secretHash: secretHash, scopes: scopes)]
    }
    guard state.exists else { throw .notFound }
    if state.isRevoked, case .revoke = command { return [] }
    guard !state.isRevoked else { throw .notFound }
    switch command {
    case .create: throw .alreadyExists
    case .restrict(let restrictions):
      return state.restrictions == restrictions ? [] : [.restricted(restrictions)]
    case .rename(let name):
      guard !name.isBlank else { throw .emptyName }
      return state.name == name ? [] : [.renamed(name: name)]
    case .changeScopes(let scopes):
      return state.scopes == scopes ? [] : [.scopesChanged(scopes: scopes)]
    case .setLimit(let limit): return state.limit == limit ? [] : [.limitSet(limit)]
    case .roll(let secretHash, let previousUntilMicros):
      return [.rolled(secretHash: secretHash, previousUntilMicros: previousUntilMicros)]
    case .revoke: return [.revoked]
    }
  }
}

// MARK: - Evolve

extension APIKey {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let name, let secretHash, let scopes):
      next.exists = true
      next.name = name
      next.secretHash = secretHash
      next.scopes = scopes
    case .revoked: next.isRevoked = true
    case .restricted(let restrictions): next.restrictions = restrictions
    case .renamed(let name): next.name = name
    case .scopesChanged(let scopes): next.scopes = scopes
    case .limitSet(let limit): next.limit = limit
    case .rolled(let secretHash, let previousUntilMicros):
      next.previous = PreviousSecret(
        hash: state.secretHash, untilMicros: previousUntilMicros)
      next.secretHash = secretHash
    }
    return next
  }
}

import Domain

// Users, roles and API keys: who may do what. Every change is an event; nobody gives away a right that
// they do not have, and an account always keeps an administrator.

/// What the caller may do: what they may give to others.
package struct Grants: Sendable {
  private let scopes: [String]

  package init(_ scopes: [String]) { self.scopes = scopes }

  func include(_ wanted: [String]) -> Bool { wanted.allSatisfy { Scope.allows(scopes, $0) } }

  package func require(_ wanted: [String]) throws(CommandError) {
    for scope in wanted where !Scope.allows(scopes, scope) { throw .cannotGrant(scope: scope) }
  }
}

extension Workspace {
  package mutating func createUser(
    _ details: UserDetails, role: String
  ) throws(CommandError) -> Identifier {
    let id = newID(.user)
    try run(User.self, id, .create(details, role: role), isNew: true)
    return id
  }

  /// Like `createUser`, for somebody who may not give what they do not have.
  package mutating func inviteUser(
    _ details: UserDetails, role: String, by grants: Grants
  ) throws(CommandError) -> Identifier {
    try grants.require(try scopes(ofRole: role))
    return try createUser(details, role: role)
  }

  package mutating func recordSignIn(_ user: Identifier) throws(CommandError) {
    try run(User.self, user, .recordSignIn)
  }

  package mutating func recordFailedSignIn(
    _ user: Identifier, from address: String
  ) throws(CommandError) {
    try run(
      User.self, user,
      .recordFailedSignIn(nowMicros: tools.clock.nowMicros(), address: address))
  }

  package mutating func signOut(
    _ user: Identifier, session: String, untilMicros: Micros
  ) throws(CommandError) {
    try run(User.self, user, .signOut(session: session, untilMicros: untilMicros))
  }

  package mutating func changeUser(
    _ id: Identifier, by commands: [User.Command], grants: Grants
  ) throws(CommandError) {
    let user = try current(User.self, id)
    guard user.exists else { throw .notFound(id) }
    for command in commands {
      switch command {
      case .changeRole(let role): try grants.require(try scopes(ofRole: role))
      // Whoever sets a password can sign in with it, as whoever that user is.
      case .changePassword, .reactivate: try grants.require(try scopes(ofRole: user.role))
      case .create, .recordSignIn, .recordFailedSignIn, .signOut, .rename, .deactivate, .unlock:
        break
      }
      try run(User.self, id, command)
    }
    guard hasAdministrator() else { throw .lastAdministrator }
  }

  private func hasAdministrator() -> Bool {
    state.tables.users.keys.contains { id in
      guard let user = try? current(User.self, id) else { return false }
      return user.isActive && user.role == Roles.administrator
    }
  }

  /// Why a role is refused that nobody can have.
  package static var unknownRole: CommandError {
    .invalid(field: "role", code: "unknown_role", message: "There is no such role.")
  }

  /// The rights of a built-in role or of one of the account's own.
  package func scopes(ofRole role: String) throws(CommandError) -> [String] {
    if let scopes = Roles.builtIn[role] { return scopes }
    guard let id = Identifier(role, kind: .role) else {
      throw Self.unknownRole
    }
    let held = try current(Role.self, id)
    guard held.exists, !held.isDeleted else {
      throw Self.unknownRole
    }
    return held.scopes
  }

  // MARK: Roles

  package mutating func createRole(
    name: String, scopes: [String], by grants: Grants
  ) throws(CommandError) -> Identifier {
    try grants.require(scopes)
    let id = newID(.role)
    try run(Role.self, id, .create(name: name, scopes: scopes), isNew: true)
    return id
  }

  package mutating func updateRole(
    _ id: Identifier, name: String?, scopes: [String]?, by grants: Grants
  ) throws(CommandError) {
    if let scopes { try grants.require(scopes) }
    let role = try current(Role.self, id)
    guard role.exists, !role.isDeleted else { throw .notFound(id) }
    try run(Role.self, id, .update(name: name, scopes: scopes))
  }

  package mutating func deleteRole(_ id: Identifier) throws(CommandError) {
    let role = try current(Role.self, id)
    guard role.exists, !role.isDeleted else { throw .notFound(id) }
    for user in state.tables.users.keys where try current(User.self, user).role == id.text {
      throw .roleInUse
    }
    try run(Role.self, id, .delete)
  }

  // MARK: API keys

  package mutating func createAPIKey(
    name: String, secretHash: String, scopes: [String]
  ) throws(CommandError) -> Identifier {
    let id = newID(.apiKey)
    try run(
      APIKey.self, id, .create(name: name, secretHash: secretHash, scopes: scopes), isNew: true)
    return id
  }

  package func apiKey(_ id: Identifier) throws(CommandError) -> APIKey.State {
    try current(APIKey.self, id)
  }

  package mutating func changeAPIKey(
    _ id: Identifier, by commands: [APIKey.Command], grants: Grants
  ) throws(CommandError) {
    let key = try current(APIKey.self, id)
    guard key.exists, !key.isRevoked else { throw .notFound(id) }
    for command in commands {
      switch command {
      case .changeScopes(let scopes): try grants.require(scopes)
      // Whoever gets a key's secret, or takes away what it is bound to, has what the key may do.
      case .roll, .restrict: try grants.require(key.scopes)
      case .create, .rename, .setLimit, .revoke: break
      }
      try run(APIKey.self, id, command)
    }
  }

  // MARK: The account

  package mutating func setRateLimit(_ limit: RateLimit?) throws(CommandError) {
    try run(Org.self, org, .setRateLimit(limit))
  }

  package mutating func recordRefusal(_ refusal: AccessRefusal) throws(CommandError) {
    try run(Org.self, org, .recordRefusal(refusal))
  }

  package mutating func recordOrder(
    _ order: Org.ReadModelOrder, ofReadModel name: String
  ) throws(CommandError) {
    try run(Org.self, org, .recordReadModelOrder(order, readModel: name))
  }
}

/// The roles that every account has.
package enum Roles {
  package static let administrator = "administrator"
  package static let complianceOfficer = "compliance_officer"

  /// What each of them may do.
  package static let builtIn: [String: [String]] = [
    administrator: ["*"],
    "marketing_manager": [
      "contacts:*", "messages:*", "segments:*", "campaigns:*", "workflows:read",
      "analytics:read", "events:read", "wallet:read", "account:read",
    ],
    // Workflows are theirs, with all that steps do; by hand they text nobody and change nobody.
    "developer": [
      "contacts:read", "messages:read", "segments:read", "campaigns:read", "workflows:*",
      AutomationRight.messages, AutomationRight.contacts,
      "webhooks:*", "events:read", "analytics:read", "account:read", "account:write",
    ],
    "sales_representative": ["contacts:*", "messages:*", "account:read"],
    complianceOfficer: [
      "contacts:read", "messages:read", "segments:read", "campaigns:read", "workflows:read",
      "audit:read", "analytics:read", "events:read", "account:read", "users:read", "roles:read",
      "api_keys:read", "privacy:read",
    ],
  ]
}

/// `contacts:read`: a resource and what may be done with it.
package enum Scope {
  /// Whether `held` includes `wanted`. `write` is all that changes something; `*` is everything.
  package static func allows(_ held: [String], _ wanted: String) -> Bool {
    if held.contains(where: { $0 == "*" || $0 == wanted }) { return true }
    let parts = wanted.split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { return false }
    let (resource, action) = (parts[0], parts[1])
    if action == "automate", let byHand = AutomationRight.byHand[wanted], allows(held, byHand) {
      return true
    }
    return held.contains { scope in
      if scope == "\(resource):*" { return true }
      return scope == "\(resource):write" && ["create", "update", "delete"].contains(action)
    }
  }

  /// Whether `held` includes `wanted`, or `action` on the same resource alone.
  package static func allows(
    _ held: [String], _ wanted: String, orAlone action: String
  ) -> Bool {
    if allows(held, wanted) { return true }
    let resource = wanted.prefix { $0 != ":" }
    return allows(held, "\(resource):\(action)")
  }
}

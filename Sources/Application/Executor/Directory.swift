import Domain
import Synchronization

/// Who may come in, over all orgs: users by email, API keys by the hash of their secret, and which
/// orgs an agency has. A fold of the log like everything else.
package final class Directory: Sendable {
  package struct OrgEntry: Sendable, Equatable {
    package var id: Identifier
    package var name: String
    package var kind: Org.Kind
    package var agency: Identifier?
    package var timeZone: String
    package var isTest: Bool
    package var status: Org.Status
    package var clockOffsetMicros: Int64
    package var smsAccountSID: String?
    package var createdAtMicros: Micros
    package var rateLimit: RateLimit?

    package init(_ id: Identifier, _ state: Org.State) {
      self.id = id
      name = state.name
      kind = state.kind
      agency = state.agency
      timeZone = state.timeZone
      isTest = state.isTest
      status = state.status
      clockOffsetMicros = state.clockOffsetMicros
      smsAccountSID = state.sms?.accountSID
      createdAtMicros = createdAt(id)
      rateLimit = state.rateLimit
    }
  }

  package struct UserEntry: Sendable, Equatable {
    package var id: Identifier
    package var org: Identifier
    package var state: User.State

    package var role: String { state.role }
    /// A user without details was erased and is in no index.
    package var details: UserDetails {
      state.details ?? UserDetails(email: "", name: "", passwordHash: "")
    }
  }

  package struct KeyEntry: Sendable, Equatable {
    package let id: Identifier
    package let org: Identifier
    package let state: APIKey.State
    /// Who acts with it, as the log calls them: `key:key_…`.
    package let actor: String

    init(id: Identifier, org: Identifier, state: APIKey.State) {
      self.id = id
      self.org = org
      self.state = state
      actor = "key:" + id.text
    }
  }

  private struct Tables {
    var orgs: [Identifier: OrgEntry] = [:]
    var users: [Identifier: UserEntry] = [:]
    var usersByEmail: [String: Identifier] = [:]
    /// Of users who are about to be.
    var claimedEmails: Set<String> = []
    var keys: [Identifier: KeyEntry] = [:]
    var keysByHash: [String: Identifier] = [:]
    var roles: [Identifier: (org: Identifier, state: Role.State)] = [:]
  }

  private let tables = Mutex(Tables())
  private let changeCount = Atomic<UInt64>(1)

  /// Another one after each change of what anybody may do.
  package var generation: UInt64 { changeCount.load(ordering: .acquiring) }

  package func org(_ id: Identifier) -> OrgEntry? { tables.withLock { $0.orgs[id] } }

  package func status(of org: Identifier) -> Org.Status? {
    tables.withLock { $0.orgs[org]?.status }
  }

  package func rateLimit(of org: Identifier) -> RateLimit? {
    tables.withLock { $0.orgs[org]?.rateLimit }
  }

  package func user(email: String) -> UserEntry? {
    tables.withLock { tables in
      tables.usersByEmail[email.lowercased()].flatMap { tables.users[$0] }
    }
  }

  /// An email for a user who is about to be, in whatever account: nobody else gets it from `hold` to `release`.
  package func claim(_ email: String) -> EmailClaim { EmailClaim(self, email.lowercased()) }

  fileprivate func hold(_ email: String) -> Bool {
    tables.withLock { $0.usersByEmail[email] == nil && $0.claimedEmails.insert(email).inserted }
  }

  fileprivate func release(_ email: String) {
    tables.withLock { _ = $0.claimedEmails.remove(email) }
  }

  package func user(_ id: Identifier) -> UserEntry? { tables.withLock { $0.users[id] } }

  /// The users of an org, oldest first.
  package func users(of org: Identifier) -> [UserEntry] {
    tables.withLock { $0.users.values.filter { $0.org == org } }.sorted { $0.id < $1.id }
  }

  /// The key with this secret, or, for a while after it was rolled, with the one before.
  package func key(secretHash: String, nowMicros: Micros) -> KeyEntry? {
    tables.withLock { tables in
      guard let entry = tables.keysByHash[secretHash].flatMap({ tables.keys[$0] }) else {
        return nil
      }
      if entry.state.secretHash == secretHash { return entry }
      guard let previous = entry.state.previous, previous.hash == secretHash,
        nowMicros < previous.untilMicros
      else { return nil }
      return entry
    }
  }

  package func key(_ id: Identifier) -> KeyEntry? { tables.withLock { $0.keys[id] } }

  /// The org's keys that were not revoked, oldest first.
  package func keys(of org: Identifier) -> [KeyEntry] {
    tables.withLock { $0.keys.values.filter { $0.org == org } }.sorted { $0.id < $1.id }
  }

  /// What a role of an org may do; nothing where there is no such role.
  package func scopes(ofRole role: String, of org: Identifier) -> [String] {
    if let scopes = Roles.builtIn[role] { return scopes }
    guard let id = Identifier(role, kind: .role),
      let held = tables.withLock({ $0.roles[id] }), held.org == org
    else { return [] }
    return held.state.scopes
  }

  /// The org's own roles, oldest first.
  package func roles(of org: Identifier) -> [(id: Identifier, state: Role.State)] {
    tables.withLock { $0.roles.filter { $0.value.org == org } }
      .map { (id: $0.key, state: $0.value.state) }.sorted { $0.id < $1.id }
  }

  /// The org itself and, for an agency, its clients, by name.
  package func reach(of id: Identifier) -> [OrgEntry] {
    tables.withLock { tables in
      tables.orgs.values.filter { $0.id == id || $0.agency == id }
    }
    .sorted { ($0.id == id ? 0 : 1, $0.name, $0.id) < ($1.id == id ? 0 : 1, $1.name, $1.id) }
  }

  /// Whether somebody of `actor` may act on `target`: their own org, or a client of their agency.
  package func reaches(_ target: Identifier, from actor: Identifier) -> Bool {
    target == actor || org(target)?.agency == actor
  }

  /// Whether somebody of `actor` may act on every org that there is: what concerns all is theirs to decide. Archived ones,
  /// in which nobody does anything, are left out.
  package func reachesAll(from actor: Identifier) -> Bool {
    tables.withLock { tables in
      tables.orgs.values.allSatisfy {
        $0.id == actor || $0.agency == actor || $0.status == .archived
      }
    }
  }

  func adopt(_ state: OrgState) {
    let settings = state.settings
    if settings.exists {
      tables.withLock { tables in
        tables.orgs[state.org] = OrgEntry(state.org, settings)
      }
    }
    tables.withLock { tables in
      for (id, user) in state.tables.users { Self.keep(user, id, state.org, in: &tables) }
      for (id, key) in state.tables.apiKeys { Self.keep(key, id, state.org, in: &tables) }
      for (id, role) in state.tables.roles { Self.keep(role, id, state.org, in: &tables) }
    }
    changeCount.wrappingAdd(1, ordering: .releasing)
  }

  func apply(_ changes: [RecordedChange], org: Identifier) {
    let relevant = changes.filter {
      switch $0.event {
      case .org, .user, .apiKey, .role: true
      default: false
      }
    }
    guard !relevant.isEmpty else { return }
    tables.withLock { tables in
      for change in relevant { Self.apply(change, org: org, to: &tables) }
    }
    changeCount.wrappingAdd(1, ordering: .releasing)
  }

  private static func apply(
    _ change: RecordedChange, org: Identifier, to tables: inout Tables
  ) {
    let id = change.stream
    switch change.event {
    case .org(let event): apply(event, org: org, to: &tables)
    case .user(let event):
      let before = tables.users[id]?.state ?? User.initialState
      keep(User.evolve(before, with: event), id, org, in: &tables)
    case .apiKey(let event):
      let before = tables.keys[id]?.state ?? APIKey.initialState
      keep(APIKey.evolve(before, with: event), id, org, in: &tables)
    case .role(let event):
      let before = tables.roles[id]?.state ?? Role.initialState
      keep(Role.evolve(before, with: event), id, org, in: &tables)
    default: break
    }
  }

  private static func keep(
    _ user: User.State, _ id: Identifier, _ org: Identifier, in tables: inout Tables
  ) {
    guard let details = user.details else { return }
    tables.users[id] = UserEntry(id: id, org: org, state: user)
    // Of two who have it, the one who had it first: whoever that is must not change from start to start.
    let email = details.email.lowercased()
    tables.usersByEmail[email] = min(tables.usersByEmail[email] ?? id, id)
  }

  private static func keep(
    _ key: APIKey.State, _ id: Identifier, _ org: Identifier, in tables: inout Tables
  ) {
    let before = tables.keys[id]?.state
    for hash in [before?.secretHash, before?.previous?.hash] {
      hash.map { tables.keysByHash[$0] = nil }
    }
    guard !key.isRevoked else {
      tables.keys[id] = nil
      return
    }
    tables.keys[id] = KeyEntry(id: id, org: org, state: key)
    tables.keysByHash[key.secretHash] = id
    key.previous.map { tables.keysByHash[$0.hash] = id }
  }

  private static func keep(
    _ role: Role.State, _ id: Identifier, _ org: Identifier, in tables: inout Tables
  ) {
    tables.roles[id] = role.isDeleted ? nil : (org, role)
  }

  private static func apply(_ event: Org.Event, org: Identifier, to tables: inout Tables) {
    switch event {
    case .created:
      tables.orgs[org] = OrgEntry(org, Org.evolve(Org.initialState, with: event))
    case .smsConfigured(let settings):
      tables.orgs[org]?.smsAccountSID = settings.accountSID
    case .statusChanged(let status):
      tables.orgs[org]?.status = status
    case .detailsChanged(let name, let timeZone):
      tables.orgs[org]?.name = name
      tables.orgs[org]?.timeZone = timeZone
    case .providerRemoved(.sms, _):
      tables.orgs[org]?.smsAccountSID = nil
    case .providerConfigured, .providerRemoved, .letterWritten, .clientAdded, .postalAddressSet,
      .autoRechargeSet:
      break
    case .clockAdvanced(let byMicros):
      tables.orgs[org]?.clockOffsetMicros += byMicros
    case .checkpointPublished, .auditExported, .historyRestored, .sendingHalted, .sendingResumed,
      .sendingRulesSet, .priceSet, .suppressed, .unsuppressed, .addressKeyDrawn:
      break
    case .rateLimitSet(let limit):
      tables.orgs[org]?.rateLimit = limit
    case .accessRefused, .requestHadNoEffect, .readModelOrdered:
      break
    }
  }
}

/// Ids carry the millisecond of their creation.
private func createdAt(_ id: Identifier) -> Micros {
  Micros(truncatingIfNeeded: id.value >> 80) * 1_000
}

/// Keeps an email free while a user with it comes to be: the directory learns of one only once it is on disk.
package final class EmailClaim: Sendable {
  private let directory: Directory
  private let email: String
  private let isHeld = Mutex(false)

  fileprivate init(_ directory: Directory, _ email: String) {
    self.directory = directory
    self.email = email
  }

  /// Nothing where it is held already.
  ///
  /// - Throws: `emailTaken` where somebody has it or is getting it.
  package func hold() throws(CommandError) {
    let holds = isHeld.withLock { isHeld in
      isHeld = isHeld || directory.hold(email)
      return isHeld
    }
    guard holds else { throw .emailTaken }
  }

  package func release() {
    isHeld.withLock { isHeld in
      if isHeld { directory.release(email) }
      isHeld = false
    }
  }
}

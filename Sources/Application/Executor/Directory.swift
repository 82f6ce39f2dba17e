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
  }

  package struct UserEntry: Sendable, Equatable {
    package var id: Identifier
    package var org: Identifier
    package var role: String
    package var details: UserDetails
  }

  package struct KeyEntry: Sendable, Equatable {
    package var id: Identifier
    package var org: Identifier
    package var scopes: [String]
  }

  private struct Tables {
    var orgs: [Identifier: OrgEntry] = [:]
    var usersByEmail: [String: UserEntry] = [:]
    var keysByHash: [String: KeyEntry] = [:]
    var hashesByKey: [Identifier: String] = [:]
  }

  private let tables = Mutex(Tables())

  package func org(_ id: Identifier) -> OrgEntry? { tables.withLock { $0.orgs[id] } }

  package func user(email: String) -> UserEntry? {
    tables.withLock { $0.usersByEmail[email.lowercased()] }
  }

  package func user(_ id: Identifier) -> UserEntry? {
    tables.withLock { tables in tables.usersByEmail.values.first { $0.id == id } }
  }

  package func key(secretHash: String) -> KeyEntry? {
    tables.withLock { $0.keysByHash[secretHash] }
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

  func adopt(_ state: OrgState) {
    var changes: [RecordedChange] = []
    let settings = state.settings
    if settings.exists {
      tables.withLock { tables in
        tables.orgs[state.org] = OrgEntry(
          id: state.org, name: settings.name, kind: settings.kind, agency: settings.agency,
          timeZone: settings.timeZone, isTest: settings.isTest, status: settings.status,
          clockOffsetMicros: settings.clockOffsetMicros,
          smsAccountSID: settings.sms?.accountSID, createdAtMicros: createdAt(state.org))
      }
    }
    for (id, user) in state.tables.users {
      guard let details = user.details else { continue }
      changes.append(
        RecordedChange(
          stream: id, event: .user(.created(details: .known(details), role: user.role))))
    }
    for (id, key) in state.tables.apiKeys where !key.isRevoked {
      changes.append(
        RecordedChange(
          stream: id,
          event: .apiKey(
            .created(name: key.name, secretHash: key.secretHash, scopes: key.scopes))))
    }
    apply(changes, org: state.org)
  }

  func apply(_ changes: [RecordedChange], org: Identifier) {
    let relevant = changes.filter {
      switch $0.event {
      case .org, .user, .apiKey: true
      default: false
      }
    }
    guard !relevant.isEmpty else { return }
    tables.withLock { tables in
      for change in relevant {
        switch change.event {
        case .org(let event): Self.apply(event, org: org, to: &tables)
        case .user(let event): Self.apply(event, of: change.stream, org: org, to: &tables)
        case .apiKey(let event): Self.apply(event, of: change.stream, org: org, to: &tables)
        default: break
        }
      }
    }
  }

  private static func apply(_ event: Org.Event, org: Identifier, to tables: inout Tables) {
    switch event {
    case .created(let name, let kind, let agency, let timeZone, let isTest, let offset):
      tables.orgs[org] = OrgEntry(
        id: org, name: name, kind: kind, agency: agency, timeZone: timeZone, isTest: isTest,
        status: .active, clockOffsetMicros: offset, smsAccountSID: nil,
        createdAtMicros: createdAt(org))
    case .smsConfigured(let settings):
      tables.orgs[org]?.smsAccountSID = settings.accountSID
    case .statusChanged(let status):
      tables.orgs[org]?.status = status
    case .providerConfigured, .postalAddressSet:
      break
    case .clockAdvanced(let byMicros):
      tables.orgs[org]?.clockOffsetMicros += byMicros
    case .checkpointPublished, .auditExported:
      break
    }
  }

  private static func apply(
    _ event: User.Event, of user: Identifier, org: Identifier, to tables: inout Tables
  ) {
    guard case .created(.known(let details), let role) = event else { return }
    tables.usersByEmail[details.email.lowercased()] = UserEntry(
      id: user, org: org, role: role, details: details)
  }

  private static func apply(
    _ event: APIKey.Event, of key: Identifier, org: Identifier, to tables: inout Tables
  ) {
    switch event {
    case .created(_, let secretHash, let scopes):
      tables.keysByHash[secretHash] = KeyEntry(id: key, org: org, scopes: scopes)
      tables.hashesByKey[key] = secretHash
    case .revoked:
      guard let hash = tables.hashesByKey.removeValue(forKey: key) else { return }
      tables.keysByHash[hash] = nil
    }
  }
}

/// Ids carry the millisecond of their creation.
private func createdAt(_ id: Identifier) -> Micros {
  Micros(truncatingIfNeeded: id.value >> 80) * 1_000
}

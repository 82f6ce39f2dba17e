import Domain
import JSON

extension User.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "user.created"
    case signedIn = "user.signed_in"
    case signInFailed = "user.sign_in_failed"
    case signedOut = "user.signed_out"
    case renamed = "user.renamed"
    case roleChanged = "user.role_changed"
    case passwordChanged = "user.password_changed"
    case locked = "user.locked"
    case unlocked = "user.unlocked"
    case deactivated = "user.deactivated"
    case reactivated = "user.reactivated"
  }

  static var streamKind: Identifier.Kind { .user }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let details, let role):
      payload.fields.field("role", role)
      payload.personal(details, of: payload.stream) { details, part in
        part.field("email", details.email)
        part.field("name", details.name)
        part.field("password_hash", details.passwordHash)
      }
      return .created
    case .signedIn: return .signedIn
    case .signInFailed(let address):
      payload.personal(address, of: payload.stream) { $1.field("address", $0) }
      return .signInFailed
    case .signedOut(let session, let untilMicros):
      payload.fields.field("session", session)
      payload.fields.field("until_micros", untilMicros)
      return .signedOut
    case .renamed(let name):
      payload.personal(name, of: payload.stream) { $1.field("name", $0) }
      return .renamed
    case .roleChanged(let from, let to):
      payload.fields.field("from", from)
      payload.fields.field("to", to)
      return .roleChanged
    case .passwordChanged(let hash):
      payload.personal(hash, of: payload.stream) { $1.field("password_hash", $0) }
      return .passwordChanged
    case .locked(let untilMicros):
      payload.fields.field("until_micros", untilMicros)
      return .locked
    case .unlocked: return .unlocked
    case .deactivated: return .deactivated
    case .reactivated: return .reactivated
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      let role = try payload.fields.string("role")
      let details = try payload.personal { part throws(CodecError) in
        UserDetails(
          email: try part.string("email"), name: try part.string("name"),
          passwordHash: try part.string("password_hash"))
      }
      return .created(details: details, role: role)
    case .signedIn: return .signedIn
    case .signInFailed:
      return .signInFailed(
        address: try payload.personal { part throws(CodecError) in try part.string("address") })
    case .signedOut:
      return .signedOut(
        session: try payload.fields.string("session"),
        untilMicros: try payload.fields.int64("until_micros"))
    case .renamed:
      return .renamed(
        name: try payload.personal { part throws(CodecError) in try part.string("name") })
    case .roleChanged:
      return .roleChanged(
        from: try payload.fields.string("from"), to: try payload.fields.string("to"))
    case .passwordChanged:
      return .passwordChanged(
        hash: try payload.personal { part throws(CodecError) in
          try part.string("password_hash")
        })
    case .locked: return .locked(untilMicros: try payload.fields.int64("until_micros"))
    case .unlocked: return .unlocked
    case .deactivated: return .deactivated
    case .reactivated: return .reactivated
    }
  }
}

extension APIKey.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "api_key.created"
    case revoked = "api_key.revoked"
    case restricted = "api_key.restricted"
    case renamed = "api_key.renamed"
    case scopesChanged = "api_key.scopes_changed"
    case limitSet = "api_key.limit_set"
    case rolled = "api_key.rolled"
  }

  static var streamKind: Identifier.Kind { .apiKey }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let name, let secretHash, let scopes):
      payload.fields.field("name", name)
      payload.fields.field("secret_hash", secretHash)
      payload.fields.field("scopes", scopes)
      return .created
    case .revoked: return .revoked
    case .restricted(let restrictions):
      payload.fields.optional("expires_at_micros", restrictions.expiresAtMicros)
      payload.fields.field("networks", restrictions.networks)
      payload.fields.field("is_signed", restrictions.signingSecret != nil)
      if let secret = restrictions.signingSecret {
        payload.personal(secret, of: payload.org) { $1.field("signing_secret", $0) }
      }
      return .restricted
    case .renamed(let name):
      payload.fields.field("name", name)
      return .renamed
    case .scopesChanged(let scopes):
      payload.fields.field("scopes", scopes)
      return .scopesChanged
    case .limitSet(let limit):
      limit?.write(to: &payload.fields)
      return .limitSet
    case .rolled(let secretHash, let previousUntilMicros):
      payload.fields.field("secret_hash", secretHash)
      payload.fields.field("previous_until_micros", previousUntilMicros)
      return .rolled
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      return .created(
        name: try payload.fields.string("name"),
        secretHash: try payload.fields.string("secret_hash"),
        scopes: try payload.fields.strings("scopes"))
    case .revoked: return .revoked
    case .restricted:
      var restrictions = APIKey.Restrictions(
        expiresAtMicros: try payload.fields.optionalInt64("expires_at_micros"),
        networks: try payload.fields.strings("networks"))
      if try payload.fields.bool("is_signed") {
        restrictions.signingSecret = try payload.personal { part throws(CodecError) in
          try part.string("signing_secret")
        }
      }
      return .restricted(restrictions)
    case .renamed: return .renamed(name: try payload.fields.string("name"))
    case .scopesChanged: return .scopesChanged(scopes: try payload.fields.strings("scopes"))
    case .limitSet: return .limitSet(try RateLimit.optional(from: &payload.fields))
    case .rolled:
      return .rolled(
        secretHash: try payload.fields.string("secret_hash"),
        previousUntilMicros: try payload.fields.int64("previous_until_micros"))
    }
  }
}

extension Role.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "role.created"
    case updated = "role.updated"
    case deleted = "role.deleted"
  }

  static var streamKind: Identifier.Kind { .role }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let name, let scopes), .updated(let name, let scopes):
      payload.fields.field("name", name)
      payload.fields.field("scopes", scopes)
      if case .created = self { return .created }
      return .updated
    case .deleted: return .deleted
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      .created(
        name: try payload.fields.string("name"), scopes: try payload.fields.strings("scopes"))
    case .updated:
      .updated(
        name: try payload.fields.string("name"), scopes: try payload.fields.strings("scopes"))
    case .deleted: .deleted
    }
  }
}

extension RateLimit {
  func write(to fields: inout JSONWriter) {
    fields.field("per_minute", perMinute)
    fields.field("burst", burst)
  }

  static func optional(from fields: inout FieldReader) throws(CodecError) -> RateLimit? {
    guard let perMinute = try fields.optionalInt64("per_minute") else { return nil }
    return RateLimit(perMinute: Int(perMinute), burst: try fields.int("burst"))
  }
}

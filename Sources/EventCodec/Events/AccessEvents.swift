import Domain
import JSON

extension User.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "user.created"
    case signedIn = "user.signed_in"
    case signInFailed = "user.sign_in_failed"
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
    case .signInFailed: return .signInFailed
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
    case .signInFailed: return .signInFailed
    }
  }
}

extension APIKey.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "api_key.created"
    case revoked = "api_key.revoked"
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
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      .created(
        name: try payload.fields.string("name"),
        secretHash: try payload.fields.string("secret_hash"),
        scopes: try payload.fields.strings("scopes"))
    case .revoked: .revoked
    }
  }
}

import Application
import Crypto
import Domain
import HTTP
import JSON

/// Finds out who calls.
struct Authenticator: Sendable {
  let services: Services

  /// nil on open and signed operations.
  func caller(of request: HTTPRequest, for operation: Operation) throws(APIError) -> Caller? {
    switch operation.access {
    case .open, .signed:
      return nil
    case .operation:
      try requireOperator(request)
      return nil
    case .scope(let scope):
      let caller = try caller(of: request)
      guard caller.allows(scope) else {
        throw APIError(
          403, "permission", "missing_scope", "This needs the right \(scope).")
      }
      return caller
    }
  }

  private func requireOperator(_ request: HTTPRequest) throws(APIError) {
    guard let token = bearer(request),
      constantTimeEqual(Array(token.utf8), Array(services.settings.operatorToken.utf8))
    else { throw .unauthorized }
  }

  private func caller(of request: HTTPRequest) throws(APIError) -> Caller {
    var caller: Caller
    if let secret = bearer(request) {
      caller = try keyHolder(secret)
    } else {
      caller = try signedIn(request)
    }
    guard let text = request.headers["account"] else { return caller }
    guard let target = Identifier(text, kind: .org),
      services.engine.directory.reaches(target, from: caller.home)
    else {
      throw APIError(
        403, "permission", "account_not_reachable",
        "The header Account names no account that you may act on.")
    }
    caller.org = target
    if target != caller.home { caller.actor += " for:\(caller.home)" }
    return caller
  }

  private func bearer(_ request: HTTPRequest) -> String? {
    guard let header = request.headers["authorization"] else { return nil }
    let parts = header.split(separator: " ", omittingEmptySubsequences: true)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    return String(parts[1])
  }

  private func keyHolder(_ secret: String) throws(APIError) -> Caller {
    let hash = Hex.encode(SHA256.hash(Array(secret.utf8)))
    guard let key = services.engine.directory.key(secretHash: hash) else {
      throw APIError(401, "auth", "invalid_api_key", "There is no such API key.")
    }
    return Caller(
      actor: "key:\(key.id)", origin: "api", home: key.org, org: key.org, scopes: key.scopes,
      user: nil)
  }

  private func signedIn(_ request: HTTPRequest) throws(APIError) -> Caller {
    guard let session = services.sessions.session(of: request, now: nowSeconds),
      let user = services.engine.directory.user(session.user)
    else { throw .unauthorized }
    if request.method != "GET", request.method != "HEAD" {
      guard let token = request.headers["x-csrf-token"],
        constantTimeEqual(Array(token.utf8), Array(session.csrfToken.utf8))
      else {
        throw APIError(
          403, "permission", "csrf_token_required",
          "Send the session's csrf_token as the header X-CSRF-Token.")
      }
    }
    return Caller(
      actor: "user:\(user.id)", origin: "console", home: user.org, org: user.org,
      scopes: Roles.scopes(of: user.role), user: user.id)
  }

  private var nowSeconds: Int64 { services.engine.tools.clock.nowMicros() / 1_000_000 }
}

/// What each role may do.
package enum Roles {
  package static let administrator = "administrator"
  package static let complianceOfficer = "compliance_officer"

  static func scopes(of role: String) -> [String] {
    switch role {
    case administrator: ["*"]
    case complianceOfficer:
      [
        "contacts:read", "messages:read", "segments:read", "campaigns:read", "workflows:read",
        "audit:read", "analytics:read", "events:read", "account:read",
      ]
    default: ["account:read"]
    }
  }
}

/// Console sessions: a signed, expiring cookie. Nothing about a session is stored, so a restart
/// signs nobody out; changing the secret signs everybody out.
package struct SessionCodec: Sendable {
  package struct Session: Sendable, Equatable {
    package let user: Identifier
    package let expiresAtSeconds: Int64
    package let csrfToken: String
  }

  static let cookieName = "daybook_session"
  static let lifetimeSeconds: Int64 = 12 * 3_600

  private let secret: [UInt8]

  /// `secret`: at least 32 random bytes.
  package init(secret: [UInt8]) {
    precondition(secret.count >= 32, "a session secret has at least 32 bytes")
    self.secret = secret
  }

  func issue(to user: Identifier, now: Int64) -> (cookie: String, session: Session) {
    let expiresAt = now + Self.lifetimeSeconds
    let payload = "\(user).\(expiresAt).\(Hex.encode(Random.bytes(8)))"
    let session = Session(
      user: user, expiresAtSeconds: expiresAt, csrfToken: code(for: "csrf." + payload))
    return (payload + "." + code(for: payload), session)
  }

  func session(of request: HTTPRequest, now: Int64) -> Session? {
    guard let cookie = Self.cookie(of: request) else { return nil }
    let parts = cookie.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, let user = Identifier(String(parts[0]), kind: .user),
      let expiresAt = Int64(parts[1]), expiresAt > now
    else { return nil }
    let payload = parts[0..<3].joined(separator: ".")
    guard constantTimeEqual(Array(parts[3].utf8), Array(code(for: payload).utf8)) else {
      return nil
    }
    return Session(
      user: user, expiresAtSeconds: expiresAt, csrfToken: code(for: "csrf." + payload))
  }

  private static func cookie(of request: HTTPRequest) -> String? {
    for header in request.headers.values("cookie") {
      for pair in header.split(separator: ";") {
        let parts = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
        if parts.count == 2, parts[0] == cookieName { return String(parts[1]) }
      }
    }
    return nil
  }

  private func code(for text: String) -> String {
    Hex.encode(HMACSHA256.authenticate(Array(text.utf8), key: secret))
  }
}

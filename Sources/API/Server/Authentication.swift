import Application
import Crypto
import Domain
import HTTP
import JSON

/// Finds out who calls, and whether they may.
struct Authenticator: Sendable {
  let services: Services

  /// nil on open and signed operations, and on the operator's.
  ///
  /// - Throws: 401 where nobody is known by what the request carries.
  func identify(
    _ request: HTTPRequest, for operation: Operation
  ) throws(APIError) -> Caller? {
    switch operation.access {
    case .open, .signed: return nil
    case .operation:
      try requireOperator(request)
      return nil
    case .oneself: return try signedIn(request)
    case .scope:
      guard let secret = bearer(request) else { return try signedIn(request) }
      return try keyHolder(secret)
    }
  }

  /// Whose the request is, where the caller is known, and has the right that `operation` asks for. What a body has to prove
  /// is not looked at.
  func sender(of head: HTTPRequest, for operation: Operation) -> String? {
    do throws(APIError) {
      let caller = try identify(head, for: operation)
      guard let caller else { return operation.access == .operation ? "operator" : nil }
      if let key = caller.key { try check(key, from: head.remoteAddress) }
      return operation.lacks(caller.scopes) == nil ? caller.home.text : nil
    } catch {
      // Who is not known is told so when the request is there.
      return nil
    }
  }

  /// What makes a key good beside its secret: its time, its networks, a signature, which is returned.
  ///
  /// - Throws: 401 or 403 where whoever came with the secret need not be the one it was given to.
  func prove(
    _ key: Directory.KeyEntry, _ request: HTTPRequest
  ) throws(APIError) -> RequestSignature.Proof? {
    try check(key, from: request.remoteAddress)
    guard let secret = key.state.restrictions.signingSecret else { return nil }
    do {
      return try services.signatures.proof(
        of: request, key: key.id, secret: secret.value ?? "", now: nowMicros / 1_000_000)
    } catch {
      throw .refused(error)
    }
  }

  /// The caller, acting on the account that the request names.
  ///
  /// - Throws: 403 where a known caller may not do this, 401 where what the request was signed with was used meanwhile.
  func admit(
    _ caller: Caller, _ signature: RequestSignature.Proof?, _ request: HTTPRequest,
    for operation: Operation
  ) throws(APIError) -> Caller {
    if let signature {
      do {
        try services.signatures.use(signature, now: nowMicros / 1_000_000)
      } catch {
        throw .refused(error)
      }
    }
    if let session = caller.session { try checkForgery(request, session) }
    guard services.engine.directory.status(of: caller.home) != .archived else {
      throw .accountArchived
    }
    if let right = operation.lacks(caller.scopes) { throw .missingScope(right) }
    guard request.headers["account"] != nil else { return caller }
    var caller = caller
    guard let text = request.headers.only("account"), let target = Identifier(text, kind: .org),
      services.engine.directory.reaches(target, from: caller.home)
    else {
      throw .accountNotReachable
    }
    caller.org = target
    if target != caller.home { caller.actor += " for:\(caller.home)" }
    return caller
  }

  /// A caller who was admitted, as if they came now: what a request was signed with is good once, and is not looked at
  /// again.
  ///
  /// - Returns: The rights that they have by now.
  /// - Throws: What they would be told.
  @discardableResult
  func readmit(_ admitted: Admitted) throws(APIError) -> [String] {
    let directory = services.engine.directory
    let scopes: [String]
    switch admitted.proof {
    case .key(let secretHash):
      guard let key = directory.key(secretHash: secretHash, nowMicros: nowMicros) else {
        throw .unauthorized
      }
      try check(key, from: admitted.remoteAddress)
      scopes = key.state.scopes
    case .session(let user, let name, let untilMicros, let seed):
      guard let user = directory.user(user), user.state.isActive,
        user.sessionSeed == seed, nowMicros < untilMicros,
        !user.state.hasEnded(session: name, untilMicros: untilMicros)
      else { throw .unauthorized }
      scopes = directory.scopes(ofRole: user.role, of: user.org)
    }
    guard directory.status(of: admitted.home) != .archived else { throw .accountArchived }
    if let right = admitted.operation.lacks(scopes) { throw .missingScope(right) }
    guard directory.reaches(admitted.org, from: admitted.home) else { throw .accountNotReachable }
    return scopes
  }

  private func requireOperator(_ request: HTTPRequest) throws(APIError) {
    guard let token = bearer(request),
      constantTimeEqual(token, Array(services.settings.operatorToken.utf8))
    else { throw .unauthorized }
  }

  /// The secret that the header carries, as bytes.
  private func bearer(_ request: HTTPRequest) -> [UInt8]? {
    // Two of them, and nobody knows whose request it is.
    guard let header = request.headers.only("authorization") else { return nil }
    let text = Array(header.utf8)
    func word(behind place: Int) -> Range<Int> {
      var start = place
      while start < text.count, text[start] == 0x20 { start += 1 }
      var end = start
      while end < text.count, text[end] != 0x20 { end += 1 }
      return start..<end
    }
    let scheme = word(behind: 0)
    let secret = word(behind: scheme.upperBound)
    guard !secret.isEmpty, word(behind: secret.upperBound).isEmpty,
      HTTPHeaders.equal(String(decoding: text[scheme], as: UTF8.self), "bearer")
    else { return nil }
    return Array(text[secret])
  }

  private func keyHolder(_ secret: [UInt8]) throws(APIError) -> Caller {
    let hash = Hex.encode(SHA256.hash(secret))
    let seen = Seen(services.engine)
    guard let key = services.engine.directory.key(secretHash: hash, nowMicros: nowMicros) else {
      throw APIError(401, "auth", "invalid_api_key", "There is no such API key.")
    }
    return Caller(
      actor: key.actor, origin: "api", home: key.org, org: key.org,
      scopes: key.state.scopes, key: key, proofHash: hash, seen: seen)
  }

  private func check(_ key: Directory.KeyEntry, from address: String) throws(APIError) {
    let restrictions = key.state.restrictions
    if let expiresAt = restrictions.expiresAtMicros, nowMicros >= expiresAt {
      throw APIError(401, "auth", "api_key_expired", "This API key has expired.")
    }
    let networks = restrictions.networks.compactMap(IPNetwork.init)
    guard networks.isEmpty || networks.contains(where: { $0.contains(address) })
    else {
      throw APIError(
        403, "permission", "address_not_allowed", "This API key is not used from this address.")
    }
  }

  private func signedIn(_ request: HTTPRequest) throws(APIError) -> Caller {
    let directory = services.engine.directory
    let seen = Seen(services.engine)
    guard
      let session = services.sessions.session(
        of: request, now: nowMicros / 1_000_000, user: { directory.user($0) }),
      let user = directory.user(session.user), user.state.isActive
    else { throw .unauthorized }
    return Caller(
      actor: "user:\(user.id)", origin: "console", home: user.org, org: user.org,
      scopes: directory.scopes(ofRole: user.role, of: user.org), user: user.id,
      proofHash: user.sessionSeed, session: session, seen: seen)
  }

  private func checkForgery(
    _ request: HTTPRequest, _ session: SessionCodec.Session
  ) throws(APIError) {
    guard request.method != "GET", request.method != "HEAD" else { return }
    guard let token = request.headers["x-csrf-token"],
      constantTimeEqual(Array(token.utf8), Array(session.csrfToken.utf8))
    else {
      throw APIError(
        403, "permission", "csrf_token_required",
        "Send the session's csrf_token as the header X-CSRF-Token.")
    }
  }

  private var nowMicros: Micros { services.engine.tools.clock.nowMicros() }
}

/// Console sessions: a signed, expiring cookie. Nothing about a session is stored but that it was signed out of, so
/// a restart signs nobody out; changing the secret signs everybody out.
package struct SessionCodec: Sendable {
  package struct Session: Sendable, Equatable {
    package let user: Identifier
    /// What tells it from the user's others.
    package let name: String
    package let expiresAtSeconds: Int64
    package let csrfToken: String

    var expiresAtMicros: Micros { expiresAtSeconds * 1_000_000 }
  }

  static let cookieName = "daybook_session"
  static let lifetimeSeconds: Int64 = 12 * 3_600

  private let secret: [UInt8]

  /// `secret`: at least 32 random bytes.
  package init(secret: [UInt8]) {
    precondition(secret.count >= 32, "a session secret has at least 32 bytes")
    self.secret = secret
  }

  func issue(to user: Directory.UserEntry, now: Int64) -> (cookie: String, session: Session) {
    let expiresAt = now + Self.lifetimeSeconds
    let name = Hex.encode(Random.bytes(8))
    let payload = "\(user.id).\(expiresAt).\(name)"
    let session = Session(
      user: user.id, name: name, expiresAtSeconds: expiresAt,
      csrfToken: code(for: "csrf." + payload, of: user))
    return (payload + "." + code(for: payload, of: user), session)
  }

  /// nil where there is none, it is over or was signed out of, or the user has another password since.
  func session(
    of request: HTTPRequest, now: Int64, user find: (Identifier) -> Directory.UserEntry?
  ) -> Session? {
    guard let cookie = Self.cookie(of: request) else { return nil }
    let parts = cookie.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, let id = Identifier(String(parts[0]), kind: .user),
      let user = find(id), let expiresAt = Int64(parts[1]), expiresAt > now
    else { return nil }
    let payload = parts[0..<3].joined(separator: ".")
    guard constantTimeEqual(Array(parts[3].utf8), Array(code(for: payload, of: user).utf8)) else {
      return nil
    }
    let session = Session(
      user: id, name: String(parts[2]), expiresAtSeconds: expiresAt,
      csrfToken: code(for: "csrf." + payload, of: user))
    let hasEnded = user.state.hasEnded(
      session: session.name, untilMicros: session.expiresAtMicros)
    return hasEnded ? nil : session
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

  private func code(for text: String, of user: Directory.UserEntry) -> String {
    let text = text + "." + user.sessionSeed
    return Hex.encode(HMACSHA256.authenticate(Array(text.utf8), key: secret))
  }
}

extension Directory.UserEntry {
  /// What every session of the user is bound to: all of them end where it changes, with a new password, and with a
  /// deactivation, also where the user is active again later.
  var sessionSeed: String {
    let count = state.deactivatedCount
    return count == 0 ? details.passwordHash : "\(details.passwordHash).\(count)"
  }
}

extension APIError {
  fileprivate static func refused(_ refusal: RequestSignature.Refusal) -> APIError {
    APIError(401, "auth", refusal.rawValue, refusal.message)
  }

  fileprivate static let accountArchived = APIError(
    403, "permission", "account_archived",
    "This account is archived. Its agency or the operator can make it active again.")

  fileprivate static let accountNotReachable = APIError(
    403, "permission", "account_not_reachable",
    "The header Account names no account that you may act on.")

  fileprivate static func missingScope(_ right: String) -> APIError {
    APIError(403, "permission", "missing_scope", "This needs the right \(right).")
  }

  static func rightTaken(_ right: String) -> APIError {
    APIError(
      403, "permission", "missing_scope",
      "The right \(right) was taken away since the request came.")
  }
}

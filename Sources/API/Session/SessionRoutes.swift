import Application
import Crypto
import Domain
import HTTP
import JSON

/// Signing in to the console.
enum SessionRoutes {
  static let all = [
    Operation(
      "POST", "/api/session", .open, "Sign in",
      details: "Sets an HttpOnly cookie; the answer has the CSRF token.",
      body: .json(
        AccessSchemas.signIn, example: ["email": "demo@northwind.example", "password": "…"]),
      answers: [.ok(AccessSchemas.session)],
      refuses: [401: ["invalid_credentials"], 429: ["locked_out"]],
      idempotency: .ignored, handler: signIn),
    Operation(
      "GET", "/api/session", .oneself, "Who is signed in",
      answers: [.ok(AccessSchemas.session)], handler: show),
    Operation(
      "POST", "/api/session/password", .oneself, "Change your own password",
      details: "Ends every session, this one too.", parameters: [.dryRun],
      body: .json(
        AccessSchemas.passwordChange,
        example: ["current_password": "…", "new_password": "correct horse battery"]),
      answers: [.nothing, .tried],
      refuses: [401: ["invalid_credentials"], 429: ["locked_out"]], idempotency: .refused,
      handler: changePassword),
    Operation(
      "DELETE", "/api/session", .open, "Sign out",
      details: "Ends the session itself: a copy of its cookie is good for nothing any more.",
      answers: [.nothing], idempotency: .ignored, handler: signOut),
  ]

  private static func signIn(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let email = fields.string("email", required: true, limit: 254)
    let password = fields.string("password", required: true)
    try fields.finish()
    guard let email, let password else { preconditionFailure("finish refuses missing fields") }
    let nowMicros = exchange.engine.tools.clock.nowMicros()
    let known = exchange.engine.directory.user(email: email)
    try requireUnlocked(lockedUntil(email, exchange), nowMicros)
    let active = known.flatMap { $0.state.isActive ? $0 : nil }
    let isRight = try await isRight(
      password, for: active, customer(email, exchange), exchange
    ) { lockedUntil(email, exchange) }
    guard isRight, let user = active else {
      recordFailure(known, email, exchange)
      throw APIError(
        401, "auth", "invalid_credentials", "The email or the password is wrong.")
    }
    exchange.services.guesses.forget(email)
    await record(user, succeeded: true, exchange)
    let (cookie, session) = exchange.services.sessions.issue(
      to: user, now: nowMicros / 1_000_000)
    var response = exchange.respond(200, view(user, session, exchange))
    response.headers.set(
      "set-cookie",
      "\(SessionCodec.cookieName)=\(cookie); Path=/; HttpOnly; SameSite=Strict; "
        + "Max-Age=\(SessionCodec.lifetimeSeconds)" + secureMark(exchange))
    return response
  }

  /// The same whether there is such a user or not: nobody finds out who has an account here.
  private static func lockedUntil(_ email: String, _ exchange: Exchange) -> Micros? {
    let user = exchange.engine.directory.user(email: email)
    return exchange.services.guesses.lockedUntilMicros(email, user?.state)
  }

  /// Counts when it returns. The event of a user follows: an answer that waited for it would come later than to an email
  /// that nobody has, of which the log keeps nothing.
  private static func recordFailure(
    _ known: Directory.UserEntry?, _ email: String, _ exchange: Exchange
  ) {
    let guesses = exchange.services.guesses
    // Others may have failed while the password was compared.
    let user = known.flatMap { exchange.engine.directory.user($0.id) }
    guesses.add(email, user?.state, nowMicros: exchange.engine.tools.clock.nowMicros())
    Task {
      guard let user else { return }
      // What the log did not take goes on counting here.
      if await record(user, succeeded: false, exchange) { guesses.recorded(email) }
    }
  }

  private static func customer(
    _ email: String, _ exchange: Exchange
  ) -> PasswordLane.Customer {
    let shared = exchange.services.settings.sharedNetworks
    guard let client = ClientKey(exchange.request.remoteAddress, besides: shared) else {
      return .email(email.lowercased())
    }
    return .client(client)
  }

  private static func requireUnlocked(
    _ untilMicros: Micros?, _ nowMicros: Micros
  ) throws(APIError) {
    guard let untilMicros, nowMicros < untilMicros else { return }
    var error = APIError(
      429, "rate_limit", "locked_out",
      "Too many wrong passwords. Try again later, or ask an administrator.", isRetryable: true)
    error.headers.set("retry-after", String((untilMicros - nowMicros + 999_999) / 1_000_000))
    throw error
  }

  /// Of many guesses at the same time, those whose turn comes when the user is locked out are not looked at, nor
  /// believed. Where there is no user, the answer takes as long.
  private static func isRight(
    _ password: String, for user: Directory.UserEntry?, _ customer: PasswordLane.Customer,
    _ exchange: Exchange, lockedUntil: @escaping @Sendable () -> Micros?
  ) async throws(APIError) -> Bool {
    let engine = exchange.engine
    @Sendable func refuseWhereLocked() throws(APIError) {
      try requireUnlocked(lockedUntil(), engine.tools.clock.nowMicros())
    }
    do {
      let isRight = try await PasswordLane.run(for: customer) {
        try refuseWhereLocked()
        let hash = try user?.details.passwordHash ?? nobodysHash.get()
        return try PasswordHash.verify(password, against: hash)
      }
      try refuseWhereLocked()
      return isRight
    } catch let error as APIError {
      throw error
    } catch {
      let name = user?.id.text ?? "nobody"
      exchange.services.report("stored password hash of \(name): \(error)", exchange.requestID)
      return false
    }
  }

  private static let nobodysHash = Result { try PasswordHash.make("nobody's") }

  /// False where the log does not take it.
  @discardableResult
  private static func record(
    _ user: Directory.UserEntry, succeeded: Bool, _ exchange: Exchange
  ) async -> Bool {
    let call = Call(
      actor: "user:\(user.id)", origin: "console", correlation: exchange.requestID)
    do {
      _ = try await exchange.engine.executor(for: user.org).perform(call) {
        workspace throws(CommandError) in
        guard !succeeded else { return try workspace.recordSignIn(user.id) }
        try workspace.recordFailedSignIn(user.id, from: exchange.request.remoteAddress)
      }
      return true
    } catch {
      exchange.services.report("sign-in not recorded: \(error)", exchange.requestID)
      return false
    }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    guard let id = exchange.caller.user, let user = exchange.engine.directory.user(id),
      let session = exchange.caller.session
    else { throw .unauthorized }
    return exchange.respond(200, view(user, session, exchange))
  }

  private static func changePassword(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let current = fields.string("current_password", required: true)
    let new = fields.string("new_password", required: true)
    try fields.finish()
    guard let current, let new else { preconditionFailure("finish refuses missing fields") }
    guard let id = exchange.caller.user, let user = exchange.engine.directory.user(id) else {
      throw .unauthorized
    }
    let email = user.details.email
    let isRight = try await isRight(
      current, for: user, .caller(exchange.caller.actor), exchange
    ) { lockedUntil(email, exchange) }
    guard isRight else {
      recordFailure(user, email, exchange)
      throw APIError(401, "auth", "invalid_credentials", "The current password is wrong.")
    }
    let hash = try await UserRoutes.hash(new, exchange)
    _ = try await exchange.atHome().write { workspace throws(CommandError) in
      try workspace.changeUser(
        id, by: [.changePassword(hash: hash)], grants: Grants(exchange.caller.scopes))
    }
    return HTTPResponse(status: 204)
  }

  private static func signOut(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await end(exchange)
    var response = HTTPResponse(status: 204)
    response.headers.set(
      "set-cookie",
      "\(SessionCodec.cookieName)=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        + secureMark(exchange))
    return response
  }

  /// On record before it is answered. Where there is no session any more, there is nothing to end.
  private static func end(_ exchange: Exchange) async throws(APIError) {
    let engine = exchange.engine
    let session = exchange.services.sessions.session(
      of: exchange.request, now: engine.tools.clock.nowMicros() / 1_000_000,
      user: { engine.directory.user($0) })
    guard let session, let user = engine.directory.user(session.user) else { return }
    let call = Call(
      actor: "user:\(user.id)", origin: "console", correlation: exchange.requestID)
    let executor = try exchange.executor(for: user.org)
    do throws(CommandError) {
      _ = try await executor.perform(call) { workspace throws(CommandError) in
        try workspace.signOut(
          user.id, session: session.name, untilMicros: session.expiresAtMicros)
      }
    } catch {
      throw APIError(error)
    }
  }

  private static func secureMark(_ exchange: Exchange) -> String {
    exchange.services.settings.isSecure ? "; Secure" : ""
  }

  /// The first accounts that the session reaches; an agency's others are found by `GET /api/accounts`.
  private static let accountLimit = 20

  private static func view(
    _ user: Directory.UserEntry, _ session: SessionCodec.Session, _ exchange: Exchange
  ) -> JSON {
    let reach = exchange.engine.directory.reach(of: user.org)
    let now = exchange.engine.tools.clock.nowMicros()
    let scopes = exchange.engine.directory.scopes(ofRole: user.role, of: user.org)
    return [
      "object": "session",
      "user": [
        "id": .string(user.id.text), "email": .string(user.details.email),
        "name": .string(user.details.name), "role": .string(user.role),
        "scopes": .array(scopes.map(JSON.string)),
      ],
      "account": reach.first.map { AccountRoutes.view($0, realMicros: now) } ?? .null,
      "accounts": .array(
        reach.prefix(accountLimit).map { AccountRoutes.view($0, realMicros: now) }),
      "account_count": JSON(reach.count),
      "csrf_token": .string(session.csrfToken),
      "expires_at": .string(Timestamp.text(session.expiresAtSeconds * 1_000_000)),
    ]
  }
}

import Application
import Crypto
import Domain
import HTTP
import JSON

/// The people of an account. They are few and the directory holds them: read from there.
enum UserRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/users", "users:read", "List users", of: AccessSchemas.user,
      sorts: ["created_at", "name", "email"], rows: list),
    Operation(
      "POST", "/api/users", .scope("users:write"), "Create a user",
      body: .json(
        AccessSchemas.newUser,
        example: [
          "email": "ann@example.com", "name": "Ann Lee", "role": "marketing_manager",
          "password": "correct horse battery",
        ]), answers: [.created(AccessSchemas.user)],
      refuses: [
        400: ["invalid_email"], 403: ["cannot_grant"], 409: ["email_taken"],
      ], handler: create),
    Operation(
      "GET", "/api/users/{id}", .scope("users:read"), "Read a user",
      answers: [.ok(AccessSchemas.user)], handler: show),
    Operation(
      "PATCH", "/api/users/{id}", .scope("users:write"), "Change a user",
      details:
        "A new role counts from the next request; a new password ends every session. `active: false` "
        + "deactivates, and takes the right to delete, too.",
      body: .json(AccessSchemas.userChange, example: ["role": "developer"]),
      answers: [.ok(AccessSchemas.user)],
      refuses: [
        403: ["cannot_grant"], 409: ["last_administrator"],
      ], handler: update),
    Operation(
      "DELETE", "/api/users/{id}", .scope("users:write"), "Deactivate a user",
      details: "Their sessions end with the next request; what they did stays on record.",
      answers: [.ok(AccessSchemas.user)], refuses: [409: ["last_administrator"]], handler: delete),
    Operation(
      "POST", "/api/users/{id}/unlock", .scope("users:write"),
      "Let a user sign in again who was locked out", answers: [.ok(AccessSchemas.user)],
      handler: unlock),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    var data: [JSON] = []
    for user in exchange.engine.directory.users(of: exchange.org) {
      data.append(try view(user.id, .max, exchange).json)
    }
    return try await .of(data, list, exchange)
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let found = try view(try exchange.id("id", .user), .max, exchange)
    return exchange.respond(200, found.json, version: found.version)
  }

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let email = fields.string("email", required: true)
    let name = fields.string("name", required: true)
    let role = fields.string("role", required: true)
    let password = fields.string("password", required: true)
    if let email, !email.contains("@") {
      fields.fail("email", "invalid_email", "email is an address such as ann@example.com.")
    }
    try fields.finish()
    guard let email, let name, let role, let password else {
      preconditionFailure("finish refuses missing fields")
    }
    let hash = try await hash(password, exchange)
    let claim = exchange.engine.directory.claim(email)
    defer { claim.release() }
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      try claim.hold()
      return try workspace.inviteUser(
        UserDetails(email: email, name: name, passwordHash: hash), role: role, by: grants)
    }
    let id = try ContactWrites.created(.user, written)
    return try answer(201, id, written.receipt, exchange)
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .user)
    var fields = try exchange.body()
    var commands: [User.Command] = []
    if let name = fields.string("name") { commands.append(.rename(name)) }
    if let role = fields.string("role") { commands.append(.changeRole(role)) }
    if let active = fields.bool("active") { commands.append(active ? .reactivate : .deactivate) }
    let password = fields.string("password")
    try fields.finish()
    // The same as DELETE.
    if commands.contains(.deactivate) { try exchange.require("users:write", "delete") }
    if let password { commands.append(.changePassword(hash: try await hash(password, exchange))) }
    return try await change(id, by: commands, exchange)
  }

  private static func delete(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await change(try exchange.id("id", .user), by: [.deactivate], exchange)
  }

  private static func unlock(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await change(try exchange.id("id", .user), by: [.unlock], exchange)
  }

  private static func change(
    _ id: Identifier, by commands: [User.Command], _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.changeUser(id, by: commands, grants: grants)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func answer(
    _ status: Int, _ id: Identifier, _ receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let found = try view(id, receipt.version(of: id), exchange)
    return exchange.respond(status, found.json, receipt: receipt, version: found.version)
  }

  static func view(
    _ id: Identifier, _ version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> (json: JSON, version: UInt64) {
    let snapshot: Snapshot<User.State>
    do {
      snapshot = try exchange.engine.user(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    guard snapshot.state.exists else { throw .notFound("user") }
    return (json(id, exchange.org, snapshot), snapshot.version)
  }

  private static func json(
    _ id: Identifier, _ org: Identifier, _ snapshot: Snapshot<User.State>
  ) -> JSON {
    let state = snapshot.state
    return [
      "id": .string(id.text), "object": "user", "email": .string(state.details?.email ?? ""),
      "name": .string(state.details?.name ?? ""), "role": .string(state.role),
      "active": .bool(state.isActive),
      "locked_until": JSON(state.lockedUntilMicros.map(Timestamp.text)),
      "version": .int(Int64(snapshot.version)), "account": .string(org.text),
      "created_at": .string(Timestamp.text(snapshot.createdAtMicros)),
      "updated_at": .string(Timestamp.text(snapshot.updatedAtMicros)),
    ]
  }

  static func hash(_ password: String, _ exchange: Exchange) async throws(APIError) -> String {
    do {
      return try await PasswordLane.run(for: .caller(exchange.caller.actor)) {
        try PasswordHash.make(password)
      }
    } catch let error as APIError {
      throw error
    } catch {
      throw APIError(500, "internal", "internal", "The password could not be hashed.")
    }
  }
}

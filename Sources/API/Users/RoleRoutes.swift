import Application
import Domain
import HTTP
import JSON

/// Who may do what: the roles that every account has, and those that it defines itself.
enum RoleRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/roles", "roles:read", "List roles", of: AccessSchemas.roleObject, sorts: ["name"],
      rows: list),
    Operation(
      "POST", "/api/roles", .scope("roles:write"), "Define a role",
      body: .json(
        AccessSchemas.newRole, example: ["name": "Reader", "scopes": ["contacts:read"]]),
      answers: [.created(AccessSchemas.roleObject)],
      refuses: [400: ["unknown_scope"], 403: ["cannot_grant"]], handler: create),
    Operation(
      "GET", "/api/roles/{id}", .scope("roles:read"), "Read a role",
      answers: [.ok(AccessSchemas.roleObject)], handler: show),
    Operation(
      "PATCH", "/api/roles/{id}", .scope("roles:write"), "Change a role",
      details: "Counts for all of its users from their next request.",
      body: .json(AccessSchemas.roleChange, example: ["scopes": ["contacts:*"]]),
      answers: [.ok(AccessSchemas.roleObject)],
      refuses: [400: ["unknown_scope"], 403: ["cannot_grant"]], handler: update),
    Operation(
      "DELETE", "/api/roles/{id}", .scope("roles:write"), "Delete a role that nobody has",
      answers: [.ok(AccessSchemas.roleObject)], refuses: [409: ["role_in_use"]], handler: delete),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let builtIn = Roles.builtIn.sorted { $0.key < $1.key }
      .map { builtInView($0.key, scopes: $0.value, exchange) }
    let own = try exchange.engine.directory.roles(of: exchange.org)
      .map { role throws(APIError) in try view(role.id, .max, exchange) }
    return try await .of(builtIn + own, list, exchange, removal: "role.deleted")
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    if let name = exchange.path["id"], let scopes = Roles.builtIn[name] {
      return exchange.respond(200, builtInView(name, scopes: scopes, exchange))
    }
    return exchange.respond(200, try view(try exchange.id("id", .role), .max, exchange))
  }

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let name = fields.string("name", required: true)
    let scopes = ScopeInput.scopes(&fields, required: true)
    try fields.finish()
    guard let name, let scopes else { preconditionFailure("finish refuses missing fields") }
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.createRole(name: name, scopes: scopes, by: grants)
    }
    let id = try ContactWrites.created(.role, written)
    return try answer(201, id, written.receipt, exchange)
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .role)
    var fields = try exchange.body()
    let name = fields.string("name")
    let scopes = ScopeInput.scopes(&fields, required: false)
    try fields.finish()
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.updateRole(id, name: name, scopes: scopes, by: grants)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func delete(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .role)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.deleteRole(id)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func answer(
    _ status: Int, _ id: Identifier, _ receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    exchange.respond(
      status, try view(id, receipt.version(of: id), exchange), receipt: receipt)
  }

  static func view(
    _ id: Identifier, _ version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    let snapshot: Snapshot<Role.State>
    do {
      snapshot = try exchange.engine.role(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    guard snapshot.state.exists, !snapshot.state.isDeleted || version != .max else {
      throw .notFound("role")
    }
    return [
      "id": .string(id.text), "object": "role", "name": .string(snapshot.state.name),
      "scopes": .array(snapshot.state.scopes.map(JSON.string)), "built_in": false,
      "version": .int(Int64(snapshot.version)), "account": .string(exchange.org.text),
      "created_at": .string(Timestamp.text(snapshot.createdAtMicros)),
      "updated_at": .string(Timestamp.text(snapshot.updatedAtMicros)),
    ]
  }

  private static func builtInView(
    _ name: String, scopes: [String], _ exchange: Exchange
  ) -> JSON {
    [
      "id": .string(name), "object": "role", "name": .string(name),
      "scopes": .array(scopes.map(JSON.string)), "built_in": true, "version": 0,
      "account": .string(exchange.org.text), "created_at": .null, "updated_at": .null,
    ]
  }
}

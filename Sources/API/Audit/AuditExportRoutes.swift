import Application
import Domain
import EventLog
import HTTP
import JSON
import PhoneNumbers

/// Copies of the book that anybody can check offline.
enum AuditExportRoutes {
  static let all = [
    Operation(
      "POST", "/api/audit/exports", .scope("audit:read"), "Export the book for an audit",
      details: """
        Writes a bundle that anybody can check offline: the signed head of the account's tree, all its leaves,
        and what opens those that were asked for. The export is itself recorded in the book. It is there once
        its status is `completed`, and is kept for a day, at most 20 of an account at a time. Repeated under its
        `Idempotency-Key`, an order whose bundle is gone is written again. Tokens, secrets and password hashes are
        opened for callers with every right only.
        """,
      body: .json(AuditSchemas.order, example: ["scope": "account"]),
      answers: [AnswerDefinition(202, "Accepted.", AuditSchemas.export)],
      refuses: [
        400: ["invalid_phone", "invalid_time", "out_of_range", "required"], 404: ["not_found"],
        409: ["too_many_exports"], 503: ["signing_unavailable", "signing_on_hold"],
      ], handler: create),
    Operation.list(
      "/api/audit/exports", "audit:read", "List the exports that are kept, newest first",
      of: AuditSchemas.export, sorts: ["-id"], refuses: [503: ["signing_unavailable"]], rows: list),
    Operation(
      "GET", "/api/audit/exports/{id}", .scope("audit:read"), "Whether an export is done",
      answers: [.ok(AuditSchemas.export)], refuses: [503: ["signing_unavailable"]], handler: read),
    Operation(
      "GET", "/api/audit/exports/{id}/download", .scope("audit:read"), "The bundle as a tar file",
      details: """
        Where the export `opens_credentials`, for callers with every right only: 403 `missing_scope` for others.
        """,
      answers: [.text("application/x-tar", "The bundle.")],
      refuses: [503: ["signing_unavailable"]], handler: download),
    Operation(
      "POST", "/api/operator/audit-exports", .operation, "Record an export of the command line",
      body: .json(
        AuditSchemas.operatorOrder,
        example: ["account": "acc_01jd3x0000000000000000000a", "scope": "account"]),
      answers: [.created(.map(.anything))],
      refuses: [
        400: ["invalid_phone", "invalid_time", "out_of_range", "required"], 404: ["not_found"],
        429: ["rate_limited"], 503: ["signing_unavailable", "signing_on_hold"],
      ], handler: order),
  ]

  /// Takes the order; the bundle is there once the export's status is `completed`.
  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let desk = try await exchange.signingExports()
    var fields = try exchange.body()
    let scope = try await scope(&fields, org: exchange.org, desk, exchange)
    let number =
      scope.kind == .number ? fields.string("number").flatMap { PhoneNumber.e164($0) } : nil
    try fields.finish()
    // Tokens and password hashes only for those who may do everything anyway.
    let opensCredentials = exchange.caller.scopes.contains("*")
    let written = try await exchange.write { workspace throws(CommandError) in
      try desk.requireRoom(exchange.org)
      return try workspace.recordExport(of: scope, opensCredentials: opensCredentials)
    }
    do {
      // A repeated order finds what the first has begun; where that has come to nothing, as by a crash, it begins.
      let record = try written.output ?? desk.record(at: written.receipt.position)
      let status = try await desk.start(record, org: exchange.org, number: number)
      return exchange.respond(202, status, receipt: written.receipt)
    } catch {
      throw exchange.failure(error)
    }
  }

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let kept: [JSON]
    do {
      kept = try exchange.exports().statuses(of: exchange.org)
    } catch let error as APIError {
      throw error
    } catch {
      throw exchange.failure(error)
    }
    return try await .of(kept, list, exchange)
  }

  private static func read(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .auditExport)
    guard let status = try exchange.exports().status(id, of: exchange.org) else {
      throw .notFound("audit export")
    }
    return exchange.respond(200, status)
  }

  private static func download(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .auditExport)
    guard let archive = try exchange.exports().archive(id, of: exchange.org) else {
      throw .notFound("completed audit export")
    }
    guard !archive.opensCredentials || exchange.caller.scopes.contains("*") else {
      throw APIError(
        403, "permission", "missing_scope",
        "Credentials are open in this export: it is for callers with every right. Order one of your own."
      )
    }
    var response = HTTPResponse(
      status: 200, body: .file(path: archive.path, contentType: "application/x-tar"))
    response.headers.set("content-disposition", "attachment; filename=\"\(id).tar\"")
    return response
  }

  /// For `daybook export audit` beside a running system: records the export and publishes the head; the
  /// command writes the bundle itself.
  private static func order(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let desk = try await exchange.signingExports()
    var fields = try exchange.body()
    guard let org = fields.id("account", .org, required: true) else { throw failed(&fields) }
    let scope = try await scope(&fields, org: org, desk, exchange)
    let opensCredentials = fields.bool("open_credentials") ?? true
    try fields.finish()
    let call = try exchange.operatorCall(actor: "system:operator", in: org)
    let written = try await exchange.write(to: try exchange.executor(for: org), call) {
      workspace throws(CommandError) in
      try workspace.recordExport(of: scope, opensCredentials: opensCredentials).id
    }
    do {
      let export = try written.output ?? desk.record(at: written.receipt.position).id
      let published = try await desk.publish(org)
      return exchange.respond(
        201,
        [
          "export": .string(export.text), "checkpoint": .string(published.checkpoint),
          "verifier_key": .string(published.verifierKey),
          "older": .array(published.older.map(JSON.string)),
          "instance_proof": .string(published.instanceProof),
          "instance_verifier_key": .string(published.instanceVerifierKey),
          "contacts": .array(contacts(of: scope).map { .string($0.text) }),
        ], receipt: written.receipt)
    } catch let error as APIError {
      throw error
    } catch {
      throw exchange.failure(error)
    }
  }

  private static func contacts(of scope: AuditScope) -> [Identifier] {
    if case .number(let contacts) = scope { contacts } else { [] }
  }

  private static func failed(_ fields: inout Fields) -> APIError {
    do throws(APIError) {
      try fields.finish()
      return .invalid("scope", "invalid_value", "This scope is not complete.")
    } catch {
      return error
    }
  }

  private static func scope(
    _ fields: inout Fields, org: Identifier, _ desk: ExportDesk, _ exchange: Exchange
  ) async throws(APIError) -> AuditScope {
    let kind = fields.choice("scope", AuditScope.Kind.self, required: true)
    var scope: AuditScope?
    switch kind {
    case .account: scope = .account
    case .contact: scope = fields.id("contact", .contact, required: true).map(AuditScope.contact)
    case .message: scope = fields.id("message", .message, required: true).map(AuditScope.message)
    case .campaign:
      scope = fields.id("campaign", .campaign, required: true).map(AuditScope.campaign)
    case .number: scope = try await number(&fields, org: org, desk, exchange)
    case .period: scope = period(&fields)
    case nil: break
    }
    guard let scope else { throw failed(&fields) }
    return scope
  }

  private static func number(
    _ fields: inout Fields, org: Identifier, _ desk: ExportDesk, _ exchange: Exchange
  ) async throws(APIError) -> AuditScope? {
    guard let text = fields.string("number", required: true) else { return nil }
    guard let number = PhoneNumber.e164(text) else {
      fields.fail("number", "invalid_phone", "number is a phone number such as +12025550123.")
      return nil
    }
    let contacts = try await desk.contacts(
      with: number, of: org, exchange.services.scans, for: exchange.knownCaller?.home ?? org)
    return .number(contacts: contacts)
  }

  private static func period(_ fields: inout Fields) -> AuditScope? {
    guard let from = time("from", &fields), let until = time("until", &fields) else { return nil }
    guard from < until else {
      fields.fail("until", "out_of_range", "until is after from.")
      return nil
    }
    return .period(fromMicros: from, untilMicros: until)
  }

  private static func time(_ name: String, _ fields: inout Fields) -> Micros? {
    guard let text = fields.string(name, required: true) else { return nil }
    guard let micros = Timestamp.micros(text) else {
      fields.fail(name, "invalid_time", "\(name) is a time such as 2026-11-21T08:00:00Z.")
      return nil
    }
    return micros
  }
}

extension ExportDesk {
  /// Everybody of `org` who has or had `number`: the whole book, each stretch in a turn of the account `asker`.
  func contacts(
    with number: String, of org: Identifier, _ lane: ScanLane, for asker: Identifier
  ) async throws(APIError) -> [Identifier] {
    try await lane.search(for: asker) { () async throws(APIError) -> [Identifier] in
      var found: Set<Identifier> = []
      var next: UInt64? = 0
      while let position = next {
        let turn = try await lane.run(for: asker) { [self] () throws(CommandError) in
          try contacts(with: number, of: org, after: position)
        }
        guard let turn else { throw .clientGone }
        do throws(CommandError) {
          let stretch = try turn.get()
          found.formUnion(stretch.found)
          next = stretch.next
        } catch {
          throw APIError(error)
        }
      }
      return found.sorted()
    }
  }
}

extension Exchange {
  func exports() throws(APIError) -> ExportDesk {
    guard let desk = services.exports else {
      throw APIError(503, "unavailable", "signing_unavailable", "Nothing can be signed here.")
    }
    return desk
  }

  /// The same where something can be signed now: nothing is recorded before.
  func signingExports() async throws(APIError) -> ExportDesk {
    let desk = try exports()
    do {
      try await desk.notary.requireSigning()
      return desk
    } catch {
      throw failure(error)
    }
  }

  /// What a failed export answers; operators are told why.
  func failure(_ error: any Error) -> APIError {
    switch error {
    case let error as CommandError: return APIError(error)
    case let error as EventLogError: return APIError(.log(error))
    case NotaryError.onHold:
      return APIError(
        503, "unavailable", "signing_on_hold",
        "After a restore nothing is signed until it is released.")
    default:
      services.report("audit: \(error)", requestID)
      return APIError(500, "internal", "internal", "The export failed. Operators were told.")
    }
  }
}

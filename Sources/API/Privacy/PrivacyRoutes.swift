import Application
import Domain
import EventLog
import HTTP
import JSON
import ReadModels

/// The right to be forgotten.
enum PrivacyRoutes {
  private static let details = """
    Ends what is pending for the person, destroys the keys that their data is sealed under, takes the sealed
    data out of the log's files and their rows out of every read model. Order, proofs and figures stay. What
    stays of an opt-out is a keyed hash of the address, so that nobody writes to it again. There is no way back.
    With `dry_run`: what would go.
    """

  static let all: [Operation] = [
    Operation(
      "POST", "/api/privacy/erasures", .scope("privacy:write"), "Erase a person",
      details: details,
      body: .json(
        PrivacySchemas.input,
        example: ["contact": "con_01jd3x0000000000000000000a", "reason": "person_asked"]),
      answers: [
        AnswerDefinition(202, "Accepted.", PrivacySchemas.erasure), .trial(PrivacySchemas.trial),
      ], refuses: [404: ["not_found"]], handler: create),
    Operation.list(
      "/api/privacy/erasures", "privacy:read", "List erasures", of: PrivacySchemas.erasure,
      sorts: ["-requested_at"], rows: list),
    Operation(
      "GET", "/api/privacy/erasures/{id}", .scope("privacy:read"), "How far an erasure is",
      answers: [.ok(PrivacySchemas.erasure)], handler: show),
    Operation(
      "POST", "/api/operator/erasures", .operation, "Erase a person, or ask how far it is",
      details: "A repeated order answers how far the first one is.",
      body: .json(
        PrivacySchemas.operatorInput,
        example: [
          "account": "acc_01jd3x0000000000000000000a",
          "contact": "con_01jd3x0000000000000000000a",
        ]),
      answers: [
        AnswerDefinition(202, "Accepted.", PrivacySchemas.erasure), .trial(PrivacySchemas.trial),
      ], refuses: [404: ["not_found"]], handler: operate),
  ]

  // MARK: Asking

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let (contact, reason) = order(&fields)
    try fields.finish()
    guard let contact else { preconditionFailure("finish refuses missing fields") }
    if exchange.isDryRun {
      try exchange.tellRepeated(try exchange.call(), in: exchange.org)
      return exchange.respond(
        200, try await preview(of: contact, for: reason, try exchange.executor(), exchange))
    }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.requestErasure(of: contact, reason: reason)
    }
    let view = try await view(of: contact, try exchange.executor(), exchange)
    return exchange.respond(202, view, receipt: written.receipt)
  }

  private static func operate(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let account = fields.id("account", .org, required: true)
    let (contact, reason) = order(&fields)
    let isInOrder = fields.bool("dry_run") ?? false
    let isDryRun = isInOrder || exchange.isDryRun
    try fields.finish()
    guard let account, let contact else { preconditionFailure("finish refuses missing fields") }
    let executor = try exchange.executor(for: account)
    let call = try exchange.operatorCall(actor: "system:operator", in: account)
    if isDryRun {
      try exchange.tellRepeated(call, in: account)
      return exchange.respond(200, try await preview(of: contact, for: reason, executor, exchange))
    }
    let written = try await exchange.write(to: executor, call) { workspace throws(CommandError) in
      try workspace.requestErasure(of: contact, reason: reason)
    }
    return exchange.respond(
      202, try await view(of: contact, executor, exchange), receipt: written.receipt)
  }

  private static func order(_ fields: inout Fields) -> (Identifier?, Erasure.Reason) {
    let contact = fields.id("contact", .contact, required: true)
    return (contact, fields.choice("reason", Erasure.Reason.self) ?? .personAsked)
  }

  private static func preview(
    of contact: Identifier, for reason: Erasure.Reason, _ executor: OrgExecutor,
    _ exchange: Exchange
  ) async throws(APIError) -> JSON {
    let (pending, optOuts, listings) = try await read(executor) {
      workspace throws(CommandError) in
      (
        workspace.pendingWork(of: contact), try workspace.lastingOptOuts(of: contact),
        try workspace.lastingListings(of: contact)
      )
    }
    let org = executor.org
    let traces = try await exchange.read(
      [.contacts, .timeline, .segments, .audit]
    ) { pool in try await ReadModels.traces(of: contact, org: org, pool) }
    var goes = JSONObject(traces.value.map { ($0.name, JSON($0.count)) })
    goes["messages_cancelled"] = JSON(pending.messages.count)
    goes["runs_ended"] = JSON(pending.runs.count)
    goes["timers_cancelled"] = JSON(pending.timers.count)
    let trial = try await exchange.tried(in: executor) { workspace throws(CommandError) in
      try workspace.requestErasure(of: contact, reason: reason)
    }
    return Trial.json(
      trial.events,
      [
        ("contact", .string(contact.text)), ("goes", .object(goes)),
        (
          "stays",
          [
            "opt_outs": .array(optOuts.map { .string($0.rawValue) }),
            "lists": .array(
              listings.map {
                ["list": .string($0.list.rawValue), "channel": .string($0.channel.rawValue)]
              }),
          ]
        ),
        ("account", .string(org.text)),
      ])
  }

  private static func read<Value: Sendable>(
    _ executor: OrgExecutor,
    _ body: @Sendable (borrowing Workspace) throws(CommandError) -> Value
  ) async throws(APIError) -> Value {
    do {
      return try await executor.read(body)
    } catch {
      throw APIError(error)
    }
  }

  // MARK: How far it is

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .erasure)
    return exchange.respond(
      200,
      try await view(
        of: Identifier(.contact, id.value), try exchange.executor(), exchange))
  }

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let executor = try exchange.executor()
    let all = try await read(executor) { workspace throws(CommandError) in
      workspace.erasures.sorted { $0.contact < $1.contact }
    }
    var data: [JSON] = []
    for entry in all {
      data.append(try view(entry.erasure, of: entry.contact, executor.org, exchange))
    }
    return try await .of(data, list, exchange)
  }

  private static func view(
    of contact: Identifier, _ executor: OrgExecutor, _ exchange: Exchange
  ) async throws(APIError) -> JSON {
    let erasure = try await read(executor) { workspace throws(CommandError) in
      try workspace.erasure(of: contact)
    }
    guard let erasure else { throw .notFound("erasure") }
    return try view(erasure, of: contact, executor.org, exchange)
  }

  private static func view(
    _ erasure: Erasure, of contact: Identifier, _ org: Identifier, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    func time(_ micros: Micros?) -> JSON { JSON(micros.map(Timestamp.text)) }
    return [
      "id": .string(Identifier(.erasure, contact.value).text), "object": "erasure",
      "contact": .string(contact.text),
      "status": .string(try status(erasure, of: contact, org, exchange).rawValue),
      "reason": .string(erasure.reason.rawValue), "requested_by": .string(erasure.by),
      "requested_at": time(erasure.requestedAtMicros),
      "rewritten_at": time(erasure.rewrittenAtMicros),
      "rows_purged_at": time(erasure.purgedAtMicros), "erased_at": time(erasure.erasedAtMicros),
      "key_ids": .array(erasure.keyIDs.map(JSON.string)), "account": .string(org.text),
    ]
  }

  /// That the keys are gone shows before it is on record: the person's first event does not open any more.
  private static func status(
    _ erasure: Erasure, of contact: Identifier, _ org: Identifier, _ exchange: Exchange
  ) throws(APIError) -> Erasure.Status {
    guard erasure.status == .requested else { return erasure.status }
    do {
      let first = try exchange.engine.log.readStream(
        org: OrgID(org.value), stream: StreamID(contact.value), from: 1, limit: 1,
        direction: .forwards)
      let isClosed = first.first?.parts.contains { if case .erased = $0 { true } else { false } }
      return isClosed == true ? .keysDestroyed : .requested
    } catch {
      throw APIError(.log(error))
    }
  }
}

extension Exchange {
  /// - Throws: `erased` for a contact of the org who was erased or is being erased.
  func requireNotErased(_ contact: Identifier) async throws(APIError) {
    let executor = try executor()
    let isErased: Bool
    do {
      isErased = try await executor.read { workspace throws(CommandError) in
        workspace.isErased(contact)
      }
    } catch {
      throw APIError(error)
    }
    if isErased { throw APIError(.contact(.erased)) }
  }
}

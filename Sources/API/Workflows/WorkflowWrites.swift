import Application
import Domain
import HTTP
import JSON

/// Publishing workflows and starting runs by hand. Reading is in `WorkflowReads.swift`.
enum WorkflowWrites {
  private static let needsRights =
    "A workflow acts without asking anybody: whoever has it act has to have the rights of its steps, "
    + "`messages:automate` for what is sent, `contacts:automate` for tags (`messages:create`, `contacts:update`)."

  static let all: [Operation] = [
    Operation(
      "POST", "/api/workflows", .scope("workflows:write"), "Publish a workflow",
      details:
        "A new one, or, for a known `name`, its next version, which takes the right to update too. "
        + needsRights, body: document, answers: [.created(WorkflowSchemas.workflow)],
      refuses: [
        400: ["invalid_workflow", "other_channel", "unknown_template"], 403: ["cannot_grant"],
        413: ["too_large"],
      ],
      handler: publish),
    Operation(
      "PUT", "/api/workflows/{id}", .scope("workflows:write"), "Publish a workflow's next version",
      details: "Under the same name or another. Who is on the workflow stays on the version that "
        + "they started with. " + needsRights, body: document,
      answers: [.ok(WorkflowSchemas.workflow)],
      refuses: [
        400: ["invalid_workflow", "name_taken", "other_channel", "unknown_template"],
        403: ["cannot_grant"], 413: ["too_large"],
      ], handler: revise),
    Operation(
      "DELETE", "/api/workflows/{id}", .scope("workflows:write"), "Delete a workflow",
      details: "Nobody starts it any more; who is on it goes no further than a wait that they are "
        + "in. It is shown no more; its runs and its history stay on record.",
      answers: [.ok(WorkflowSchemas.workflow)], handler: delete),
    Operation(
      "POST", "/api/workflows/{id}/pause", .scope("workflows:write"), "Pause a workflow",
      answers: [.ok(WorkflowSchemas.workflow)], handler: pause),
    Operation(
      "POST", "/api/workflows/{id}/resume", .scope("workflows:write"), "Resume a workflow",
      details: needsRights, answers: [.ok(WorkflowSchemas.workflow)],
      refuses: [403: ["cannot_grant"]], handler: resume),
    Operation(
      "POST", "/api/workflows/{id}/runs", .scope("workflows:write"),
      "Start a workflow for a contact", details: needsRights,
      body: .json(
        WorkflowSchemas.start, example: ["contact": "con_01jd3x0000000000000000000a"]),
      answers: [.created(WorkflowSchemas.run)],
      refuses: [403: ["cannot_grant"], 409: ["already_running"]],
      handler: startRun),
  ]

  private static let example = "name: Tagging\ntrigger: manual\nsteps:\n  - add_tag: seen\n"
  private static let document = RequestBody.of(
    [
      ("application/json", WorkflowSchemas.source),
      ("application/yaml", .string(1...262_144)), ("text/yaml", .string(1...262_144)),
      ("application/x-yaml", .string(1...262_144)),
    ], example: ["source": .string(example)],
    texts: ["application/yaml": example, "text/yaml": example, "application/x-yaml": example],
    limitBytes: RequestBody.textBytes)

  private static func publish(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let source = try source(exchange)
    let definition = try definition(source)
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      try grants.require(definition.rights)
      // What others made is changed by it.
      if workspace.workflow(named: definition.name) != nil {
        try grants.require(["workflows:update"])
      }
      return try workspace.publishWorkflow(definition, source: source)
    }
    let id = try ContactWrites.created(.workflow, written)
    return try answer(201, id, written.receipt, exchange)
  }

  private static func revise(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .workflow)
    let source = try source(exchange)
    let definition = try definition(source)
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      try grants.require(definition.rights)
      try workspace.reviseWorkflow(id, definition, source: source)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func delete(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .workflow)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.deleteWorkflow(id)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func definition(_ source: String) throws(APIError) -> WorkflowDefinition {
    do {
      return try WorkflowDocument.definition(of: source)
    } catch {
      throw APIError(
        400, "invalid_request", "invalid_workflow", "\(error)", details: [detail(of: error)])
    }
  }

  /// What is wrong with a document whose request is refused already.
  private static func faults(of source: String) -> [APIError.Detail] {
    do {
      _ = try WorkflowDocument.definition(of: source)
      return []
    } catch {
      return [detail(of: error)]
    }
  }

  private static func detail(of error: WorkflowDocumentError) -> APIError.Detail {
    APIError.Detail(
      param: "line \(error.line), column \(error.column)", code: error.code,
      message: error.message)
  }

  /// The YAML itself, or JSON with it under `source`.
  private static func source(_ exchange: Exchange) throws(APIError) -> String {
    let limitBytes = 256 << 10
    if exchange.request.mediaType == "application/json" {
      var fields = try exchange.body()
      let source = fields.string("source", required: true, limit: limitBytes)
      if let source, !fields.errors.isEmpty { fields.adopt(faults(of: source)) }
      try fields.finish()
      return source ?? ""
    }
    guard exchange.request.body.count <= limitBytes else {
      throw .invalid("source", "too_long", "A workflow has at most 256 KiB.")
    }
    guard let text = String(validating: exchange.request.body, as: UTF8.self), !text.isEmpty
    else {
      throw .invalid("body", "invalid_workflow", "Send the workflow's YAML as UTF-8 text.")
    }
    return text
  }

  private static func pause(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await setPaused(true, exchange)
  }

  private static func resume(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await setPaused(false, exchange)
  }

  private static func setPaused(
    _ paused: Bool, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .workflow)
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      if !paused { try grants.require(try workspace.rights(ofWorkflow: id)) }
      try workspace.setWorkflow(id, paused: paused)
    }
    return try answer(200, id, written.receipt, exchange)
  }

  private static func startRun(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let workflow = try exchange.id("id", .workflow)
    var fields = try exchange.body()
    let contact = fields.id("contact", .contact, required: true)
    try fields.finish()
    guard let contact else { preconditionFailure("finish refuses missing fields") }
    let grants = Grants(exchange.caller.scopes)
    let written = try await exchange.write { workspace throws(CommandError) in
      try grants.require(try workspace.rights(ofWorkflow: workflow))
      let run = try workspace.startRun(workspace.newID(.run), of: workflow, contact: contact)
      guard let run else { throw .alreadyRunning }
      return run
    }
    let run = try ContactWrites.created(.run, written)
    let snapshot: Snapshot<WorkflowRun.State>
    do {
      snapshot = try exchange.engine.run(
        run, of: exchange.org, version: written.receipt.version(of: run))
    } catch {
      throw APIError(error)
    }
    return exchange.respond(
      201, RunView.json(run, exchange.org, snapshot), receipt: written.receipt)
  }

  private static func answer(
    _ status: Int, _ id: Identifier, _ receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let view = try view(id, version: receipt.version(of: id), exchange)
    return exchange.respond(
      status, view, receipt: receipt, version: view["version"]?.int.map(UInt64.init))
  }

  /// The workflow as it was at `version`.
  static func view(
    _ id: Identifier, version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    do {
      return WorkflowView.json(
        id, exchange.org, try exchange.engine.workflow(id, of: exchange.org, version: version))
    } catch {
      throw APIError(error)
    }
  }
}

/// A workflow as the API shows it.
enum WorkflowView {
  static func json(
    _ id: Identifier, _ org: Identifier, _ snapshot: Snapshot<Workflow.State>
  ) -> JSON {
    let state = snapshot.state
    let definition = state.versions[state.latestVersion]
    return .object(
      JSONObject([
        ("id", .string(id.text)), ("object", "workflow"), ("name", JSON(definition?.name)),
        ("trigger", JSON(definition?.trigger.text)), ("paused", .bool(state.isPaused)),
        ("latest_version", JSON(state.latestVersion)),
        ("source", JSON(state.sources[state.latestVersion])),
        ("steps", .array((definition?.steps ?? []).map { .string($0.id) })),
        ("deleted", .bool(state.isDeleted)),
        ("version", .int(Int64(snapshot.version))), ("account", .string(org.text)),
        ("created_at", .string(Timestamp.text(snapshot.createdAtMicros))),
        ("updated_at", .string(Timestamp.text(snapshot.updatedAtMicros))),
      ]))
  }
}

extension WorkflowDefinition.Trigger {
  var text: String {
    switch self {
    case .tagAdded(let tag): "tag_added:\(tag)"
    case .contactCreated: "contact_created"
    case .messageReceived: "message_received"
    case .manual: "manual"
    }
  }
}

/// A run as the API shows it.
enum RunView {
  static func json(
    _ id: Identifier, _ org: Identifier, _ snapshot: Snapshot<WorkflowRun.State>
  ) -> JSON {
    let state = snapshot.state
    return .object(
      JSONObject([
        ("id", .string(id.text)), ("object", "run"), ("workflow", JSON(state.workflow?.text)),
        ("workflow_version", JSON(state.version)), ("contact", JSON(state.contact?.text)),
        ("status", JSON(state.status?.rawValue)), ("step", JSON(state.step)),
        ("waiting_until", JSON(state.waitingUntilMicros.map(Timestamp.text))),
        ("version", .int(Int64(snapshot.version))), ("account", .string(org.text)),
        ("created_at", .string(Timestamp.text(snapshot.createdAtMicros))),
        ("updated_at", .string(Timestamp.text(snapshot.updatedAtMicros))),
      ]))
  }
}

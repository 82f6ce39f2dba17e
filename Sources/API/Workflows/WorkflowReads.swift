import AnalyticsProjection
import Application
import Domain
import HTTP
import JSON
import ProjectionRuntime

/// Reading workflows and runs.
enum WorkflowRoutes {
  static let all: [Operation] =
    WorkflowWrites.all + [
      Operation.list(
        "/api/workflows", "workflows:read", "List workflows", of: WorkflowSchemas.workflow,
        sorts: ["-created_at", "-id"], order: .leading,
        rows: list),
      Operation(
        "GET", "/api/workflows/{id}", .scope("workflows:read"), "Read a workflow",
        answers: [.ok(WorkflowSchemas.workflow)], handler: show),
      Operation.list(
        "/api/workflows/{id}/runs", "workflows:read", "List a workflow's runs",
        parameters: [.query("status", .choice(WorkflowRun.Status.self))],
        of: WorkflowSchemas.run, sorts: ["-created_at", "-id"], order: .leading, rows: runs),
      Operation(
        "GET", "/api/runs/{id}", .scope("workflows:read"), "Read a run with its steps",
        answers: [.ok(WorkflowSchemas.run)], handler: run),
    ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let org = exchange.org
    let found = try await exchange.read([.analytics], list) { pool in
      try await WorkflowQueries.list(pool, org: org, list.page)
    }
    return exchange.rows(found) { view($0, org) }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .workflow)
    let org = exchange.org
    let found = try await exchange.read([.analytics]) { pool in
      try await WorkflowQueries.item(pool, org: org, workflow: id)
    }
    guard let overview = found.value else { throw .notFound("workflow") }
    return exchange.respond(view(overview, org), found)
  }

  private static func view(_ overview: WorkflowOverview, _ org: Identifier) -> JSON {
    let row = overview.workflow
    let counts = WorkflowRun.Status.allCases.map {
      (key: $0.rawValue, value: JSON.int(overview.runCounts[$0.rawValue] ?? 0))
    }
    return .object(
      JSONObject([
        ("id", .string(Identifier(.workflow, row.key.id).text)), ("object", "workflow"),
        ("name", .string(row.name)), ("trigger", .string(row.trigger)),
        ("paused", .bool(row.status == "paused")), ("latest_version", .int(row.latestVersion)),
        ("source", .string(row.source)), ("step_count", .int(row.stepCount)),
        ("runs", .object(JSONObject(counts))), ("version", .int(row.version)),
        ("account", .string(org.text)),
        ("created_at", .string(Timestamp.text(row.createdAtMicros))),
        ("updated_at", .string(Timestamp.text(row.updatedAtMicros))),
      ]))
  }

  // MARK: Runs

  @Sendable
  private static func runs(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let id = try exchange.id("id", .workflow)
    let org = exchange.org
    var request = RunQueries.Request(workflow: id, page: list.page)
    request.sortsByID = list.sort.leading.name == "id"
    request.status = try exchange.queryChoice("status", WorkflowRun.Status.self)
    let workflow = try await exchange.read([.analytics]) { pool in
      try await WorkflowQueries.item(pool, org: org, workflow: id)
    }
    guard workflow.value != nil else { throw .notFound("workflow") }
    let found = try await exchange.read([.analytics], list) { [request] pool in
      try await RunQueries.list(pool, org: org, request)
    }
    return exchange.rows(found) { .object(view($0, org)) }
  }

  private static func run(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .run)
    let org = exchange.org
    let found = try await exchange.read([.analytics]) { pool in
      try await RunQueries.item(pool, org: org, run: id)
    }
    guard let (row, steps) = found.value else { throw .notFound("run") }
    var object = view(row, org)
    object["steps"] = .array(
      steps.map { step in
        [
          "step": .string(step.step), "outcome": .string(step.outcome),
          "message": JSON(step.message?.text), "position": .int(step.position),
          "occurred_at": .string(Timestamp.text(step.occurredAtMicros)),
        ]
      })
    return exchange.respond(.object(object), found)
  }

  private static func view(_ row: RunRow, _ org: Identifier) -> JSONObject {
    JSONObject([
      ("id", .string(Identifier(.run, row.key.id).text)), ("object", "run"),
      ("workflow", .string(Identifier(.workflow, row.workflow).text)),
      ("workflow_version", .int(row.workflowVersion)),
      ("contact", .string(Identifier(.contact, row.contact).text)),
      ("status", .string(row.status)), ("step", JSON(row.step)), ("reason", JSON(row.reason)),
      ("waiting_until", JSON(row.waitingUntilMicros.map(Timestamp.text))),
      ("advanced_count", .int(row.advancedCount)), ("version", .int(row.version)),
      ("account", .string(org.text)),
      ("created_at", .string(Timestamp.text(row.startedAtMicros))),
      ("ended_at", JSON(row.endedAtMicros.map(Timestamp.text))),
      ("updated_at", .string(Timestamp.text(row.updatedAtMicros))),
    ])
  }
}

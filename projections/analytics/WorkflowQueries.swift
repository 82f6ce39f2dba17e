package import Domain
package import Postgres
package import ProjectionRuntime

/// A workflow and how many of its runs stand where.
package struct WorkflowOverview: Sendable, Equatable {
  package let workflow: WorkflowRow
  /// By `WorkflowRun.Status`; a state without a run is missing.
  package let runCounts: [String: Int64]
}

/// A step that a run took.
package struct RunStep: Sendable, Equatable {
  package let position: Int64
  package let step: String
  package let outcome: String
  package let message: Identifier?
  package let occurredAtMicros: Micros
}

package enum WorkflowQueries {
  /// Newest first.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ page: PageRequest
  ) async throws -> QueryPage<WorkflowOverview> {
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("w.org = ?", .id(org))
      conditions.addPin(page, createdAt: "w.created_at")
      let found = try query.page(conditions, page, connection)
      let overviews = try withCounts(found.rows, org, connection)
      return QueryPage(
        rows: overviews, cursors: found.cursors, hasMore: found.hasMore, total: found.total)
    }
  }

  private static let query = ListQuery<WorkflowRow>(
    "workflows", columns: WorkflowRow.columnList("w"),
    source: "\(AnalyticsProjection.schema).workflows w", order: [.init("w.workflow", .uuid)],
    isDescending: true, row: WorkflowRow.row
  ) { [UUIDText.encode($0.key.id)] }

  /// nil where the org has no such workflow.
  package static func item(
    _ pool: PostgresPool, org: Identifier, workflow: Identifier
  ) async throws -> WorkflowOverview? {
    try await Reading.read(pool, org: org) { connection in
      let rows = try WorkflowRow.rows(
        connection.query(
          """
          SELECT \(WorkflowRow.columnList("w")) FROM \(AnalyticsProjection.schema).workflows w
          WHERE w.org = $1 AND w.workflow = $2
          """, [.id(org), .id(workflow)]))
      return try withCounts(rows, org, connection).first
    }
  }

  private static func withCounts(
    _ workflows: [WorkflowRow], _ org: Identifier, _ connection: PostgresConnection
  ) throws -> [WorkflowOverview] {
    let counted = try connection.query(
      """
      SELECT workflow, status, count(*) FROM \(AnalyticsProjection.schema).runs
      WHERE org = $1 AND workflow = ANY($2::uuid[]) GROUP BY workflow, status
      """, [.id(org), .textArray(workflows.map { UUIDText.encode($0.key.id) })])
    var counts: [UInt128: [String: Int64]] = [:]
    for row in counted {
      guard let workflow = UUIDText.decode(try row.text(0)) else { continue }
      counts[workflow, default: [:]][try row.text(1)] = try row.int64(2)
    }
    return workflows.map {
      WorkflowOverview(workflow: $0, runCounts: counts[$0.key.id] ?? [:])
    }
  }
}

package enum RunQueries {
  package struct Request: Sendable {
    package var workflow: Identifier
    package var status: WorkflowRun.Status?
    /// In place of the order in which they started.
    package var sortsByID = false
    package var page: PageRequest

    package init(workflow: Identifier, page: PageRequest = PageRequest()) {
      self.workflow = workflow
      self.page = page
    }
  }

  /// A workflow's runs, newest first.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<RunRow> {
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("r.org = ?", .id(org))
      conditions.add("r.workflow = ?", .id(request.workflow))
      conditions.addIfPresent("r.status = ?", request.status.map { .text($0.rawValue) })
      conditions.addPin(request.page, position: "r.position")
      let query = request.sortsByID ? byID : byStart
      return try query.page(conditions, request.page, connection)
    }
  }

  private static let byID = ListQuery<RunRow>(
    "runs.id", columns: RunRow.columnList("r"), source: "\(AnalyticsProjection.schema).runs r",
    order: [.init("r.run", .uuid)], isDescending: true, row: RunRow.row
  ) { [UUIDText.encode($0.key.id)] }

  private static let byStart = ListQuery<RunRow>(
    "runs", columns: RunRow.columnList("r"), source: "\(AnalyticsProjection.schema).runs r",
    order: [.init("r.position", .bigint)], isDescending: true, row: RunRow.row
  ) { [String($0.position)] }

  /// A run and the steps it took, first step first; nil where the org has no such run.
  package static func item(
    _ pool: PostgresPool, org: Identifier, run: Identifier
  ) async throws -> (run: RunRow, steps: [RunStep])? {
    try await Reading.read(pool, org: org) { connection in
      let rows = try RunRow.rows(
        connection.query(
          """
          SELECT \(RunRow.columnList("r")) FROM \(AnalyticsProjection.schema).runs r
          WHERE r.org = $1 AND r.run = $2
          """, [.id(org), .id(run)]))
      guard let row = rows.first else { return nil }
      return (row, try steps(of: run, org, connection))
    }
  }

  private static func steps(
    of run: Identifier, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> [RunStep] {
    try connection.query(
      """
      SELECT position, step, outcome, message, occurred_at
      FROM \(AnalyticsProjection.schema).run_steps WHERE org = $1 AND run = $2 ORDER BY position
      """, [.id(org), .id(run)]
    ).map { row in
      var reader = RowReader(row, table: RunStepRow.table)
      return RunStep(
        position: try reader.bigint(), step: try reader.text(), outcome: try reader.text(),
        message: try reader.optionalUUID().map { Identifier(.message, $0) },
        occurredAtMicros: try reader.timestamp())
    }
  }
}

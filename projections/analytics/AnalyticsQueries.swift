package import Domain
package import Postgres
package import ProjectionRuntime

/// Figures over the facts, as `GET /api/analytics/messages` asks for them.
package enum AnalyticsQueries {
  package enum Grouping: String, Sendable, CaseIterable {
    case campaign, workflow, step, channel, status, day
  }

  /// Which messages.
  package struct Scope: Sendable {
    /// Days since 1970-01-01, UTC; both ends count.
    package var fromDay: Int64?
    package var toDay: Int64?
    package var campaign: Identifier?
    package var workflow: Identifier?
    package var step: String?
    package var channel: Channel?

    package init() {}
  }

  package struct Request: Sendable {
    package var groupBy: [Grouping] = []
    package var scope = Scope()

    package init() {}
  }

  package struct Group: Sendable, Equatable {
    package let campaign: Identifier?
    package let workflow: Identifier?
    package let step: String?
    package let channel: String?
    package let status: String?
    /// `2025-06-01`.
    package let day: String?
    package let count: Int64
    package let figures: Figures
  }

  /// planned = sent + failed + skipped + cancelled + pending.
  package struct Answer: Sendable, Equatable {
    /// In the order of the groups' values; empty where nothing is grouped by.
    package let groups: [Group]
    package let totals: Figures
    /// Charges that belong to no message: only where the scope is a period.
    package let otherCostMicros: Int64
  }

  package static func messages(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> Answer {
    try await Reading.read(pool, org: org) { connection in
      Answer(
        groups: try groups(request, org, connection),
        totals: try totals(request.scope, org, connection),
        otherCostMicros: try otherCost(request.scope, org, connection))
    }
  }

  /// The messages that a figure counts, newest first.
  package struct RowsRequest: Sendable {
    package var figure: Figure
    package var scope = Scope()
    package var page: PageRequest

    package init(_ figure: Figure, page: PageRequest = PageRequest()) {
      self.figure = figure
      self.page = page
    }
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func rows(
    _ pool: PostgresPool, org: Identifier, _ request: RowsRequest
  ) async throws -> QueryPage<Identifier> {
    try await Reading.read(pool, org: org) { connection in
      var conditions = conditions(of: request.scope, org)
      conditions.add(request.figure.condition)
      return try rowsQuery.page(conditions, request.page, connection)
    }
  }

  private static let rowsQuery = ListQuery<Identifier>(
    "figure", columns: "message", source: facts, order: [.init("message", .uuid)],
    isDescending: true,
    row: { row in
      var reader = RowReader(row, table: MessageFact.table)
      return Identifier(.message, try reader.uuid())
    }
  ) { [UUIDText.encode($0.value)] }
}

extension AnalyticsQueries {
  private static var facts: String { "\(AnalyticsProjection.schema).message_facts" }

  private static func groups(
    _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> [Group] {
    guard !request.groupBy.isEmpty else { return [] }
    let conditions = conditions(of: request.scope, org)
    let chosen = Grouping.allCases.map { request.groupBy.contains($0) ? $0.rawValue : "NULL" }
    let names = Grouping.allCases.filter(request.groupBy.contains).map(\.rawValue)
      .joined(separator: ", ")
    return try connection.query(
      """
      SELECT \(chosen.joined(separator: ", ")), count(*), \(Figures.columns) FROM \(facts)
      \(conditions.sql) GROUP BY \(names) ORDER BY \(names)
      """, conditions.parameters
    ).map { row in
      Group(
        campaign: try id(row, 0, .campaign), workflow: try id(row, 1, .workflow),
        step: try row.optionalText(2), channel: try row.optionalText(3),
        status: try row.optionalText(4), day: try row.optionalText(5), count: try row.int64(6),
        figures: try figures(row, from: 7))
    }
  }

  private static func id(
    _ row: PostgresRow, _ column: Int, _ kind: Identifier.Kind
  ) throws -> Identifier? {
    try row.optionalText(column).flatMap(UUIDText.decode).map { Identifier(kind, $0) }
  }

  private static func figures(_ row: PostgresRow, from column: Int) throws -> Figures {
    let counts = try Figure.allCases.indices.map { try row.int64(column + $0) }
    return Figures(counts: counts, costMicros: try row.int64(column + counts.count))
  }

  private static func totals(
    _ scope: Scope, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> Figures {
    let conditions = conditions(of: scope, org)
    let found = try connection.query(
      "SELECT \(Figures.columns) FROM \(facts) \(conditions.sql)", conditions.parameters)
    guard let row = found.first else { preconditionFailure("an aggregate has one row") }
    return try figures(row, from: 0)
  }

  private static func otherCost(
    _ scope: Scope, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> Int64 {
    guard scope.isPeriod else { return 0 }
    let conditions = conditions(of: scope, org)
    return try connection.query(
      """
      SELECT coalesce(sum(amount_micros), 0)::bigint
      FROM \(AnalyticsProjection.schema).other_charges \(conditions.sql)
      """, conditions.parameters
    ).first?.int64(0) ?? 0
  }

  private static func conditions(of scope: Scope, _ org: Identifier) -> Conditions {
    var conditions = Conditions()
    conditions.add("org = ?", .id(org))
    conditions.addIfPresent(
      "day >= date '1970-01-01' + ?::int", scope.fromDay.map(PostgresValue.int))
    conditions.addIfPresent(
      "day <= date '1970-01-01' + ?::int", scope.toDay.map(PostgresValue.int))
    conditions.addIfPresent("campaign = ?", scope.campaign.map(PostgresValue.id))
    conditions.addIfPresent("workflow = ?", scope.workflow.map(PostgresValue.id))
    conditions.addIfPresent("step = ?", scope.step.map(PostgresValue.text))
    conditions.addIfPresent("channel = ?", scope.channel.map { .text($0.rawValue) })
    return conditions
  }
}

extension AnalyticsQueries.Scope {
  fileprivate var isPeriod: Bool {
    campaign == nil && workflow == nil && step == nil && channel == nil
  }
}

package import Domain
package import Postgres
internal import ProjectionRuntime

/// Figures over the facts, as `GET /api/analytics/messages` asks for them.
package enum AnalyticsQueries {
  package enum Grouping: String, Sendable, CaseIterable {
    case campaign, channel, status, day
  }

  package struct Request: Sendable {
    package var groupBy: [Grouping] = []
    /// Days since 1970-01-01, UTC; both ends count.
    package var fromDay: Int64?
    package var toDay: Int64?
    package var campaign: Identifier?
    package var channel: Channel?

    package init() {}
  }

  package struct Group: Sendable, Equatable {
    package let campaign: Identifier?
    package let channel: String?
    package let status: String?
    /// `2025-06-01`.
    package let day: String?
    package let count: Int64
    package let costMicros: Int64
  }

  /// planned = sent + failed + skipped + cancelled + pending.
  package struct Totals: Sendable, Equatable {
    /// Outbound messages, whatever became of them.
    package var planned: Int64
    /// Handed to the carrier: sent or delivered.
    package var sent: Int64
    package var delivered: Int64
    package var failed: Int64
    package var skipped: Int64
    package var cancelled: Int64
    package var pending: Int64
    package var received: Int64
    /// What the messages cost.
    package var costMicros: Int64
    /// Charges that belong to no message: without a campaign or channel among the conditions.
    package var otherCostMicros: Int64
  }

  package struct Answer: Sendable, Equatable {
    /// In the order of the groups' values; empty where nothing is grouped by.
    package let groups: [Group]
    package let totals: Totals
  }

  package static func messages(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> Answer {
    try await Reading.read(pool, org: org) { connection in
      Answer(
        groups: try groups(request, org, connection), totals: try totals(request, org, connection))
    }
  }
}

extension AnalyticsQueries {
  private static var facts: String { "\(AnalyticsProjection.schema).message_facts" }

  private static func groups(
    _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> [Group] {
    guard !request.groupBy.isEmpty else { return [] }
    let conditions = conditions(of: request, org)
    let chosen = Grouping.allCases.map { request.groupBy.contains($0) ? $0.rawValue : "NULL" }
    let names = Grouping.allCases.filter(request.groupBy.contains).map(\.rawValue)
      .joined(separator: ", ")
    return try connection.query(
      """
      SELECT \(chosen.joined(separator: ", ")), count(*), sum(cost_micros)::bigint FROM \(facts)
      \(conditions.sql) GROUP BY \(names) ORDER BY \(names)
      """, conditions.parameters
    ).map { row in
      Group(
        campaign: try row.optionalText(0).flatMap(UUIDText.decode).map {
          Identifier(.campaign, $0)
        },
        channel: try row.optionalText(1), status: try row.optionalText(2),
        day: try row.optionalText(3), count: try row.int64(4), costMicros: try row.int64(5))
    }
  }

  private static func totals(
    _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> Totals {
    let conditions = conditions(of: request, org)
    let found = try connection.query(
      """
      SELECT count(*) FILTER (WHERE direction = 'outbound'),
        count(*) FILTER (WHERE status IN ('sent', 'delivered')),
        count(*) FILTER (WHERE status = 'delivered'), count(*) FILTER (WHERE status = 'failed'),
        count(*) FILTER (WHERE status = 'skipped'), count(*) FILTER (WHERE status = 'cancelled'),
        count(*) FILTER (WHERE status = 'received'), coalesce(sum(cost_micros), 0)::bigint
      FROM \(facts) \(conditions.sql)
      """, conditions.parameters)
    guard let row = found.first else { preconditionFailure("an aggregate has one row") }
    var totals = Totals(
      planned: try row.int64(0), sent: try row.int64(1), delivered: try row.int64(2),
      failed: try row.int64(3), skipped: try row.int64(4), cancelled: try row.int64(5), pending: 0,
      received: try row.int64(6), costMicros: try row.int64(7),
      otherCostMicros: try otherCost(request, org, connection))
    totals.pending =
      totals.planned - totals.sent - totals.failed - totals.skipped - totals.cancelled
    return totals
  }

  private static func otherCost(
    _ request: Request, _ org: Identifier, _ connection: PostgresConnection
  ) throws -> Int64 {
    guard request.campaign == nil, request.channel == nil else { return 0 }
    let conditions = conditions(of: request, org)
    return try connection.query(
      """
      SELECT coalesce(sum(amount_micros), 0)::bigint
      FROM \(AnalyticsProjection.schema).other_charges \(conditions.sql)
      """, conditions.parameters
    ).first?.int64(0) ?? 0
  }

  private static func conditions(of request: Request, _ org: Identifier) -> Conditions {
    var conditions = Conditions()
    conditions.add("org = ?", .id(org))
    conditions.addIfPresent(
      "day >= date '1970-01-01' + ?::int", request.fromDay.map(PostgresValue.int))
    conditions.addIfPresent(
      "day <= date '1970-01-01' + ?::int", request.toDay.map(PostgresValue.int))
    conditions.addIfPresent("campaign = ?", request.campaign.map(PostgresValue.id))
    conditions.addIfPresent("channel = ?", request.channel.map { .text($0.rawValue) })
    return conditions
  }
}

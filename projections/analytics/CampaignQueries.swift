package import Domain
package import Postgres
package import ProjectionRuntime

/// What became of a campaign's recipients, counted over the facts.
///
/// planned = sent + failed + skipped + cancelled + pending, always: whoever has no message yet is
/// pending, or cancelled where the campaign was.
package struct CampaignCounts: Sendable, Equatable {
  package var planned: Int64 = 0
  /// Handed to the carrier: sent or delivered.
  package var sent: Int64 = 0
  package var failed: Int64 = 0
  package var skipped: Int64 = 0
  package var cancelled: Int64 = 0
  package var pending: Int64 = 0
  /// The part of `sent` that arrived.
  package var delivered: Int64 = 0
  package var costMicros: Int64 = 0
}

/// A campaign and its counts.
package struct CampaignOverview: Sendable, Equatable {
  package let campaign: CampaignRow
  package let counts: CampaignCounts
}

package enum CampaignQueries {
  /// Newest first.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ page: PageRequest
  ) async throws -> QueryPage<CampaignOverview> {
    let before = try AnalyticsCursor.id(page.after, "campaigns")
    return try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("c.org = ?", .id(org))
      conditions.addIfPresent("c.campaign < ?", before.map(PostgresValue.text))
      let found = try connection.query(
        sql(conditions.sql, "ORDER BY c.campaign DESC LIMIT \(page.limit + 1)"),
        conditions.parameters)
      return QueryPage(try found.map(overview), limit: page.limit) {
        Cursor("campaigns", [UUIDText.encode($0.campaign.key.id)])
      }
    }
  }

  /// nil where the org has no such campaign.
  package static func item(
    _ pool: PostgresPool, org: Identifier, campaign: Identifier
  ) async throws -> CampaignOverview? {
    try await Reading.read(pool, org: org) { connection in
      try connection.query(
        sql("WHERE c.org = $1 AND c.campaign = $2", ""), [.id(org), .id(campaign)]
      ).first.map(overview)
    }
  }

  private static func sql(_ condition: String, _ order: String) -> String {
    """
    SELECT \(CampaignRow.columnList("c")), f.* FROM \(AnalyticsProjection.schema).campaigns c
    CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE status IN ('sent', 'delivered')),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'skipped'),
        count(*) FILTER (WHERE status = 'cancelled'), count(*),
        count(*) FILTER (WHERE status = 'delivered'), coalesce(sum(cost_micros), 0)::bigint
      FROM \(AnalyticsProjection.schema).message_facts m
      WHERE m.org = c.org AND m.campaign = c.campaign
    ) f \(condition) \(order)
    """
  }

  private static func overview(_ row: PostgresRow) throws -> CampaignOverview {
    var reader = RowReader(row, table: CampaignRow.table)
    let campaign = try CampaignRow(from: &reader)
    var counts = CampaignCounts(
      planned: campaign.plannedCount, sent: try reader.bigint(), failed: try reader.bigint(),
      skipped: try reader.bigint(), cancelled: try reader.bigint())
    let messageCount = try reader.bigint()
    counts.delivered = try reader.bigint()
    counts.costMicros = try reader.bigint()
    let unplanned = campaign.plannedCount - messageCount
    let open = messageCount - counts.sent - counts.failed - counts.skipped - counts.cancelled
    let isCancelled = campaign.status == Campaign.Status.cancelled.rawValue
    counts.cancelled += isCancelled ? unplanned : 0
    counts.pending = open + (isCancelled ? 0 : unplanned)
    return CampaignOverview(campaign: campaign, counts: counts)
  }
}

enum AnalyticsCursor {
  /// The id that a list goes on from.
  static func id(_ cursor: String?, _ list: String) throws(InvalidCursor) -> String? {
    guard let parts = try Cursor.parts(of: cursor, list, count: 1) else { return nil }
    guard UUIDText.decode(parts[0]) != nil else { throw InvalidCursor() }
    return parts[0]
  }

  static func position(_ cursor: String?, _ list: String) throws(InvalidCursor) -> Int64? {
    guard let parts = try Cursor.parts(of: cursor, list, count: 1) else { return nil }
    guard let position = Int64(parts[0]) else { throw InvalidCursor() }
    return position
  }
}

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
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("c.org = ?", .id(org))
      conditions.addPin(page, createdAt: "c.created_at")
      return try query.page(conditions, page, connection)
    }
  }

  private static let query = ListQuery<CampaignOverview>(
    "campaigns", columns: columns, source: source, order: [.init("c.campaign", .uuid)],
    isDescending: true, row: { try overview($0) }
  ) { [UUIDText.encode($0.campaign.key.id)] }

  /// nil where the org has no such campaign.
  package static func item(
    _ pool: PostgresPool, org: Identifier, campaign: Identifier
  ) async throws -> CampaignOverview? {
    try await Reading.read(pool, org: org) { connection in
      try connection.query(
        "SELECT \(columns) FROM \(source) WHERE c.org = $1 AND c.campaign = $2",
        [.id(org), .id(campaign)]
      ).first.map(overview)
    }
  }

  private static let columns = CampaignRow.columnList("c") + ", f.*"

  private static let source = """
    \(AnalyticsProjection.schema).campaigns c
    CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE status IN ('sent', 'delivered')),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'skipped'),
        count(*) FILTER (WHERE status = 'cancelled'), count(*),
        count(*) FILTER (WHERE status = 'delivered'), coalesce(sum(cost_micros), 0)::bigint
      FROM \(AnalyticsProjection.schema).message_facts m
      WHERE m.org = c.org AND m.campaign = c.campaign
    ) f
    """

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

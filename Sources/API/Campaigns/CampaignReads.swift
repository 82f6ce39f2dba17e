import AnalyticsProjection
import Application
import Domain
import HTTP
import ProjectionRuntime

/// Reading campaigns with their conservation figures.
enum CampaignRoutes {
  static let all: [Operation] =
    CampaignWrites.all + [
      Operation.list(
        "/api/campaigns", "campaigns:read", "List campaigns with their figures",
        of: CampaignSchemas.campaign, sorts: ["-created_at", "-id"], order: .leading, rows: list),
      Operation(
        "GET", "/api/campaigns/{id}", .scope("campaigns:read"),
        "Read a campaign with its figures", answers: [.ok(CampaignSchemas.campaign)],
        handler: show),
    ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let org = exchange.org
    let found = try await exchange.read([.analytics], list) { pool in
      try await CampaignQueries.list(pool, org: org, list.page)
    }
    return exchange.rows(found) { CampaignView($0, org).json }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    let org = exchange.org
    let found = try await exchange.read([.analytics]) { pool in
      try await CampaignQueries.item(pool, org: org, campaign: id)
    }
    guard let overview = found.value else { throw .notFound("campaign") }
    return exchange.respond(CampaignView(overview, org).json, found)
  }
}

extension CampaignView {
  /// From the read model.
  init(_ overview: CampaignOverview, _ org: Identifier) {
    let row = overview.campaign
    let words = row.words
    self.init(
      id: Identifier(.campaign, row.key.id), org: org, name: words.name,
      segment: Identifier(.segment, words.segment), channel: words.channel,
      purpose: words.purpose, body: words.body, subject: words.subject, html: words.html,
      voicemail: words.voicemail, template: words.template.map { Identifier(.template, $0) },
      templateVersion: words.templateVersion, holdoutPercent: words.holdoutPercent,
      perMinute: row.perMinute, status: row.status, plannedCount: overview.counts.planned,
      sentCount: overview.counts.sent, failedCount: overview.counts.failed,
      skippedCount: overview.counts.skipped, cancelledCount: overview.counts.cancelled,
      version: UInt64(row.version), createdAtMicros: row.createdAtMicros,
      updatedAtMicros: row.updatedAtMicros)
  }
}

import AnalyticsProjection
import Application
import Domain
import HTTP
import JSON

/// Figures over messages; every one of them is a query over facts.
enum AnalyticsRoutes {
  static let all = [
    Operation(
      "GET", "/api/analytics/messages", .scope("analytics:read"), "Count messages",
      parameters: [
        .query(
          "group_by", .array(.choice(AnalyticsQueries.Grouping.self)), "Between commas.",
          style: .commas), .from, .to, .query("campaign", .id(.campaign)),
        .query("channel", .choice(Channel.self)),
      ],
      answers: [
        .ok(
          .object(
            "MessageFigures",
            [
              .required("object", .constant("analytics")),
              .required("groups", .array(.map(.anything))),
              .required("totals", .map(.anything)),
            ]))
      ], handler: messages)
  ]

  private static func messages(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let request = try request(exchange)
    let org = exchange.org
    let found = try await exchange.read([.analytics]) { pool in
      try await AnalyticsQueries.messages(pool, org: org, request)
    }
    let totals = found.value.totals
    return exchange.respond(
      .object(
        JSONObject([
          ("object", "analytics"), ("groups", .array(found.value.groups.map(view))),
          (
            "totals",
            .object(
              JSONObject([
                ("planned", .int(totals.planned)), ("sent", .int(totals.sent)),
                ("delivered", .int(totals.delivered)), ("failed", .int(totals.failed)),
                ("skipped", .int(totals.skipped)), ("cancelled", .int(totals.cancelled)),
                ("pending", .int(totals.pending)), ("received", .int(totals.received)),
                ("cost", Money.json(totals.costMicros)),
              ]))
          ),
        ])), found)
  }

  private static func request(
    _ exchange: Exchange
  ) throws(APIError) -> AnalyticsQueries.Request {
    var request = AnalyticsQueries.Request()
    for word in (exchange.query("group_by") ?? "").split(separator: ",") {
      guard let grouping = AnalyticsQueries.Grouping(rawValue: String(word)) else {
        throw .invalid(
          "group_by", "invalid_value", "group_by is any of: campaign, channel, status, day.")
      }
      if !request.groupBy.contains(grouping) { request.groupBy.append(grouping) }
    }
    request.fromDay = try exchange.queryTime("from").map(day)
    request.toDay = try exchange.queryTime("to").map(day)
    request.campaign = try exchange.queryID("campaign", .campaign)
    request.channel = try exchange.queryChoice("channel", Channel.self)
    return request
  }

  private static func day(_ micros: Micros) -> Int64 {
    let dayMicros: Int64 = 86_400_000_000
    return (micros >= 0 ? micros : micros - dayMicros + 1) / dayMicros
  }

  private static func view(_ group: AnalyticsQueries.Group) -> JSON {
    [
      "campaign": JSON(group.campaign?.text), "channel": JSON(group.channel),
      "status": JSON(group.status), "day": JSON(group.day), "count": .int(group.count),
      "cost": Money.json(group.costMicros),
    ]
  }
}

import AnalyticsProjection
import Application
import Domain
import HTTP
import JSON
import ProjectionRuntime
import TimelineProjection

/// Figures over messages; every one of them is a query over facts, and opens its rows.
enum AnalyticsRoutes {
  static let all: [Operation] = [
    Operation(
      "GET", "/api/analytics/messages", .scope("analytics:read"),
      "Figures and rates of messages",
      parameters: [
        .query(
          "group_by", .array(.choice(AnalyticsQueries.Grouping.self)), "Between commas.",
          style: .commas)
      ] + scope, answers: [.ok(AnalyticsSchemas.figures)], handler: messages),
    Operation.list(
      "/api/analytics/messages/rows", "analytics:read", alsoNeeds: ["messages:read"],
      "The messages that a figure counts, newest first",
      parameters: [
        .query(
          "figure", .choice(Figure.self), "Which figure of `/api/analytics/messages`.",
          required: true)
      ] + scope, of: MessageSchemas.message, sorts: ["-created_at", "-id"], order: .leading,
      rows: rows),
  ]

  private static let scope: [Parameter] = [
    .from, .to, .query("campaign", .id(.campaign)), .query("workflow", .id(.workflow)),
    .query("step", .string(1...200)), .query("channel", .choice(Channel.self)),
  ]

  private static func messages(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var request = AnalyticsQueries.Request()
    for word in (exchange.query("group_by") ?? "").split(separator: ",") {
      guard let grouping = AnalyticsQueries.Grouping(rawValue: String(word)) else {
        let all = AnalyticsQueries.Grouping.allCases.map(\.rawValue).joined(separator: ", ")
        throw .invalid("group_by", "invalid_value", "group_by is any of: \(all).")
      }
      if !request.groupBy.contains(grouping) { request.groupBy.append(grouping) }
    }
    request.scope = try scope(exchange)
    let org = exchange.org
    let found = try await exchange.read([.analytics]) { [request] pool in
      try await AnalyticsQueries.messages(pool, org: org, request)
    }
    return exchange.respond(
      [
        "object": "analytics", "groups": .array(found.value.groups.map(view)),
        "totals": view(found.value.totals), "rates": rates(found.value.totals),
        "other_cost": Money.json(found.value.otherCostMicros),
      ], found)
  }

  @Sendable
  private static func rows(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    guard let figure = try exchange.queryChoice("figure", Figure.self) else {
      throw .invalid("figure", "required", "figure is required.")
    }
    var request = AnalyticsQueries.RowsRequest(figure, page: list.page)
    request.scope = try scope(exchange)
    let org = exchange.org
    let found = try await exchange.read([.analytics, .timeline], list) { [request] pool in
      let page = try await AnalyticsQueries.rows(pool, org: org, request)
      let rows = try await MessageQueries.items(pool, org: org, messages: page.rows)
      let messages = Dictionary(rows.map { ($0.message, $0) }) { first, _ in first }
      return page.compactMap { messages[$0.value] }
    }
    return exchange.rows(found) { MessageView($0, org).json }
  }

  private static func scope(
    _ exchange: Exchange
  ) throws(APIError) -> AnalyticsQueries.Scope {
    var scope = AnalyticsQueries.Scope()
    scope.fromDay = try exchange.queryTime("from").map(day)
    scope.toDay = try exchange.queryTime("to").map(day)
    scope.campaign = try exchange.queryID("campaign", .campaign)
    scope.workflow = try exchange.queryID("workflow", .workflow)
    scope.step = exchange.query("step")
    scope.channel = try exchange.queryChoice("channel", Channel.self)
    return scope
  }

  private static func day(_ micros: Micros) -> Int64 {
    let dayMicros: Int64 = 86_400_000_000
    return (micros >= 0 ? micros : micros - dayMicros + 1) / dayMicros
  }

  private static func view(_ group: AnalyticsQueries.Group) -> JSON {
    [
      "campaign": JSON(group.campaign?.text), "workflow": JSON(group.workflow?.text),
      "step": JSON(group.step), "channel": JSON(group.channel), "status": JSON(group.status),
      "day": JSON(group.day), "count": .int(group.count),
      "cost": Money.json(group.figures.costMicros), "figures": view(group.figures),
      "rates": rates(group.figures),
    ]
  }

  private static func view(_ figures: Figures) -> JSON {
    let counts = Figure.allCases.map { ($0.rawValue, JSON.int(figures[$0])) }
    return .object(JSONObject(counts + [("cost", Money.json(figures.costMicros))]))
  }

  /// Between 0 and 1; null where there is nothing to take a share of.
  private static func rates(_ figures: Figures) -> JSON {
    .object(
      JSONObject(
        Rate.allCases.map { rate in
          (rate.rawValue, figures.rate(rate).map(JSON.double) ?? .null)
        }))
  }
}

enum AnalyticsSchemas {
  static let figures = Schema.object(
    "MessageFigures",
    [
      .required("object", .constant("analytics")),
      .required("groups", .array(.map(.anything)), "One for each combination, with its figures."),
      .required(
        "totals", .map(.anything), "planned = sent + failed + skipped + cancelled + pending."),
      .required(
        "rates", .map(.number.nullable),
        "Between 0 and 1: delivery, reply, conversion and opt_out of sent, open and click of "
          + "delivered, connection of dialled."),
      .required("other_cost", .money, "Charges that belong to no message; of a period alone."),
    ])
}

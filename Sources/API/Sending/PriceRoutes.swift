import Application
import Domain
import HTTP
import JSON

/// What an account pays, and an agency's own markups on its clients.
enum PriceRoutes {
  static let all = [
    Operation(
      "GET", "/api/wallet/prices", .scope("wallet:read"), "Read what a unit of each kind costs",
      answers: [.ok(SendingSchemas.prices)], handler: show),
    Operation(
      "POST", "/api/wallet/prices", .scope("wallet:write"), "Set a client's markup",
      details: "By its agency alone. What was charged stays as it was.",
      body: .json(SendingSchemas.markup, example: ["resource": "sms", "markup_percent": 75]),
      answers: [.ok(SendingSchemas.prices)], refuses: [403: ["agency_only"]], handler: set),
    Operation(
      "POST", "/api/agency/prices", .scope("wallet:write"), "Set the markup of all clients",
      details: "By an agency, for every client that it has and will have. A markup that was set "
        + "for one client alone goes before it. What was charged stays as it was.",
      body: .json(SendingSchemas.markup, example: ["resource": "sms", "markup_percent": 60]),
      answers: [.ok(SendingSchemas.clientPrices)], refuses: [403: ["agency_only"]],
      handler: setForClients),
  ]

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    exchange.respond(200, try await view(exchange))
  }

  private static func view(_ exchange: Exchange) async throws(APIError) -> JSON {
    let executor = try exchange.executor()
    do {
      let prices = try await executor.read { workspace throws(CommandError) in
        Prices.Resource.allCases.map { ($0, workspace.priceMicros(of: $0)) }
      }
      return [
        "object": "prices",
        "data": .array(
          prices.map { ["resource": .string($0.rawValue), "price": Money.json($1)] }),
      ]
    } catch {
      throw APIError(error)
    }
  }

  private struct Markup: Sendable {
    let resource: Prices.Resource
    let percent: Int
    let fromMicros: Micros?
  }

  private static func markup(_ exchange: Exchange) throws(APIError) -> Markup {
    var fields = try exchange.body()
    let resource = fields.choice("resource", Prices.Resource.self, required: true)
    let percent = fields.int("markup_percent", required: true)
    let from = fields.string("from").flatMap(Timestamp.micros)
    try fields.finish()
    guard let resource, let percent else { preconditionFailure("finish refuses missing fields") }
    return Markup(
      resource: resource, percent: Int(clamping: percent), fromMicros: from)
  }

  private static func set(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let markup = try markup(exchange)
    guard exchange.caller.home != exchange.org else {
      throw APIError(403, "permission", "agency_only", "Only its agency sets a client's prices.")
    }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setMarkup(markup.percent, on: markup.resource, fromMicros: markup.fromMicros)
    }
    return exchange.respond(200, try await view(exchange), receipt: written.receipt)
  }

  private static func setForClients(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let markup = try markup(exchange)
    guard try await exchange.readState({ $0.settings.kind }) == .agency else {
      throw APIError(403, "permission", "agency_only", "Only an agency has clients.")
    }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setMarkup(
        markup.percent, on: markup.resource, fromMicros: markup.fromMicros, reach: .agency)
    }
    // A repeated request finishes what the first one may have left.
    let known = try await exchange.readState { workspace in
      workspace.settings.prices.last {
        $0.reach == .agency && $0.resource == markup.resource && $0.markupPercent == markup.percent
      }
    }
    guard let price = written.output ?? known else { throw .notFound("price") }
    let call = Call(
      actor: exchange.caller.actor, origin: exchange.caller.origin, correlation: exchange.requestID)
    do {
      let count = try await exchange.engine.spread(price, of: exchange.org, call)
      return exchange.respond(
        200, ["object": "client_prices", "clients": JSON(count)], receipt: written.receipt)
    } catch {
      throw APIError(error)
    }
  }
}

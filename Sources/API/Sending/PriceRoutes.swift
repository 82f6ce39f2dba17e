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
      answers: [.ok(SendingSchemas.prices)], refuses: [400: ["too_many"], 403: ["agency_only"]],
      handler: set),
    Operation(
      "DELETE", "/api/wallet/prices/{resource}", .scope("wallet:write"),
      "Take a client's markup back",
      details:
        "By its agency alone. From now on the client pays what it would without it: with the "
        + "agency's markup of all clients, or the list's. One that is announced for later still begins then. What was charged "
        + "stays as it was.",
      answers: [.ok(SendingSchemas.prices)], refuses: [403: ["agency_only"]], handler: clear),
    Operation(
      "POST", "/api/agency/prices", .scope("wallet:write"), "Set the markup of all clients",
      details: "By an agency, for every client that it has and will have. A markup that was set "
        + "for one client alone goes before it. What was charged stays as it was.",
      body: .json(SendingSchemas.markup, example: ["resource": "sms", "markup_percent": 60]),
      answers: [.ok(SendingSchemas.clientPrices)],
      refuses: [400: ["too_many"], 403: ["agency_only"]], handler: setForClients),
    Operation(
      "DELETE", "/api/agency/prices/{resource}", .scope("wallet:write"),
      "Take the markup of all clients back",
      details: "From now on clients without a markup of their own pay the list's price.",
      answers: [.ok(SendingSchemas.clientPrices)], refuses: [403: ["agency_only"]],
      handler: clearForClients),
  ]

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    exchange.respond(200, try await view(exchange))
  }

  private static func view(_ exchange: Exchange) async throws(APIError) -> JSON {
    let executor = try exchange.executor()
    do {
      let (prices, markups) = try await executor.read { workspace throws(CommandError) in
        (
          Prices.Resource.allCases.map { ($0, workspace.priceMicros(of: $0)) },
          workspace.settings.prices
        )
      }
      return [
        "object": "prices",
        "data": .array(
          prices.map { ["resource": .string($0.rawValue), "price": Money.json($1)] }),
        "markups": .array(markups.map(view)),
      ]
    } catch {
      throw APIError(error)
    }
  }

  private static func view(_ markup: PriceOverride) -> JSON {
    [
      "resource": .string(markup.resource.rawValue), "reach": .string(markup.reach.rawValue),
      "markup_percent": markup.markupPercent.map { .int(Int64($0)) } ?? .null,
      "from": .string(Timestamp.text(markup.fromMicros)),
    ]
  }

  private struct Markup: Sendable {
    let resource: Prices.Resource
    /// nil: none any more.
    let percent: Int?
    let fromMicros: Micros?
  }

  /// None from now on, of what the path names.
  private static func noMarkup(_ exchange: Exchange) throws(APIError) -> Markup {
    guard let resource = exchange.path["resource"].flatMap(Prices.Resource.init) else {
      throw .notFound("resource")
    }
    return Markup(resource: resource, percent: nil, fromMicros: nil)
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
    try await set(try markup(exchange), exchange)
  }

  private static func clear(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await set(try noMarkup(exchange), exchange)
  }

  private static func set(
    _ markup: Markup, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    guard exchange.caller.home != exchange.org else {
      throw APIError(403, "permission", "agency_only", "Only its agency sets a client's prices.")
    }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setMarkup(markup.percent, on: markup.resource, fromMicros: markup.fromMicros)
    }
    return exchange.respond(200, try await view(exchange), receipt: written.receipt)
  }

  private static func setForClients(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await setForClients(try markup(exchange), exchange)
  }

  private static func clearForClients(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    try await setForClients(try noMarkup(exchange), exchange)
  }

  private static func setForClients(
    _ markup: Markup, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
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

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

  private static func set(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let resource = fields.choice("resource", Prices.Resource.self, required: true)
    let percent = fields.int("markup_percent", required: true)
    let from = fields.string("from").flatMap(Timestamp.micros)
    try fields.finish()
    guard let resource, let percent else { preconditionFailure("finish refuses missing fields") }
    guard exchange.caller.home != exchange.org else {
      throw APIError(403, "permission", "agency_only", "Only its agency sets a client's prices.")
    }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setMarkup(Int(percent), on: resource, fromMicros: from)
    }
    return exchange.respond(200, try await view(exchange), receipt: written.receipt)
  }
}

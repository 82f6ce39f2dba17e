import Application
import Domain
import HTTP
import JSON

/// Takes a request to its route and an error to its answer.
package struct APIServer: Sendable {
  private let services: Services
  private let router: Router
  private let authenticator: Authenticator
  private let console: ConsoleFiles?

  package init(services: Services) {
    self.services = services
    router = Router(Self.routes)
    authenticator = Authenticator(services: services)
    console = services.settings.consoleDirectory.map(ConsoleFiles.init)
  }

  package static let routes: [Route] =
    SessionRoutes.all + AccountRoutes.all + ContactRoutes.all + ImportRoutes.all
    + MessageRoutes.all + SegmentRoutes.all + CampaignRoutes.all + WorkflowRoutes.all
    + WalletRoutes.all + AnalyticsRoutes.all + AuditRoutes.all + EventRoutes.all
    + WebhookRoutes.all + TwilioRoutes.all + OperationRoutes.all

  /// The answer to one request; never throws. Every answer carries the request's id.
  package func handle(_ request: HTTPRequest) async -> HTTPResponse {
    let requestID = Identifier(
      .request, millis: services.engine.tools.clock.nowMicros() / 1_000,
      random: services.engine.tools.random.next()
    ).text
    var response: HTTPResponse
    do {
      response = try await answer(request, requestID)
    } catch {
      if error.status >= 500 { services.report("\(error.code): \(error.message)", requestID) }
      response = HTTPResponse.json(error.status, error.json(requestID: requestID).bytes())
      if error.status == 503 { response.headers.set("retry-after", "1") }
      if error.status == 401 { response.headers.set("www-authenticate", "Bearer") }
    }
    response.headers.set("request-id", requestID)
    response.headers.set("x-content-type-options", "nosniff")
    if response.headers["cache-control"] == nil {
      response.headers.set("cache-control", "no-store")
    }
    return response
  }

  private func answer(
    _ request: HTTPRequest, _ requestID: String
  ) async throws(APIError) -> HTTPResponse {
    switch router.match(request.method, request.path) {
    case .found(let route, let path):
      return try await run(route, path, request, requestID)
    case .methodNotAllowed(let methods):
      throw APIError(
        405, "invalid_request", "method_not_allowed",
        "This path takes \(methods.joined(separator: ", ")), not \(request.method).")
    case .notFound:
      if let console, let page = console.response(to: request) { return page }
      throw .notFound("path: \(request.path.prefix(200))")
    }
  }

  private func run(
    _ route: Route, _ path: [String: String], _ request: HTTPRequest, _ requestID: String
  ) async throws(APIError) -> HTTPResponse {
    let caller = try authenticator.caller(of: request, for: route)
    try checkParameters(of: request, route)
    let exchange = Exchange(
      request: request, requestID: requestID, services: services, route: route, path: path,
      knownCaller: caller)
    return try await route.handler(exchange)
  }

  private func checkParameters(of request: HTTPRequest, _ route: Route) throws(APIError) {
    // A signed request's parameters are its signer's business.
    guard route.access != .signed else { return }
    var seen: Set<String> = []
    var errors: [APIError.Detail] = []
    for item in request.query {
      if !route.parameters.contains(item.name) {
        errors.append(
          APIError.Detail(
            param: item.name, code: "unknown_parameter",
            message: "There is no parameter \(item.name.prefix(100)) here."))
      } else if !seen.insert(item.name).inserted {
        errors.append(
          APIError.Detail(
            param: item.name, code: "repeated_parameter",
            message: "Give \(item.name) once."))
      }
    }
    guard errors.isEmpty else { throw .invalid(errors) }
  }
}

import Application
import Domain
import HTTP
import JSON

/// Takes a request to its operation and an error to its answer.
package struct APIServer: Sendable {
  private let services: Services
  private let router: Router
  private let authenticator: Authenticator
  private let console: ConsoleFiles?
  private let limiter = RateLimiter()
  let reports: ReportLane
  private let refusals: RefusalRecord

  package init(services: Services, operations: [Operation] = Self.operations) {
    self.services = services
    router = Router(operations)
    authenticator = Authenticator(services: services)
    refusals = RefusalRecord(services: services)
    reports = ReportLane(connectionCount: services.settings.readConnections)
    console = services.settings.consoleDirectory.map(ConsoleFiles.init)
  }

  /// Every operation there is: the router, `/openapi.json` and `/docs` know no other.
  package static let operations: [Operation] = resources.flatMap(\.self)
    .map(HistoryRoutes.withPast)

  private static let resources: [[Operation]] = [
    SessionRoutes.all, AccountRoutes.all, UserRoutes.all, RoleRoutes.all, APIKeyRoutes.all,
    ContactRoutes.all, ImportRoutes.all, MessageRoutes.all, SegmentRoutes.all, CampaignRoutes.all,
    WorkflowRoutes.all, WalletRoutes.all, AnalyticsRoutes.all, AuditRoutes.all,
    AuditExportRoutes.all, CheckpointRoutes.all, EventRoutes.all, SendingRoutes.all,
    WebhookRoutes.all, TwilioRoutes.all, ProviderRoutes.all, TemplateRoutes.all, PaymentRoutes.all,
    MailLinkRoutes.all, PrivacyRoutes.all, HookRoutes.all, LeadRoutes.all, HistoryRoutes.all,
    DiffRoutes.all, UndoRoutes.all, RequestLogRoutes.all, NoticeRoutes.all, OperationRoutes.all,
    ProjectionRoutes.all, ReferenceRoutes.all,
  ]

  /// The answer to one request; never throws. Every answer carries the request's id.
  ///
  /// What it goes through runs where its caller does (`nonsending`): a function of no actor asks for its place when it is
  /// called and once more when it returns, under two locks of its task, a dozen times a request.
  package nonisolated(nonsending) func handle(_ request: HTTPRequest) async -> HTTPResponse {
    let requestID = newID()
    let startedMicros = services.engine.tools.clock.nowMicros()
    var taker = AnswerTaker()
    var response: HTTPResponse
    do {
      response = try await answer(request, requestID, &taker)
    } catch {
      response = self.response(to: error, requestID, taker)
    }
    let tookMicros = max(0, services.engine.tools.clock.nowMicros() - startedMicros)
    services.requestMetrics.observe(status: response.status, tookMicros: tookMicros)
    response.headers.set("server-timing", "total;dur=\(Double(tookMicros) / 1_000)")
    mark(&response, requestID)
    return response
  }

  /// For a year browsers ask by HTTPS alone, also where somebody types or links the address without it. What else lies
  /// under our name is not ours to speak for.
  private static let strictTransport = "max-age=31536000"

  /// What every answer says.
  private func mark(_ response: inout HTTPResponse, _ requestID: String) {
    response.headers.set("request-id", requestID)
    response.headers.set("api-version", APIVersion.current.text)
    response.headers.set("x-content-type-options", "nosniff")
    if services.settings.isSecure {
      response.headers.set("strict-transport-security", Self.strictTransport)
    }
    if response.headers["cache-control"] == nil {
      response.headers.set("cache-control", "no-store")
    }
  }

  /// Whether a request is one of those that programs make thousands of: checked, decided and answered in a fraction of
  /// a millisecond, without a look at the database or a password. Lists are not, nor is what reads the past or only tries.
  @Sendable
  package func isBrief(_ request: HTTPRequest) -> Bool {
    if request.rawPath == "/livez" { return true }
    guard request.body.count <= Self.briefBytes, request.query.isEmpty,
      let path = Self.briefPaths.first(where: request.rawPath.hasPrefix)
    else { return false }
    guard request.method == "GET" else {
      return !Self.longPaths.contains(where: request.rawPath.hasPrefix)
    }
    let rest = request.rawPath.utf8.dropFirst(path.utf8.count)
    return rest.first == UInt8(ascii: "/") && !rest.dropFirst().contains(UInt8(ascii: "/"))
  }

  /// Whether a request waits for what may come, and does nothing else: a long poll.
  @Sendable
  package func isPatient(_ request: HTTPRequest) -> Bool {
    request.rawPath == "/api/events" && request.queryValue("wait") != nil
  }

  private static let longPaths = ["/api/contacts/import", "/api/contacts/search"]
  private static let briefBytes = 16 << 10
  private static let briefPaths = ["/api/contacts", "/api/messages", "/api/leads"]

  /// What a request may bring, by its head: more than is usual only where its operation takes so much, and its
  /// caller may ask for that or is said to be the provider of an account that exists.
  @Sendable
  package func bodyAllowance(_ head: HTTPRequest) -> BodyAllowance {
    // Anybody may bring what is free, and nobody has to be recognised for it: most commands are no larger.
    if let length = head.headers["Content-Length"].flatMap({ Int($0) }),
      length <= BodyAllowance.freeBytes
    {
      return BodyAllowance(limitBytes: BodyAllowance.freeBytes, sender: nil)
    }
    guard case .found(let operation, let path) = router.match(head) else {
      return BodyAllowance(limitBytes: RequestBody.openBytes, sender: nil)
    }
    let sender = authenticator.sender(of: head, for: operation)
    // A provider signs the body itself.
    let org = operation.access == .signed ? path["account"] : nil
    let isForAccount =
      org.flatMap { Identifier($0, kind: .org) }.flatMap(services.engine.directory.org) != nil
    let limitBytes = operation.bodyLimitBytes
    return BodyAllowance(
      limitBytes: sender != nil || isForAccount
        ? limitBytes : min(limitBytes, RequestBody.usualBytes),
      sender: sender)
  }

  /// The answer to what the HTTP server refuses by itself.
  package func response(to fault: HTTPServerFault) -> HTTPResponse {
    let type =
      switch fault {
      case .bodyTooLarge, .targetTooLong, .headersTooLarge: "too_large"
      case .malformedRequest, .versionNotSupported: "invalid_request"
      case .overloaded, .stopping: "unavailable"
      case .responseInvalid: "internal"
      case .fileNotFound: "not_found"
      }
    let requestID = newID()
    let error = APIError(
      fault.status, type, fault.code, fault.message, isRetryable: fault.status == 503)
    var response = response(to: error, requestID)
    mark(&response, requestID)
    return response
  }

  private func newID() -> String {
    Identifier(
      .request, millis: services.engine.tools.clock.nowMicros() / 1_000,
      random: services.engine.tools.random.next()
    ).text
  }

  private func response(to error: APIError, _ requestID: String) -> HTTPResponse {
    var error = error
    // An overload is not made worse by lines about it, and a client's hanging up is no fault.
    let isFault =
      error.status >= 500 && !["overloaded", "stopping", "client_gone"].contains(error.code)
    if isFault { services.report("\(error.code): \(error.message)", requestID) }
    if error.status == 503, error.headers["retry-after"] == nil {
      error.headers.set("retry-after", "1")
    }
    var response = HTTPResponse.json(error.status, error.json(requestID: requestID).bytes())
    for header in error.headers { response.headers.set(header.name, header.value) }
    if error.status == 401 { response.headers.set("www-authenticate", "Bearer") }
    return response
  }

  /// The same with room for it, or the answer to there being none.
  private func response(
    to error: APIError, _ requestID: String, _ taker: AnswerTaker
  ) -> HTTPResponse {
    do throws(APIError) {
      return try response(to: error, requestID).held(in: services.answers, for: taker)
    } catch {
      return response(to: error, requestID)
    }
  }

  private nonisolated(nonsending) func answer(
    _ request: HTTPRequest, _ requestID: String, _ taker: inout AnswerTaker
  ) async throws(APIError) -> HTTPResponse {
    switch router.match(request) {
    case .found(let operation, let path):
      return try await run(operation, path, request, requestID, &taker)
    case .methodNotAllowed(let methods):
      var error = APIError(
        405, "invalid_request", "method_not_allowed",
        "This path takes \(methods.joined(separator: ", ")), not \(request.method).")
      error.headers = ["allow": methods.joined(separator: ", ")]
      throw error
    case .notFound:
      if let console, let page = console.response(to: request) { return page }
      throw .notFound("path: \(request.path.prefix(200))")
    }
  }

  private nonisolated(nonsending) func run(
    _ operation: Operation, _ path: [String: String], _ request: HTTPRequest, _ requestID: String,
    _ taker: inout AnswerTaker
  ) async throws(APIError) -> HTTPResponse {
    var budget: RateLimiter.Budget?
    var known: Caller?
    var admitted: Caller?
    let trace = RequestTrace(
      isDryRun: request.queryValue("dry_run") == "true", requestID: requestID,
      operation: operation, path: path,
      startedMicros: services.engine.tools.clock.nowMicros(),
      isKeyed: request.headers["idempotency-key"] != nil)
    let isRead = operation.method == "GET" || operation.search != nil
    do throws(APIError) {
      known = try authenticator.identify(request, for: operation)
      taker = AnswerTaker(account: known?.home, isReader: isRead || trace.isDryRun)
      let signature = try prove(known, request, operation, requestID)
      budget = known.flatMap(spend)
      if let budget, !budget.isAllowed { throw .rateLimited(budget) }
      let caller = try admit(known, signature, request, operation, requestID)
      admitted = known
      known = caller ?? known
      if !taker.isReader, let account = taker.account,
        !services.answers.admitsWrite(of: account)
      {
        throw .overloaded
      }
      try operation.checkParameters(of: request)
      try APIVersion.check(request)
      var exchange = Exchange(
        request: request, requestID: requestID, services: services, operation: operation,
        path: path, knownCaller: caller)
      try exchange.checkBody()
      if let search = operation.search { exchange = exchange.with(try search(exchange)) }
      let position = try exchange.positionBeforeReading()
      let answer = try await inLane(exchange)
      var response = isRead ? try await shaped(answer, exchange) : answer
      if let position = response.headers["read-position"] ?? position {
        response.headers.set("log-position", position)
      }
      await exchange.awaitProjections(&response)
      if !operation.isForOperators {
        response = try response.held(in: services.answers, for: taker)
      }
      checkDocumented(response.status, operation, requestID)
      budget?.show(in: &response.headers)
      note(
        trace, known, status: response.status,
        isReplay: response.headers["idempotent-replayed"] != nil)
      return response
    } catch {
      var error = error
      if [401, 403].contains(error.status) { services.refusals.add(error.code) }
      // Those at the door are on record already.
      if error.status == 403, let admitted {
        record(error, admitted, request, operation, requestID)
      }
      note(trace, known, status: error.status, refusal: error.status < 400 ? nil : error)
      checkDocumented(error.status, operation, requestID)
      budget?.show(in: &error.headers)
      throw error
    }
  }

  /// What the operation answers, in the lane that it has.
  private nonisolated(nonsending) func inLane(
    _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    try await reports.run(exchange.operation) { () async throws(APIError) -> HTTPResponse in
      do throws(APIError) {
        return try await exchange.operation.handler(exchange)
      } catch {
        throw exchange.completed(error)
      }
    }
  }

  private func note(
    _ trace: RequestTrace, _ caller: Caller?, status: Int, refusal: APIError? = nil,
    isReplay: Bool = false
  ) {
    guard let caller, let log = services.requests else { return }
    log.record(
      trace.entry(
        caller, status: status, refusal: refusal, isReplay: isReplay,
        nowMicros: services.engine.tools.clock.nowMicros()))
  }

  /// What was read as the caller wants to see it.
  private nonisolated(nonsending) func shaped(
    _ response: HTTPResponse, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let operation = exchange.operation
    guard operation.access.isOfAccount else { return response }
    let shape = try Shape(exchange)
    let wantsLines = operation.isList && ListStream.isWanted(exchange.request)
    guard shape != nil || wantsLines, let json = response.jsonBody else { return response }
    let reader = self.reader(for: exchange)
    @Sendable func apply(_ json: JSON) async throws(APIError) -> JSON {
      guard let shape else { return json }
      return try await shape.apply(to: json, read: reader)
    }
    guard wantsLines else { return response.replacing(try await apply(json)) }
    let first: JSON?
    do throws(APIError) {
      first = try await apply(json)
    } catch {
      // In smaller pages it may not be.
      guard error.isAnswerTooLarge else { throw error }
      first = nil
    }
    let right = StandingRight(exchange)
    var answer = ListStream.response(
      first: first, limit: try exchange.limit(),
      page: { after, limit throws(APIError) in
        try right.check()
        let next = exchange.with(exchange.request.page(after: after, limit: limit))
        let page = try await inLane(next).jsonBody ?? .null
        // Its turn may have come late.
        try right.check()
        return try await apply(page)
      }, requestID: exchange.requestID)
    for name in ["read-position", "ratelimit-limit"] {
      if let value = response.headers[name] { answer.headers.set(name, value) }
    }
    return answer
  }

  /// Reads other objects for the same caller, with the same rights, and none behind what the caller knows of.
  private func reader(for exchange: Exchange) -> Shape.Reader {
    let position = exchange.request.headers["min-position"]
    return { id in
      guard let plural = id.kind.plural else { return nil }
      var request = HTTPRequest(method: "GET", target: "/api/\(plural)/\(id)")
      if let position { request.headers.set("min-position", position) }
      guard
        case .found(let operation, let path) = router.match("GET", request.pathSegments),
        case .scope(let scope) = operation.access, exchange.caller.allows(scope, "read")
      else { return nil }
      let inner = Exchange(
        request: request, requestID: exchange.requestID, services: services,
        operation: operation, path: path, knownCaller: exchange.knownCaller)
      // An object that is gone or cannot be read stays an id.
      return try? await operation.handler(inner).jsonBody
    }
  }

  /// One token of the key's budget and one of its account's; people who are signed in have none. What is left
  /// is what is left of the smaller one.
  private func spend(_ caller: Caller) -> RateLimiter.Budget? {
    guard let key = caller.key else { return nil }
    let usual = usualLimit(of: key.org)
    let nowMicros = services.engine.tools.clock.nowMicros()
    let own = limiter.take(
      .known(key.id), key.state.limit(within: usual), nowMicros: nowMicros)
    // A key that is over its limit takes nothing from the others.
    guard own.isAllowed else { return own }
    let shared = limiter.take(.known(key.org), usual.together, nowMicros: nowMicros)
    return shared.isAllowed && own.remaining <= shared.remaining ? own : shared
  }

  /// What a key may ask for that has no limit of its own.
  private func usualLimit(of org: Identifier) -> RateLimit {
    services.engine.directory.rateLimit(of: org) ?? services.settings.rateLimit
  }

  /// What the caller's key asks for beside its secret. Whoever has no more than the secret spends nothing of those whose key
  /// it is, but a budget of as much that is theirs alone.
  private func prove(
    _ known: Caller?, _ request: HTTPRequest, _ operation: Operation, _ requestID: String
  ) throws(APIError) -> RequestSignature.Proof? {
    guard let known, let key = known.key else { return nil }
    do throws(APIError) {
      return try authenticator.prove(key, request)
    } catch {
      let client = ClientKey(request.remoteAddress, besides: services.settings.sharedNetworks)
      let budget = limiter.take(
        .refused(key: key.id, client: client), key.state.limit(within: usualLimit(of: key.org)),
        nowMicros: services.engine.tools.clock.nowMicros())
      var refusal = budget.isAllowed ? error : .rateLimited(budget)
      if budget.isAllowed { record(error, known, request, operation, requestID) }
      budget.show(in: &refusal.headers)
      throw refusal
    }
  }

  /// The caller on the account of the request; a refusal of somebody known is put on record.
  private func admit(
    _ known: Caller?, _ signature: RequestSignature.Proof?, _ request: HTTPRequest,
    _ operation: Operation, _ requestID: String
  ) throws(APIError) -> Caller? {
    guard let known else { return nil }
    do throws(APIError) {
      return try authenticator.admit(known, signature, request, for: operation)
    } catch {
      record(error, known, request, operation, requestID)
      throw error
    }
  }

  private func record(
    _ refusal: APIError, _ known: Caller, _ request: HTTPRequest, _ operation: Operation,
    _ requestID: String
  ) {
    refusals.record(
      AccessRefusal(
        actor: known.actor, operation: operation.title, reason: refusal.code,
        address: .known(request.remoteAddress)), of: known.home, requestID)
  }

  /// What the document does not say is a fault of ours, for operators to see.
  private func checkDocumented(_ status: Int, _ operation: Operation, _ requestID: String) {
    guard operation.statuses[status] == nil else { return }
    services.report("undocumented status \(status) of \(operation.name)", requestID)
  }
}

extension Operation {
  /// Refuses parameters that are unknown, repeated, missing or wrong: all of them at once.
  func checkParameters(of request: HTTPRequest) throws(APIError) {
    // A signed request's parameters are its signer's business.
    guard access != .signed else { return }
    guard request.hasValidQuery else {
      throw .invalid(
        "query", "malformed_request", "The escapes of the query (%XX) are no UTF-8 text.")
    }
    var errors: [APIError.Detail] = []
    var seen: Set<String> = []
    for item in request.query {
      let name = item.name.prefix(100)
      guard let parameter = parameters.first(where: { $0.place == .query && $0.name == item.name })
      else {
        errors.append(
          APIError.Detail(
            param: String(name), code: "unknown_parameter",
            message: "There is no parameter \(name) here."))
        continue
      }
      guard seen.insert(item.name).inserted else {
        errors.append(.repeated(item.name))
        continue
      }
      errors += parameter.problems(in: item.value)
    }
    // In place: a parameter is half a dozen references.
    let parameters = parameters
    let known = parameters.span
    for index in known.indices where known[index].place == .header {
      guard let text = request.headers[known[index].name] else { continue }
      // Two readers of a header that is there twice may take one each.
      guard request.headers.values(known[index].name).count == 1 else {
        errors.append(.repeated(known[index].name))
        continue
      }
      errors += known[index].problems(in: text)
    }
    errors += unheededHeaders(of: request)
    for index in known.indices where known[index].place == .query && known[index].isRequired {
      let name = known[index].name
      guard !seen.contains(name) else { continue }
      errors.append(
        APIError.Detail(param: name, code: "required", message: "\(name) is required."))
    }
    guard errors.isEmpty else { throw .invalid(errors) }
  }
}

extension Operation {
  /// Headers that make a write conditional or single, where this one cannot be: whoever sends them counts on that.
  private func unheededHeaders(of request: HTTPRequest) -> [APIError.Detail] {
    guard method != "GET" else { return [] }
    // Neither asks a write to be done only where there is nothing yet, or in part (RFC 9110, 13.1.2 and 14.5): done all
    // the same, it would be what nobody asked for.
    var names = [Parameter.ifMatch.name, "If-None-Match", "Content-Range"]
    if idempotency == .refused { names.append("Idempotency-Key") }
    return names.compactMap { name in
      guard request.headers[name] != nil, !parameters.contains(where: { $0.name == name }) else {
        return nil
      }
      return APIError.Detail(
        param: name, code: "unsupported_header",
        message: "This operation cannot heed \(name). Send the request without it.")
    }
  }
}

extension APIError.Detail {
  fileprivate static func repeated(_ name: String) -> APIError.Detail {
    APIError.Detail(
      param: name, code: "repeated_parameter", message: "Give \(name.prefix(100)) once.")
  }
}

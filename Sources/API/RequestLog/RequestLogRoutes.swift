import Application
import AuditProjection
import Domain
import HTTP
import JSON
import ProjectionRuntime

/// What was asked of the API for an account, and what each request led to.
enum RequestLogRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/request-logs", "api_keys:read", "List the account's requests, newest first",
      details:
        "The latest 10000 of them within thirty days, without bodies and parameters. An account searches four "
        + "times at once; further searches are 429 `rate_limited`.",
      parameters: [
        .query("key", .id(.apiKey), "Only this key's."),
        .query("status", .int(100...599), "Only those with this answer."),
      ], of: entry, rows: list),
    Operation(
      "GET", "/api/request-logs/{id}", .scope("api_keys:read"),
      "Read a request with the events that followed from it",
      details: "`consequences` are the events under its id, whoever wrote them: the commands, the "
        + "reactions and the answers of providers.",
      answers: [.ok(entry)], handler: show),
  ]

  /// What a list goes through.
  private static let listLimit = 10_000
  private static let consequenceLimit = 200

  static let entry = Schema.object(
    "RequestLogEntry",
    [
      .required("id", .id(.request), "The `Request-Id` of the answer."),
      .required("object", .constant("request_log")), .required("account", .id(.org)),
      .required("actor", .string(), "`key:key_…` or `user:usr_…`."),
      .required("operation", .string(), "`PATCH /api/contacts/{id}`."),
      .required("subject", .string().nullable, "The object of the path."),
      .required("status", .int(100...599)), .required("code", .string().nullable, "Of a refusal."),
      .optional("fields", .array(.string()), "Of a refusal: the parameters and fields at fault."),
      .optional("keyed", .bool, "Whether it had an `Idempotency-Key`."),
      .required("dry_run", .bool), .required("replayed", .bool, "The first answer, once more."),
      .required("took_micros", .count), .required("created_at", .time),
      .optional(
        "consequences",
        .array(
          .object([
            .required("id", .id(.event)), .required("type", .string()),
            .required("position", .count), .required("actor", .string()),
            .required("cause", .count.nullable), .required("occurred_at", .time),
          ])), "Of one request: the first 200 events under its id."),
    ])

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let search = RequestSearch(
      of: exchange.org, limit: listLimit, key: try exchange.queryID("key", .apiKey),
      status: exchange.query("status").flatMap { Int64($0) })
    let (scans, asker) = (exchange.services.scans, exchange.caller.home)
    return try await scans.search(for: asker) { () async throws(APIError) -> ListRows in
      let entries = try await run(search, exchange)
      // Ten thousand lines are put in order: not where everybody else's requests are.
      let rows = try await scans.run(for: asker) { () throws(APIError) in
        try ListRows.page(of: entries, list, exchange)
      }
      guard let rows else { throw .clientGone }
      return try rows.get()
    }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .request).text
    let found = try await exchange.services.scans.search(for: exchange.caller.home) {
      () async throws(APIError) -> [JSON] in
      try await run(RequestSearch(of: exchange.org, limit: 1, id: id), exchange)
    }
    guard var entry = found.first?.object else { throw .notFound("request") }
    let org = exchange.org
    var request = AuditQueries.Request(page: PageRequest(limit: consequenceLimit))
    request.page.isReversed = true
    request.correlation = id
    let events = try await exchange.read([.audit]) { [request] pool in
      try await AuditQueries.list(pool, org: org, request)
    }
    entry["consequences"] = .array(
      events.value.rows.map { event in
        [
          "id": .string(event.event.text), "type": .string(event.type),
          "position": .int(event.position), "actor": .string(event.actor),
          "cause": JSON(event.cause),
          "occurred_at": .string(Timestamp.text(event.occurredAtMicros)),
        ]
      })
    return exchange.respond(.object(entry), events)
  }

  private static func run(
    _ search: RequestSearch, _ exchange: Exchange
  ) async throws(APIError) -> [JSON] {
    guard let log = exchange.services.requests else { return [] }
    let right = StandingRight(exchange)
    return try await search.run(
      in: log, exchange.services.scans, for: exchange.caller.home, right: right.check
    ) {
      exchange.services.report("request log: \($0)", exchange.requestID)
      return APIError(500, "internal", "internal", "The request log cannot be read.")
    }
  }
}

/// A request on its way into the request log.
struct RequestTrace {
  let isDryRun: Bool
  let requestID: String
  let operation: Operation
  let path: [String: String]
  let startedMicros: Micros
  let isKeyed: Bool

  func entry(
    _ caller: Caller, status: Int, refusal: APIError?, isReplay: Bool, nowMicros: Micros
  ) -> [UInt8] {
    // Only ids: other placeholders may hold what people wrote.
    let subject = path["id"].flatMap { Identifier($0) }
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("id", requestID)
    writer.field("object", "request_log")
    writer.field("account", caller.org.text)
    writer.field("actor", caller.actor)
    writer.field("operation", operation.title)
    writer.field("subject", orNull: subject?.text)
    writer.field("status", Int64(status))
    writer.field("code", orNull: refusal?.code)
    if let names = refusal?.knownFields, !names.isEmpty { writer.field("fields", names) }
    writer.field("keyed", isKeyed)
    writer.field("dry_run", isDryRun)
    writer.field("replayed", isReplay)
    writer.field("took_micros", max(0, nowMicros - startedMicros))
    writer.field("created_at", Timestamp.text(startedMicros))
    writer.endObject()
    return writer.bytes
  }
}

extension APIError {
  /// The names of what is at fault, as far as they are ours: callers name what we do not know, and what is inside
  /// of maps (`custom`), as they like.
  fileprivate var knownFields: [String] {
    let ours = details.filter { $0.code != "unknown_parameter" }.map(\.param)
    return Set(ours.map { $0.prefix { $0 != "." && $0 != "[" } }.filter { !$0.isEmpty })
      .sorted().prefix(20).map(String.init)
  }
}

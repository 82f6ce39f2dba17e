import Application
import AuditProjection
import Domain
import HTTP
import JSON

/// Who did what, when, on whose behalf and with which verdict.
enum AuditRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/audit/events", "audit:read", "Who did what, newest first",
      parameters: [
        .query("actor", .string(1...200), "`key:key_…` or `user:usr_…`."),
        .query(
          "type", EventSchemas.ownTypeName, "An event type or a family such as `message.*`."),
        .query("contact", .id(.contact)), .query("campaign", .id(.campaign)),
        .query("correlation", .string(1...200), "A Request-Id."),
        .query("user", .id(.user)), .query("origin", .string(1...40)),
        .query("outcome", .choice(["allowed", "held", "refused"]), "What the gate said."), .from,
        .to,
      ], of: EventSchemas.auditEvent, sorts: ["-position", "-id"], order: .leading,
      keepsHistory: true,
      refuses: [400: ["unknown_event_type"]], rows: list)
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    var request = AuditQueries.Request(page: list.page)
    let user = try exchange.queryID("user", .user)
    request.actor = exchange.query("actor") ?? user.map { "user:\($0.text)" }
    request.origin = exchange.query("origin")
    request.outcome = exchange.query("outcome")
    if let type = exchange.query("type") {
      guard let selection = EventSelection([type]) else {
        throw .invalid("type", "unknown_event_type", EventNames.problem(with: type))
      }
      // A name of the catalogue means some of our types; which of them a channel's are, the audit's rows do not say.
      guard EventSelection.isOwn(type) else {
        let types = selection.types.sorted().joined(separator: ", ")
        throw .invalid("type", "unknown_event_type", "Here, \(type) is one of: \(types).")
      }
      request.type = type
    }
    request.contact = try exchange.queryID("contact", .contact)
    request.campaign = try exchange.queryID("campaign", .campaign)
    request.correlation = exchange.query("correlation")
    request.fromMicros = try exchange.queryTime("from")
    request.toMicros = try exchange.queryTime("to")
    request.asOf = list.asOf?.position
    let org = exchange.org
    let found = try await exchange.read([.audit], list) { [request] pool in
      try await AuditQueries.list(pool, org: org, request)
    }
    return exchange.rows(found) { view($0, org) }
  }

  /// A summary as a line to read: of what hundreds of fields or scopes changed it names the first. The event itself has
  /// all of them.
  static func line(_ summary: String) -> String {
    let parts = summary.split(separator: ", ", omittingEmptySubsequences: false)
    guard parts.count > namedParts || summary.unicodeScalars.count > lineLimit else {
      return summary
    }
    var line = parts.prefix(namedParts).joined(separator: ", ")
    if parts.count > namedParts { line += " … and \(parts.count - namedParts) more" }
    guard line.unicodeScalars.count > lineLimit else { return line }
    return String(String.UnicodeScalarView(line.unicodeScalars.prefix(lineLimit - 1))) + "…"
  }

  private static let namedParts = 20
  /// What `EventSchemas.auditEvent` says of a summary.
  private static let lineLimit = 2_000

  private static func view(_ entry: AuditEntry, _ org: Identifier) -> JSON {
    .object(
      JSONObject([
        ("id", .string(entry.event.text)), ("object", "audit_event"),
        ("position", .int(entry.position)), ("sequence", .int(entry.orgSequence)),
        ("type", .string(entry.type)),
        ("occurred_at", .string(Timestamp.text(entry.occurredAtMicros))),
        ("recorded_at", .string(Timestamp.text(entry.recordedAtMicros))),
        ("actor", .string(entry.actor)), ("origin", .string(entry.origin)),
        ("on_behalf_of", JSON(entry.onBehalfOf)), ("correlation", .string(entry.correlation)),
        ("cause", JSON(entry.cause)), ("depth", .int(entry.depth)),
        (
          "subject",
          [
            "type": .string(entry.subject.kind.name), "id": .string(entry.subject.text),
            "version": .int(entry.version),
          ]
        ),
        ("contact", JSON(entry.contact?.text)), ("campaign", JSON(entry.campaign?.text)),
        ("summary", .string(line(entry.summary))), ("verdict", entry.verdict ?? .null),
        ("evidence", entry.evidence ?? .null),
        ("account", .string(org.text)),
      ]))
  }
}

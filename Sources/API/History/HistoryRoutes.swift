import Application
import Domain
import EventLog
import HTTP
import JSON

/// What happened to one object: its own stream of the log, and what differs between two versions.
enum HistoryRoutes {
  /// An object that has a history, and how it looked at a version.
  private struct Subject: Sendable {
    let kind: Identifier.Kind
    let scope: String
    let view: @Sendable (Exchange, Identifier, UInt64) throws(APIError) -> JSON
  }

  private static let subjects = [
    Subject(kind: .contact, scope: "contacts:read") { exchange, id, version throws(APIError) in
      try exchange.contactView(id, version: version).json
    },
    Subject(kind: .message, scope: "messages:read") { exchange, id, version throws(APIError) in
      try exchange.messageView(id, version: version).json
    },
    Subject(kind: .segment, scope: "segments:read") { exchange, id, version throws(APIError) in
      try SegmentWrites.view(id, version: version, exchange).json
    },
    Subject(kind: .campaign, scope: "campaigns:read") { exchange, id, version throws(APIError) in
      try CampaignWrites.view(id, version: version, exchange).json
    },
    Subject(kind: .workflow, scope: "workflows:read") { exchange, id, version throws(APIError) in
      try WorkflowWrites.view(id, version: version, exchange)
    },
    Subject(kind: .user, scope: "users:read") { exchange, id, version throws(APIError) in
      try UserRoutes.view(id, version, exchange).json
    },
    Subject(kind: .role, scope: "roles:read") { exchange, id, version throws(APIError) in
      try RoleRoutes.view(id, version, exchange)
    },
    Subject(kind: .apiKey, scope: "api_keys:read") { exchange, id, version throws(APIError) in
      .object(try APIKeyRoutes.view(id, version, exchange).object)
    },
    Subject(
      kind: .webhookEndpoint, scope: "webhooks:read"
    ) { exchange, id, version throws(APIError) in
      try WebhookRoutes.view(id, version: version, showsSecret: false, exchange)
    },
  ]

  static let all: [Operation] = subjects.flatMap { subject in
    let path = "/api/\(subject.kind.plural ?? subject.kind.name)/{id}"
    let name = subject.kind.name.replacing("_", with: " ")
    return [
      Operation(
        "GET", path + "/history", .scope(subject.scope), "The events of one \(name)",
        parameters: [.limit, .query("after", .string(1...20), "A version: those that follow it.")],
        answers: [.list(EventSchemas.event)]
      ) { exchange throws(APIError) in
        try history(try exchange.id("id", subject.kind), exchange)
      },
      Operation(
        "GET", path + "/diff", .scope(subject.scope),
        "What differs between two versions of one \(name)",
        parameters: [
          .query("from", .int(1...Int64.max), "A version.", required: true),
          .query("to", .int(1...Int64.max), "A version; the newest where not given."),
        ], answers: [.ok(diffSchema)]
      ) { exchange throws(APIError) in
        try diff(try exchange.id("id", subject.kind), subject, exchange)
      },
    ]
  }

  private static let diffSchema = Schema.object(
    "Diff",
    [
      .required("object", .constant("diff")), .required("id", .string()),
      .required("from", .count), .required("to", .count),
      .required(
        "changes",
        .array(
          .object([
            .required("field", .string()), .required("before", .anything),
            .required("after", .anything),
          ]))),
    ])

  private static func history(
    _ id: Identifier, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let limit = try exchange.limit()
    guard let after = UInt64(exchange.query("after") ?? "0"), after < .max else {
      throw .invalid("after", "invalid_cursor", "after is a version of the object.")
    }
    let events = try stream(id, from: after + 1, limit: limit + 1, exchange)
    if events.isEmpty, try stream(id, from: 1, limit: 1, exchange).isEmpty {
      throw .notFound(id.kind.name)
    }
    var data: [JSON] = []
    for event in events.prefix(limit) {
      do {
        data.append(try EventJSON.object(event))
      } catch {
        throw APIError(error)
      }
    }
    let hasMore = events.count > limit
    return exchange.respond(
      200,
      [
        "object": "list", "data": .array(data), "has_more": .bool(hasMore),
        "next": JSON(hasMore ? String(events[limit - 1].streamVersion) : nil),
      ])
  }

  private static func stream(
    _ id: Identifier, from: UInt64, limit: Int, _ exchange: Exchange
  ) throws(APIError) -> [RecordedEvent] {
    do {
      return try exchange.engine.log.readStream(
        org: OrgID(exchange.org.value), stream: StreamID(id.value), from: from, limit: limit,
        direction: .forwards)
    } catch {
      throw APIError(.log(error))
    }
  }

  private static func diff(
    _ id: Identifier, _ subject: Subject, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let newest: UInt64
    do {
      newest = try exchange.engine.version(of: id, in: exchange.org)
    } catch {
      throw APIError(error)
    }
    guard newest > 0 else { throw .notFound(id.kind.name) }
    let from = try version("from", newest, exchange) ?? 1
    let to = try version("to", newest, exchange) ?? newest
    let before = try subject.view(exchange, id, from).object ?? JSONObject()
    let after = try subject.view(exchange, id, to).object ?? JSONObject()
    let changes = after.fields.filter { before[$0.key] != $0.value }.map { field -> JSON in
      [
        "field": .string(field.key), "before": before[field.key] ?? .null, "after": field.value,
      ]
    }
    return exchange.respond(
      200,
      [
        "object": "diff", "id": .string(id.text), "from": .int(Int64(from)),
        "to": .int(Int64(to)), "changes": .array(changes),
      ])
  }

  private static func version(
    _ name: String, _ newest: UInt64, _ exchange: Exchange
  ) throws(APIError) -> UInt64? {
    guard let version = exchange.query(name).flatMap(UInt64.init) else { return nil }
    guard version <= newest else {
      throw .invalid(name, "out_of_range", "The object is at version \(newest).")
    }
    return version
  }
}

import Application
import ContactsProjection
import Domain
import EventCodec
import EventLog
import HTTP
import JSON
import Postgres
import ProjectionRuntime
import TimelineProjection

/// What happened between an org and a person, what led to it and what it led to.
enum TimelineRoutes {
  static let ofMessages =
    "What a message says takes the right `messages:read` too: without it `message` and `body` are null."

  @Sendable
  static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let id = try await contact(exchange)
    let org = exchange.org
    var request = TimelineQueries.Request(contact: id, page: list.page)
    request.conversation = exchange.query("conversation")
    for word in (exchange.query("kind") ?? "").split(separator: ",") {
      guard let kind = EntryRow.Kind(rawValue: String(word)) else {
        let all = EntryRow.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw .invalid("kind", "invalid_value", "kind is any of: \(all).")
      }
      request.kinds.append(kind)
    }
    let found = try await exchange.read([.timeline], list) { [request] pool in
      try await TimelineQueries.list(pool, org: org, request)
    }
    return exchange.rows(found) { entry($0, exchange) }
  }

  @Sendable
  static func conversations(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let id = try await contact(exchange)
    let org = exchange.org
    let found = try await exchange.read([.timeline], list) { pool in
      try await TimelineQueries.conversations(pool, org: org, contact: id)
    }
    let all = found.value.map { conversation -> JSON in
      [
        "object": "conversation", "conversation": .string(conversation.name),
        "messages": .int(conversation.messageCount),
        "last_at": .string(Timestamp.text(conversation.lastAtMicros)),
      ]
    }
    return try await .of(all, list, exchange) { $0["conversation"]?.string ?? "" }
  }

  @Sendable
  static func effects(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let id = try exchange.id("id", .event)
    guard let position = RecordedDomainEvent.position(ofEventID: id), position > 0,
      try exchange.owns(position)
    else { throw .notFound("event") }
    let org = exchange.org
    let found = try await exchange.read([.timeline], list) { pool in
      try await TimelineQueries.effects(pool, org: org, of: position, list.page)
    }
    return exchange.rows(found) { entry($0, exchange) }
  }

  private static func contact(_ exchange: Exchange) async throws(APIError) -> Identifier {
    let id = try exchange.id("id", .contact)
    let org = exchange.org
    let contact = try await exchange.read([.contacts]) { pool in
      try await ContactsQueries.item(pool, org: org, contact: id)
    }
    guard contact.value != nil else { throw .notFound("contact") }
    return id
  }

  private static func entry(_ entry: TimelineEntry, _ exchange: Exchange) -> JSON {
    let showsMessages = exchange.caller.allows("messages:read", "read")
    let message = showsMessages ? entry.message.map { MessageView($0, exchange.org).json } : nil
    return .object(
      JSONObject([
        ("id", .string(entry.event.text)), ("object", "timeline_entry"),
        ("contact", .string(entry.contact.text)), ("kind", .string(entry.kind.rawValue)),
        ("type", .string(entry.type)),
        ("occurred_at", .string(Timestamp.text(entry.occurredAtMicros))),
        ("recorded_at", .string(Timestamp.text(entry.recordedAtMicros))),
        ("position", .int(entry.position)), ("title", .string(entry.title)),
        ("body", message?["body"] ?? .null), ("message", message ?? .null),
        ("conversation", JSON(entry.conversation)), ("campaign", JSON(entry.campaign?.text)),
        ("workflow", JSON(entry.workflow?.text)), ("run", JSON(entry.run?.text)),
        ("actor", .string(entry.actor)), ("origin", .string(entry.origin)),
        ("correlation", .string(entry.correlation)), ("cause", JSON(entry.cause)),
      ]))
  }
}

extension Exchange {
  /// Whether the event at a position is one of the account's own.
  func owns(_ position: UInt64) throws(APIError) -> Bool {
    do {
      let page = try engine.log.read(after: position - 1, limit: 1, filter: .all)
      return page.events.contains { $0.position == position && $0.org.value == org.value }
    } catch {
      throw APIError(.log(error))
    }
  }
}

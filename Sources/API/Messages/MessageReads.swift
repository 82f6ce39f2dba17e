import Application
import Domain
import HTTP
import TimelineProjection

/// Reading messages.
enum MessageRoutes {
  static let all: [Operation] =
    MessageWrites.all + [
      Operation.list(
        "/api/messages", "messages:read", "List messages, newest first",
        parameters: [
          .query("contact", .id(.contact)), .query("campaign", .id(.campaign)),
          .query("run", .id(.run)), .query("status", .choice(Message.Status.self)),
          .query("channel", .choice(Channel.self)), .query("direction", .choice(Direction.self)),
        ], of: MessageSchemas.message, sorts: ["-created_at", "id"], order: .leading, rows: list),
      Operation(
        "GET", "/api/messages/{id}", .scope("messages:read"), "Read a message",
        answers: [.ok(MessageSchemas.message)], handler: show),
    ]

  private enum Direction: String, CaseIterable {
    case outbound, inbound
  }

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    var request = MessageQueries.Request(page: list.page)
    request.isByID = list.sort.leading.name == "id"
    request.contact = try exchange.queryID("contact", .contact)
    request.campaign = try exchange.queryID("campaign", .campaign)
    request.run = try exchange.queryID("run", .run)
    request.status = try exchange.queryChoice("status", Message.Status.self)
    request.channel = try exchange.queryChoice("channel", Channel.self)
    request.direction = try exchange.queryChoice("direction", Direction.self)?.rawValue
    let org = exchange.org
    let found = try await exchange.read([.timeline], list) { [request] pool in
      try await MessageQueries.list(pool, org: org, request)
    }
    return exchange.rows(found) { MessageView($0, org).json }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .message)
    let org = exchange.org
    let found = try await exchange.read([.timeline]) { pool in
      try await MessageQueries.item(pool, org: org, message: id)
    }
    guard let row = found.value else { throw .notFound("message") }
    return exchange.respond(MessageView(row, org).json, found)
  }
}

extension MessageView {
  /// From the read model.
  init(_ row: MessageRow, _ org: Identifier) {
    let isInbound = row.direction == "inbound"
    self.init(
      id: Identifier(.message, row.message), org: org, direction: row.direction,
      contact: Identifier(.contact, row.contact), channel: row.channel, purpose: row.purpose,
      from: isInbound ? row.theirAddress : row.ourAddress,
      to: isInbound ? row.ourAddress : row.theirAddress, body: row.body,
      segmentCount: row.segmentCount, encoding: row.encoding, status: row.status,
      reason: row.reason, verdict: row.verdict, priceMicros: row.priceMicros,
      providerID: row.providerID, errorCode: row.errorCode, keyword: row.keyword,
      campaign: row.campaign.map { Identifier(.campaign, $0) },
      run: row.run.map { Identifier(.run, $0) }, heldUntilMicros: row.heldUntilMicros,
      sentAtMicros: row.sentAtMicros, deliveredAtMicros: row.deliveredAtMicros,
      subject: row.subject, html: row.html, media: row.media, callOutcome: row.callOutcome,
      callSeconds: row.callSeconds, openedAtMicros: row.openedAtMicros,
      machineOpenedAtMicros: row.machineOpenedAtMicros, clickedAtMicros: row.clickedAtMicros,
      complainedAtMicros: row.complainedAtMicros,
      version: UInt64(row.version), createdAtMicros: row.createdAtMicros,
      updatedAtMicros: row.updatedAtMicros)
  }
}

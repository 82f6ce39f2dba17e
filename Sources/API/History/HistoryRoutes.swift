import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON
import ProjectionRuntime

/// What happened to one object: its own stream of the log, and what differs between two versions.
enum HistoryRoutes {
  /// An object that has a history, and how it looked at a version.
  struct Subject: Sendable {
    let kind: Identifier.Kind
    let scope: String
    /// Whether an item of a version is all that its GET shows: a campaign's has figures over other facts.
    var isWhole = true
    let view: @Sendable (Exchange, Identifier, UInt64) throws(APIError) -> JSON
  }

  static let subjects = [
    Subject(kind: .contact, scope: "contacts:read") { exchange, id, version throws(APIError) in
      try exchange.contactView(id, version: version).json
    },
    Subject(kind: .message, scope: "messages:read") { exchange, id, version throws(APIError) in
      try exchange.messageView(id, version: version).json
    },
    Subject(kind: .segment, scope: "segments:read") { exchange, id, version throws(APIError) in
      try SegmentWrites.view(id, version: version, exchange).json
    },
    Subject(
      kind: .campaign, scope: "campaigns:read", isWhole: false
    ) { exchange, id, version throws(APIError) in
      try CampaignWrites.view(id, version: version, exchange).json
    },
    Subject(kind: .workflow, scope: "workflows:read") { exchange, id, version throws(APIError) in
      try WorkflowWrites.view(id, version: version, exchange)
    },
    Subject(kind: .run, scope: "workflows:read") { exchange, id, version throws(APIError) in
      try run(id, version, exchange)
    },
    Subject(kind: .template, scope: "messages:read") { exchange, id, version throws(APIError) in
      try exchange.template(id, version: version)
    },
    Subject(kind: .payment, scope: "wallet:read") { exchange, id, version throws(APIError) in
      try exchange.payment(id, version: version)
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
    Subject(kind: .importJob, scope: "contacts:read") { exchange, id, version throws(APIError) in
      try ImportReads.view(id, version: version, exchange)
    },
    // What was refused to whom, prices and lists stand in it: it is the book itself.
    Subject(kind: .org, scope: "events:read") { exchange, id, version throws(APIError) in
      try AccountRoutes.view(id, version: version, exchange)
    },
    Subject(kind: .inboundHook, scope: "webhooks:read") { exchange, id, version throws(APIError) in
      try HookRoutes.view(id, version: version, exchange)
    },
  ]

  static let all: [Operation] = subjects.flatMap { subject in
    let path = "/api/\(subject.kind.plural ?? subject.kind.name)/{id}"
    let name = subject.kind.name.replacing("_", with: " ")
    return [
      Operation.list(
        path + "/history", subject.scope, "The events of one \(name), the first one first",
        of: EventSchemas.event, sorts: ["position", "id"], order: .leading
      ) { exchange, list throws(APIError) in
        let id = try exchange.id("id", subject.kind)
        return try history(id, list, try exchange.within(id))
      },
      Operation(
        "GET", path + "/diff", .scope(subject.scope),
        "What differs between two versions of one \(name)",
        parameters: [
          .query("from", .int(1...Int64.max), "A version.", required: true),
          .query("to", .int(1...Int64.max), "A version; the newest where not given."),
        ], answers: [.ok(diffSchema)]
      ) { exchange throws(APIError) in
        let id = try exchange.id("id", subject.kind)
        return try diff(id, subject, try exchange.within(id))
      },
    ]
  }

  /// The items of a list in an order that changes, with those that changed since its first page as they were then.
  static func pinned(
    _ items: [JSON], _ list: ListRequest, _ exchange: Exchange
  ) async throws(APIError) -> [JSON] {
    guard let pin = list.pin,
      list.sort.keys.contains(where: { ["name", "email"].contains($0.name) })
    else { return items }
    let moment = Timestamp.text(pin.momentMicros)
    return try await exchange.onScanLane { () throws(APIError) -> [JSON] in
      var past: [JSON] = []
      for item in items {
        let isChanged = item["updated_at"]?.string ?? "9" >= moment
        past.append(isChanged ? try self.item(item, at: pin.position, exchange) : item)
      }
      return past
    }
  }

  private static func item(
    _ item: JSON, at position: UInt64, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    guard let id = item["id"]?.string.flatMap({ Identifier($0) }) else { return item }
    let book = id.kind == .org ? id : exchange.org
    guard let version = try exchange.version(of: id, at: position, in: book) else { return item }
    if id.kind == .org {
      var object = item.object ?? JSONObject()
      do {
        object["name"] = .string(try exchange.engine.org(id, version: version).state.name)
      } catch {
        throw APIError(error)
      }
      return .object(object)
    }
    guard let subject = subjects.first(where: { $0.kind == id.kind }) else { return item }
    return try subject.view(exchange, id, version)
  }

  private static func run(
    _ id: Identifier, _ version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    do {
      return RunView.json(
        id, exchange.org, try exchange.engine.run(id, of: exchange.org, version: version))
    } catch {
      throw APIError(error)
    }
  }

  /// An object's GET answers `as_of` from the object's own stream, where it does not from a read model.
  static func withPast(_ operation: Operation) -> Operation {
    guard operation.method == "GET", !operation.parameters.contains(where: { $0.name == "as_of" }),
      let subject = subjects.first(where: {
        // An account's GET has its clock of now.
        $0.kind != .org && operation.path == "/api/\($0.kind.plural ?? "")/{id}" && $0.isWhole
      })
    else { return operation }
    return operation.with(.asOf) { exchange throws(APIError) in
      let id = try exchange.id("id", subject.kind)
      guard let asOf = try exchange.asOf(),
        let version = try exchange.version(of: id, at: asOf.position, in: exchange.org),
        try !isRemoved(id, version, exchange)
      else { throw .notFound(subject.kind.name) }
      return exchange.respond(200, try subject.view(exchange, id, version), version: version)
    }
  }

  /// What takes an object out of reads, as its last event.
  private static let removals: Set<String> = [
    "api_key.revoked", "campaign.deleted", "inbound_hook.deleted", "role.deleted",
    "webhook_endpoint.deleted", "workflow.deleted",
  ]

  private static func isRemoved(
    _ id: Identifier, _ version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> Bool {
    let last = try stream(id, from: version, limit: 1, direction: .forwards, exchange).first
    return last.map { removals.contains($0.type) } ?? false
  }

  /// Objects that a list's first page saw and that `removal` took away since, as they were then.
  static func removed(
    by removal: String, since list: ListRequest, _ exchange: Exchange
  ) async throws(APIError) -> [JSON] {
    precondition(removals.contains(removal), "only what takes an object out of reads")
    guard let pin = list.pin else { return [] }
    return try await exchange.onScanLane { () throws(APIError) -> [JSON] in
      try removed(by: removal, since: pin, exchange)
    }
  }

  private static func removed(
    by removal: String, since pin: ListRequest.Pin, _ exchange: Exchange
  ) throws(APIError) -> [JSON] {
    var found: [JSON] = []
    var place = pin.position
    let filter = EventFilter(org: OrgID(exchange.org.value), types: [removal])
    while true {
      let page: Page
      let ids: [Identifier]
      do {
        page = try exchange.engine.log.read(after: place, limit: 500, filter: filter)
        ids = try page.events.map { try EventCodec.decode($0).stream }
      } catch let error as EventLogError {
        throw APIError(.log(error))
      } catch {
        throw APIError(.unreadable(reason: "\(removal) after \(place): \(error)"))
      }
      for id in ids {
        guard let subject = subjects.first(where: { $0.kind == id.kind }),
          let version = try exchange.version(of: id, at: pin.position, in: exchange.org)
        else { continue }
        found.append(try subject.view(exchange, id, version))
      }
      guard page.scannedTo > place else { return found }
      place = page.scannedTo
    }
  }

  static let diffSchema = Schema.object(
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

  /// The place in it is a version of the object: its stream is read from there, in either direction.
  private static func history(
    _ id: Identifier, _ list: ListRequest, _ exchange: Exchange
  ) throws(APIError) -> ListRows {
    let goesDown = list.page.isReversed != list.page.isBackwards
    var from: UInt64 = goesDown ? .max : 1
    if let text = list.page.after {
      guard let version = UInt64(text), version > 0, version < .max else {
        throw .invalid("after", "invalid_cursor", "after is no cursor of this list.")
      }
      from = goesDown ? version - 1 : version + 1
    }
    let limit = list.page.limit
    let found = try stream(
      id, from: from, limit: limit + 1, direction: goesDown ? .backwards : .forwards, exchange)
    let version: UInt64
    let head: UInt64
    do {
      version = try exchange.engine.version(of: id, in: exchange.org)
      head = try exchange.engine.log.head()
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
    if version == 0 { throw .notFound(id.kind.name) }
    var total = version
    if let pin = list.page.upTo {
      total = try exchange.version(of: id, at: pin, in: exchange.org) ?? 0
    }
    let events = found.filter { $0.position <= list.page.upTo ?? .max }
    var rows = ListRows(
      items: [], cursors: [], hasMore: events.count > limit,
      total: list.page.wantsTotal ? Int(total) : nil,
      position: list.pin?.position ?? head, isFromReadModel: false)
    for event in events.prefix(limit) {
      do {
        rows.items.append(try EventJSON.object(event))
      } catch {
        throw APIError(error)
      }
      rows.cursors.append(String(event.streamVersion))
    }
    return rows
  }

  private static func stream(
    _ id: Identifier, from: UInt64, limit: Int, direction: Direction, _ exchange: Exchange
  ) throws(APIError) -> [RecordedEvent] {
    guard from > 0 else { return [] }
    do {
      return try exchange.engine.log.readStream(
        org: OrgID(exchange.org.value), stream: StreamID(id.value), from: from, limit: limit,
        direction: direction)
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
    return exchange.respond(200, try diff(id, subject, from: from, to: to, exchange))
  }

  /// What differs between two versions; at version 0 there was nothing yet.
  static func diff(
    _ id: Identifier, _ subject: Subject, from: UInt64, to: UInt64, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    func object(_ version: UInt64) throws(APIError) -> JSONObject {
      guard version > 0 else { return JSONObject() }
      return try subject.view(exchange, id, version).object ?? JSONObject()
    }
    let before = try object(from)
    let after = try object(to)
    let gone = before.fields.filter { after[$0.key] == nil }.map { (key: $0.key, value: JSON.null) }
    let changes = (after.fields + gone).filter { before[$0.key] ?? .null != $0.value }
      .map { field -> JSON in
        [
          "field": .string(field.key), "before": before[field.key] ?? .null, "after": field.value,
        ]
      }
    return [
      "object": "diff", "id": .string(id.text), "from": .int(Int64(from)), "to": .int(Int64(to)),
      "changes": .array(changes),
    ]
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

extension Exchange {
  /// The exchange in whose book `id` stands: an account's own, where it is one that the caller reaches.
  fileprivate func within(_ id: Identifier) throws(APIError) -> Exchange {
    id.kind == .org ? try acting(on: id) : self
  }
}

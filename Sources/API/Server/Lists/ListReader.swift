import Application
import Crypto
import Domain
import EventLog
import HTTP
import JSON
import Postgres
import ProjectionRuntime

/// Puts the pages of a list together: filter, count, cursors.
struct ListReader {
  let exchange: Exchange
  let definition: ListDefinition

  func answer() async throws(APIError) -> HTTPResponse {
    let request = try exchange.listRequest(definition)
    let filter = try definition.filtersItself ? nil : ObjectFilter(exchange)
    // Before anything is read: whoever follows the log from `as_of` misses nothing that the rows do not have.
    let head = try exchange.head()
    var total: Int?
    var page: ListRows
    if let filter {
      let walk = walk(filter)
      if request.page.wantsTotal { total = try await walk.count(request, of: definitionRows) }
      page = try await walk.page(request, of: rows)
    } else {
      page = try await PageRoom.page(
        request, firstRead: definition.isAtHand ? request.page.limit : PageRoom.firstRead,
        nowMicros: { exchange.nowMicros }, of: rows)
      total = page.total
    }
    if !page.isFromReadModel { page.position = min(page.position, head) }
    if request.page.isBackwards {
      page.items.reverse()
      page.cursors.reverse()
    }
    let pin =
      request.pin
      ?? .init(
        position: request.asOf?.position ?? page.position,
        momentMicros: request.nowMicros(exchange))
    var object = JSONObject([("object", "list"), ("data", .array(page.items))])
    // Where a page ends before it is full, in the direction of the walk, there is no row of its own.
    let next =
      request.page.isBackwards
      ? page.cursors.last : page.hasMore ? page.reached ?? page.cursors.last : nil
    let previous =
      request.page.isBackwards
      ? (page.hasMore ? page.reached ?? page.cursors.first : nil)
      : (request.page.after == nil ? nil : page.cursors.first)
    object["has_more"] = .bool(next != nil)
    object["next"] = JSON(next.map { cursor($0, pin) })
    object["previous"] = JSON(previous.map { cursor($0, pin) })
    object["as_of"] = .int(Int64(clamping: pin.position))
    if let total { object["total"] = JSON(total) }
    var response = exchange.respond(200, .object(object))
    if page.isFromReadModel { response.headers.set("read-position", String(page.position)) }
    return response
  }

  private func cursor(_ place: String, _ pin: ListRequest.Pin) -> String {
    ListCursor(list: exchange.listName, pin: pin, place: place).text
  }

  /// The rows in the order that was asked for.
  private func rows(_ request: ListRequest) async throws(APIError) -> ListRows {
    guard !definition.order.isWhole(request.sort) else {
      return try await definition.rows(exchange, request)
    }
    return try await TiedRows(exchange: exchange, definition: definition).rows(request)
  }

  /// In any order: what counts them does not care.
  private func definitionRows(_ request: ListRequest) async throws(APIError) -> ListRows {
    try await definition.rows(exchange, request)
  }

  private func walk(_ filter: ObjectFilter) -> ListWalk {
    let right = StandingRight(exchange)
    return ListWalk(
      firstRead: definition.isAtHand ? ListWalk.stretch : PageRoom.firstRead,
      matches: filter.matches, nowMicros: { exchange.nowMicros },
      deadline: ContinuousClock.now + .milliseconds(exchange.services.settings.listMillis),
      right: right.check)
  }
}

extension ListRequest {
  /// The next stretches see what the first saw.
  mutating func pin(at position: UInt64, _ exchange: Exchange) {
    pin(at: position, momentMicros: nowMicros(exchange))
  }

  mutating func pin(at position: UInt64, momentMicros: Micros) {
    let pin = Pin(position: position, momentMicros: momentMicros)
    self.pin = pin
    page.upTo = pin.position
    page.upToMicros = pin.momentMicros
  }
}

// MARK: - From read models

extension Exchange {
  /// A page of rows that never change their place: what came later is left out.
  func rows<Row>(
    _ found: Answered<QueryPage<Row>>, _ view: (Row) -> JSON
  ) -> ListRows {
    ListRows(
      items: found.value.rows.map(view), cursors: found.value.cursors,
      hasMore: found.value.hasMore, total: found.value.total, position: found.position)
  }

  /// Reads a list whose rows never move: after its read models have come as far as its first page saw.
  func read<Value: Sendable>(
    _ models: [ReadModel], _ list: ListRequest,
    _ body: @Sendable (PostgresPool) async throws -> Value
  ) async throws(APIError) -> Answered<Value> {
    try await read(models, atLeast: list.asOf?.position ?? list.pin?.position ?? 0, body)
  }

  /// Reads a list at its position: from the rows as they are while nothing of the account has changed
  /// since, else from their history, which costs more. `body` gets the position of the history.
  func readPinned<Value: Sendable>(
    _ models: [ReadModel], _ list: ListRequest,
    _ body: @escaping @Sendable (PostgresPool, UInt64?) async throws -> Value
  ) async throws(APIError) -> Answered<Value> {
    if let asOf = list.asOf {
      return try await read(models, atLeast: asOf.position) { pool in
        try await body(pool, asOf.position)
      }
    }
    let found = try await read(models, atLeast: list.pin?.position ?? 0) { pool in
      try await body(pool, nil)
    }
    let position = list.pin?.position ?? found.position
    guard try await hasChanged(since: position) else {
      return Answered(value: found.value, position: position)
    }
    let past = try await read(models, atLeast: position) { pool in
      try await body(pool, position)
    }
    return Answered(value: past.value, position: position)
  }

  private func hasChanged(since position: UInt64) async throws(APIError) -> Bool {
    guard try head() > position else { return false }
    let log = engine.log
    let filter = EventFilter(org: OrgID(org.value))
    return try await onScanLane { () throws(EventLogError) -> Bool in
      var place = position
      while true {
        let page = try log.read(after: place, limit: 1, filter: filter)
        if page.events.contains(where: { $0.position > position }) { return true }
        if page.scannedTo <= place { return false }
        place = page.scannedTo
      }
    }
  }

  /// What `body` reads in the log, which may be much of it, on a thread on which that keeps nobody waiting.
  func onScanLane<Output: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Output
  ) async throws(APIError) -> Output {
    guard let found = try await services.scans.run(for: org, body) else { throw .clientGone }
    do {
      return try found.get()
    } catch let error as APIError {
      throw error
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }
}

// MARK: - From what is at hand

extension ListRows {
  /// A page of objects that the org's state names and the log describes: there are few of them.
  static func of(
    _ ids: @escaping @Sendable (borrowing Workspace) -> [Identifier], _ request: ListRequest,
    _ exchange: Exchange, removal: String? = nil, view: (Identifier) throws(APIError) -> JSON
  ) async throws(APIError) -> ListRows {
    var all: [JSON] = []
    for id in try await exchange.readState(ids) { all.append(try view(id)) }
    return try await .of(all, request, exchange, removal: removal)
  }

  /// A page of objects that are all at hand, by the fields of the order and then by `key`, which tells
  /// them apart, in the direction of the first. `removal`: the event that takes one of them away. What it took since
  /// the list's first page is still on the later ones.
  static func of(
    _ all: [JSON], _ request: ListRequest, _ exchange: Exchange, removal: String? = nil,
    key: (JSON) -> String = { $0["id"]?.string ?? "" }
  ) async throws(APIError) -> ListRows {
    var all = try await HistoryRoutes.pinned(all, request, exchange)
    if let removal {
      // Gone between the two looks, it would be there twice.
      let known = Set(all.map(key))
      all += try await HistoryRoutes.removed(by: removal, since: request, exchange)
        .filter { !known.contains(key($0)) }
    }
    return try page(of: all, request, exchange, key: key)
  }

  /// The page itself, of objects that are as the list's first page saw them.
  static func page(
    of all: [JSON], _ request: ListRequest, _ exchange: Exchange,
    key: (JSON) -> String = { $0["id"]?.string ?? "" }
  ) throws(APIError) -> ListRows {
    let order = RowOrder(request.sort, isBackwards: request.page.isBackwards)
    let limitText = request.page.upToMicros.map(Timestamp.text)
    var entries = all.map { (place: order.place(of: $0, key: key($0)), item: $0) }
    if let limitText {
      entries.removeAll { ($0.item["created_at"]?.string ?? "") > limitText }
    }
    let total = request.page.wantsTotal ? entries.count : nil
    entries.sort { order.precedes($0.place, $1.place) }
    if let text = request.page.after {
      guard let place = order.place(text) else {
        throw .invalid("after", "invalid_cursor", "after is no cursor of this list.")
      }
      entries.removeAll { !order.precedes(place, $0.place) }
    }
    let head = try exchange.head()
    let shown = entries.prefix(request.page.limit)
    return ListRows(
      items: shown.map(\.item), cursors: shown.map { RowOrder.text(of: $0.place) },
      hasMore: entries.count > shown.count, total: total,
      position: request.pin?.position ?? head, isFromReadModel: false)
  }
}

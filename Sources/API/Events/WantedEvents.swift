import Application
import Domain
import EventLog

/// Which events a caller wants, and where to read them.
struct WantedEvents: Sendable {
  /// What a page holds.
  struct Found: Sendable {
    var items: [EventFeed.Item] = []
    /// Everything up to it was looked at: the next page is what comes after it.
    var reached: UInt64
    /// Whether the log goes on there.
    var hasMore = false
    fileprivate var byteCount = 0
  }

  /// So many events are opened in one go, at 27 µs each; or a quarter of a million of others are passed over.
  private static let stretch = 500

  /// The bytes of a page, where it has more than one event: of a list, and of a tail, whose client may not read on.
  static let listBytes = 8 << 20
  static let tailBytes = 256 << 10

  private let log: any EventReader
  private let org: Identifier
  private let asker: Identifier
  private let filter: EventFilter
  /// nil: all.
  private let selection: EventSelection?
  private let contact: Identifier?
  let right: StandingRight
  private let lane: ScanLane
  private let pageStretches: Int

  init(_ exchange: Exchange) throws(APIError) {
    let names = exchange.query("types")?.split(separator: ",").map(String.init)
    let selection = names.flatMap { EventSelection($0) }
    if let stranger = names?.first(where: { !EventNames.isKnown($0) }) {
      throw .invalid("types", "unknown_event_type", EventNames.problem(with: stranger))
    }
    log = exchange.engine.log
    org = exchange.org
    asker = exchange.caller.home
    self.selection = selection
    filter = EventFilter(org: OrgID(exchange.org.value), types: selection?.types)
    contact = try exchange.queryID("contact", .contact)
    right = StandingRight(exchange)
    lane = exchange.services.scans
    pageStretches = exchange.services.settings.eventStretches
  }

  /// Whether the event has a wanted type, and is the contact's own or names it.
  func includes(_ item: EventFeed.Item) -> Bool {
    if let selection, !selection.includes(item.type, channel: { item.channel }) { return false }
    guard let contact else { return true }
    return item.subject == contact || item.contact == contact.text
  }

  /// Events that are in the log, as many as are found in so many stretches of it: what is wanted may be one in
  /// millions. Cut short where nobody waits for it any more.
  ///
  /// - Throws: What the caller is told who has lost the right meanwhile.
  func page(
    after position: UInt64, limit: Int, limitBytes: Int = Self.listBytes
  ) async throws(APIError) -> Found {
    var found = Found(reached: position, hasMore: true)
    for _ in 0..<pageStretches
    where found.hasMore && found.items.count < limit && found.byteCount <= limitBytes {
      // Where the log ends, nobody has to wait for their turn to read nothing.
      guard try head() > found.reached else {
        found.hasMore = false
        break
      }
      let next = try await lane.run(for: asker) { [found] () throws(APIError) in
        try going(on: found, limit: limit, limitBytes: limitBytes)
      }
      try right.check()
      guard let next else { break }
      found = try next.get()
    }
    return found
  }

  private func head() throws(APIError) -> UInt64 {
    do {
      return try log.head()
    } catch {
      throw APIError(.log(error))
    }
  }

  /// One stretch further.
  private func going(
    on found: Found, limit: Int, limitBytes: Int
  ) throws(APIError) -> Found {
    var found = found
    let page: Page
    do {
      page = try log.read(after: found.reached, limit: Self.stretch, filter: filter)
    } catch {
      throw APIError(.log(error))
    }
    for event in page.events where event.position > found.reached {
      let item = try item(event)
      guard includes(item) else { continue }
      found.byteCount += item.json.utf8.count
      if found.byteCount > limitBytes, let last = found.items.last {
        // It is the next page's first.
        found.reached = max(found.reached, last.position)
        return found
      }
      found.items.append(item)
      guard found.items.count < limit else {
        found.reached = item.position
        return found
      }
    }
    found.hasMore = page.scannedTo > found.reached
    found.reached = page.scannedTo
    return found
  }

  private func item(_ event: RecordedEvent) throws(APIError) -> EventFeed.Item {
    do {
      // One more read of the log for each message: only where somebody asked for a channel's.
      return try EventFeed.Item(event, selection?.asksForChannel == true ? log : nil)
    } catch {
      throw APIError(error)
    }
  }
}

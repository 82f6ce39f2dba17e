import Application
import Domain
import EventLog
import HTTP
import JSON
import Synchronization

/// Events one after the other, to somebody who takes them when it can: nothing is read before there is
/// room for it.
struct EventTail: Sendable {
  private static let pageSize = 200

  private let wanted: WantedEvents
  private let feed: EventFeed
  private var right: StandingRight { wanted.right }
  private let report: @Sendable (String) -> Void
  private let requestID: String

  init(_ wanted: WantedEvents, _ exchange: Exchange) throws(APIError) {
    self.wanted = wanted
    feed = exchange.services.feeds.feed(of: try exchange.executor(), exchange.engine.log)
    requestID = exchange.requestID
    report = { [services = exchange.services, id = exchange.requestID] line in
      services.report("a tail ended: \(line)", id)
    }
  }

  private func read(after position: UInt64) async throws(APIError) -> WantedEvents.Found {
    try await wanted.page(
      after: position, limit: Self.pageSize, limitBytes: WantedEvents.tailBytes)
  }

  /// Where a listener is: in the log as long as there is more of it than a page, then in the feed. Asked by one
  /// at a time, and no actor: of ten thousand, each would change threads for it twice with each event.
  private final class Place: Sendable {
    private struct State {
      var position: UInt64
      var isLive = false
      var hasGreeted = false
    }

    private let tail: EventTail
    private let listener: EventFeed.Listener
    private let state: Mutex<State>

    init(_ tail: EventTail, after position: UInt64) {
      self.tail = tail
      state = Mutex(State(position: position))
      // Listens before it reads: between the log and the feed nothing is missed.
      listener = tail.feed.listen()
    }

    /// The next bytes; nil where the log cannot be read, or the listener has lost the right to hear more.
    func next(
      greeting: String, write: @Sendable (EventFeed.Item) -> [UInt8],
      shared: Bool, heartbeat: String
    ) async -> [UInt8]? {
      let mustGreet = state.withLock { state in
        defer { state.hasGreeted = true }
        return !state.hasGreeted && !greeting.isEmpty
      }
      if mustGreet { return Array(greeting.utf8) }
      while !Task.isCancelled, tail.right.holds() {
        let now = state.withLock { $0 }
        if !now.isLive {
          guard let bytes = await fromLog(after: now.position, write) else { return nil }
          if !bytes.isEmpty { return bytes }
          // Whoever wants one in millions is told that they are looked for.
          if state.withLock({ !$0.isLive }) { return Array(heartbeat.utf8) }
          continue
        }
        switch await listener.next(after: now.position) {
        case .behind: state.withLock { $0.isLive = false }
        case .items(let items):
          guard tail.right.holds() else { return nil }
          if items.isEmpty { return Array(heartbeat.utf8) }
          let bytes = fromFeed(items, write, shared: shared)
          if !bytes.isEmpty { return bytes }
        }
      }
      return nil
    }

    private func fromLog(
      after position: UInt64, _ write: (EventFeed.Item) -> [UInt8]
    ) async -> [UInt8]? {
      guard let found = await tail.page(after: position) else { return nil }
      state.withLock { state in
        state.position = found.reached
        state.isLive = !found.hasMore
      }
      return found.items.flatMap(write)
    }

    private func fromFeed(
      _ items: [EventFeed.Fresh], _ write: (EventFeed.Item) -> [UInt8], shared: Bool
    ) -> [UInt8] {
      let taken = items.prefix(ofBytes: WantedEvents.tailBytes)
      if let last = taken.last { state.withLock { $0.position = last.item.position } }
      let fitting = taken.filter { tail.wanted.includes($0.item) }
      // One event to ten thousand listeners: they share its bytes.
      if shared, fitting.count == 1 { return fitting[0].message }
      return fitting.flatMap { shared ? $0.message : write($0.item) }
    }
  }

  /// Server-sent events, without end.
  func messages(after position: UInt64) -> HTTPResponse {
    let place = Place(self, after: position)
    return HTTPResponse.eventStream(
      AsyncStream {
        await place.next(
          greeting: ": tail of the log\n\n", write: { $0.message }, shared: true,
          heartbeat: ": still here\n\n")
      })
  }

  /// An event a line: all there is, or without end.
  func lines(after position: UInt64, follows: Bool) -> HTTPResponse {
    let lines: AsyncStream<[UInt8]>
    if follows {
      let place = Place(self, after: position)
      lines = AsyncStream {
        await place.next(greeting: "", write: { $0.line }, shared: false, heartbeat: "\n")
      }
    } else {
      lines = untilTheEnd(after: position)
    }
    var response = HTTPResponse(
      status: 200, headers: ["content-type": ListStream.mediaType, "cache-control": "no-store"],
      body: .stream(lines))
    response.endsOnStop = follows
    return response
  }

  private func untilTheEnd(after position: UInt64) -> AsyncStream<[UInt8]> {
    let pages = Pages(self, after: position)
    return AsyncStream { await pages.next() }
  }

  /// What the log holds, a page at a time.
  private actor Pages {
    private let tail: EventTail
    private var position: UInt64
    private var isOver = false

    init(_ tail: EventTail, after position: UInt64) {
      self.tail = tail
      self.position = position
    }

    /// What fails on the way is the last line, an error object: without it what was read would look like all there is.
    func next() async -> [UInt8]? {
      while !isOver, !Task.isCancelled {
        do throws(APIError) {
          try tail.right.check()
          let found = try await tail.read(after: position)
          position = found.reached
          isOver = !found.hasMore
          if !found.items.isEmpty { return found.items.flatMap(\.line) }
        } catch {
          isOver = true
          if tail.right.holds() { tail.report(error.code) }
          return error.json(requestID: tail.requestID).bytes() + [UInt8(ascii: "\n")]
        }
      }
      return nil
    }
  }

  /// The next of the log; nil where it cannot be read, or the listener has lost the right to hear more.
  private func page(after position: UInt64) async -> WantedEvents.Found? {
    do throws(APIError) {
      return try await read(after: position)
    } catch {
      if right.holds() { report(error.code) }
      return nil
    }
  }
}

extension [EventFeed.Fresh] {
  /// As many of the first as have so many bytes, and one at least.
  fileprivate func prefix(ofBytes limitBytes: Int) -> ArraySlice<EventFeed.Fresh> {
    var byteCount = 0
    for (index, fresh) in enumerated() {
      byteCount += fresh.message.count
      if byteCount > limitBytes, index > 0 { return prefix(index) }
    }
    return self[...]
  }
}

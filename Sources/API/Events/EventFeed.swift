import Application
import Domain
import EventLog
import JSON
import Synchronization

/// The newest events of one org, read and written out once for however many listen. A listener who is
/// further behind than what is kept here reads the log itself: it costs the writer nothing.
final class EventFeed: Sendable {
  /// An event as it is sent.
  struct Item: Sendable {
    let position: UInt64
    let type: String
    let subject: Identifier
    /// The contact that its data names.
    let contact: String?
    /// Of a message, where a log was given to look for it.
    let channel: Channel?
    let json: String

    init(_ event: RecordedEvent, _ log: (any EventReader)?) throws(CommandError) {
      let object = try EventJSON.object(event)
      position = event.position
      type = event.type
      subject =
        object["subject"]?["id"]?.string.flatMap { Identifier($0) }
        ?? Identifier(.event, event.stream.value)
      contact = object["data"]?["contact"]?.string
      do {
        channel = try log.flatMap { try EventNames.channel(of: event, $0) }
      } catch let error as CommandError {
        throw error
      } catch let error as EventLogError {
        throw .log(error)
      } catch {
        preconditionFailure("only these two are thrown: \(error)")
      }
      json = object.text
    }

    /// As a server-sent event.
    var message: [UInt8] { Array("id: \(position)\nevent: \(type)\ndata: \(json)\n\n".utf8) }
    /// As a line of NDJSON.
    var line: [UInt8] { Array((json + "\n").utf8) }
  }

  /// What a listener is given.
  enum News: Sendable {
    case items([Fresh])
    /// The events after the listener's position are not kept here any more.
    case behind
  }

  /// An event, with the bytes that all listeners share.
  struct Fresh: Sendable {
    let item: Item
    let message: [UInt8]
  }

  fileprivate struct State {
    /// Every event of the org with a position beyond `coveredAfter`, oldest first.
    var items: [Fresh] = []
    /// Of their messages.
    var byteCount = 0
    var coveredAfter: UInt64 = 0
    var listenerCount = 0
    var pump: Task<Void, Never>?
    var pumpNumber = 0
  }

  private static let keptCount = 512
  /// Of large events fewer are kept, and one at least.
  private static let keptBytes = 4 << 20
  private static let heartbeat = Duration.seconds(15)

  private let org: Identifier
  /// Raised after every event of the org.
  private let changes: ChangeSignal
  private let log: any EventReader
  private let state = Mutex(State())
  private let news = ChangeSignal()

  init(of org: Identifier, changes: ChangeSignal, log: any EventReader) {
    self.org = org
    self.changes = changes
    self.log = log
  }

  /// Somebody who listens, for as long as it is kept.
  final class Listener: Sendable {
    private let feed: EventFeed

    fileprivate init(_ feed: EventFeed) {
      self.feed = feed
      feed.listenerCame()
    }

    deinit { feed.listenerLeft() }

    /// The events after `position`, as soon as there are some. None: nothing happened for a while, or
    /// the task was cancelled.
    func next(after position: UInt64) async -> News {
      let seen = feed.news.generation
      if let news = feed.news(after: position), !feed.isBlind { return news }
      await feed.news.wait(beyond: seen, timeout: nil)
      return feed.news(after: position) ?? .items([])
    }
  }

  func listen() -> Listener { Listener(self) }

  /// The log could not be read here: listeners read it themselves, once for each time that it is tried again.
  private var isBlind: Bool { state.withLock { $0.coveredAfter == .max } }

  private func news(after position: UInt64) -> News? {
    state.withLock { state in
      guard position >= state.coveredAfter else { return .behind }
      guard let last = state.items.last, last.item.position > position else { return nil }
      // Listeners are almost always at the end.
      let count = state.items.reversed().prefix { $0.item.position > position }.count
      return .items(Array(state.items.suffix(count)))
    }
  }
}

// MARK: - Reading

extension EventFeed {
  private func listenerCame() {
    // Where the log cannot be read nothing is covered: listeners go to it and are told why.
    let head = (try? log.head()) ?? .max
    state.withLock { state in
      state.listenerCount += 1
      guard state.pump == nil else { return }
      // What came while nobody listened was not read: everybody begins with the log.
      state.items = []
      state.byteCount = 0
      state.coveredAfter = head
      state.pumpNumber += 1
      state.pump = Task { [self, number = state.pumpNumber] in
        await pump(number, after: head == .max ? nil : head)
      }
    }
  }

  private func listenerLeft() {
    let pump = state.withLock { state -> Task<Void, Never>? in
      state.listenerCount -= 1
      guard state.listenerCount == 0 else { return nil }
      defer { state.pump = nil }
      // What the pump may still be reading is not wanted any more.
      state.pumpNumber += 1
      return state.pump
    }
    pump?.cancel()
  }

  private func pump(_ number: Int, after start: UInt64?) async {
    let ticker = Task { [news] in
      while !Task.isCancelled {
        // Cut short only by cancellation.
        try? await Task.sleep(for: Self.heartbeat)
        news.raise()
      }
    }
    defer { ticker.cancel() }
    var position = start
    while !Task.isCancelled {
      let seen = changes.generation
      position = read(after: position, number)
      await changes.wait(beyond: seen, timeout: nil)
    }
  }

  /// Takes in what is new. nil: the log cannot be read.
  private func read(after position: UInt64?, _ number: Int) -> UInt64? {
    do {
      guard var reached = position else {
        let head = try log.head()
        change(number) { $0.forget(through: head) }
        return head
      }
      while true {
        let page = try log.read(
          after: reached, limit: 500, filter: EventFilter(org: OrgID(org.value)))
        try keep(page.events, number)
        guard page.scannedTo > reached else { return reached }
        reached = page.scannedTo
      }
    } catch {
      change(number) { $0.coveredAfter = .max }
      return nil
    }
  }

  private func keep(_ events: [RecordedEvent], _ number: Int) throws(CommandError) {
    guard !events.isEmpty else { return }
    var fresh: [Fresh] = []
    for event in events {
      // A person is being erased: nothing that was opened before may be shown any more.
      if event.type.hasPrefix("subject.") {
        fresh = []
        change(number) { $0.forget(through: event.position - 1) }
      }
      let item = try Item(event, log)
      fresh.append(Fresh(item: item, message: item.message))
    }
    change(number) { [fresh] state in
      state.add(fresh, keeping: Self.keptCount, Self.keptBytes)
    }
  }

  /// Does nothing for a pump that is not the one any more.
  private func change(_ number: Int, _ body: (inout State) -> Void) {
    state.withLock { state in
      guard state.pumpNumber == number else { return }
      body(&state)
    }
    news.raise()
  }
}

extension EventFeed.State {
  fileprivate mutating func forget(through position: UInt64) {
    items = []
    byteCount = 0
    coveredAfter = coveredAfter == .max ? position : max(coveredAfter, position)
  }

  fileprivate mutating func add(
    _ fresh: [EventFeed.Fresh], keeping count: Int, _ keptBytes: Int
  ) {
    items += fresh
    byteCount += fresh.reduce(0) { $0 + $1.message.count }
    guard items.count > count * 2 || byteCount > keptBytes * 2 else { return }
    var kept = 0
    var keptCount = 0
    for fresh in items.reversed() {
      kept += fresh.message.count
      guard keptCount < count, kept <= keptBytes || keptCount == 0 else { break }
      keptCount += 1
    }
    let surplus = items.count - keptCount
    guard surplus > 0 else { return }
    coveredAfter = items[surplus - 1].item.position
    items.removeFirst(surplus)
    byteCount = items.reduce(0) { $0 + $1.message.count }
  }
}

/// The feeds of all orgs that anybody listens to.
package final class EventFeeds: Sendable {
  private let feeds = Mutex<[Identifier: EventFeed]>([:])

  package init() {}

  func feed(of executor: OrgExecutor, _ log: any EventReader) -> EventFeed {
    feeds.withLock { feeds in
      if let feed = feeds[executor.org] { return feed }
      let feed = EventFeed(of: executor.org, changes: executor.changes, log: log)
      feeds[executor.org] = feed
      return feed
    }
  }
}

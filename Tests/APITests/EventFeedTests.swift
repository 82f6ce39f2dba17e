import Application
import Domain
import EventCodec
import EventLog
import Synchronization
import Testing

@testable import API

/// Goal: a listener is told of every event once, whenever it comes: while the listener comes, while it reads
/// the log, while the feed reads, or later. Method: the log shows an event from its nth call on, before or
/// after it has answered that call, and says so as the writer does.
@Suite struct EventFeedTests {
  private static let org = Identifier(.org, 7)

  @Test(arguments: 0..<8, [true, false])
  func `an event that comes while somebody begins to listen is told once`(
    call: Int, isBefore: Bool
  ) async throws {
    let changes = ChangeSignal()
    let log = LateLog(try await Self.book(), call: call, isBefore: isBefore) { changes.raise() }
    let feed = EventFeed(of: Self.org, changes: changes, log: log)
    let later = Task {
      // Where the log was not asked so often.
      try await Task.sleep(for: .milliseconds(100))
      log.show()
    }
    let told = try await Self.listen(to: feed, log, until: 2)
    #expect(told == [1, 2])
    try await later.value
  }

  /// Goal: large events do not fill the memory, however many there are. Method: sixteen megabytes of them, with each of
  /// which a listener could be served.
  @Test func `of large events fewer are kept, and a listener who is behind goes to the log`()
    async throws
  {
    let changes = ChangeSignal()
    let log = MemoryEventLog()
    let feed = EventFeed(of: Self.org, changes: changes, log: log)
    let listener = feed.listen()
    for number in 1...40 {
      let tag = String(repeating: "t", count: 400_000)
      try await Self.append(.tagged(tag: tag), to: Identifier(.contact, UInt128(number)), log)
    }
    changes.raise()
    while case .items(let items) = await listener.next(after: 0) {
      try #require(items.count < 30)
      await Task.yield()
    }
    guard case .items(let last) = await listener.next(after: 39) else {
      Issue.record("the newest is not there")
      return
    }
    #expect(last.map(\.item.position) == [40])
  }

  /// As a tail does: listens, then reads the log as far as it goes, then takes what the feed has.
  private static func listen(
    to feed: EventFeed, _ log: LateLog, until last: UInt64
  ) async throws -> [UInt64] {
    try await withThrowingTaskGroup(of: [UInt64].self) { group in
      group.addTask {
        let listener = feed.listen()
        var told: [UInt64] = []
        var position: UInt64 = 0
        var isLive = false
        while told.last != last {
          guard isLive else {
            let page = try log.read(after: position, limit: 500, filter: .all)
            told += page.events.map(\.position)
            position = page.scannedTo
            isLive = true
            continue
          }
          switch await listener.next(after: position) {
          case .behind: isLive = false
          case .items(let items):
            told += items.map(\.item.position)
            position = items.last?.item.position ?? position
          }
        }
        return told
      }
      group.addTask {
        // Less than the feed's heartbeat, which would hide a lost event.
        try await Task.sleep(for: .seconds(10))
        return []
      }
      defer { group.cancelAll() }
      return try await group.next() ?? []
    }
  }

  /// Two events of one org.
  private static func book() async throws -> MemoryEventLog {
    let log = MemoryEventLog()
    for number in 1...2 {
      try await append(
        .tagged(tag: "t\(number)"), to: Identifier(.contact, UInt128(number)), log)
    }
    return log
  }

  private static func append(
    _ event: Contact.Event, to contact: Identifier, _ log: MemoryEventLog
  ) async throws {
    _ = try await log.append(
      Commit(
        org: OrgID(org.value),
        events: [EventCodec.encode(.contact(event), stream: contact, org: org)],
        context: CommitContext(
          actor: "user:usr_1", origin: "api", correlation: "req_1", occurredAtMicros: 1)))
  }
}

/// A log whose second event is not there before its nth call.
private final class LateLog: EventReader {
  private let log: MemoryEventLog
  private let call: Int
  private let isBefore: Bool
  private let shown: @Sendable () -> Void
  private let state = Mutex((callCount: 0, isShown: false))

  init(
    _ log: MemoryEventLog, call: Int, isBefore: Bool, shown: @escaping @Sendable () -> Void
  ) {
    self.log = log
    self.call = call
    self.isBefore = isBefore
    self.shown = shown
  }

  func show() {
    let isNews = state.withLock { state in
      defer { state.isShown = true }
      return !state.isShown
    }
    if isNews { shown() }
  }

  private func answer<Answer>(
    _ body: (_ isShown: Bool) throws(EventLogError) -> Answer
  ) throws(EventLogError) -> Answer {
    let isTurn = state.withLock { state in
      defer { state.callCount += 1 }
      return state.callCount == call
    }
    if isTurn, isBefore { show() }
    let answer = try body(state.withLock { $0.isShown })
    if isTurn, !isBefore { show() }
    return answer
  }

  func head() throws(EventLogError) -> UInt64 {
    try answer { isShown throws(EventLogError) in isShown ? try log.head() : 1 }
  }

  func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    try answer { isShown throws(EventLogError) in
      let page = try log.read(after: position, limit: limit, filter: filter)
      guard !isShown else { return page }
      return Page(
        events: page.events.filter { $0.position < 2 }, scannedTo: max(position, 1))
    }
  }

  func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    try log.readStream(
      org: org, stream: stream, from: version, limit: limit, direction: direction)
  }

  func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    try log.readOrg(org, from: orgSequence, limit: limit)
  }

  func orgs() throws(EventLogError) -> [OrgID: UInt64] { try log.orgs() }

  func receipt(
    org: OrgID, idempotencyKey: IdempotencyKey
  ) throws(EventLogError) -> Receipt? {
    try log.receipt(org: org, idempotencyKey: idempotencyKey)
  }

  func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    try await log.waitForHead(beyond: position, timeoutMillis: timeoutMillis)
  }
}

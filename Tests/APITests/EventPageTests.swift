import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON
import Synchronization
import Testing

@testable import API

/// What is wanted of the book may be one event in millions, and the rest is read to find it.
@Suite struct EventPageTests {
  /// Two stretches a page.
  private static func with(_ body: (APIHouse) async throws -> Void) async throws {
    try await APIHouse.with({ $0.eventStretches = 2 }) { house in
      try await fill(house)
      try await body(house)
    }
  }

  private static let wanted = Identifier(.contact, 7)
  private static let target = "/api/events?contact=\(wanted)"

  /// 3,000 events in commits of a hundred, of which the contact's are the first, one in the middle and the last.
  private static func fill(_ house: APIHouse) async throws {
    for commit in 0..<30 {
      let events = (0..<100).map { index in
        let number = commit * 100 + index
        let isWanted = [0, 1_500, 2_999].contains(number)
        return EventCodec.encode(
          .contact(.tagged(tag: "t\(number)")),
          stream: isWanted ? wanted : Identifier(.contact, 8), org: house.org)
      }
      _ = try await house.log.append(
        Commit(
          org: OrgID(house.org.value), events: events,
          context: CommitContext(
            actor: "user:usr_1", origin: "api", correlation: "req_1", occurredAtMicros: 1)))
    }
  }

  @Test func `a page ends where it has looked at so much, and the next goes on there`()
    async throws
  {
    try await Self.with { house in
      let (items, counts) = try await house.walk(Self.target)
      #expect(items.compactMap { $0["data"]?["tag"]?.string } == ["t0", "t1500", "t2999"])
      #expect(counts == [1, 1, 1, 0] || counts == [1, 1, 1])
      let single = try await house.walk(Self.target + "&limit=1")
      #expect(single.items == items)
      // Nobody has these: every page is empty, and says how far it came.
      let none = try await house.walk("/api/events?contact=\(Identifier(.contact, 9))")
      #expect(none.items.isEmpty && none.counts.count >= 3)
    }
  }

  @Test func `every page of as many as there are is as without a bound`() async throws {
    try await Self.with { house in
      let all = try await house.walk("/api/events?limit=200").items
      #expect(all.compactMap { $0["position"]?.int } == (1...Int64(all.count)).map(\.self))
      #expect(all.count > 3_000)
    }
  }

  @Test func `the log is read in the lane`() async throws {
    try await Self.with { house in
      let counts = Mutex<Set<Int>>([])
      house.log.watch { _ in _ = counts.withLock { $0.insert(house.services.scans.count) } }
      _ = try await house.walk(Self.target)
      #expect(counts.withLock { $0 } == [1])
    }
  }

  @Test func `who is gone has nothing read any more`() async throws {
    try await Self.with { house in
      let client = Client()
      house.log.watch { if $0 == 1 { client.hangUp() } }
      try await client.ask { _ = await house.send(Self.target + "&limit=10") }
      #expect(house.log.readCount == 1)
    }
  }

  @Test(arguments: ["text/event-stream", "application/x-ndjson"])
  func `who has lost the right is told nothing any more, and has nothing read`(
    accept: String
  ) async throws {
    try await Self.with { house in
      house.log.watch { if $0 == 2 { house.endKey() } }
      let target = "/api/events?contact=\(Identifier(.contact, 9))"
      let response = await house.send(target, accept: accept)
      guard case .stream(let chunks) = response.body else {
        Issue.record("no stream")
        return
      }
      var text = ""
      for await chunk in chunks { text += String(decoding: chunk, as: UTF8.self) }
      // Lines that are to end tell that they end too early; a tail breaks off.
      let codes = try text.split(separator: "\n").filter { $0.hasPrefix("{") }
        .map { try JSON(parsing: String($0))["error"]?["code"]?.string }
      #expect(codes == (accept == "text/event-stream" ? [] : ["api_key_expired"]))
      #expect(house.log.readCount == 2)
      // It is no fault of ours.
      #expect(house.reports == [])
    }
  }

  @Test func `what was found is not told to who has lost the right meanwhile`() async throws {
    try await Self.with { house in
      house.log.watch { if $0 == 1 { house.endKey() } }
      let page = await house.get(Self.target)
      #expect(page.status == 401 && page.json["error"]?["code"]?.string == "api_key_expired")
      #expect(house.log.readCount == 1)
    }
  }

  @Test func `a list of lines has all of it, whatever a page looks at`() async throws {
    try await Self.with { house in
      let response = await house.send(Self.target, accept: "application/x-ndjson")
      guard case .stream(let chunks) = response.body else {
        Issue.record("no stream")
        return
      }
      var text = ""
      for await chunk in chunks { text += String(decoding: chunk, as: UTF8.self) }
      let tags = try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
        .compactMap { $0["data"]?["tag"]?.string }
      #expect(tags == ["t0", "t1500", "t2999"])
    }
  }

  @Test func `a long poll goes on to the end of the log before it waits`() async throws {
    try await Self.with { house in
      let page = await house.get(Self.target + "&after=1600&wait=60000")
      #expect(page.json["data"]?[0]?["data"]?["tag"]?.string == "t2999")
    }
  }
}

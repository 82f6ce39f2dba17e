import Domain
import EventCodec
import Foundation
import ProjectionRuntime
import Synchronization
import Testing

/// Batches that take longer than the server lets a session do nothing. What comes next is smaller, and in the end
/// has more time.
@Suite struct StintTests {
  @Test func `a batch for which a session's time does not suffice is taken in smaller ones`()
    async throws
  {
    try await withSlowTallies { desk in
      try await desk.history.append(ann, (1...20).map { tagged("slow-\($0)") })
      let isWaiting = Mutex(false)
      try await desk.following(
        news: { if case .waiting = $0 { isWaiting.withLock { $0 = true } } },
        until: { try desk.table(Self.moved) == ["20"] })
      #expect(isWaiting.withLock { $0 }, "the first batch was not ended, so nothing was tried")
      #expect(try desk.table("SELECT count FROM tallies_v1.tallies") == ["20"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `an event that takes too long alone is told, and tried again with more time`()
    async throws
  {
    try await withSlowTallies { desk in
      SlowTallies.closed.withLock { _ = $0.insert("closed") }
      defer { SlowTallies.closed.withLock { _ = $0.remove("closed") } }
      try await desk.history.append(ann, [tagged("a"), tagged("closed"), tagged("b")])
      var isTold = false
      try await desk.following(until: {
        let told = try desk.table(Self.told)
        if told != ["-"] {
          isTold = true
          #expect(told == ["projection_slow at 2, live"])
          SlowTallies.closed.withLock { _ = $0.remove("closed") }
        }
        return try desk.table(Self.moved) == ["3"]
      })
      #expect(isTold)
      // What was told is over.
      #expect(try desk.table(Self.told) == ["-"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  private static let moved = "SELECT position FROM daybook.projections"
  private static let told =
    "SELECT failed_code || ' at ' || failed_position || ', ' || state FROM daybook.projections"

  private func withSlowTallies(_ body: (Desk) async throws -> Void) async throws {
    try await withDesk { desk in
      var desk = desk
      desk.projections = [SlowTallies.self]
      try await body(desk)
    }
  }
}

extension Desk {
  /// Projects, with sessions that may do nothing for a moment only, until it is so.
  fileprivate func following(
    news: @escaping @Sendable (ProjectorNews) -> Void = { _ in },
    until isSo: () throws -> Bool
  ) async throws {
    var options = LiveProjector.Options()
    options.idleMillis = 400
    options.checkPause = nil
    options.news = news
    let projector = projector(options)
    let running = Task { try await projector.run() }
    try await wait { !projector.appliedPositions.isEmpty }
    try await wait(until: isSo)
    running.cancel()
    _ = await running.result
  }

  private func wait(until isSo: () throws -> Bool) async throws {
    for _ in 0..<6_000 {
      if try isSo() { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("it never came to that")
  }
}

/// Tallies, for which some tags take long.
private enum SlowTallies: Projection {
  static let name = "tallies"
  static let version = 1
  static let streams: Set<Identifier.Kind>? = [.contact]
  static let history: Set<String> = ["tallies"]
  static let schemaSQL = TalliesFold.schemaSQL

  typealias Tables = TalliesFold.Tables

  /// Tags that take longer than several attempts have, until they are taken out.
  static let closed = Mutex<Set<String>>([])

  static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    TalliesFold.declareKeys(of: event, in: tables)
  }

  /// On a thread of the pool of connections, which may wait.
  static func apply(_ event: RecordedDomainEvent, to tables: Tables) throws(FoldError) {
    if case .contact(.tagged(let tag)) = event.event {
      if tag.hasPrefix("slow") { Thread.sleep(forTimeInterval: 0.06) }
      for _ in 0..<300 where closed.withLock({ $0.contains(tag) }) {
        Thread.sleep(forTimeInterval: 0.01)
      }
    }
    try TalliesFold.apply(event, to: tables, step: 1)
  }
}

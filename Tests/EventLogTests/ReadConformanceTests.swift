import EventLog
import Testing

@Suite struct ReadConformanceTests {
  /// Four commits: A1 A2 | B1 | A1 A1 | A3, payloads a…f.
  private func fill(_ log: any EventLogWriter) async throws {
    _ = try await log.append(
      commit([event(1, "x.one", payload: "a"), event(2, "x.two", payload: "b")]))
    _ = try await log.append(commit([event(1, "x.one", payload: "c")], org: orgB))
    _ = try await log.append(
      commit([event(1, "x.two", payload: "d"), event(1, "x.three", payload: "e")]))
    _ = try await log.append(commit([event(3, "x.one", payload: "f")]))
  }

  @Test(arguments: LogKind.allCases)
  func `events come back as they went in`(kind: LogKind) async throws {
    try await kind.withLog(nowMicros: { 99 }) { log async throws in
      let context = CommitContext(
        actor: "system:dispatcher", origin: "reactor", correlation: "req_9", causation: 17,
        depth: 3,
        occurredAtMicros: -5)
      let sent = event(
        8, "message.sent", payload: "public", personal: [(ann, "to Ann"), (bob, "")])
      _ = try await log.append(commit([event(7)]))
      let receipt = try await log.append(commit([sent], context: context))
      let read = try #require(try log.read(after: 1, limit: 9, filter: .all).events.first)
      #expect(
        read
          == RecordedEvent(
            position: 2, org: orgA, orgSequence: 1, stream: stream(8), streamVersion: 1,
            type: "message.sent", schemaVersion: 1, recordedAtMicros: receipt.recordedAtMicros,
            context: context, commitPosition: 2, commitCount: 1,
            parts: sent.parts.map { .opened(subject: $0.subject, payload: $0.payload) }))
      #expect(receipt.recordedAtMicros == 99)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `an empty log reads as empty`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      #expect(try log.head() == 0)
      let page = try log.read(after: 0, limit: 10, filter: .all)
      #expect(page.events.isEmpty)
      #expect(page.scannedTo == 0)
      #expect(try log.orgs().isEmpty)
      #expect(try log.readStream(org: orgA, stream: stream(1), from: 1, limit: 5).isEmpty)
      #expect(try log.readOrg(orgA, from: 0, limit: 5).isEmpty)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a page holds whole commits and says how far it looked`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      try await fill(log)
      let first = try log.read(after: 0, limit: 1, filter: .all)
      #expect(first.events.map(\.text) == ["a", "b"])
      #expect(first.scannedTo == 2)
      let rest = try log.read(after: 2, limit: 100, filter: .all)
      #expect(rest.events.map(\.position) == [3, 4, 5, 6])
      #expect(rest.scannedTo == 6)
      let none = try log.read(after: 6, limit: 100, filter: .all)
      #expect(none.events.isEmpty && none.scannedTo == 6)
      let beyond = try log.read(after: 60, limit: 100, filter: .all)
      #expect(beyond.events.isEmpty && beyond.scannedTo == 60)
      let middle = try log.read(after: 1, limit: 1, filter: .all)
      #expect(middle.events.map(\.text) == ["b"])
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a filter by org and by type leaves out the rest`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      try await fill(log)
      func texts(_ filter: EventFilter) throws -> [String?] {
        let page = try log.read(after: 0, limit: 100, filter: filter)
        #expect(page.scannedTo == 6)
        return page.events.map(\.text)
      }
      #expect(try texts(EventFilter(org: orgB)) == ["c"])
      #expect(try texts(EventFilter(types: ["x.one"])) == ["a", "c", "f"])
      #expect(try texts(EventFilter(org: orgA, types: ["x.three", "x.two"])) == ["b", "d", "e"])
      #expect(try texts(EventFilter(types: ["nope"])) == [])
      #expect(try texts(EventFilter(org: OrgID(404))) == [])
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a stream is read both ways from any version`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      try await fill(log)
      func texts(_ from: UInt64, _ limit: Int, _ direction: Direction) throws -> [String?] {
        try log.readStream(
          org: orgA, stream: stream(1), from: from, limit: limit, direction: direction
        ).map(\.text)
      }
      #expect(try texts(1, 100, .forwards) == ["a", "d", "e"])
      #expect(try texts(0, 100, .forwards) == ["a", "d", "e"])
      #expect(try texts(2, 1, .forwards) == ["d"])
      #expect(try texts(4, 100, .forwards) == [])
      #expect(try texts(3, 100, .backwards) == ["e", "d", "a"])
      #expect(try texts(.max, 2, .backwards) == ["e", "d"])
      #expect(try texts(2, 100, .backwards) == ["d", "a"])
      #expect(try texts(0, 100, .backwards) == [])
      #expect(try texts(1, 0, .forwards) == [])
    }
  }

  @Test(arguments: LogKind.allCases)
  func `an org's book is read from any sequence`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      try await fill(log)
      #expect(try log.readOrg(orgA, from: 0, limit: 100).map(\.text) == ["a", "b", "d", "e", "f"])
      #expect(try log.readOrg(orgA, from: 1, limit: 2).map(\.orgSequence) == [1, 2])
      #expect(try log.readOrg(orgA, from: 5, limit: 2).isEmpty)
      #expect(try log.readOrg(orgB, from: 0, limit: 2).map(\.text) == ["c"])
      #expect(try log.orgs() == [orgA: 5, orgB: 1])
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a waiting tailer is woken by the append and not before`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      _ = try await log.append(commit([event(1)]))
      #expect(try await log.waitForHead(beyond: 0, timeoutMillis: 60_000) == 1)
      #expect(try await log.waitForHead(beyond: 1, timeoutMillis: 0) == 1)
      #expect(try await log.waitForHead(beyond: 1, timeoutMillis: 20) == 1)
      async let woken = log.waitForHead(beyond: 2, timeoutMillis: 60_000)
      _ = try await log.append(commit([event(1)]))
      _ = try await log.append(commit([event(1)]))
      #expect(try await woken == 3)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a cancelled wait and a wait on a closed log end`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      let cancelled = Task { try await log.waitForHead(beyond: 5, timeoutMillis: 60_000) }
      cancelled.cancel()
      await #expect(throws: CancellationError.self) { try await cancelled.value }
      let waiting = Task { try await log.waitForHead(beyond: 5, timeoutMillis: 60_000) }
      await log.close()
      await #expect(throws: EventLogError.closed) { try await waiting.value }
    }
  }
}

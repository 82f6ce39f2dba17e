import EventLog
import Testing

/// The implementations that must give the same answers.
enum LogKind: String, CaseIterable, Sendable {
  case memory
  case lmdb

  /// Runs `body` on an empty log whose clock is `nowMicros`, and removes it afterwards.
  func withLog(
    nowMicros: @escaping @Sendable () -> Int64 = { 1_000 },
    _ body: (any EventLogWriter & SubjectEraser) async throws -> Void
  ) async throws {
    switch self {
    case .memory:
      let log = MemoryEventLog(nowMicros: nowMicros)
      try await body(log)
      await log.close()
    case .lmdb:
      try await withLogDirectory { directory in
        var options = LMDBEventLog.Options()
        options.nowMicros = nowMicros
        options.mapBytes = 1 << 20
        let log = try LMDBEventLog(directory: directory, options: options)
        try await body(log)
        await log.close()
      }
    }
  }
}

@Suite struct AppendConformanceTests {
  @Test(arguments: LogKind.allCases)
  func `positions, org sequences and versions start right and have no gaps`(
    kind: LogKind
  ) async throws {
    try await kind.withLog { log async throws in
      let first = try await log.append(commit([event(1), event(2), event(1)]))
      #expect(first.firstPosition == 1)
      #expect(first.firstOrgSequence == 0)
      #expect(
        first.versions == [
          StreamVersion(stream: stream(1), version: 2),
          StreamVersion(stream: stream(2), version: 1),
        ])
      let second = try await log.append(commit([event(1)], org: orgB))
      #expect(second.firstPosition == 4)
      #expect(second.firstOrgSequence == 0)
      #expect(second.versions == [StreamVersion(stream: stream(1), version: 1)])
      let third = try await log.append(commit([event(2), event(1)]))
      #expect(third.firstPosition == 5)
      #expect(third.lastPosition == 6)
      #expect(third.firstOrgSequence == 3)
      #expect(try log.head() == 6)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a refused commit burns no position and leaves nothing behind`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      let refused = await failure(
        of: log, appending: commit([event(1)], expected: [stream(1): .exactly(3)]))
      #expect(
        refused == .versionConflict(stream: stream(1), expected: .exactly(3), actual: 0))
      #expect(try log.head() == 0)
      #expect(try await log.append(commit([event(1)])).firstPosition == 1)
      #expect(try log.readStream(org: orgA, stream: stream(1), from: 1, limit: 9).count == 1)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `each kind of expected version is checked, also of a stream without new events`(
    kind: LogKind
  ) async throws {
    try await kind.withLog { log async throws in
      _ = try await log.append(commit([event(1)], expected: [stream(1): .noStream]))
      _ = try await log.append(commit([event(1)], expected: [stream(1): .exactly(1)]))
      _ = try await log.append(commit([event(1)], expected: [stream(1): .any]))
      #expect(
        await failure(of: log, appending: commit([event(1)], expected: [stream(1): .noStream]))
          == .versionConflict(stream: stream(1), expected: .noStream, actual: 3))
      #expect(
        await failure(of: log, appending: commit([event(2)], expected: [stream(1): .exactly(2)]))
          == .versionConflict(stream: stream(1), expected: .exactly(2), actual: 3))
      #expect(try log.head() == 3)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a commit decided on another org sequence is refused`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      _ = try await log.append(commit([event(1), event(1)], expectedOrgSequence: 0))
      #expect(
        await failure(of: log, appending: commit([event(1)], expectedOrgSequence: 1))
          == .sequenceConflict(expected: 1, actual: 2))
      _ = try await log.append(commit([event(1)], expectedOrgSequence: 2))
    }
  }

  @Test(arguments: LogKind.allCases)
  func `an idempotency key gives the first answer again and appends nothing`(
    kind: LogKind
  ) async throws {
    try await kind.withLog { log async throws in
      let key = IdempotencyKey(name: "POST /x|1", fingerprint: 7)
      let first = try await log.append(commit([event(1), event(2)], key: key))
      #expect(!first.isReplay)
      _ = try await log.append(commit([event(1)]))
      let again = try await log.append(
        commit([event(1), event(2)], expected: [stream(1): .noStream], key: key))
      #expect(again.isReplay)
      #expect(again.firstPosition == first.firstPosition)
      #expect(again.firstOrgSequence == first.firstOrgSequence)
      #expect(again.versions == first.versions)
      #expect(again.eventCount == 2)
      #expect(again.recordedAtMicros == first.recordedAtMicros)
      #expect(try log.head() == 3)
      #expect(try log.receipt(org: orgA, idempotencyKey: key) == again)
      #expect(try log.receipt(org: orgB, idempotencyKey: key) == nil)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `an idempotency key with another fingerprint is refused`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      let key = IdempotencyKey(name: "k", fingerprint: 7)
      let other = IdempotencyKey(name: "k", fingerprint: 8)
      _ = try await log.append(commit([event(1)], key: key))
      #expect(
        await failure(of: log, appending: commit([event(1)], key: other)) == .idempotencyMismatch)
      #expect(throws: EventLogError.idempotencyMismatch) {
        try log.receipt(org: orgA, idempotencyKey: other)
      }
      _ = try await log.append(commit([event(1)], org: orgB, key: other))
    }
  }

  /// What makes them may change; a request from before is the same one.
  @Test(arguments: LogKind.allCases)
  func `an idempotency key is known by its former fingerprint`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      let former = IdempotencyKey(name: "k", fingerprint: 7)
      let key = IdempotencyKey(name: "k", fingerprint: 8, formerFingerprint: 7)
      let first = try await log.append(commit([event(1)], key: former))
      let again = try await log.append(commit([event(1)], key: key))
      #expect(again.isReplay && again.firstPosition == first.firstPosition)
      #expect(try log.receipt(org: orgA, idempotencyKey: key) == again)
      let newer = IdempotencyKey(name: "n", fingerprint: 8)
      _ = try await log.append(commit([event(1)], key: newer))
      let other = IdempotencyKey(name: "n", fingerprint: 7, formerFingerprint: 6)
      #expect(
        await failure(of: log, appending: commit([event(1)], key: other)) == .idempotencyMismatch)
    }
  }

  /// Whoever decides again after a conflict has another commit, under the key of the same request.
  @Test(arguments: LogKind.allCases)
  func `the key of a refused commit is free for another one`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      let key = IdempotencyKey(name: "k", fingerprint: 7)
      let other = IdempotencyKey(name: "k", fingerprint: 8)
      _ = try await log.append(commit([event(1)]))
      let refused = commit([event(1)], expected: [stream(1): .noStream], key: key)
      #expect(
        await failure(of: log, appending: refused)
          == .versionConflict(stream: stream(1), expected: .noStream, actual: 1))
      #expect(try log.receipt(org: orgA, idempotencyKey: key) == nil)
      let stored = try await log.append(commit([event(1), event(2)], key: other))
      #expect(!stored.isReplay)
      #expect(stored.firstPosition == 2)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a commit that breaks a rule is refused`(kind: LogKind) async throws {
    let broken: [Commit] = [
      commit([]),
      commit([event(1, "")]),
      commit([event(1, "größe")]),
      commit([event(1, String(repeating: "x", count: 65))]),
      commit([NewEvent(stream: stream(1), type: "a", schemaVersion: 1, parts: [])]),
      commit([
        NewEvent(
          stream: stream(1), type: "a", schemaVersion: 1, parts: [Part(subject: ann, payload: [])])
      ]),
      commit([
        NewEvent(
          stream: stream(1), type: "a", schemaVersion: 1,
          parts: [Part(subject: nil, payload: []), Part(subject: nil, payload: [])])
      ]),
      commit(
        [event(1)],
        context: CommitContext(
          actor: String(repeating: "a", count: 256), origin: "", correlation: "",
          occurredAtMicros: 0)),
    ]
    try await kind.withLog { log async throws in
      for commit in broken {
        #expect(await failure(of: log, appending: commit)?.code == "invalid_commit")
      }
      #expect(try log.head() == 0)
    }
  }

  @Test(arguments: LogKind.allCases)
  func `recorded times never decrease, even when the clock does`(kind: LogKind) async throws {
    let times = Ticks([50, 40, 60])
    try await kind.withLog(nowMicros: { times.next() }) { log async throws in
      for _ in 0..<3 { _ = try await log.append(commit([event(1)])) }
      let page = try log.read(after: 0, limit: 9, filter: .all)
      #expect(page.events.map(\.recordedAtMicros) == [50, 50, 60])
    }
  }

  @Test(arguments: LogKind.allCases)
  func `a closed log refuses appends`(kind: LogKind) async throws {
    try await kind.withLog { log async throws in
      await log.close()
      #expect(await failure(of: log, appending: commit([event(1)])) == .closed)
      await log.close()
    }
  }
}

extension EventReader {
  func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    try readStream(org: org, stream: stream, from: version, limit: limit, direction: .forwards)
  }
}

import EventLog
import Glibc
import Testing

/// Many writers at once, conflicts, retries of the same key, tailing readers, reopenings: whatever the interleaving was,
/// the model gives the same answers when it gets the same commits in the order of their positions, and every refusal
/// was right at some moment between question and answer.
@Suite struct ConcurrentModelTests {
  private static let phaseCount = 3
  private static let writerCount = 8
  private static let commitsPerWriter = 60

  /// The seed of this run, or of one that failed: DAYBOOK_TEST_SEED.
  @Test func `concurrent histories are those of the model`() async throws {
    let seed = TestSeed.value
    try await withLogDirectory { directory async throws in
      let model = MemoryEventLog(nowMicros: { 1_000 })
      var random = SeededRandom(seed: seed)
      for phase in 0..<Self.phaseCount {
        let attempts = try await Self.run(directory, seed: random.next(), phase: phase)
        try await Self.compare(attempts, model, seed: seed)
        let log = try LMDBEventLog(directory: directory, options: Self.options)
        let events = try log.read(after: 0, limit: .max, filter: .all).events
        await log.close()
        let expected = try model.read(after: 0, limit: .max, filter: .all).events
        try #require(events == expected, "seed \(seed)")
      }
    }
  }

  private static var options: LMDBEventLog.Options {
    var options = LMDBEventLog.Options()
    options.mapBytes = 1 << 20
    options.nowMicros = { 1_000 }
    return options
  }

  private struct Attempt: Sendable {
    let commit: Commit
    let result: Result<Receipt, EventLogError>
    /// The head before the call and after the answer.
    let heads: ClosedRange<UInt64>
  }

  /// Opens the log, lets everybody write, and closes it while two readers follow.
  private static func run(
    _ directory: String, seed: UInt64, phase: Int
  ) async throws -> [Attempt] {
    let log = try LMDBEventLog(directory: directory, options: options)
    let isDone = Atomic64(0)
    let attempts = try await withThrowingTaskGroup(of: [Attempt].self) { group in
      for number in 0..<writerCount {
        group.addTask { try await write(log, SeededRandom(seed: seed &+ UInt64(number)), phase) }
      }
      for _ in 0..<2 {
        group.addTask {
          try await tail(directory) { isDone.value == 1 }
          return []
        }
      }
      var attempts: [Attempt] = []
      var endedCount = 0
      while let some = try await group.next() {
        attempts += some
        endedCount += 1
        if endedCount == writerCount { isDone.value = 1 }
      }
      return attempts
    }
    await log.close()
    return attempts
  }

  private static func write(
    _ log: LMDBEventLog, _ seeded: SeededRandom, _ phase: Int
  ) async throws -> [Attempt] {
    var random = seeded
    var attempts: [Attempt] = []
    while attempts.count < commitsPerWriter {
      // Several at once: where more than a block waits, the writer plans one group while it stores another.
      let commits = (0..<Int.random(in: 1...4, using: &random)).flatMap { _ in
        let commit = randomCommit(&random, phase)
        // The same commit again, at once: a caller that did not wait for the answer.
        let isRepeated = commit.idempotencyKey != nil && random.chance(40)
        return isRepeated ? [commit, commit] : [commit]
      }
      let before = try log.head()
      let pending = commits.map { log.enqueue($0) }
      for (commit, each) in zip(commits, pending) {
        let result: Result<Receipt, EventLogError>
        do throws(EventLogError) {
          result = .success(try await each.receipt())
        } catch {
          result = .failure(error)
        }
        attempts.append(
          Attempt(commit: commit, result: result, heads: before...(try log.head())))
      }
    }
    return attempts
  }

  private static func randomCommit(_ random: inout SeededRandom, _ phase: Int) -> Commit {
    let org = OrgID(UInt128.random(in: 1...2, using: &random))
    let events = (0..<Int.random(in: 1...3, using: &random)).map { _ in
      let payload = "\(random.next())"
      return event(
        UInt128.random(in: 1...4, using: &random),
        payload: random.chance(20) ? String(repeating: payload, count: 2_000) : payload,
        personal: random.chance(10) ? [(ann, "secret")] : [])
    }
    var expected: [StreamID: ExpectedVersion] = [:]
    if random.chance(50) {
      let near = UInt64(phase * 150) + UInt64.random(in: 0...200, using: &random)
      expected[stream(UInt128.random(in: 1...4, using: &random))] =
        random.chance(20) ? .noStream : .exactly(near)
    }
    let key =
      random.chance(30)
      ? IdempotencyKey(
        name: "k\(Int.random(in: 0...80, using: &random))", fingerprint: random.chance(90) ? 1 : 2)
      : nil
    return commit(events, org: org, expected: expected, key: key)
  }

  private static func tail(_ directory: String, until isDone: @Sendable () -> Bool) async throws {
    let reader = try LMDBLogReader(directory: directory)
    defer { reader.close() }
    var last: UInt64 = 0
    while true {
      let wasDone = isDone()
      let page = try reader.read(after: last, limit: 20, filter: .all)
      for event in page.events {
        try #require(event.position == last + 1)
        last = event.position
      }
      if page.events.isEmpty {
        if wasDone { return }
        _ = try await reader.waitForHead(beyond: last, timeoutMillis: 100)
      }
    }
  }

  // MARK: Comparing

  /// Versions of all streams of the model after each position.
  private struct Past {
    var versions: [UInt64: [StreamKeyName: UInt64]] = [0: [:]]
  }

  private struct StreamKeyName: Hashable {
    let org: OrgID
    let stream: StreamID
  }

  private static func compare(
    _ attempts: [Attempt], _ model: MemoryEventLog, seed: UInt64
  ) async throws {
    func isAppended(_ attempt: Attempt) -> UInt64? {
      guard case .success(let receipt) = attempt.result, !receipt.isReplay else { return nil }
      return receipt.firstPosition
    }
    let appended = attempts.filter { isAppended($0) != nil }
      .sorted { (isAppended($0) ?? 0) < (isAppended($1) ?? 0) }
    for attempt in appended {
      let receipt = try await model.append(attempt.commit)
      try #require(try attempt.result.get() == receipt, "seed \(seed)")
    }
    let history = try Self.past(model)
    for attempt in attempts {
      switch attempt.result {
      case .success(let receipt) where receipt.isReplay:
        let again = try await model.append(attempt.commit)
        try #require(again == receipt, "seed \(seed)")
      case .success: continue
      case .failure(let error):
        try #require(
          isRight(error, attempt, history, model), "seed \(seed): \(error) at \(attempt.heads)")
      }
    }
  }

  private static func past(_ model: MemoryEventLog) throws -> Past {
    var past = Past()
    var versions: [StreamKeyName: UInt64] = [:]
    for event in try model.read(after: 0, limit: .max, filter: .all).events {
      versions[StreamKeyName(org: event.org, stream: event.stream)] = event.streamVersion
      past.versions[event.position] = versions
    }
    return past
  }

  private static func isRight(
    _ error: EventLogError, _ attempt: Attempt, _ past: Past, _ model: MemoryEventLog
  ) -> Bool {
    switch error {
    case .versionConflict(let stream, let expected, let actual):
      let key = StreamKeyName(org: attempt.commit.org, stream: stream)
      return attempt.commit.expected[stream] == expected && !expected.accepts(actual)
        && attempt.heads.contains { (past.versions[$0]?[key] ?? 0) == actual }
    case .idempotencyMismatch:
      guard let key = attempt.commit.idempotencyKey else { return false }
      // The model throws the same mismatch where the name was used with the other fingerprint, and nothing where it never was.
      do throws(EventLogError) {
        _ = try model.receipt(org: attempt.commit.org, idempotencyKey: key)
        return false
      } catch {
        return error == .idempotencyMismatch
      }
    default: return false
    }
  }
}

/// What random tests begin with: another one each run, printed, or the one that is asked for. `tools/test` asks for the same where
/// it runs a test once more.
enum TestSeed {
  static let value: UInt64 = {
    let asked = unsafe getenv("DAYBOOK_TEST_SEED").flatMap { unsafe UInt64(String(cString: $0)) }
    let seed = asked ?? UInt64.random(in: 1...1_000_000_000)
    print("DAYBOOK_TEST_SEED=\(seed)")
    return seed
  }()
}

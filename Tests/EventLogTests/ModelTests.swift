import EventLog
import Synchronization
import Testing

/// The durable log against the model: whatever is asked of both, in whatever order, across reopenings, the
/// answers are equal.
@Suite struct ModelTests {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func `random commits, retries, reads and reopenings get the model's answers`(
    seed: UInt64
  ) async throws {
    try await withLogDirectory { directory in
      var scenario = try Scenario(seed: seed, directory: directory)
      for _ in 0..<700 { try await scenario.step() }
      try await scenario.compareAll()
      await scenario.finish()
    }
  }
}

/// A random history, made of few orgs, streams and keys so that they meet.
private struct Scenario {
  let directory: String
  let seed: UInt64
  var random: SeededRandom
  let model: MemoryEventLog
  var log: LMDBEventLog
  let clock = Atomic64(1_000)

  init(seed: UInt64, directory: String) throws {
    self.seed = seed
    self.directory = directory
    random = SeededRandom(seed: seed)
    let clock = clock
    model = MemoryEventLog(nowMicros: { clock.value })
    log = try Self.open(directory, clock)
  }

  private static func open(_ directory: String, _ clock: Atomic64) throws -> LMDBEventLog {
    var options = LMDBEventLog.Options()
    options.mapBytes = 1 << 20
    options.nowMicros = { clock.value }
    return try LMDBEventLog(directory: directory, options: options)
  }

  mutating func step() async throws {
    switch Int.random(in: 0..<100, using: &random) {
    case 0: try await reopen()
    case 1..<20: try read()
    default: try await append()
    }
  }

  func finish() async { await log.close() }

  private mutating func reopen() async throws {
    await log.close()
    log = try Self.open(directory, clock)
  }

  private mutating func append() async throws {
    clock.value += Int64.random(in: -3...10, using: &random)
    let count = random.chance(10) ? Int.random(in: 1...300, using: &random) : 1
    let commits = (0..<min(count, 20)).map { _ in randomCommit() }
    let pending = commits.map { log.enqueue($0) }
    // One group or several: the model's clock stands still meanwhile, so times agree.
    for (commit, pending) in zip(commits, pending) {
      let expected = await outcome { () async throws(EventLogError) in
        try await model.append(commit)
      }
      let actual = await outcome { () async throws(EventLogError) in try await pending.receipt() }
      try #require(actual == expected, "seed \(seed)")
    }
  }

  private func outcome(
    _ body: () async throws(EventLogError) -> Receipt
  ) async -> Result<Receipt, EventLogError> {
    do throws(EventLogError) { return .success(try await body()) } catch { return .failure(error) }
  }

  private mutating func randomCommit() -> Commit {
    let org = randomOrg()
    let events = (0..<Int.random(in: 1...4, using: &random)).map { _ in
      event(
        UInt128.random(in: 1...6, using: &random), random.chance(50) ? "a.one" : "b.two",
        payload: String(repeating: "x", count: Int.random(in: 0...400, using: &random)),
        personal: random.chance(20) ? [(ann, "secret")] : [])
    }
    var expected: [StreamID: ExpectedVersion] = [:]
    for _ in 0..<Int.random(in: 0...2, using: &random) where random.chance(40) {
      let version = UInt64.random(in: 0...40, using: &random)
      expected[stream(UInt128.random(in: 1...6, using: &random))] =
        random.chance(30) ? .noStream : .exactly(version)
    }
    let key =
      random.chance(30)
      ? IdempotencyKey(
        name: "k\(Int.random(in: 0...300, using: &random))", fingerprint: random.chance(95) ? 1 : 2)
      : nil
    return commit(events, org: org, expected: expected, key: key)
  }

  private mutating func randomOrg() -> OrgID { OrgID(UInt128.random(in: 1...3, using: &random)) }

  private mutating func read() throws {
    let head = try model.head()
    let after = UInt64.random(in: 0...head + 1, using: &random)
    let limit = Int.random(in: 1...40, using: &random)
    let filter = EventFilter(
      org: random.chance(50) ? randomOrg() : nil, types: random.chance(50) ? ["a.one"] : nil)
    let page = try log.read(after: after, limit: limit, filter: filter)
    let expected = try model.read(after: after, limit: limit, filter: filter)
    try #require(page.events == expected.events, "seed \(seed)")
    try #require(page.scannedTo == expected.scannedTo, "seed \(seed)")
    let org = randomOrg()
    let stream = stream(UInt128.random(in: 1...7, using: &random))
    let version = UInt64.random(in: 0...60, using: &random)
    for direction in [Direction.forwards, .backwards] {
      let events = try log.readStream(
        org: org, stream: stream, from: version, limit: limit, direction: direction)
      let wanted = try model.readStream(
        org: org, stream: stream, from: version, limit: limit, direction: direction)
      try #require(events == wanted, "seed \(seed)")
    }
    let book = try log.readOrg(org, from: version, limit: limit)
    try #require(book == (try model.readOrg(org, from: version, limit: limit)), "seed \(seed)")
  }

  func compareAll() async throws {
    let head = try model.head()
    try #require(try log.head() == head)
    try #require(try log.orgs() == model.orgs())
    let reader = try LMDBLogReader(directory: directory)
    defer { reader.close() }
    let all = try model.read(after: 0, limit: .max, filter: .all).events
    var read: [RecordedEvent] = []
    while let page = try nextPage(reader, after: read.last?.position ?? 0) { read += page }
    try #require(read == all, "seed \(seed)")
    for number in 0...300 {
      for org in [OrgID(1), OrgID(2), OrgID(3)] {
        let key = IdempotencyKey(name: "k\(number)", fingerprint: 1)
        try #require(try answer(reader, org, key) == answer(model, org, key), "seed \(seed)")
      }
    }
  }

  private func answer(
    _ reader: any EventReader, _ org: OrgID, _ key: IdempotencyKey
  ) throws -> Receipt? {
    do {
      return try reader.receipt(org: org, idempotencyKey: key)
    } catch EventLogError.idempotencyMismatch {
      // Told apart from an unknown key by a receipt that nothing has.
      return Receipt(
        firstPosition: 0, eventCount: 0, firstOrgSequence: 0, versions: [], recordedAtMicros: 0,
        isReplay: false)
    }
  }

  private func nextPage(
    _ reader: LMDBLogReader, after position: UInt64
  ) throws -> [RecordedEvent]? {
    let page = try reader.read(after: position, limit: 100, filter: .all)
    return page.events.isEmpty ? nil : page.events
  }
}

/// A number that closures share.
final class Atomic64: Sendable {
  private let state: Mutex<Int64>

  init(_ value: Int64) { state = Mutex(value) }

  var value: Int64 {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }
}

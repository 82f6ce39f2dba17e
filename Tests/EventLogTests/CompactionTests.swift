import Foundation
import Merkle
import Synchronization
import Testing

@testable import EventLog

private final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock(\.self) }

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}

/// A compaction that a synchronous caller waits for.
private final class Outcome: Sendable {
  private let state = Mutex<CompactionReport?>(nil)
  private let isDone = DispatchSemaphore(value: 0)

  /// nil where it failed.
  var report: CompactionReport? { state.withLock { $0 } }

  func compact(_ log: LMDBEventLog) {
    Task.detached { [self] in
      let report = try? await log.compact()
      state.withLock { $0 = report }
      isDone.signal()
    }
    isDone.wait()
  }
}

/// Large blocks in the place of small ones: nobody who reads notices.
@Suite struct CompactionTests {
  private static let directoryVariable = "DAYBOOK_COMPACTION_TEST_DIRECTORY"
  private static let stepVariable = "DAYBOOK_COMPACTION_TEST_STEP"

  private static func options() -> LMDBEventLog.Options {
    var options = LMDBEventLog.Options()
    options.compaction.pauseFactor = nil
    options.compaction.blockEvents = 100
    options.compaction.dictionaryEvents = 300
    return options
  }

  /// Small blocks and large ones of 40 streams, half of the events with a personal part.
  private static func fill(_ log: LMDBEventLog, count: Int, seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    for round in 0..<count {
      var events: [NewEvent] = []
      for number in 0..<(random.chance(10) ? 30 : 1) {
        let person = UInt128.random(in: 1...40, using: &random)
        let text =
          "{\"to\":\"+1415555\(person)\",\"body\":\"Hi, your appointment \(number) is tomorrow\"}"
        events.append(
          event(
            person, random.chance(50) ? "message.sent" : "contact.tagged",
            payload: "{\"channel\":\"sms\",\"segments\":1,\"round\":\(round)}",
            personal: random.chance(50) ? [(SubjectID(person), text)] : []))
      }
      let key =
        random.chance(30) ? IdempotencyKey(name: "key-\(seed)-\(round)", fingerprint: 7) : nil
      _ = try await log.append(
        commit(events, org: random.chance(50) ? orgA : orgB, key: key))
    }
  }

  /// All that can be asked of a log.
  private struct Answers: Equatable {
    var events: [RecordedEvent] = []
    var streams: [[RecordedEvent]] = []
    var orgs: [[RecordedEvent]] = []
    var receipts: [Receipt?] = []
    var heads: [TreeHead] = []
    var proofs: [[Digest]] = []

    init(_ log: some EventReader & LogProver, rounds: Int, seed: UInt64) throws {
      events = try log.read(after: 0, limit: .max, filter: .all).events
      for org in [orgA, orgB] {
        orgs.append(try log.readOrg(org, from: 3, limit: .max))
        let head = try log.treeHead(of: org)
        heads.append(head)
        for sequence in stride(from: 0, to: head.size, by: 37) {
          proofs.append(try log.inclusionProof(of: org, orgSequence: sequence, size: head.size))
        }
        for number in 1...40 as ClosedRange<UInt128> {
          let starts: [(UInt64, Direction)] = [(2, .forwards), (.max, .backwards), (3, .backwards)]
          for (version, direction) in starts {
            streams.append(
              try log.readStream(
                org: org, stream: stream(number), from: version, limit: 5, direction: direction))
          }
        }
        for round in 0..<rounds {
          receipts.append(
            try log.receipt(
              org: org,
              idempotencyKey: IdempotencyKey(name: "key-\(seed)-\(round)", fingerprint: 7)))
        }
      }
    }
  }

  /// Texts of every form that a block has, some of them again and again.
  private static func context(_ random: inout SeededRandom) -> CommitContext {
    let ids = [
      "", "req_\(random.next() % 9)",
      "0191d2c4-7b1e-4a5f-9c3d-\(100_000_000_000 + random.next() % 9)",
      "req_01jd3xabcdefghjkmnpqrst\(100 + random.next() % 900)",
    ]
    return CommitContext(
      actor: "user:usr_\(random.next() % 5)",
      origin: ["api", "reactor", "user:usr_1"].randomElement(using: &random) ?? "",
      correlation: ids.randomElement(using: &random) ?? "",
      causation: random.chance(30) ? random.next() % 40 : nil, depth: UInt16(random.next() % 3),
      occurredAtMicros: .random(in: -9...1_700_000_000_000_000, using: &random))
  }

  /// Goal: what a commit says of itself is read as it was given. Method: random contexts, many commits to a block; the small
  /// blocks, and the large ones that are made of them.
  @Test(arguments: [4, 5] as [UInt64])
  func `contexts come back as they went in, from small blocks and from large ones`(
    seed: UInt64
  ) async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory, options: Self.options())
      var random = SeededRandom(seed: seed)
      let contexts = (0..<800).map { _ in Self.context(&random) }
      for group in 0..<100 {
        // All are waiting before the first one is written: they share blocks.
        let pending = contexts[8 * group..<8 * (group + 1)].map { context in
          log.enqueue(commit([event(UInt128(group + 1))], context: context))
        }
        for each in pending { _ = try await each.receipt() }
      }
      let reader = try LMDBLogReader(directory: directory)
      func read() throws -> [CommitContext] {
        try reader.read(after: 0, limit: .max, filter: .all).events.map(\.context)
      }
      #expect(try read() == contexts, "seed \(seed)")
      let report = try await log.compact()
      #expect(report.blocksAfter < report.blocksBefore, "seed \(seed)")
      #expect(try read() == contexts, "seed \(seed), large blocks")
      reader.close()
      await log.close()
    }
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `every answer and every proof is the same before and after`(seed: UInt64) async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory, options: Self.options())
      try await Self.fill(log, count: 400, seed: seed)
      let reader = try LMDBLogReader(directory: directory)
      let before = try Answers(reader, rounds: 400, seed: seed)
      let report = try await log.compact()
      try #require(report.blocksAfter > 1, "seed \(seed)")
      #expect(report.blocksAfter < report.blocksBefore / 4, "seed \(seed)")
      try #require(try Answers(reader, rounds: 400, seed: seed) == before, "seed \(seed)")
      #expect(try reader.verify(isDeep: true).problems == [], "seed \(seed)")
      // The writer goes on, and so does a new one.
      try await Self.fill(log, count: 100, seed: seed + 100)
      await log.close()
      let again = try LMDBEventLog(directory: directory, options: Self.options())
      try await Self.fill(again, count: 50, seed: seed + 200)
      _ = try await again.compact()
      #expect(try again.verify(isDeep: true).problems == [], "seed \(seed)")
      await again.close()
      reader.close()
    }
  }

  @Test func `a subject is erased from large blocks too`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory, options: Self.options())
      try await Self.fill(log, count: 300, seed: 9)
      _ = try await log.compact()
      let reader = try LMDBLogReader(directory: directory)
      let person = SubjectID(7)
      let sealed = try reader.sealedParts(of: person, org: orgA).map { Data($0) }
      try #require(!sealed.isEmpty)
      try await log.erase([person], org: orgA)
      let bytes = try Data(contentsOf: URL(filePath: directory + "/log/data.mdb"))
      #expect(!sealed.contains { bytes.range(of: $0) != nil })
      #expect(try reader.sealedParts(of: person, org: orgA).isEmpty)
      #expect(try reader.verify(isDeep: true).problems == [])
      await log.close()
      reader.close()
    }
  }

  @Test(arguments: [MaintenanceStep.blockMerged, .blockReplaced])
  func `a compaction that was killed goes on where it was`(step: MaintenanceStep) async throws {
    try await withLogDirectory { directory async throws in
      let log = try LMDBEventLog(directory: directory, options: Self.options())
      try await Self.fill(log, count: 300, seed: 4)
      let before = try Answers(log, rounds: 300, seed: 4)
      await log.close()
      unsafe setenv(Self.directoryVariable, directory, 1)
      unsafe setenv(Self.stepVariable, step.rawValue, 1)
      await #expect(processExitsWith: .signal(SIGKILL)) { try await Self.compactUntilKilled() }
      let again = try LMDBEventLog(directory: directory, options: Self.options())
      try #require(try Answers(again, rounds: 300, seed: 4) == before)
      _ = try await again.compact()
      try #require(try Answers(again, rounds: 300, seed: 4) == before)
      #expect(try again.verify(isDeep: true).problems == [])
      await again.close()
    }
  }

  /// The child: killed in the third step.
  private static func compactUntilKilled() async throws {
    let environment = ProcessInfo.processInfo.environment
    let directory = try #require(environment[directoryVariable])
    let fatal = try #require(MaintenanceStep(rawValue: environment[stepVariable] ?? ""))
    let count = Counter()
    var options = options()
    options.reached = { if $0 == fatal, count.next() == 3 { kill(getpid(), SIGKILL) } }
    let log = try LMDBEventLog(directory: directory, options: options)
    _ = try await log.compact()
  }

  @Test func `readers and writers go on while the background compacts`() async throws {
    try await withLogDirectory { directory in
      var options = Self.options()
      options.compaction.pauseFactor = 1
      let log = try LMDBEventLog(directory: directory, options: options)
      let reader = try LMDBLogReader(directory: directory)
      let follower = Task {
        var seen: UInt64 = 0
        while !Task.isCancelled {
          let page = try reader.read(after: seen, limit: 64, filter: .all)
          for event in page.events {
            try #require(event.position == seen + 1)
            seen = event.position
          }
          if page.events.isEmpty { await Task.yield() }
        }
      }
      try await Self.fill(log, count: 1500, seed: 5)
      #expect(try reader.verify(isDeep: true).problems == [])
      follower.cancel()
      try await follower.value
      await log.close()
      reader.close()
    }
  }

  /// Goal: those who append much keep nine tenths of a core's time. Method: the pause after the first step takes hours, and the log
  /// grows on by what wakes the background six times.
  @Test func `the background pauses after a step, however much is appended meanwhile`()
    async throws
  {
    try await withLogDirectory { directory in
      let mergedCount = Counter()
      var options = Self.options()
      options.compaction.pauseFactor = 1_000_000
      options.compaction.dictionaryEvents = .max
      options.reached = { if $0 == .blockMerged { _ = mergedCount.next() } }
      let log = try LMDBEventLog(directory: directory, options: options)
      let events = (0..<64).map { _ in event(1) }
      while mergedCount.value == 0 { _ = try await log.append(commit(events)) }
      for _ in 0..<6 * 64 { _ = try await log.append(commit(events)) }
      await log.close()
      #expect(mergedCount.value == 1)
    }
  }

  /// Goal: blocks that change while a verification is on its way are no damage. Method: the whole log is compacted, and its
  /// file rewritten, between two of a verification's steps.
  @Test func `a verification goes on through a recompaction`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory, options: Self.options())
      try await Self.fill(log, count: 300, seed: 6)
      for _ in 0..<50 { _ = try await log.append(commit([noise(100_000)])) }
      try await Self.fill(log, count: 300, seed: 7)
      let reader = try LMDBLogReader(directory: directory)
      let outcome = Outcome()
      let (verification, stepCount) = try await onOwnThread {
        var stepCount = 0
        let report = try reader.verify(isDeep: true, jobCount: 2) { _ in
          stepCount += 1
          guard stepCount == 1 else { return }
          outcome.compact(log)
        }
        return (report, stepCount)
      }
      #expect(stepCount > 1)
      #expect((outcome.report?.blocksAfter ?? 0) > 1)
      #expect(verification.problems == [])
      #expect(verification.eventCount == (try log.head()))
      await log.close()
      reader.close()
    }
  }

  @Test func `a dictionary holds nothing that only some people share`() throws {
    var samples = DictionarySamples()
    for owner in 0..<100 as Range<UInt128> {
      let own = String(repeating: "secret of \(owner); ", count: 3)
      let some = owner < 10 ? "Only ten people heard of the merger." : ""
      samples.add(Array("Dear customer, your order is ready. \(own)\(some)".utf8), owner: owner)
    }
    let shared = samples.shared().map { String(decoding: $0, as: UTF8.self) }
    #expect(shared.allSatisfy { !$0.contains("merger") && !$0.contains("secret of 4") })
    #expect(shared.contains { $0.contains("Dear customer, your order is ready. ") })
  }

  /// Method: numbers whose first digits forty people share, and whose last digits as many others. Whatever is learnt of them lies end to end.
  @Test func `what was cut out of a dictionary is not put together again by its neighbours`() throws
  {
    var samples = DictionarySamples()
    var numbers: Set<String> = []
    for owner in 0..<1600 as Range<Int> {
      let number = "+1212555\(owner / 40 + 10)\(owner % 40 + 10)"
      numbers.insert(number)
      let text = "{\"address\":\"\(number)\",\"wording\":\"I agree to receive texts.\"}"
      samples.add(Array(text.utf8), owner: UInt128(owner))
    }
    let joined = String(decoding: samples.shared().joined(), as: UTF8.self)
    #expect(joined.contains("{\"address\"") && joined.contains("I agree to receive texts."))
    #expect(numbers.filter { joined.contains($0) }.isEmpty)
  }
}

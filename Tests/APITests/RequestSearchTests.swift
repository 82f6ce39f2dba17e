import Dispatch
import Domain
import Foundation
import HTTP
import JSON
import Synchronization
import Testing

@testable import API

/// The request log is that of all accounts: what one of them looks for is among everybody's lines.
@Suite struct RequestSearchTests {
  private static let ours = Identifier(.org, 1)
  private static let others = Identifier(.org, 2)
  private static let key = Identifier(.apiKey, 3)

  private static func id(_ number: Int) -> String { Identifier(.request, UInt128(number)).text }

  /// A line as the server writes it.
  private static func line(
    _ number: Int, _ org: Identifier, actor: String = "user:usr_1", status: Int64 = 200
  ) -> [UInt8] {
    JSON.object(
      JSONObject([
        ("id", .string(id(number))), ("object", "request_log"), ("account", .string(org.text)),
        ("actor", .string(actor)), ("operation", "GET /api/contacts"), ("status", .int(status)),
        ("code", .null), ("created_at", .string(Timestamp.text(Micros(number)))),
      ])
    ).bytes()
  }

  /// Requests 0 to 299, in files of some forty lines; every tenth is ours, and of these every other by the key for
  /// another account, and every third refused.
  private static func withLog(_ body: (RequestLog) async throws -> Void) async throws {
    let directory =
      FileManager.default.temporaryDirectory.path(percentEncoded: false)
      + "/log-\(UUID().uuidString)"
    var limits = RequestLog.Limits()
    limits.fileBytes = 10_000
    let log = try RequestLog(directory: directory, limits: limits) { Issue.record("\($0)") }
    for number in 0..<300 {
      let isOurs = number % 10 == 0
      log.record(
        line(
          number, isOurs ? ours : others,
          actor: number % 20 == 0 ? "key:\(key) for:acc_1" : "user:usr_1",
          status: number % 30 == 0 ? 404 : 200))
      // Each of them may be in another file.
      if number % 10 == 5 { log.flush() }
    }
    #expect(try log.numbersOfFiles().count > 3)
    try await body(log)
    try FileManager.default.removeItem(atPath: directory)
  }

  private static func numbers(
    _ search: RequestSearch, in log: RequestLog
  ) async throws -> [Int] {
    try await search.run(in: log, ScanLane(), for: ours, right: {}) { _ in .notFound("file") }
      .compactMap {
        guard let id = $0["id"]?.string.flatMap({ Identifier($0) }) else { return nil }
        return Int(id.value)
      }
  }

  @Test func `an account's requests are found, the newest first`() async throws {
    try await Self.withLog { log in
      let all = try await Self.numbers(RequestSearch(of: Self.ours, limit: 1_000), in: log)
      #expect(all == stride(from: 290, through: 0, by: -10).map(\.self))
      let some = try await Self.numbers(RequestSearch(of: Self.ours, limit: 7), in: log)
      #expect(some == Array(all.prefix(7)))
      let keys = RequestSearch(of: Self.ours, limit: 1_000, key: Self.key)
      let byKey = try await Self.numbers(keys, in: log)
      #expect(byKey == all.filter { $0 % 20 == 0 })
      let refused = RequestSearch(of: Self.ours, limit: 3, status: 404)
      #expect(try await Self.numbers(refused, in: log) == [270, 240, 210])
      let both = RequestSearch(of: Self.ours, limit: 9, key: Self.key, status: 404)
      #expect(try await Self.numbers(both, in: log) == [240, 180, 120, 60, 0])
    }
  }

  @Test func `one request is found by its id, and none of another account`() async throws {
    try await Self.withLog { log in
      for number in [290, 0, 150, 151, 999] {
        let search = RequestSearch(of: Self.ours, limit: 1, id: Self.id(number))
        let found = try await Self.numbers(search, in: log)
        #expect(found == (number % 10 == 0 ? [number] : []))
      }
    }
  }

  @Test func `a line that a crash cut short is none, nor is what follows on it`() async throws {
    try await Self.withLog { log in
      log.record(Array(Self.line(300, Self.ours).dropLast(20)) + Self.line(310, Self.ours))
      log.record(Self.line(320, Self.ours))
      let found = try await Self.numbers(RequestSearch(of: Self.ours, limit: 2), in: log)
      #expect(found == [320, 290])
    }
  }

  @Test func `a search waits for its turn, and its files are read elsewhere`() async throws {
    try await Self.withLog { log in
      let lane = ScanLane(width: 1)
      let mayEnd = DispatchSemaphore(value: 0)
      let isDone = Mutex(false)
      async let before = lane.run(for: Self.others) { mayEnd.wait() }
      while lane.count < 1 { await Task.yield() }
      async let found: [JSON] = {
        let search = RequestSearch(of: Self.ours, limit: 1)
        let found = try await search.run(in: log, lane, for: Self.ours, right: {}) { _ in
          .notFound("file")
        }
        isDone.withLock { $0 = true }
        return found
      }()
      while lane.count < 2, !isDone.withLock({ $0 }) { await Task.yield() }
      #expect(!isDone.withLock { $0 })
      mayEnd.signal()
      _ = try await before
      #expect(try await found.count == 1)
      #expect(lane.count == 0)
    }
  }

  @Test func `a search ends with the right of who ordered it`() async throws {
    try await Self.withLog { log in
      let asked = Mutex(0)
      let search = RequestSearch(of: Self.ours, limit: 1_000)
      let error = await #expect(throws: APIError.self) {
        _ = try await search.run(
          in: log, ScanLane(), for: Self.ours,
          right: { () throws(APIError) in
            let count = asked.withLock { asked in
              asked += 1
              return asked
            }
            if count == 2 { throw .unauthorized }
          }, fault: { _ in .notFound("file") })
      }
      #expect(error == .unauthorized)
      #expect(asked.withLock { $0 } == 2)
    }
  }

  @Test func `a search ends when nobody waits for it any more`() async throws {
    try await Self.withLog { log in
      let asked = Mutex(0)
      let client = Client()
      let error = await #expect(throws: APIError.self) {
        try await client.ask {
          _ = try await RequestSearch(of: Self.ours, limit: 1_000).run(
            in: log, ScanLane(), for: Self.ours,
            right: {
              asked.withLock { $0 += 1 }
              client.hangUp()
            }, fault: { _ in .notFound("file") })
        }
      }
      #expect(error == .clientGone)
      #expect(asked.withLock { $0 } == 1)
    }
  }

  @Test func `a file that is gone is no fault, and one that cannot be read is`() async throws {
    try await Self.withLog { log in
      let newest = try #require(log.numbersOfFiles().first)
      #expect(try log.contents(of: newest)?.isEmpty == false)
      #expect(try log.contents(of: newest + 1) == nil)
      let path = "\(log.directory)/\(newest + 1).ndjson"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      #expect(throws: (any Error).self) { try log.contents(of: newest + 1) }
    }
  }

  @Test func `by the API a request that nobody made is not found`() async throws {
    try await APIHouse.with { house in
      for number in 0..<100 {
        house.requests.record(Self.line(number, number % 2 == 0 ? house.org : Self.others))
      }
      let missing = await house.get("/api/request-logs/\(Self.id(1))")
      #expect(missing.status == 404)
      let list = try await house.walk("/api/request-logs?status=200&limit=20")
      #expect(list.items.count == 50)
    }
  }

  /// Goal: whoever searches a lot holds what a few of them have found, and keeps no request of anybody's waiting. Method: six
  /// at once, while the lane is taken.
  @Test func `an account has so many searches at a time`() async throws {
    try await APIHouse.with { house in
      for number in 0..<100 { house.requests.record(Self.line(number, house.org)) }
      let lane = try await BusyLane(house.services.scans)
      let answers = Answers()
      let searches = (0..<6).map { _ in
        Task { answers.add(await house.get("/api/request-logs?limit=1").status) }
      }
      while lane.waitingCount + answers.statuses.count < 6 { await Task.yield() }
      #expect(answers.statuses == [429, 429])
      #expect(lane.waitingCount == 4)
      await lane.clear()
      for search in searches { await search.value }
      #expect(answers.statuses == [429, 429, 200, 200, 200, 200])
    }
  }

  @Test(arguments: 0..<50)
  func `a pattern is found where it is first`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      // Few letters, so that much is found and more almost.
      let letters = Array("ab\"".utf8)
      let text = (0..<Int.random(in: 0...60, using: &random)).map { _ in
        letters.randomElement(using: &random)!
      }
      let pattern = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        letters.randomElement(using: &random)!
      }
      let start = Int.random(in: 0...text.count, using: &random)
      let end = Int.random(in: start...text.count, using: &random)
      let found = BytePattern(pattern).first(in: text.span, start..<end)
      let expected = (start..<max(start, end - pattern.count + 1)).first {
        Array(text[$0..<$0 + pattern.count]) == pattern
      }
      try #require(found == expected, "seed \(seed): \(pattern) in \(text)[\(start)..<\(end)]")
    }
  }
}

/// In the order of their coming.
private final class Answers: Sendable {
  private let all = Mutex<[Int]>([])

  var statuses: [Int] { all.withLock { $0 } }

  func add(_ status: Int) { all.withLock { $0.append(status) } }
}

/// SplitMix64.
private struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

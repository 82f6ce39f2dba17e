import Application
import Crypto
import Dispatch
import Domain
import EventLog
import Foundation
import HTTP
import JSON
import Postgres
import Synchronization
import TestSupport

@testable import API

/// The API on a log in memory, asked without a socket: an account, and a key of it with every right. There is no
/// database.
final class APIHouse: Sendable {
  let log: WatchedLog
  let clock: SetClock
  let executor: OrgExecutor
  let services: Services
  let server: APIServer
  let requests: RequestLog
  private let directory: String
  private let secret = "sk_test_secret"
  private let faults: Faults

  /// When the key ends.
  private static let keyEndsMicros: Micros = 2_000_000_000_000_000

  var org: Identifier { executor.org }
  /// What was reported as a fault.
  var reports: [String] { faults.lines.withLock { $0 } }

  private final class Faults: Sendable {
    let lines = Mutex<[String]>([])
  }

  /// Runs `body` in a house whose server knows `operations` alone, where they are given.
  static func with(
    _ change: (inout APISettings) -> Void = { _ in }, operations: [API.Operation]? = nil,
    requests: RequestLog.Limits = RequestLog.Limits(), _ body: (APIHouse) async throws -> Void
  ) async throws {
    let house = try await APIHouse(change, operations, requests)
    defer {
      house.services.pool.close()
      house.services.owners.close()
    }
    try await body(house)
    try FileManager.default.removeItem(atPath: house.directory)
  }

  private init(
    _ change: (inout APISettings) -> Void, _ operations: [API.Operation]?,
    _ limits: RequestLog.Limits
  ) async throws {
    directory =
      FileManager.default.temporaryDirectory.path(percentEncoded: false)
      + "/api-\(UUID().uuidString)"
    log = WatchedLog()
    faults = Faults()
    clock = SetClock(Self.keyEndsMicros - 3_600_000_000)
    let engine = try Engine(
      log: log,
      tools: Tools(
        clock: clock, random: SystemRandom(), numbers: PhoneBook(), zones: SystemZoneClock()))
    executor = try await engine.createOrg(
      NewOrg(
        name: "Lakeside", kind: .direct, agency: nil, timeZone: "America/New_York", isTest: true,
        clockOffsetMicros: 0), Self.call)
    let hash = Hex.encode(SHA256.hash(Array(secret.utf8)))
    _ = try await executor.perform(Self.call) { workspace throws(CommandError) in
      let key = try workspace.createAPIKey(name: "Key", secretHash: hash, scopes: ["*"])
      try workspace.changeAPIKey(
        key, by: [.restrict(APIKey.Restrictions(expiresAtMicros: Self.keyEndsMicros))],
        grants: Grants(["*"]))
    }
    requests = try RequestLog(directory: directory, limits: limits) { _ in }
    var settings = APISettings(publicURL: "http://localhost", operatorToken: "token")
    settings.rateLimit = RateLimit(perMinute: 60_000, burst: 60_000)
    change(&settings)
    let pool = PostgresPool(connectionString: "host=/nowhere", size: 1)
    services = Services(
      engine: engine, pool: pool, owners: pool,
      sessions: SessionCodec(secret: [UInt8](repeating: 1, count: 32)), settings: settings,
      adapters: Adapters([]),
      links: OutboundLinks(publicURL: "http://localhost", tokens: LinkTokens(secret: [1])),
      requests: requests,
      signatures: try RequestSignature(
        now: clock.nowMicros() / 1_000_000,
        file: NonceFile(path: directory + "/signed") { _ in })
    ) { [faults] line, _ in faults.lines.withLock { $0.append(line) } }
    server = APIServer(services: services, operations: operations ?? APIServer.operations)
  }

  static var call: Call {
    Call(actor: "key:test", origin: "api", correlation: "req_test", idempotencyKey: nil)
  }

  func send(
    _ target: String, _ method: String = "GET", accept: String? = nil, headers: HTTPHeaders = [:],
    body: [UInt8] = []
  ) async -> HTTPResponse {
    var request = HTTPRequest(method: method, target: target, headers: headers, body: body)
    request.headers.set("authorization", "Bearer \(secret)")
    if let accept { request.headers.set("accept", accept) }
    return await server.handle(request)
  }

  func get(_ target: String) async -> (status: Int, json: JSON) {
    let response = await send(target)
    return (response.status, response.jsonBody ?? .null)
  }

  /// The key is good for nothing from now on.
  func endKey() { clock.set(Self.keyEndsMicros) }

  /// Every object of a list, and how many there were on each page.
  func walk(_ target: String) async throws -> (items: [JSON], counts: [Int]) {
    var items: [JSON] = []
    var counts: [Int] = []
    var next: String?
    repeat {
      let page = await get(target + (next.map { "&after=\($0)" } ?? ""))
      guard page.status == 200, let found = page.json["data"]?.array else {
        throw Refused(answer: page.json.text)
      }
      items += found
      counts.append(found.count)
      next = page.json["has_more"]?.bool == true ? page.json["next"]?.string : nil
    } while next != nil
    return (items, counts)
  }

  struct Refused: Error { let answer: String }
}

/// Somebody who asks, and hangs up when they are told to: from within what they asked for.
final class Client: Sendable {
  private let task = Mutex<Task<Void, any Error>?>(nil)

  func hangUp() { task.withLock { $0 }?.cancel() }

  func ask(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let mayBegin = TestSupport.Gate()
    let asking = Task {
      await mayBegin.wait()
      try await body()
    }
    task.withLock { $0 = asking }
    mayBegin.open()
    try await asking.value
  }
}

/// A lane that others have taken.
struct BusyLane {
  private let lane: ScanLane
  private let takers: [Task<Void, any Error>]
  private let mayEnd: DispatchSemaphore

  init(_ lane: ScanLane) async throws {
    let mayEnd = DispatchSemaphore(value: 0)
    self.lane = lane
    self.mayEnd = mayEnd
    let width = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)
    takers = (0..<width).map { number in
      Task { _ = try await lane.run(for: Identifier(.org, UInt128(number))) { mayEnd.wait() } }
    }
    while lane.count < width { await Task.yield() }
  }

  /// Those in the line behind them.
  var waitingCount: Int { lane.count - takers.count }

  func clear() async {
    for _ in takers { mayEnd.signal() }
    for taker in takers { _ = await taker.result }
  }
}

/// A clock that stands until it is set.
final class SetClock: WallClock {
  private let micros: Mutex<Micros>

  init(_ micros: Micros) { self.micros = Mutex(micros) }

  func nowMicros() -> Micros { micros.withLock { $0 } }
  func set(_ value: Micros) { micros.withLock { $0 = value } }
}

/// A log in memory that says when its events are read.
final class WatchedLog: EventLogWriter {
  private let inner = MemoryEventLog()
  private let fault = Mutex<EventLogError?>(nil)
  private let watcher = Mutex<(@Sendable (Int) -> Void)?>(nil)
  private let reads = Mutex(0)
  private let appendWatcher = Mutex<(@Sendable () -> Void)?>(nil)

  /// Calls `body` with the number of each read from now on, before it is answered.
  func watch(_ body: @escaping @Sendable (Int) -> Void) {
    reads.withLock { $0 = 0 }
    watcher.withLock { $0 = body }
  }

  /// How many there were since.
  var readCount: Int { reads.withLock { $0 } }

  var health: WriterHealth { inner.health }

  /// Calls `body` before each commit from now on.
  func watchAppends(_ body: @escaping @Sendable () -> Void) {
    appendWatcher.withLock { $0 = body }
  }

  /// What all appends, and all reads of books, come to from now on; nil: nothing is wrong.
  func fail(with error: EventLogError?) { fault.withLock { $0 = error } }

  func enqueue(_ commit: Commit) -> PendingAppend {
    appendWatcher.withLock { $0 }?()
    guard let error = fault.withLock({ $0 }) else { return inner.enqueue(commit) }
    let pending = PendingAppend()
    pending.resolve(.failure(error))
    return pending
  }

  func close() async { await inner.close() }

  func head() throws(EventLogError) -> UInt64 { try inner.head() }

  func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    let number = reads.withLock { count in
      count += 1
      return count
    }
    watcher.withLock { $0 }?(number)
    return try inner.read(after: position, limit: limit, filter: filter)
  }

  func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    try inner.readStream(
      org: org, stream: stream, from: version, limit: limit, direction: direction)
  }

  func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    if let error = fault.withLock({ $0 }) { throw error }
    return try inner.readOrg(org, from: orgSequence, limit: limit)
  }

  func orgs() throws(EventLogError) -> [OrgID: UInt64] { try inner.orgs() }

  func receipt(
    org: OrgID, idempotencyKey: IdempotencyKey
  ) throws(EventLogError) -> Receipt? {
    try inner.receipt(org: org, idempotencyKey: idempotencyKey)
  }

  func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    try await inner.waitForHead(beyond: position, timeoutMillis: timeoutMillis)
  }
}

import Foundation
import Glibc
import HTTP
import JSON
import Synchronization

/// `daybook bench http`: the server as a process of its own, asked over loopback. The floor is its own
/// answer to `/livez`, which is nothing but HTTP.
enum HTTPBench {
  /// Cases: `read`, `create`, `tails`.
  static func run(_ options: Bench.Options, report: (Bench.Figure) -> Void) async throws {
    _ = System.raiseOpenFileLimit()
    let house = try await ServerHouse.start()
    do {
      try await measure(house, options, report)
    } catch {
      try await house.stop()
      throw error
    }
    try await house.stop()
  }

  private static func measure(
    _ house: ServerHouse, _ options: Bench.Options, _ report: (Bench.Figure) -> Void
  ) async throws {
    func figure(_ name: String, _ metric: String, _ value: Double, floor: Double? = nil) {
      report(
        Bench.Figure(bench: "http", caseName: name, metric: metric, value: value, floor: floor))
    }
    func wants(_ name: String) -> Bool { options.caseName == nil || options.caseName == name }
    let floor = try await house.load(seconds: options.seconds) { _, _ in
      house.request("GET", "/livez", key: nil)
    }
    figure("static", "requests/s", floor.rate)
    figure("static", "server CPU us", floor.cpuMicros)
    if wants("read") {
      let contact = try await house.createContact(0)
      let read = try await house.load(seconds: options.seconds) { _, _ in
        house.request("GET", "/api/contacts/\(contact)", key: house.key)
      }
      figure("read", "requests/s", read.rate, floor: floor.rate)
      figure("read", "p99 ms", read.p99Millis)
      figure("read", "server CPU us", read.cpuMicros, floor: floor.cpuMicros)
    }
    if wants("create") {
      let created = try await house.load(seconds: options.seconds) { thread, round in
        house.create(thread * 10_000_000 + round + 1)
      }
      figure("create", "requests/s", created.rate, floor: floor.rate)
      figure("create", "p99 ms", created.p99Millis)
      figure("create", "server CPU us", created.cpuMicros, floor: floor.cpuMicros)
    }
    if wants("tails") { try await Tails(house).run(figure) }
    figure("whole", "RSS MiB", house.cost.residentMiB)
    figure("whole", "threads", Double(house.cost.threadCount))
  }
}

/// A `daybook serve` in a temporary home, with one account.
final class ServerHouse: Sendable {
  struct Failed: Error, CustomStringConvertible {
    let description: String
  }

  /// What many connections at once came to.
  struct Outcome: Sendable {
    let rate: Double
    let p99Millis: Double
    let cpuMicros: Double
  }

  static let connectionCount = 64

  private let home: String
  private let serverPID: Int32
  let port: Int
  let key: String

  private init(home: String, serverPID: Int32, port: Int, key: String) {
    self.home = home
    self.serverPID = serverPID
    self.port = port
    self.key = key
  }

  static func start() async throws -> ServerHouse {
    let base =
      ProcessInfo.processInfo.environment["BENCH_DIRECTORY"] ?? NSTemporaryDirectory()
    let home = "\(base)/bench-http-\(UUID().uuidString)"
    do {
      try await daybook(
        "up", "--detach", "--home", home, "--port", "0", "--sandbox-port", "0", "--demo", "no",
        "--log-level", "error")
      let status = try JSON(
        parsing: [UInt8](Data(contentsOf: URL(filePath: home + "/run/status.json"))))
      let server = status["processes"]?.array?.first { $0["name"]?.string == "serve" }
      guard let url = status["base_url"]?.string, let port = url.split(separator: ":").last,
        let port = Int(port), let pid = server?["pid"]?.int
      else { throw Failed(description: "the system does not say where it is: \(status.text)") }
      let client = HTTPClient()
      defer { client.close() }
      let key = try await makeAccount(client, url, home)
      return ServerHouse(home: home, serverPID: Int32(pid), port: port, key: key)
    } catch {
      try? await daybook("down", "--home", home)
      throw error
    }
  }

  /// This program once more.
  private static func daybook(_ arguments: String...) async throws {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    try await onThread { process.waitUntilExit() }
    guard process.terminationStatus == 0 else {
      throw Failed(description: "daybook \(arguments[0]) ended with \(process.terminationStatus)")
    }
  }

  private static func makeAccount(
    _ client: HTTPClient, _ base: String, _ home: String
  ) async throws -> String {
    let token = try String(contentsOfFile: home + "/operator.token", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let body: JSON = [
      "name": "Bench", "time_zone": "America/Chicago", "test": true,
      "rate_limit": ["per_minute": 1_000_000, "burst": 2_000_000],
      "owner": [
        "email": "bench@example.com", "name": "Bench", "password": "correct horse battery",
      ],
    ]
    let answer = try await client.send(
      ClientRequest(
        method: "POST", url: base + "/api/operator/accounts",
        headers: ["authorization": "Bearer \(token)", "content-type": "application/json"],
        body: body.bytes()))
    guard let key = try JSON(parsing: answer.body)["api_key"]?.string else {
      throw Failed(description: "no account: \(String(decoding: answer.body, as: UTF8.self))")
    }
    return key
  }

  func stop() async throws {
    try await Self.daybook("down", "--home", home)
    try FileManager.default.removeItem(atPath: home)
  }

  var cost: ProcessCost { ProcessCost(pid: serverPID) }

  func request(_ method: String, _ target: String, key: String?, body: String = "") -> [UInt8] {
    var text = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if let key { text += "Authorization: Bearer \(key)\r\n" }
    if !body.isEmpty {
      text += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
    }
    return Array((text + "\r\n" + body).utf8)
  }

  func create(_ number: Int) -> [UInt8] {
    let body = """
      {"first_name":"Pat","last_name":"Person \(number)","email":"p\(number)@example.com",\
      "tags":["bench"],"custom":{"size":12}}
      """
    return request("POST", "/api/contacts", key: key, body: body)
  }

  func createContact(_ number: Int) async throws -> String {
    let client = try LoadClient(port: port)
    try client.send(create(number))
    guard let id = try JSON(parsing: Array(try client.answer()))["id"]?.string else {
      throw Failed(description: "no contact")
    }
    // Until the read models have it.
    for _ in 0..<200 {
      try client.send(request("GET", "/api/contacts/\(id)", key: key))
      if (try? client.answer()) != nil { return id }
      try await Task.sleep(for: .milliseconds(100))
    }
    throw Failed(description: "the contact does not show")
  }
}

// MARK: - Load

extension ServerHouse {
  /// As many requests as 64 connections get answered, one at a time each.
  func load(
    seconds: Double, _ request: @escaping @Sendable (_ thread: Int, _ round: Int) -> [UInt8]
  ) async throws -> Outcome {
    let before = cost
    let started = ContinuousClock.now
    let deadline = started + .seconds(seconds)
    let took = try await withThrowingTaskGroup(of: [Double].self) { group in
      for number in 0..<Self.connectionCount {
        group.addTask { [port] in
          try await Self.onThread { try Self.ask(port, number, until: deadline, request) }
        }
      }
      return try await group.reduce(into: [Double]()) { $0 += $1 }
    }
    let wall = (ContinuousClock.now - started) / .seconds(1)
    guard !took.isEmpty else { throw Failed(description: "no request was answered") }
    let sorted = took.sorted()
    return Outcome(
      rate: Double(sorted.count) / wall, p99Millis: sorted[sorted.count * 99 / 100],
      cpuMicros: (cost.cpuSeconds - before.cpuSeconds) / Double(sorted.count) * 1e6)
  }

  private static func ask(
    _ port: Int, _ thread: Int, until deadline: ContinuousClock.Instant,
    _ request: (Int, Int) -> [UInt8]
  ) throws -> [Double] {
    let client = try LoadClient(port: port)
    var took: [Double] = []
    var round = 0
    while ContinuousClock.now < deadline {
      let bytes = request(thread, round)
      let sent = ContinuousClock.now
      try client.send(bytes)
      _ = try client.answer()
      took.append((ContinuousClock.now - sent) / .milliseconds(1))
      round += 1
    }
    return took
  }

  /// Blocks a thread of its own, none of the concurrency's.
  static func onThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      let thread = Thread { continuation.resume(with: Swift.Result { try body() }) }
      thread.stackSize = 1 << 20
      thread.start()
    }
  }
}

// MARK: - Tails

/// Ten thousand subscribers to one account's events, and one event at a time.
private struct Tails {
  private static let subscriberCount = 10_000
  private static let eventCount = 20

  let house: ServerHouse

  init(_ house: ServerHouse) { self.house = house }

  func run(_ figure: (String, String, Double, Double?) -> Void) async throws {
    let before = house.cost
    let house = house
    let (took, open) = try await ServerHouse.onThread { try Self.measure(house) }
    let sorted = took.sorted()
    guard !sorted.isEmpty else { throw ServerHouse.Failed(description: "nothing arrived") }
    figure("tails", "subscribers", Double(Self.subscriberCount), nil)
    figure("tails", "received %", 100 * Double(sorted.count) / Double(Self.wantedCount), nil)
    figure("tails", "p50 ms", sorted[sorted.count / 2], nil)
    figure("tails", "p99 ms", sorted[sorted.count * 99 / 100], nil)
    figure("tails", "RSS MiB", open.residentMiB, before.residentMiB)
    figure("tails", "threads", Double(open.threadCount), Double(before.threadCount))
    let cpu = (house.cost.cpuSeconds - open.cpuSeconds) / Double(sorted.count) * 1e6
    figure("tails", "server CPU us", cpu, nil)
  }

  private static var wantedCount: Int { subscriberCount * eventCount }

  private static func measure(_ house: ServerHouse) throws -> ([Double], ProcessCost) {
    let subscribe = Array(
      ("GET /api/events?after=now&types=contact.created HTTP/1.1\r\nHost: x\r\n"
        + "Accept: text/event-stream\r\nAuthorization: Bearer \(house.key)\r\n\r\n").utf8)
    var clients: [LoadClient] = []
    for _ in 0..<subscriberCount {
      let client = try LoadClient(port: house.port)
      try client.send(subscribe)
      clients.append(client)
    }
    // The greeting of each says that it listens.
    _ = collect(clients, marker: Array("tail of the log".utf8), since: .now, seconds: 60)
    let open = house.cost
    let writer = try LoadClient(port: house.port)
    var took: [Double] = []
    for number in 0..<eventCount {
      let sent = ContinuousClock.now
      try writer.send(house.create(900_000_000 + number))
      _ = try writer.answer()
      took += collect(clients, marker: Array("\ndata:".utf8), since: sent, seconds: 10)
    }
    return (took, open)
  }

  /// Milliseconds from `start` until each of `clients` has received `marker`.
  private static func collect(
    _ clients: [LoadClient], marker: [UInt8], since start: ContinuousClock.Instant,
    seconds: Double
  ) -> [Double] {
    var waiting = clients.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    var took: [Double] = []
    let deadline = ContinuousClock.now + .seconds(seconds)
    while took.count < clients.count, ContinuousClock.now < deadline {
      guard unsafe poll(&waiting, nfds_t(waiting.count), 100) > 0 else { continue }
      for index in waiting.indices where waiting[index].revents != 0 {
        guard let bytes = clients[index].receiveNow(), bytes.contains(marker) else { continue }
        took.append((ContinuousClock.now - start) / .milliseconds(1))
        // Whoever has it is not looked at any more: poll passes over negative descriptors.
        waiting[index].fd = -1
      }
    }
    return took
  }
}

import Foundation
import HTTP
import JSON
import Supervisor

/// A `daybook up` in a temporary home, with one account. It ends with this process, however that ends:
/// it follows the end of its standard input, which only we hold.
final class ServerHouse: Sendable {
  struct Failed: Error, CustomStringConvertible {
    let description: String
  }

  /// Of a million contacts on a busy machine too.
  private static let readySeconds = 300

  private let home: String
  private let system: ChildProcess
  /// The other end of the system's standard input.
  private let tether: Descriptor
  private let serverPID: Int32
  /// Of the server, since it was seen first: while it read its books.
  let memory: MemoryWatch
  let port: Int
  let key: String

  private init(_ started: Started, key: String) {
    home = started.home
    system = started.system
    tether = started.tether
    serverPID = started.serverPID
    memory = started.memory
    port = started.port
    self.key = key
  }

  private struct Started {
    let home: String
    let system: ChildProcess
    let tether: Descriptor
    let serverPID: Int32
    let memory: MemoryWatch
    let port: Int
  }

  /// With an empty account; or, where `contactCount` is given, with a made-up org of that size.
  static func start(contactCount: Int? = nil) async throws -> ServerHouse {
    let base = ProcessInfo.processInfo.environment["BENCH_DIRECTORY"] ?? NSTemporaryDirectory()
    let home = "\(base)/bench-http-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    do {
      var key: String?
      if let contactCount { key = try await seed(contactCount, home) }
      let started = try await startSystem(home)
      do {
        if let key { return ServerHouse(started, key: key) }
        return ServerHouse(started, key: try await makeAccount(started))
      } catch {
        _ = try await started.system.stop(grace: .seconds(30))
        throw error
      }
    } catch {
      try FileManager.default.removeItem(atPath: home)
      throw error
    }
  }

  func stop() async throws {
    memory.stop()
    _ = try await system.stop(grace: .seconds(60))
    try FileManager.default.removeItem(atPath: home)
  }

  var cost: ProcessCost { ProcessCost(pid: serverPID) }

  /// Returns when the server has closed what its clients have left: as long as it has not, there is no room for as many others.
  func waitUntilLeft() throws {
    for _ in 0..<3_000 {
      let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(serverPID)/fd").count
      if open < 1_000 { return }
      usleep(10_000)
    }
    throw Failed(description: "the server keeps connections that were closed")
  }

  // MARK: Processes

  private static func launch(_ arguments: [String]) -> Launch {
    let environment = ProcessInfo.processInfo.environment.filter { name, _ in
      name != "DATABASE_URL" && !name.hasPrefix("DAYBOOK_")
    }
    let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path(
      percentEncoded: false)
    return Launch(executable: program, arguments: arguments, environment: environment)
  }

  private static func startSystem(_ home: String) async throws -> Started {
    let (input, tether) = try Descriptor.pipe()
    let nothing = try Descriptor.open("/dev/null", flags: O_RDWR)
    let system = try ChildProcess(
      launch([
        "up", "--supervised", "--home", home, "--port", "0", "--sandbox-port", "0", "--demo", "no",
        "--log-level", "error",
      ]), input: input, output: nothing, errors: nothing)
    do {
      let (pid, memory, port) = try await whenReady(system, home)
      return Started(
        home: home, system: system, tether: tether, serverPID: pid, memory: memory, port: port)
    } catch {
      _ = try await system.stop(grace: .seconds(30))
      throw error
    }
  }

  private static func whenReady(
    _ system: ChildProcess, _ home: String
  ) async throws -> (pid: Int32, memory: MemoryWatch, port: Int) {
    let deadline = ContinuousClock.now + .seconds(readySeconds)
    var memory: MemoryWatch?
    while ContinuousClock.now < deadline, system.exitSoFar == nil {
      try await Task.sleep(for: .milliseconds(50))
      // Not written yet, or half written.
      guard let data = FileManager.default.contents(atPath: home + "/run/status.json"),
        let status = try? JSON(parsing: [UInt8](data))
      else { continue }
      let server = status["processes"]?.array?.first { $0["name"]?.string == "serve" }
      guard let pid = server?["pid"]?.int.map({ Int32($0) }) else { continue }
      let watch = memory ?? MemoryWatch(of: pid)
      memory = watch
      guard status["state"]?.string == "ready" else { continue }
      guard let port = status["base_url"]?.string?.split(separator: ":").last.flatMap({ Int($0) })
      else { throw Failed(description: "the system does not say where it is") }
      return (pid, watch, port)
    }
    throw Failed(description: "the system is not ready: look into \(home)/logs")
  }

  /// The key of the org that it makes.
  private static func seed(_ contactCount: Int, _ home: String) async throws -> String {
    let nothing = try Descriptor.open("/dev/null", flags: O_RDWR)
    let said = home + "/seed.json"
    let output = try Descriptor.open(said, flags: O_RDWR | O_CREAT)
    let seeding = try ChildProcess(
      launch([
        "seed", "--home", home, "--contacts", String(contactCount), "--events",
        String(contactCount * 2), "--json",
      ]), input: nothing, output: output, errors: nothing)
    guard await seeding.waitForExit() == .code(0) else {
      throw Failed(description: "daybook seed failed")
    }
    let answer = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: said))))
    guard let key = answer["api_key"]?.string else { throw Failed(description: "no key") }
    return key
  }

  private static func makeAccount(_ started: Started) async throws -> String {
    let token = try String(contentsOfFile: started.home + "/operator.token", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let body: JSON = [
      "name": "Bench", "time_zone": "America/Chicago", "test": true,
      "rate_limit": ["per_minute": 1_000_000, "burst": 2_000_000],
      "owner": [
        "email": "bench@example.com", "name": "Bench", "password": "correct horse battery",
      ],
    ]
    let client = HTTPClient()
    defer { client.close() }
    let answer = try await client.send(
      ClientRequest(
        method: "POST", url: "http://127.0.0.1:\(started.port)/api/operator/accounts",
        headers: ["authorization": "Bearer \(token)", "content-type": "application/json"],
        body: body.bytes()))
    guard let key = try JSON(parsing: answer.body)["api_key"]?.string else {
      throw Failed(description: "no account: \(String(decoding: answer.body, as: UTF8.self))")
    }
    return key
  }
}

// MARK: - Requests

extension ServerHouse {
  func request(
    _ method: String, _ target: String, key: String?, headers: String = "", body: String = ""
  ) -> [UInt8] {
    var text = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(headers)"
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

  func createContact(_ number: Int) throws -> String {
    let client = try LoadClient(port: port)
    try client.send(create(number))
    guard let id = try JSON(parsing: Array(try client.answer()))["id"]?.string else {
      throw Failed(description: "no contact")
    }
    return id
  }

  /// Returns once the read models have everything up to `position`.
  func waitForReadModels(_ position: Int, seconds: Double) throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
      let client = try LoadClient(port: port)
      try client.send(
        request(
          "GET", "/api/contacts?limit=1&wait=8000", key: key,
          headers: "Min-Position: \(position)\r\n"))
      if (try? client.answer()) != nil { return }
      // Refused: it is not that far yet, or there is no read model yet.
      sleep(1)
    }
    throw Failed(description: "the read models do not come to \(position)")
  }
}

// MARK: - Load

extension ServerHouse {
  /// What many connections at once came to.
  struct Outcome: Sendable {
    let rate: Double
    let p50Millis: Double
    let p99Millis: Double
    let cpuMicros: Double
  }

  static let connectionCount = 64

  /// As many requests as 64 connections get answered, one at a time each.
  func load(
    seconds: Double, _ request: @escaping @Sendable (_ connection: Int, _ round: Int) -> [UInt8]
  ) async throws -> Outcome {
    let before = cost
    let started = ContinuousClock.now
    let deadline = started + .seconds(seconds)
    let port = port
    let took = try await Self.onThread { try Self.ask(port, until: deadline, request) }
    let wall = (ContinuousClock.now - started) / .seconds(1)
    guard !took.isEmpty else { throw Failed(description: "no request was answered") }
    let sorted = took.sorted()
    return Outcome(
      rate: Double(sorted.count) / wall, p50Millis: sorted[sorted.count / 2],
      p99Millis: sorted[sorted.count * 99 / 100],
      cpuMicros: (cost.cpuSeconds - before.cpuSeconds) / Double(sorted.count) * 1e6)
  }

  private static func ask(
    _ port: Int, until deadline: ContinuousClock.Instant, _ request: (Int, Int) -> [UInt8]
  ) throws -> [Double] {
    let clients = try (0..<connectionCount).map { _ in try LoadClient(port: port) }
    let ready = try ReadySockets(clients)
    var rounds = [Int](repeating: 0, count: clients.count)
    var sent = [ContinuousClock.Instant](repeating: .now, count: clients.count)
    func ask(_ index: Int) throws {
      let bytes = request(index, rounds[index])
      rounds[index] += 1
      sent[index] = .now
      try clients[index].send(bytes)
    }
    for index in clients.indices { try ask(index) }
    var took: [Double] = []
    var openCount = clients.count
    while openCount > 0 {
      let found = ready.wait(timeoutMillis: answerMillis)
      guard !found.isEmpty else { throw Failed(description: "no answer in \(answerMillis) ms") }
      for index in found where try clients[index].answerSoFar() != nil {
        let now = ContinuousClock.now
        took.append((now - sent[index]) / .milliseconds(1))
        if now < deadline { try ask(index) } else { openCount -= 1 }
      }
    }
    return took
  }

  private static let answerMillis: Int32 = 10_000

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

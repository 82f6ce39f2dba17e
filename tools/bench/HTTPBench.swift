import Foundation
import Glibc
import HTTP
import JSON

/// `daybook bench http`: the server as a process of its own, asked over loopback. The floor is its own
/// answer to `/livez`, which is nothing but HTTP.
enum HTTPBench {
  private typealias Figure = (
    _ name: String, _ metric: String, _ value: Double, _ floor: Double?
  ) -> Void

  /// Cases: `read`, `create`, `idle`, `tails`, in one server; `list`, in one with `contactCount` contacts.
  static func run(_ options: Bench.Options, report: (Bench.Figure) -> Void) async throws {
    _ = System.raiseOpenFileLimit()
    func figure(_ name: String, _ metric: String, _ value: Double, _ floor: Double?) {
      report(
        Bench.Figure(bench: "http", caseName: name, metric: metric, value: value, floor: floor))
    }
    if options.caseName != "list" {
      try await inHouse(nil) { try await measure($0, options, figure) }
    }
    if options.caseName == nil || options.caseName == "list" {
      try await inHouse(options.contactCount) { try await lists($0, options, figure) }
    }
  }

  private static func inHouse(
    _ contactCount: Int?, _ body: (ServerHouse) async throws -> Void
  ) async throws {
    let house = try await ServerHouse.start(contactCount: contactCount)
    do {
      try await body(house)
    } catch {
      try await house.stop()
      throw error
    }
    try await house.stop()
  }

  private static func measure(
    _ house: ServerHouse, _ options: Bench.Options, _ figure: Figure
  ) async throws {
    func wants(_ name: String) -> Bool { options.caseName == nil || options.caseName == name }
    if wants("read") || wants("create") { try await requests(house, options, figure, wants) }
    if wants("idle") { try await Crowd(house).idle(figure) }
    if wants("tails") { try await Crowd(house).tails(figure) }
    figure("whole", "peak RSS MiB", house.cost.peakMiB, nil)
    figure("whole", "peak own MiB", house.memory.peakAnonymousMegabytes, nil)
    figure("whole", "threads", Double(house.cost.threadCount), nil)
  }

  private static func requests(
    _ house: ServerHouse, _ options: Bench.Options, _ figure: Figure, _ wants: (String) -> Bool
  ) async throws {
    let floor = try await house.load(seconds: options.seconds) { _, _ in
      house.request("GET", "/livez", key: nil)
    }
    show("static", floor, nil, figure)
    if wants("read") {
      let contacts = try (0..<500).map { try house.createContact($0) }
      let read = try await house.load(seconds: options.seconds) { connection, round in
        let contact = contacts[(connection &* 31 &+ round) % contacts.count]
        return house.request("GET", "/api/contacts/\(contact)", key: house.key)
      }
      show("read", read, floor, figure)
    }
    if wants("create") {
      let created = try await house.load(seconds: options.seconds) { connection, round in
        house.create(connection * 10_000_000 + round + 1_000)
      }
      show("create", created, floor, figure)
    }
  }

  private static func show(
    _ name: String, _ outcome: ServerHouse.Outcome, _ floor: ServerHouse.Outcome?, _ figure: Figure
  ) {
    figure(name, "requests/s", outcome.rate, floor?.rate)
    figure(name, "p50 ms", outcome.p50Millis, floor?.p50Millis)
    figure(name, "p99 ms", outcome.p99Millis, floor?.p99Millis)
    figure(name, "server CPU us", outcome.cpuMicros, floor?.cpuMicros)
  }

  /// A hundred pages one after the other, each from the cursor of the one before: a key of the usual limit
  /// may ask for as many at once.
  private static func lists(
    _ house: ServerHouse, _ options: Bench.Options, _ figure: Figure
  ) async throws {
    let millis = try await ServerHouse.onThread {
      try house.waitForReadModels(options.contactCount, seconds: 600)
      let client = try LoadClient(port: house.port)
      var target = "/api/contacts"
      var took: [Double] = []
      while took.count < 100 {
        let sent = ContinuousClock.now
        try client.send(house.request("GET", target, key: house.key))
        let page = try JSON(parsing: Array(try client.answer()))
        took.append((ContinuousClock.now - sent) / .milliseconds(1))
        target = page["next"]?.string.map { "/api/contacts?after=\($0)" } ?? "/api/contacts"
      }
      return took.sorted()
    }
    figure("list", "contacts", Double(options.contactCount), nil)
    figure("list", "p50 ms", millis[millis.count / 2], nil)
    figure("list", "p95 ms", millis[millis.count * 95 / 100], nil)
    // With the pages of the log that are mapped, which the kernel takes back when it wants; and without any file's.
    figure("list", "peak RSS MiB", house.cost.peakMiB, nil)
    figure("list", "peak own MiB", house.memory.peakAnonymousMegabytes, nil)
  }
}

// MARK: - Ten thousand at once

/// Ten thousand connections: silent ones, or subscribers to one account's events.
private struct Crowd {
  private static let size = 10_000
  private static let eventCount = 20

  let house: ServerHouse

  init(_ house: ServerHouse) { self.house = house }

  func idle(_ figure: (String, String, Double, Double?) -> Void) async throws {
    let before = house.cost
    let house = house
    let (open, millis) = try await ServerHouse.onThread {
      let asked = house.request("GET", "/livez", key: nil)
      var clients: [LoadClient] = []
      for _ in 0..<Self.size {
        let client = try LoadClient(port: house.port)
        try client.send(asked)
        _ = try client.answer()
        clients.append(client)
      }
      let open = house.cost
      let sent = ContinuousClock.now
      try clients[0].send(asked)
      _ = try clients[0].answer()
      return (open, (ContinuousClock.now - sent) / .milliseconds(1))
    }
    try await ServerHouse.onThread { try house.waitUntilLeft() }
    figure("idle", "connections", Double(Self.size), nil)
    figure("idle", "answer ms", millis, nil)
    figure("idle", "RSS MiB", open.residentMiB, before.residentMiB)
    figure("idle", "threads", Double(open.threadCount), Double(before.threadCount))
  }

  func tails(_ figure: (String, String, Double, Double?) -> Void) async throws {
    let before = house.cost
    let house = house
    let (took, open) = try await ServerHouse.onThread { try Self.measure(house) }
    let sorted = took.sorted()
    guard !sorted.isEmpty else { throw ServerHouse.Failed(description: "nothing arrived") }
    figure("tails", "subscribers", Double(Self.size), nil)
    figure("tails", "received %", 100 * Double(sorted.count) / Double(Self.wantedCount), nil)
    figure("tails", "p50 ms", sorted[sorted.count / 2], nil)
    figure("tails", "p99 ms", sorted[sorted.count * 99 / 100], nil)
    figure("tails", "RSS MiB", open.residentMiB, before.residentMiB)
    figure("tails", "threads", Double(open.threadCount), Double(before.threadCount))
    let cpu = (house.cost.cpuSeconds - open.cpuSeconds) / Double(sorted.count) * 1e6
    figure("tails", "server CPU us", cpu, nil)
  }

  private static var wantedCount: Int { size * eventCount }

  private static func measure(_ house: ServerHouse) throws -> ([Double], ProcessCost) {
    let subscribe = house.request(
      "GET", "/api/events?after=now&types=contact.created", key: house.key,
      headers: "Accept: text/event-stream\r\n")
    var clients: [LoadClient] = []
    for _ in 0..<size {
      let client = try LoadClient(port: house.port)
      try client.send(subscribe)
      clients.append(client)
    }
    let ready = try ReadySockets(clients)
    // The greeting of each says that it listens.
    let greeted = collect(
      clients, ready, marker: Array("tail of the log".utf8), since: .now, seconds: 30)
    guard greeted.count == size else {
      throw ServerHouse.Failed(description: "\(greeted.count) of \(size) tails began")
    }
    let open = house.cost
    let writer = try LoadClient(port: house.port)
    var took: [Double] = []
    for number in 0..<eventCount {
      let sent = ContinuousClock.now
      try writer.send(house.create(900_000_000 + number))
      took += collect(clients, ready, marker: Array("\ndata:".utf8), since: sent, seconds: 3)
      _ = try writer.answer()
    }
    return (took, open)
  }

  /// Milliseconds from `start` until each of `clients` has received `marker`, to two milliseconds: to look
  /// at ten thousand sockets all the time would keep a core busy that the server needs.
  private static func collect(
    _ clients: [LoadClient], _ ready: ReadySockets, marker: [UInt8],
    since start: ContinuousClock.Instant, seconds: Double
  ) -> [Double] {
    var took: [Double] = []
    var isWaiting = [Bool](repeating: true, count: clients.count)
    let deadline = ContinuousClock.now + .seconds(seconds)
    while took.count < clients.count, ContinuousClock.now < deadline {
      usleep(2_000)
      for index in ready.wait(timeoutMillis: 100)
      where clients[index].receives(marker) && isWaiting[index] {
        took.append((ContinuousClock.now - start) / .milliseconds(1))
        isWaiting[index] = false
      }
    }
    return took
  }
}

import Application
import Domain
import EventLog
import Foundation
import HTTP
import JSON
import Synchronization
import Testing

@testable import Application

/// The web servers of many subscribers, each at a loopback address of its own: one in five of them hangs,
/// fails, answers late or fails now and then, until all are told to behave.
private final class Crowd: Sendable {
  enum Manner: Sendable {
    case healthy, hangs, fails, late, flaky
  }

  struct Arrival: Sendable {
    let position: Int64
    let contact: String
    let at: ContinuousClock.Instant
  }

  private final class Memory: Sendable {
    struct State {
      var taken: [Int: [Arrival]] = [:]
      var attemptCounts: [Int: Int] = [:]
      var takenCount = 0
      var isCured = false
    }

    let state = Mutex(State())

    /// What to answer, after however long.
    func take(_ request: HTTPRequest) async -> Int {
      let at = ContinuousClock.now
      guard let number = request.pathSegments.first.flatMap({ Int($0) }) else { return 400 }
      let attempt = state.withLock { state in
        state.attemptCounts[number, default: 0] += 1
        return state.attemptCounts[number] ?? 0
      }
      let isCured = state.withLock { $0.isCured }
      switch isCured ? .healthy : Crowd.manner(of: number) {
      case .healthy: break
      case .hangs:
        while !state.withLock({ $0.isCured }), !Task.isCancelled {
          try? await Task.sleep(for: .milliseconds(100))
        }
        return 503
      case .fails: return 500
      case .late: try? await Task.sleep(for: .milliseconds(400))
      case .flaky: if attempt.isMultiple(of: 5) { return 503 }
      }
      let data = (try? JSON(parsing: request.body))?["data"]
      state.withLock { state in
        state.takenCount += 1
        state.taken[number, default: []].append(
          Arrival(
            position: data?["position"]?.int ?? 0,
            contact: data?["subject"]?["id"]?.string ?? "", at: at))
      }
      return 204
    }
  }

  private let memory = Memory()
  private let server: HTTPServer

  init() throws {
    let memory = memory
    server = try HTTPServer(host: "0.0.0.0", port: 0) { request in
      HTTPResponse(status: await memory.take(request))
    }
  }

  static func manner(of number: Int) -> Manner {
    switch number % 20 {
    case 0: .hangs
    case 1: .fails
    case 2: .late
    case 3: .flaky
    default: .healthy
    }
  }

  func url(of number: Int) -> String {
    "http://127.0.\(1 + number / 200).\(1 + number % 200):\(server.port)/\(number)"
  }

  func taken(by number: Int) -> [Arrival] { memory.state.withLock { $0.taken[number] ?? [] } }
  var takenCount: Int { memory.state.withLock { $0.takenCount } }
  func cure() { memory.state.withLock { $0.isCured = true } }
  func stop() async { await server.stop(graceMillis: 0) }
}

extension HouseTests {
  /// Larger by hand, with the machine to itself:
  /// `DAYBOOK_SOAK_ENDPOINTS=200 DAYBOOK_SOAK_EVENTS=1000 swift test --filter WebhookSoakTests`.
  @Suite(.serialized) struct WebhookSoakTests {
    private static func number(_ name: String, _ fallback: Int) -> Int {
      ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? fallback
    }

    private let endpointCount = number("DAYBOOK_SOAK_ENDPOINTS", 24)
    private let eventCount = number("DAYBOOK_SOAK_EVENTS", 60)
    private let contactCount = 20
    private let eventsPerSecond = number("DAYBOOK_SOAK_RATE", 20)

    @Test func `whatever its neighbours do, an endpoint is told everything, in order`() async throws
    {
      let crowd = try Crowd()
      let folder = NSTemporaryDirectory() + "soak-\(UUID().uuidString)"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try await House.with(log: try LMDBEventLog(directory: folder)) { house in
        let org = try await house.org()
        var contacts: [Identifier] = []
        for index in 0..<contactCount {
          contacts.append(try await org.contact(nil, name: "P\(index)"))
        }
        for number in 0..<endpointCount {
          let url = crowd.url(of: number)
          try await org.perform { workspace throws(CommandError) in
            try workspace.createWebhookEndpoint(
              url: url, types: ["contact.tagged"], secret: WebhookMessage.newSecret())
          }
        }
        let commits = try await tag(contacts, of: org)
        try await settle(crowd, house, "the healthy ones") {
          healthy.allSatisfy { told($0, crowd).isSuperset(of: commits.keys) }
        }
        show(crowd, commits)
        crowd.cure()
        try await settle(crowd, house, "the others", advancing: true) {
          (0..<endpointCount).allSatisfy { told($0, crowd).isSuperset(of: commits.keys) }
        }
        for number in 0..<endpointCount { try check(crowd.taken(by: number), commits) }
      }
      await crowd.stop()
    }

    private var healthy: [Int] {
      (0..<endpointCount).filter { Crowd.manner(of: $0) == .healthy }
    }

    private func told(_ number: Int, _ crowd: Crowd) -> Set<Int64> {
      Set(crowd.taken(by: number).map(\.position))
    }

    /// The positions of the events, and when each was acknowledged.
    private func tag(
      _ contacts: [Identifier], of org: TestOrg
    ) async throws -> [Int64: ContinuousClock.Instant] {
      var commits: [Int64: ContinuousClock.Instant] = [:]
      for index in 0..<eventCount {
        let contact = contacts[index % contacts.count]
        let done = try await org.perform { workspace throws(CommandError) in
          try workspace.addTags(["tag-\(index)"], to: contact)
        }
        commits[Int64(try #require(done.receipt?.lastPosition))] = .now
        try await Task.sleep(for: .milliseconds(1_000 / eventsPerSecond))
      }
      return commits
    }

    /// Waits as long as anything still arrives.
    private func settle(
      _ crowd: Crowd, _ house: House, _ what: String, advancing: Bool = false,
      until isDone: () -> Bool
    ) async throws {
      var seen = crowd.takenCount
      var lastNews = ContinuousClock.now
      while !isDone() {
        // The schedule's waits pass at once.
        if advancing { try house.advance(byMicros: 600_000_000) }
        try await Task.sleep(for: .milliseconds(50))
        if crowd.takenCount != seen { (seen, lastNews) = (crowd.takenCount, .now) }
        try #require(
          ContinuousClock.now - lastNews < .seconds(60), "\(what): nothing comes any more")
      }
    }

    /// Nothing is missing, nothing of one contact overtook another for the first time.
    private func check(
      _ arrivals: [Crowd.Arrival], _ commits: [Int64: ContinuousClock.Instant]
    ) throws {
      var seen: Set<Int64> = []
      var latest: [String: Int64] = [:]
      for arrival in arrivals where seen.insert(arrival.position).inserted {
        try #require(arrival.position > latest[arrival.contact] ?? 0)
        latest[arrival.contact] = arrival.position
      }
      #expect(seen == Set(commits.keys))
    }

    /// The figure, from acknowledgement to arrival at those who are well.
    private func show(_ crowd: Crowd, _ commits: [Int64: ContinuousClock.Instant]) {
      let millis = healthy.flatMap { number in
        crowd.taken(by: number).compactMap { arrival in
          commits[arrival.position].map { max(0, (arrival.at - $0) / .milliseconds(1)) }
        }
      }.sorted()
      guard !millis.isEmpty else { return }
      func share(_ part: Double) -> Double {
        millis[Int(Double(millis.count - 1) * part)].rounded()
      }
      print(
        "webhook soak: \(endpointCount) endpoints, \(eventCount) events, healthy p50 \(share(0.5)) ms, "
          + "p99 \(share(0.99)) ms, most \(share(1)) ms")
    }
  }
}

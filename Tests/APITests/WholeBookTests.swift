import Application
import Domain
import EventLog
import Foundation
import HTTP
import JSON
import Synchronization
import Testing

@testable import API

/// What goes through a whole book or stream does so where nobody's requests are.
@Suite struct WholeBookTests {
  /// Whether `search` waits for its turn.
  private func waits(
    in lane: ScanLane, _ search: @escaping @Sendable () async throws -> Void
  ) async throws -> Bool {
    let busy = try await BusyLane(lane)
    let isDone = Mutex(false)
    let task = Task {
      defer { isDone.withLock { $0 = true } }
      try await search()
    }
    while busy.waitingCount < 1, !isDone.withLock({ $0 }) { await Task.yield() }
    let waits = !isDone.withLock { $0 }
    await busy.clear()
    try await task.value
    return waits
  }

  @Test func `dead letters are looked for in turn`() async throws {
    try await APIHouse.with { house in
      let endpoint = try #require(
        try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
          try workspace.createWebhookEndpoint(
            url: "https://example.com/hook", types: ["contact.*"], secret: "s")
        }.output)
      // More of them than are gone through in one turn.
      for number in 0..<11 {
        _ = try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
          for position in 1...50 {
            try workspace.change(
              endpoint,
              by: .recordFailure(
                position: UInt64(number * 50 + position), attempt: 9, reason: "500",
                retryAtMicros: nil))
          }
        }
      }
      let path = "/api/webhook-endpoints/\(endpoint)/dead-letters"
      let isInTurn = try await waits(in: house.services.scans) {
        let status = await house.get(path).status
        #expect(status == 200)
      }
      #expect(isInTurn)
      let letters = try await house.walk(path + "?limit=200&sort=position")
      #expect(letters.items.compactMap { $0["position"]?.int } == Array(1...550))
    }
  }

  @Test func `who has a number is looked for in turn`() async throws {
    let directory =
      FileManager.default.temporaryDirectory.path(percentEncoded: false)
      + "/book-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    let log = try LMDBEventLog(directory: directory + "/log")
    let engine = try Engine(
      log: log,
      tools: Tools(
        clock: SetClock(1_700_000_000_000_000), random: SystemRandom(), numbers: PhoneBook(),
        zones: SystemZoneClock()))
    let desk = try ExportDesk(
      engine: engine, reader: log, notary: Notary(log: log, directory: directory),
      directory: directory + "/exports", report: { Issue.record("\($0)") })
    let executor = try await engine.createOrg(
      NewOrg(
        name: "Lakeside", kind: .direct, agency: nil, timeZone: "America/New_York", isTest: true,
        clockOffsetMicros: 0), APIHouse.call)
    let contact = try #require(
      try await executor.perform(APIHouse.call) { workspace throws(CommandError) in
        try workspace.createContact(
          ContactRequest(
            details: ContactDetails(firstName: "Ann", phone: "+12125550123"), source: "test",
            tags: [], consents: []))
      }.output)
    let lane = ScanLane()
    let found = Mutex<[Identifier]>([])
    let isInTurn = try await waits(in: lane) {
      let contacts = try await desk.contacts(
        with: "+12125550123", of: executor.org, lane, for: executor.org)
      found.withLock { $0 = contacts }
    }
    #expect(isInTurn)
    #expect(found.withLock { $0 } == [contact])
    await log.close()
    try FileManager.default.removeItem(atPath: directory)
  }
}

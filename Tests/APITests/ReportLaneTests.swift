import HTTP
import Synchronization
import TestSupport
import Testing

@testable import API

/// Reports that begin and wait behind a door.
private final class Visitors: Sendable {
  let gate = FairGate<Anybody>(width: 2, lineLimit: 3)
  let door = Gate()
  private let begun = Mutex<[Int]>([])

  var numbers: [Int] { begun.withLock { $0 } }

  func enter(_ number: Int) async throws(APIError) {
    try await gate.pass { () async throws(APIError) in
      begun.withLock { $0.append(number) }
      await door.wait()
    }
  }
}

/// What keeps sends and reads from starving behind reports.
@Suite struct ReportLaneTests {
  @Test func `so many run, so many wait in turn, and one more is refused at once`() async throws {
    let visitors = Visitors()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<5 {
        group.addTask { try await visitors.enter(number) }
        // One after the other, so that the line has an order.
        while visitors.gate.count < number + 1 { await Task.yield() }
      }
      let error = await #expect(throws: APIError.self) { try await visitors.enter(5) }
      #expect(error?.status == 503 && error?.code == "overloaded" && error?.isRetryable == true)
      #expect(visitors.numbers.sorted() == [0, 1])
      visitors.door.open()
      try await group.waitForAll()
    }
    #expect(visitors.numbers.sorted() == [0, 1, 2, 3, 4])
    #expect(visitors.gate.count == 0)
    // Who failed has left too.
    await #expect(throws: APIError.self) {
      try await visitors.gate.pass { () async throws(APIError) -> Void in
        throw .notFound("report")
      }
    }
    #expect(visitors.gate.count == 0)
  }

  @Test func `a write does not wait for the reports before it`() async throws {
    let lane = ReportLane(connectionCount: 2)
    let report = try #require(APIServer.operations.first { $0.isReport })
    let write = try #require(APIServer.operations.first { $0.name == "post_messages" })
    let door = Gate()
    let isRunning = Gate()
    async let slow = lane.run(report) { () async throws(APIError) -> HTTPResponse in
      isRunning.open()
      await door.wait()
      return .text(200, "")
    }
    await isRunning.wait()
    async let waiting = lane.run(report) { () async throws(APIError) -> HTTPResponse in
      .text(200, "")
    }
    let written = try await lane.run(write) { () async throws(APIError) -> HTTPResponse in
      .text(201, "")
    }
    #expect(written.status == 201)
    door.open()
    #expect(try await slow.status == 200)
    #expect(try await waiting.status == 200)
  }
}

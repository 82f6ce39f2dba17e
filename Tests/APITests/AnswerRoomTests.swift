import Domain
import HTTP
import Testing

@testable import API

/// In a room of 400,000 bytes, 100,000 of them for one account.
@Suite struct AnswerRoomTests {
  private static let accounts = (1...6).map { Identifier(.org, UInt128($0)) }
  private let room = AnswerRoom(limitBytes: 400_000)

  private func lease(
    _ byteCount: Int, _ number: Int, isReader: Bool = true
  ) -> AnswerRoom.Lease? {
    room.lease(
      byteCount + AnswerRoom.freeBytes,
      to: AnswerTaker(account: Self.accounts[number], isReader: isReader))
  }

  @Test func `an account has its share, and what it gives back`() {
    var first = lease(60_000, 0)
    let second = lease(40_000, 0)
    #expect(first != nil && second != nil && room.heldBytes == 100_000)
    #expect(lease(1, 0) == nil)
    #expect(lease(1, 1) != nil)
    // A command's answer is not counted.
    #expect(room.lease(AnswerRoom.freeBytes, to: AnswerTaker(account: Self.accounts[0])) != nil)
    first = nil
    #expect(room.heldBytes == 40_000)
    #expect(lease(60_000, 0) != nil)
    #expect(room.heldBytes == 40_000)
    withExtendedLifetime((first, second)) {}
  }

  @Test func `however many accounts take what they may, there is room for one more`() {
    var leases: [AnswerRoom.Lease?] = []
    for number in 0..<5 {
      while let next = lease(10_000, number) { leases.append(next) }
    }
    #expect(room.heldBytes > 350_000 && lease(10_000, 0) == nil)
    #expect(lease(5_000, 5) != nil)
    leases = []
    #expect(leases.isEmpty && room.heldBytes == 0)
  }

  @Test func `one answer may have more than the share, where it leaves half of the room`() {
    #expect(lease(390_000, 0) == nil && lease(200_001, 0) == nil)
    var large = lease(200_000, 0)
    #expect(large != nil && lease(1, 0) == nil && lease(100_001, 1) == nil)
    var other = lease(100_000, 1)
    #expect(other != nil)
    large = nil
    #expect(large == nil && lease(110_000, 0) == nil && lease(100_000, 0) != nil)
    other = nil
    #expect(other == nil && room.heldBytes == 0)
  }

  /// What was written has to be told.
  @Test func `an answer to a write has room, and the next write waits until it is taken`() {
    let reads = (0..<4).map { lease(100_000 >> ($0 / 3), $0) }
    #expect(reads.allSatisfy { $0 != nil } && room.heldBytes == 350_000)
    #expect(room.admitsWrite(of: Self.accounts[0]) && room.admitsWrite(of: Self.accounts[1]))
    var writes = [lease(60_000, 0, isReader: false), lease(60_000, 0, isReader: false)]
    #expect(writes.allSatisfy { $0 != nil })
    #expect(!room.admitsWrite(of: Self.accounts[0]) && room.admitsWrite(of: Self.accounts[2]))
    writes.removeLast()
    #expect(room.admitsWrite(of: Self.accounts[0]))
    withExtendedLifetime((reads, writes)) {}
  }

  @Test func `who looks why there is no room is answered`() async throws {
    let operations = ["/metrics", "/large"].map { path in
      Operation(
        "GET", path, .open, "Much", answers: [.text("text/plain", "Much.")],
        handler: { _ in .text(200, String(repeating: "a", count: 2 * AnswerRoom.freeBytes)) })
    }
    try await APIHouse.with(operations: operations) { house in
      let taken = house.services.answers.lease(
        1 << 30, to: AnswerTaker(account: Self.accounts[0], isReader: false))
      #expect(await house.send("/metrics").status == 200)
      #expect(await house.send("/large").status == 503)
      withExtendedLifetime(taken) {}
    }
  }

  @Test func `an answer without room is refused, and what streams takes none`() throws {
    let taker = AnswerTaker(account: Self.accounts[0])
    let bytes = [UInt8](repeating: 0, count: 80_000)
    let first = try HTTPResponse(status: 200, body: .bytes(bytes)).held(in: room, for: taker)
    #expect(first.lease != nil)
    let refusal = #expect(throws: APIError.self) {
      try HTTPResponse(status: 200, body: .bytes(bytes)).held(in: room, for: taker)
    }
    #expect(refusal?.status == 503 && refusal?.code == "overloaded" && refusal?.isRetryable == true)
    let stream = HTTPResponse(status: 200, body: .stream(AsyncStream { nil }))
    #expect(try stream.held(in: room, for: taker).lease == nil)
  }
}

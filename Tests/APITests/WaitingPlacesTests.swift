import Domain
import HTTP
import TestSupport
import Testing

@testable import API

@Suite struct WaitingPlacesTests {
  private static let (greedy, modest) = (Identifier(.org, 1), Identifier(.org, 2))
  private let places = WaitingPlaces(limit: 5, accountLimit: 3)

  /// Goal: nobody takes the places of all. Method: one account comes for as many as there are, then others do.
  @Test func `an account has its share and leaves the rest to the others`() async throws {
    let door = Gate()
    @Sendable func wait(_ account: Identifier) async throws(APIError) {
      try await places.wait(of: account) { () async throws(APIError) in await door.wait() }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<3 {
        group.addTask { try await wait(Self.greedy) }
        while places.count < number + 1 { await Task.yield() }
      }
      let own = await #expect(throws: APIError.self) { try await wait(Self.greedy) }
      #expect(own?.status == 429 && own?.code == "rate_limited" && own?.isRetryable == true)
      #expect(own?.headers["retry-after"] != nil)
      for number in 3..<5 {
        group.addTask { try await wait(Self.modest) }
        while places.count < number + 1 { await Task.yield() }
      }
      let all = await #expect(throws: APIError.self) { try await wait(Self.modest) }
      #expect(all?.status == 503 && all?.code == "overloaded")
      door.open()
      try await group.waitForAll()
    }
    #expect(places.count == 0)
    try await wait(Self.greedy)
  }

  @Test func `who failed has left too`() async throws {
    for _ in 0..<4 {
      await #expect(throws: APIError.self) {
        try await places.wait(of: Self.greedy) { () async throws(APIError) -> Void in
          throw .notFound("event")
        }
      }
    }
    #expect(places.count == 0)
  }
}

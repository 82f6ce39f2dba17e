import Domain
import EventCodec
import EventLog
import Testing

@testable import API

/// Which events an endpoint was given up on, from its stream alone.
@Suite struct DeadLettersTests {
  private static let org = Identifier(.org, 7)
  private static let endpoint = Identifier(.webhookEndpoint, 9)

  /// The positions of the letters that are left after commits with these events, each with a cause of its own.
  private func left(after commits: [[WebhookEndpoint.Event]]) async throws -> [UInt64] {
    let log = MemoryEventLog()
    for (number, events) in commits.enumerated() {
      _ = try await log.append(
        Commit(
          org: OrgID(Self.org.value),
          events: events.map {
            EventCodec.encode(.webhookEndpoint($0), stream: Self.endpoint, org: Self.org)
          },
          context: CommitContext(
            actor: "system:webhooks", origin: "reactor", correlation: "c",
            causation: UInt64(number + 1), occurredAtMicros: 1)))
    }
    var letters = DeadLetters()
    for event in try log.read(after: 0, limit: 100, filter: .all).events { try letters.take(event) }
    return letters.all.map(\.position)
  }

  private func failed(
    _ position: UInt64, isLast: Bool = true, reason: String = "500"
  ) -> WebhookEndpoint.Event {
    .deliveryFailed(
      position: position, attempt: 12, reason: reason, retryAtMicros: isLast ? nil : 5)
  }

  @Test func `what will be tried again, and what an endpoint goes on with, is no letter`()
    async throws
  {
    #expect(try await left(after: [[failed(3, isLast: false)]]) == [])
    #expect(try await left(after: [[failed(4), .disabled(reason: "410")]]) == [])
    // Somebody switched it off a moment later.
    #expect(try await left(after: [[failed(4)], [.disabled(reason: "api")]]) == [4])
    #expect(try await left(after: [[failed(4)], [failed(8)]]) == [4, 8])
    // Side by side with the one that ended it.
    let gone = [
      [failed(4, reason: "gone"), .disabled(reason: "410")], [failed(8, reason: "gone")],
    ]
    #expect(try await left(after: gone) == [])
  }

  @Test func `a letter goes with the redelivery that was taken, in the order they are made`()
    async throws
  {
    let letters = [[failed(4)], [failed(8)], [failed(9)]]
    func after(_ events: WebhookEndpoint.Event...) async throws -> [UInt64] {
      try await left(after: letters + events.map { [$0] })
    }
    let both: [WebhookEndpoint.Event] = [
      .redeliveryRequested(from: 4, to: 4), .redeliveryRequested(from: 8, to: 9),
    ]
    #expect(try await after(both[0], both[1]) == [4, 8, 9])
    #expect(
      try await after(both[0], both[1], .redelivered(deliveredCount: 1, failedCount: 0)) == [8, 9])
    #expect(
      try await after(
        both[0], both[1], .redelivered(deliveredCount: 0, failedCount: 1),
        .redelivered(deliveredCount: 2, failedCount: 0)) == [4])
    // Nobody knows which of them failed.
    #expect(try await after(both[1], .redelivered(deliveredCount: 1, failedCount: 1)) == [4, 8, 9])
    // It is not wanted any more.
    #expect(
      try await after(both[0], .redelivered(deliveredCount: 0, failedCount: 0)) == [4, 8, 9])
    // Given up again since.
    #expect(
      try await after(both[0], .redelivered(deliveredCount: 1, failedCount: 0), failed(4))
        == [8, 9, 4])
  }
}

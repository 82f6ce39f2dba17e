import Domain
import Testing

@testable import API

@Suite struct RecentRefusalsTests {
  private static let org = Identifier(.org, 1)

  private func attempt(of actor: String, number: Int) -> AccessRefusal {
    AccessRefusal(
      actor: actor, operation: "GET /api/contacts/\(number)", reason: "missing_scope",
      address: .known("203.0.113.5"))
  }

  /// How many of `count` different attempts at one moment go on record.
  private func recorded(
    _ count: Int, of actor: String, in recent: inout RecentRefusals, nowMicros: Int64 = 0
  ) -> Int {
    var recorded = 0
    for number in 0..<count
    where recent.add(attempt(of: actor, number: number), of: Self.org, nowMicros: nowMicros) {
      recorded += 1
    }
    return recorded
  }

  @Test func `the same attempt is recorded once a minute`() {
    var recent = RecentRefusals()
    let attempt = attempt(of: "key:key_1", number: 1)
    var isNew: [Bool] = []
    for micros: Micros in [0, 59_999_999, 60_000_000] {
      isNew.append(recent.add(attempt, of: Self.org, nowMicros: micros))
    }
    isNew.append(recent.add(attempt, of: Identifier(.org, 2), nowMicros: 60_000_000))
    #expect(isNew == [true, false, true, true])
  }

  /// Goal: who makes noise hides nobody. Method: one key with more attempts than an account has room for, then others.
  @Test func `a noisy key keeps no other's attempts off the record`() {
    var recent = RecentRefusals()
    let counts = [
      recorded(1_000, of: "key:key_noisy", in: &recent),
      recorded(3, of: "key:key_quiet", in: &recent),
    ]
    #expect(counts == [RecentRefusals.actorLimit, 3])
  }

  @Test func `many noisy keys are bounded, and the first attempt of another is recorded`() {
    var recent = RecentRefusals()
    var counts = (0..<8).map { recorded(1_000, of: "key:key_\($0)", in: &recent) }
    #expect(counts == [20, 20, 20, 20, 20, 1, 1, 1])
    counts = [
      recorded(5, of: "key:key_quiet", in: &recent), recorded(1_000, of: "key:key_0", in: &recent),
      recorded(1_000, of: "key:key_0", in: &recent, nowMicros: 60_000_000),
    ]
    #expect(counts == [1, 0, 20])
  }
}

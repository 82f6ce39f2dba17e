import Domain
import Testing

@testable import Application

@Suite struct OrgNewsTests {
  private static let hour: Micros = 3_600_000_000

  private func refusal(of actor: String, _ operation: String = "GET /api/users") -> Org.Event {
    .accessRefused(
      AccessRefusal(
        actor: actor, operation: operation, reason: "missing_scope", address: .erased))
  }

  @Test func `what was refused is news for a day, the newest of it in words`() throws {
    var news = OrgNews()
    news.apply(refusal(of: "key:key_1"), atMicros: Self.hour)
    news.apply(refusal(of: "key:key_1"), atMicros: 2 * Self.hour)
    news.apply(refusal(of: "key:key_1", "GET /api/roles"), atMicros: 20 * Self.hour)
    news.apply(refusal(of: "key:key_2"), atMicros: 20 * Self.hour)
    for number in 0..<1_000 {
      news.apply(
        .requestHadNoEffect(on: Identifier(.contact, 1)),
        atMicros: 21 * Self.hour + Micros(number))
    }
    let now = news.refusals(nowMicros: 21 * Self.hour)
    #expect(now.map(\.actor) == ["key:key_1", "key:key_2"] && now.map(\.count) == [3, 1])
    #expect(
      now[0].refusals.operation == "GET /api/roles" && now[0].refusals.atMicros == 20 * Self.hour)
    #expect(news.refusals(nowMicros: 26 * Self.hour).map(\.count) == [2, 1])
    #expect(news.refusals(nowMicros: 44 * Self.hour).map(\.count) == [1, 1])
    #expect(news.refusals(nowMicros: 44 * Self.hour + 1).isEmpty)
  }

  /// Goal: whoever is refused for years takes no more room than for a day.
  @Test func `what is no news any more is forgotten`() throws {
    var (long, short) = (OrgNews(), OrgNews())
    for hour in 0..<10_000 {
      news(&long, hour)
      if hour >= 9_975 { news(&short, hour) }
    }
    #expect(long == short)
  }

  private func news(_ news: inout OrgNews, _ hour: Int) {
    for actor in ["key:key_always", "key:key_\(hour)"] {
      news.apply(refusal(of: actor), atMicros: Micros(hour) * Self.hour)
    }
  }

  @Test func `the newest head and the newest stop are kept`() {
    var news = OrgNews()
    for size in 1...3 {
      news.apply(.checkpointPublished(size: Int64(size), note: "n\(size)"), atMicros: Micros(size))
    }
    news.apply(
      .sendingHalted(scope: .org, mode: .wait, reason: "wrong list", by: "user:usr_1"), atMicros: 7)
    #expect(news.head == OrgNews.Head(size: 3, note: "n3", atMicros: 3))
    #expect(news.haltedAtMicros == 7)
  }
}

import AnalyticsProjection
import Domain
import ProjectionRuntime
import Testing

@Suite struct AnalyticsTests {
  private static let spring = Identifier(.campaign, 31)
  private static let autumn = Identifier(.campaign, 32)

  @Test func `a reply counts for the last message that went out, for seven days`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(message(1), [planned(to: ann, "One"), queued, dispatched])
      try await desk.history.append(message(2), [planned(to: ann, "Two"), queued, dispatched])
      try await desk.history.append(message(3), [planned(to: ann, "Three"), queued])
      try await desk.history.append(message(4), [received(from: ann, "Yes", providerID: "SM4")])
      desk.history.pass(seconds: 8 * 86_400)
      try await desk.history.append(message(5), [planned(to: bob, "Four"), queued, dispatched])
      desk.history.pass(seconds: 7 * 86_400)
      try await desk.history.append(message(6), [received(from: bob, "Late", providerID: "SM6")])
      try await desk.project(batchLimit: 3)
      #expect(try desk.table(Self.marked("replied")) == ["2"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a revocation and a conversion are credited too`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(message(1), [planned(to: ann, "One"), queued, dispatched])
      try await desk.history.append(ann, [tagged("converted:order"), tagged("vip")])
      try await desk.history.append(message(2), [planned(to: ann, "Two"), queued, dispatched])
      try await desk.history.append(ann, [optedOut(.email)])
      try await desk.history.append(ann, [optedOut(.sms)])
      try await desk.project(batchLimit: 1)
      #expect(try desk.table(Self.marked("converted")) == ["1"])
      #expect(try desk.table(Self.marked("opted_out")) == ["2"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  private static func marked(_ column: String) -> String {
    """
    SELECT ltrim(right(message::text, 4), '0') FROM \(AnalyticsProjection.schema).message_facts
    WHERE \(column) ORDER BY 1
    """
  }

  /// Goal: every figure, in every scope, is the number of rows that it opens. Method: seeded random
  /// histories.
  @Test(arguments: 0..<3 as Range<UInt64>)
  func `every figure is the number of its rows, and they add up`(seed: UInt64) async throws {
    try await withDesk { desk in
      var dice = Dice(seed: seed)
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(bob, [created("Bob")])
      for number in 1...40 { try await Self.happen(UInt128(number), desk, &dice) }
      try await desk.project(batchLimit: 7)
      var request = AnalyticsQueries.Request()
      request.groupBy = AnalyticsQueries.Grouping.allCases
      let answer = try await AnalyticsQueries.messages(desk.readers, org: acme, request)
      try await expectRows(answer.totals, AnalyticsQueries.Scope(), desk, seed)
      try #require(answer.totals[.planned] > 0 && answer.totals[.replied] > 0, "seed \(seed)")
      for figure in Figure.allCases {
        let sum = answer.groups.reduce(0) { $0 + $1.figures[figure] }
        try #require(sum == answer.totals[figure], "seed \(seed): \(figure) of the groups")
      }
      let totals = answer.totals
      try #require(
        totals[.planned] == totals[.sent] + totals[.failed] + totals[.skipped]
          + totals[.cancelled] + totals[.pending], "seed \(seed)")
      for scope in Self.scopes {
        var scoped = AnalyticsQueries.Request()
        scoped.scope = scope
        let part = try await AnalyticsQueries.messages(desk.readers, org: acme, scoped)
        try await expectRows(part.totals, scope, desk, seed)
      }
    }
  }

  private static var scopes: [AnalyticsQueries.Scope] {
    let changes: [(inout AnalyticsQueries.Scope) -> Void] = [
      { $0.campaign = spring }, { $0.campaign = autumn }, { $0.channel = .sms },
      { $0.channel = .voice }, { $0.fromDay = History.startMicros / 86_400_000_000 + 2 },
      { $0.toDay = History.startMicros / 86_400_000_000 + 2 },
    ]
    return changes.map { change in
      var scope = AnalyticsQueries.Scope()
      change(&scope)
      return scope
    }
  }

  private func expectRows(
    _ figures: Figures, _ scope: AnalyticsQueries.Scope, _ desk: Desk, _ seed: UInt64
  ) async throws {
    for figure in Figure.allCases {
      var request = AnalyticsQueries.RowsRequest(figure, page: PageRequest(limit: 9))
      request.scope = scope
      var rows: [Identifier] = []
      repeat {
        let page = try await AnalyticsQueries.rows(desk.readers, org: acme, request)
        rows += page.rows
        request.page.after = page.next
      } while request.page.after != nil
      try #require(
        Set(rows).count == rows.count && rows.count == figures[figure], "seed \(seed): \(figure)")
    }
  }

  private static func happen(
    _ number: UInt128, _ desk: Desk, _ dice: inout Dice
  ) async throws {
    desk.history.pass(seconds: Int64(dice.below(20_000)))
    let contact = dice.one(of: [ann, bob])
    if dice.below(4) == 0 {
      try await desk.history.append(
        message(number), [received(from: contact, "Hi", providerID: "SM\(number)")])
      return
    }
    let campaign = dice.one(of: [nil, spring, autumn])
    try await desk.history.append(
      message(number), [planned(to: contact, "Hello", campaign: campaign)])
    let skipped = DomainEvent.message(
      .skipped(reason: .revoked, verdict: verdict(.refused(.revoked))))
    let failed = DomainEvent.message(.failed(code: "30003", atMicros: desk.history.nowMicros))
    let endings: [[DomainEvent]] = [
      [skipped], [queued], [queued, dispatched], [queued, dispatched, accepted, sent],
      [queued, dispatched, accepted, sent, delivered], [queued, dispatched, accepted, failed],
      [queued, .message(.cancelled(by: "user:usr_1"))],
      [
        queued, dispatched, accepted, delivered,
        .message(.opened(isMachine: false, atMicros: desk.history.nowMicros)),
        .message(.clicked(link: 0, isMachine: false, atMicros: desk.history.nowMicros)),
      ],
    ]
    try await desk.history.append(message(number), dice.one(of: endings))
    if dice.below(6) == 0 { try await desk.history.append(contact, [tagged("converted")]) }
    if dice.below(6) == 0 { try await desk.history.append(contact, [optedOut()]) }
  }
}

import Domain
import Testing

@testable import Application

/// Permits by the virtual second: what every provider, number and class of recipients may take, and each org's part.
@Suite struct RateDeskTests {
  private static let secondMicros: Int64 = 1_000_000

  private static func org(_ number: UInt128) -> Identifier { Identifier(.org, number) }

  private static func tickets(
    _ count: Int, _ channel: Channel = .sms, to address: (Int) -> String
  ) -> [OrgExecutor.Ticket] {
    (0..<count).map {
      OrgExecutor.Ticket(
        message: Identifier(.message, UInt128($0)), campaign: nil, channel: channel,
        address: address($0))
    }
  }

  /// How many of what an org always wants more of it gets within `seconds`, asking again whenever it is told to.
  private static func admitted(
    _ desk: RateDesk, seconds: Int64, perSecond: Int? = nil, _ tickets: [OrgExecutor.Ticket]
  ) -> [OrgExecutor.Ticket] {
    var nowMicros: Micros = 0
    var admitted: [OrgExecutor.Ticket] = []
    while nowMicros < seconds * secondMicros {
      let admission = desk.admit(
        tickets, of: org(1), sender: "+12125550100", senderPerSecond: perSecond,
        nowMicros: nowMicros)
      admitted += admission.admitted
      nowMicros += max(1_000, admission.waitMicros)
    }
    return admitted
  }

  @Test(arguments: [1, 7, 40])
  func `a provider takes its rate and no more`(rate: Int) {
    var rates = RateTable()
    rates.providerPerSecond = Double(rate)
    let count = Self.admitted(
      RateDesk(rates: rates), seconds: 10, Self.tickets(100) { _ in "+12125550123" }
    ).count
    // A full second's worth may be in stock at the start.
    #expect((9 * rate...11 * rate).contains(count))
  }

  @Test func `a number of ours keeps its own rate`() {
    let count = Self.admitted(
      RateDesk(rates: RateTable()), seconds: 10, perSecond: 3,
      Self.tickets(100) { _ in "+12125550123" }
    ).count
    #expect((27...33).contains(count))
  }

  @Test func `one mail domain that takes little keeps no other waiting`() {
    var rates = RateTable()
    rates.classes = ["slow.example": 2, "44": 5]
    let mails = Self.tickets(20, .email) {
      $0.isMultiple(of: 2) ? "a\($0)@SLOW.example" : "b\($0)@fast.example"
    }
    let admitted = Self.admitted(RateDesk(rates: rates), seconds: 5, mails)
    let slowCount = admitted.count { $0.address.hasSuffix("SLOW.example") }
    #expect((8...12).contains(slowCount))
    // All others passed every time that somebody asked.
    #expect(admitted.count - slowCount >= 5 * slowCount)
  }

  @Test func `a class of carriers has a rate of its own`() {
    var rates = RateTable()
    rates.classes = ["44": 4]
    let texts = Self.tickets(20) { $0.isMultiple(of: 2) ? "+447700900123" : "+12125550123" }
    let admitted = Self.admitted(RateDesk(rates: rates), seconds: 5, texts)
    let britishCount = admitted.count { $0.address.hasPrefix("+44") }
    #expect((16...24).contains(britishCount))
    #expect(admitted.count >= 5 * britishCount)
  }

  /// One org has a blast of thousands, two have a few: in every second each gets its part.
  @Test func `orgs are served fairly, whoever asks more often`() {
    var rates = RateTable()
    rates.providerPerSecond = 90
    let desk = RateDesk(rates: rates)
    var counts: [UInt128: Int] = [:]
    // The large one asks in every millisecond, the others every tenth.
    for milli: Int64 in 0..<10_000 {
      let asking: [UInt128] = milli.isMultiple(of: 10) ? [1, 2, 3] : [1]
      for org in asking {
        let admission = desk.admit(
          Self.tickets(48) { _ in "+12125550123" }, of: Self.org(org), sender: "+1212555010\(org)",
          senderPerSecond: nil, nowMicros: milli * 1_000)
        counts[org, default: 0] += admission.admitted.count
      }
    }
    let all = counts.values.reduce(0, +)
    #expect((810...990).contains(all))
    for org: UInt128 in 1...3 {
      #expect((counts[org] ?? 0) >= all / 6, "\(counts)")
    }
  }

  @Test func `who gets nothing is told when to come back`() {
    var rates = RateTable()
    rates.providerPerSecond = 2
    let desk = RateDesk(rates: rates)
    func ask(_ nowMicros: Micros) -> RateDesk.Admission {
      desk.admit(
        Self.tickets(1) { _ in "+12125550123" }, of: Self.org(1), sender: "", senderPerSecond: nil,
        nowMicros: nowMicros)
    }
    while !ask(0).admitted.isEmpty {}
    let refused = ask(0)
    #expect(refused.refused.count == 1 && (1...500_000).contains(refused.waitMicros))
    #expect(ask(refused.waitMicros).admitted.count == 1)
  }
}

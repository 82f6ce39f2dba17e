import Domain
import Testing

@Suite struct PriceTests {
  static let nowMicros: Micros = 1_795_000_000_000_000

  /// Requirements WAL-15 to WAL-20, row by row: cost, markup, charge, in millionths of a dollar.
  @Test(
    arguments: [
      (Prices.Resource.smsOutbound, 7_900, 50, 12_000), (.smsInbound, 7_900, 50, 12_000),
      (.mms, 20_000, 50, 30_000), (.voice, 14_000, 50, 21_000), (.email, 100, 100, 200),
      (.ai, 3_000, 100, 6_000),
    ] as [(Prices.Resource, Int64, Int, Int64)])
  func `a row of the price list`(
    resource: Prices.Resource, costMicros: Int64, markupPercent: Int, priceMicros: Int64
  ) {
    let listed = Prices.listed(resource, atMicros: Self.nowMicros)
    #expect(listed.costMicros == costMicros)
    #expect(listed.markupPercent == markupPercent)
    #expect(listed.priceMicros == priceMicros)
    #expect(Prices.priceMicros(of: resource, atMicros: Self.nowMicros) == priceMicros)
  }

  static func price(_ overrides: PriceOverride...) -> Int64 {
    Prices.priceMicros(of: .mms, atMicros: nowMicros, overrides: overrides)
  }

  static func markup(
    _ percent: Int?, fromMicros: Micros, _ reach: PriceOverride.Reach = .org
  ) -> PriceOverride {
    PriceOverride(resource: .mms, markupPercent: percent, fromMicros: fromMicros, reach: reach)
  }

  @Test func `an override counts from its day on, the latest one alone`() {
    let early = Self.markup(75, fromMicros: Self.nowMicros - 2)
    #expect(Self.price(early) == 35_000)
    #expect(Self.price(early, Self.markup(100, fromMicros: Self.nowMicros)) == 40_000)
    #expect(Self.price(early, Self.markup(100, fromMicros: Self.nowMicros + 1)) == 35_000)
    #expect(Self.price(Self.markup(100, fromMicros: Self.nowMicros + 1)) == 30_000)
  }

  @Test func `the org's own override goes before its agency's, however old`() {
    let own = Self.markup(75, fromMicros: Self.nowMicros - 9)
    let agency = Self.markup(60, fromMicros: Self.nowMicros - 1, .agency)
    #expect(Self.price(own, agency) == 35_000)
    #expect(Self.price(agency) == 32_000)
    #expect(Self.price(agency, Self.markup(75, fromMicros: Self.nowMicros + 1)) == 32_000)
  }

  @Test func `a markup that was taken back leaves what would hold without it`() {
    let own = Self.markup(75, fromMicros: Self.nowMicros - 9)
    let agency = Self.markup(60, fromMicros: Self.nowMicros - 8, .agency)
    let ownBack = Self.markup(nil, fromMicros: Self.nowMicros - 1)
    let agencyBack = Self.markup(nil, fromMicros: Self.nowMicros - 1, .agency)
    #expect(Self.price(own, ownBack) == 30_000)
    #expect(Self.price(own, agency, ownBack) == 32_000)
    #expect(Self.price(own, agency, agencyBack) == 35_000)
    #expect(Self.price(own, agency, ownBack, agencyBack) == 30_000)
    #expect(Self.price(own, Self.markup(nil, fromMicros: Self.nowMicros + 1)) == 35_000)
  }

  @Test func `only a markup that there is can be taken back`() {
    let created = Org.Event.created(
      name: "A", kind: .client, agency: nil, timeZone: "UTC", isTest: false, clockOffsetMicros: 0)
    let price = Self.markup(75, fromMicros: 10)
    let back = Self.markup(nil, fromMicros: 20)
    Given(Org.self, created).when(.setPrice(back, nowMicros: 20)).thenNothing()
    Given(Org.self, created, .priceSet(price)).when(.setPrice(back, nowMicros: 20))
      .then(.priceSet(back))
    Given(Org.self, created, .priceSet(price), .priceSet(back))
      .when(.setPrice(Self.markup(nil, fromMicros: 30), nowMicros: 30)).thenNothing()
    let agencys = Self.markup(nil, fromMicros: 30, .agency)
    Given(Org.self, created, .priceSet(price)).when(.setPrice(agencys, nowMicros: 30))
      .thenNothing()
  }

  @Test func `a fraction of a millionth is one`() {
    let third = PriceOverride(resource: .email, markupPercent: 33, fromMicros: 0)
    #expect(Prices.priceMicros(of: .email, atMicros: 0, overrides: [third]) == 133)
    let odd = PriceOverride(resource: .smsOutbound, markupPercent: 33, fromMicros: 0)
    #expect(Prices.priceMicros(of: .smsOutbound, atMicros: 0, overrides: [odd]) == 10_507)
  }

  @Test func `the same override twice is no news, one of the past is refused`() {
    let price = Self.markup(75, fromMicros: 10)
    let created = Org.Event.created(
      name: "A", kind: .client, agency: nil, timeZone: "UTC", isTest: false, clockOffsetMicros: 0)
    Given(Org.self, created).when(.setPrice(price, nowMicros: 10)).then(.priceSet(price))
    Given(Org.self, created, .priceSet(price)).when(.setPrice(price, nowMicros: 10)).thenNothing()
    Given(Org.self, created).when(.setPrice(price, nowMicros: 11)).thenRejected(.priceInThePast)
  }
}

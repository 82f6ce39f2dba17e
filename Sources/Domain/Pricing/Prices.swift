/// What things cost: listed prices, each from a day on. A price in use is never changed; a new one gets
/// a new line.
package enum Prices {
  package enum Resource: String, Sendable, CaseIterable, Codable {
    /// One segment.
    case smsOutbound = "sms"
    /// One segment.
    case smsInbound = "sms_inbound"
    /// One message.
    case mms
    /// One minute.
    case voice
    /// One message.
    case email
    /// A thousand tokens.
    case ai
  }

  /// What one unit costs us and what is charged for it, in millionths of a US dollar.
  package struct Listed: Sendable, Equatable {
    package let fromMicros: Micros
    package let costMicros: Int64
    package let markupPercent: Int
    /// The charge with that markup, as it is listed: rounded up to what can be said in a price list.
    package let priceMicros: Int64
  }

  /// The price of one unit of `resource` at that moment, in millionths of a US dollar. The latest override
  /// whose day has come wins over the list: the org's own before what its agency asks of all its clients.
  package static func priceMicros(
    of resource: Resource, atMicros: Micros, overrides: [PriceOverride] = []
  ) -> Int64 {
    let listed = listed(resource, atMicros: atMicros)
    let due = overrides.filter { $0.resource == resource && $0.fromMicros <= atMicros }
    // One that was taken back leaves what would hold without it.
    let own = due.last { $0.reach == .org }?.markupPercent
    let markup = own ?? due.last { $0.reach == .agency }?.markupPercent
    guard let markup, markup != listed.markupPercent else {
      return listed.priceMicros
    }
    // A fraction of a millionth is one millionth: nobody pays less than it costs.
    return (listed.costMicros * Int64(100 + markup) + 99) / 100
  }

  package static func listed(_ resource: Resource, atMicros: Micros) -> Listed {
    let prices = list(resource)
    // Before the first list there was nothing to buy; what is dated there has the first price.
    return prices.last { $0.fromMicros <= atMicros } ?? prices[0]
  }

  /// In the order of their days.
  private static func list(_ resource: Resource) -> [Listed] {
    switch resource {
    case .smsOutbound, .smsInbound: [first(7_900, markup: 50, price: 12_000)]
    case .mms: [first(20_000, markup: 50, price: 30_000)]
    case .voice: [first(14_000, markup: 50, price: 21_000)]
    case .email: [first(100, markup: 100, price: 200)]
    case .ai: [first(3_000, markup: 100, price: 6_000)]
    }
  }

  private static func first(_ costMicros: Int64, markup: Int, price: Int64) -> Listed {
    Listed(fromMicros: 0, costMicros: costMicros, markupPercent: markup, priceMicros: price)
  }
}

/// A markup on one resource, from a moment on: set by an org's agency or by the operator.
package struct PriceOverride: Sendable, Equatable, Codable {
  /// For whom it was set.
  package enum Reach: String, Sendable, CaseIterable, Codable {
    /// This org alone.
    case org
    /// Every client of the agency: in the agency's own book it is what new clients begin with, in a client's
    /// book it is what that client pays.
    case agency
  }

  package var resource: Prices.Resource
  /// 50: half again what it costs. nil: no longer any of this reach.
  package var markupPercent: Int?
  package var fromMicros: Micros
  package var reach: Reach

  package init(
    resource: Prices.Resource, markupPercent: Int?, fromMicros: Micros, reach: Reach = .org
  ) {
    self.resource = resource
    self.markupPercent = markupPercent
    self.fromMicros = fromMicros
    self.reach = reach
  }
}

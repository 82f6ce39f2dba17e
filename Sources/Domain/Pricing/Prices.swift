/// What things cost: listed prices, each from a day on. A price in use is never changed; a new one gets
/// a new line.
package enum Prices {
  package enum Resource: String, Sendable, CaseIterable {
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
  /// of the org whose day has come wins over the list.
  package static func priceMicros(
    of resource: Resource, atMicros: Micros, overrides: [PriceOverride] = []
  ) -> Int64 {
    let listed = listed(resource, atMicros: atMicros)
    let override = overrides.last { $0.resource == resource && $0.fromMicros <= atMicros }
    guard let markup = override?.markupPercent, markup != listed.markupPercent else {
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

/// An org's own markup on one resource, from a moment on: set by its agency or by the operator.
package struct PriceOverride: Sendable, Equatable {
  package var resource: Prices.Resource
  /// 50: half again what it costs.
  package var markupPercent: Int
  package var fromMicros: Micros

  package init(resource: Prices.Resource, markupPercent: Int, fromMicros: Micros) {
    self.resource = resource
    self.markupPercent = markupPercent
    self.fromMicros = fromMicros
  }
}

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

  /// The price of one unit of `resource` at that moment, in millionths of a US dollar.
  package static func priceMicros(of resource: Resource, atMicros: Micros) -> Int64 {
    let prices = listed(resource)
    // Before the first list there was nothing to buy; what is dated there has the first price.
    let valid = prices.last { $0.fromMicros <= atMicros } ?? prices[0]
    return valid.priceMicros
  }

  private struct Listed {
    let fromMicros: Micros
    let priceMicros: Int64
  }

  /// In the order of their days. What a provider takes, plus half again (email and AI: as much again).
  private static func listed(_ resource: Resource) -> [Listed] {
    switch resource {
    case .smsOutbound: [Listed(fromMicros: 0, priceMicros: 12_000)]
    case .smsInbound: [Listed(fromMicros: 0, priceMicros: 12_000)]
    case .mms: [Listed(fromMicros: 0, priceMicros: 30_000)]
    case .voice: [Listed(fromMicros: 0, priceMicros: 21_000)]
    case .email: [Listed(fromMicros: 0, priceMicros: 200)]
    case .ai: [Listed(fromMicros: 0, priceMicros: 6_000)]
    }
  }
}

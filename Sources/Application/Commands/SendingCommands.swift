import Domain

extension Workspace {
  /// The kill switch. Nothing is handed to a provider at a later position than this commit's; calls that
  /// are under way end and are recorded. What is queued waits.
  package mutating func haltSending(
    _ scope: HaltScope, reason: String
  ) throws(CommandError) {
    try run(Org.self, org, .halt(scope, reason: reason, by: actor))
  }

  /// Lifts one stop; sending goes on once there is none. Every message passes the gate again.
  package mutating func resumeSending(_ scope: HaltScope) throws(CommandError) {
    try run(Org.self, org, .resume(scope, by: actor))
  }

  package mutating func setSendingRules(_ rules: SendingRules) throws(CommandError) {
    try run(Org.self, org, .setSendingRules(rules))
  }

  /// What one unit costs this org now, its own markups included.
  package func priceMicros(of resource: Prices.Resource) -> Int64 {
    Prices.priceMicros(
      of: resource, atMicros: nowMicros, overrides: state.settings.prices)
  }

  /// A markup of this org's own, from `fromMicros` on; nil: from now on.
  package mutating func setMarkup(
    _ percent: Int, on resource: Prices.Resource, fromMicros: Micros?
  ) throws(CommandError) {
    try run(
      Org.self, org,
      .setPrice(
        PriceOverride(
          resource: resource, markupPercent: percent, fromMicros: fromMicros ?? nowMicros),
        nowMicros: nowMicros))
  }

  /// A charge for something that happened and cannot be refused any more: where the credit does not
  /// suffice, it is waived on record. Once a resource: the caller's idempotency key sees to that.
  package mutating func charge(_ charge: Charge) throws(CommandError) {
    try runWallet(.debit(charge))
  }

  /// Whether less is left than the org wants to be told about.
  package var isBalanceLow: Bool {
    state.settings.sendingRules.lowBalanceMicros.map { walletAvailableMicros < $0 } ?? false
  }

  /// What the org's settings say now.
  package func sendingSettings() throws(CommandError) -> Org.State { try current(Org.self, org) }

  /// Puts addresses on a list: nothing that waits for them goes out. Returns how many were news.
  package mutating func suppress(
    _ addresses: [String], on channel: Channel, list: Suppression.List, source: String
  ) throws(CommandError) -> Int {
    var count = 0
    for address in try normalized(addresses, channel) {
      let isListed = state.isListed(address, of: channel, on: list)
      let events = try run(
        Org.self, org,
        .suppress(
          Suppression(list: list, channel: channel, source: source, address: .known(address)),
          isListed: isListed))
      count += events.count
      if list == .suppression { try skipSuppressed(.init(address, channel)) }
    }
    return count
  }

  package mutating func unsuppress(
    _ addresses: [String], on channel: Channel, list: Suppression.List, source: String
  ) throws(CommandError) -> Int {
    var count = 0
    for address in try normalized(addresses, channel) {
      let isListed = state.isListed(address, of: channel, on: list)
      count += try run(
        Org.self, org,
        .unsuppress(
          Suppression(list: list, channel: channel, source: source, address: .known(address)),
          isListed: isListed)
      ).count
    }
    return count
  }

  private func normalized(
    _ addresses: [String], _ channel: Channel
  ) throws(CommandError) -> [String] {
    var normal: Set<String> = []
    for address in addresses {
      normal.insert(
        channel == .email ? channel.key(try emailAddress(address)) : try e164(address))
    }
    return normal.sorted()
  }

  private mutating func skipSuppressed(
    _ address: DispatchQueueIndex.Address
  ) throws(CommandError) {
    for id in (state.queue.stoppable[address] ?? []).prefix(Self.sweepLimit).sorted() {
      guard var facts = try current(Message.self, id).verdict?.facts else { continue }
      facts.nowMicros = nowMicros
      facts.isSuppressed = true
      try follow(try run(Message.self, id, .revoke(verdict: Gate.judge(facts))), of: id)
    }
  }
}

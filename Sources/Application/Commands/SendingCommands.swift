import Domain

extension Workspace {
  /// The addresses on the org's lists, in no particular order. Those of the erased are not readable.
  package var suppressions: [(list: Suppression.List, channel: Channel, address: String)] {
    state.suppressed.flatMap { list, addresses in
      addresses.map { (list: list, channel: $0.channel, address: state.listed($0)) }
    }
  }

  /// The kill switch. Nothing is handed to a provider at a later position than this commit's; calls that
  /// are under way end and are recorded. What is queued waits, or is skipped.
  package mutating func haltSending(
    _ scope: HaltScope, _ mode: HaltMode = .wait, reason: String
  ) throws(CommandError) {
    let events = try run(Org.self, org, .halt(scope, mode, reason: reason, by: actor))
    guard mode == .skip, !events.isEmpty else { return }
    try skipKilled(state.queue.stoppable.values.flatMap(\.self).sorted())
  }

  /// As much as one commit takes; the rest is put on record by `sweep`.
  mutating func skipKilled(_ messages: [Identifier]) throws(CommandError) {
    for id in messages.prefix(Self.sweepLimit) {
      guard var facts = try latestFacts(of: id) else { continue }
      facts.isKilled = true
      try follow(try run(Message.self, id, .revoke(verdict: Gate.judge(facts))), of: id)
    }
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
    // What an agency asks of its clients is not what it pays itself.
    let prices = state.settings.prices.filter {
      $0.reach == .org || state.settings.kind != .agency
    }
    return Prices.priceMicros(of: resource, atMicros: nowMicros, overrides: prices)
  }

  /// What a new client of this agency begins with: what holds now, and what is announced.
  package var clientPrices: [PriceOverride] {
    let ours = state.settings.prices.filter { $0.reach == .agency }
    return Prices.Resource.allCases.flatMap { resource in
      let own = ours.filter { $0.resource == resource }
      return own.filter { $0.fromMicros <= nowMicros }.suffix(1)
        + own.filter { $0.fromMicros > nowMicros }
    }
  }

  /// A markup of this org's own, or of all clients of its agency, from `fromMicros` on; nil: from now on.
  @discardableResult
  package mutating func setMarkup(
    _ percent: Int?, on resource: Prices.Resource, fromMicros: Micros?,
    reach: PriceOverride.Reach = .org
  ) throws(CommandError) -> PriceOverride {
    let price = PriceOverride(
      resource: resource, markupPercent: percent, fromMicros: fromMicros ?? nowMicros, reach: reach)
    let announcedCount = state.settings.prices.count {
      $0.resource == resource && $0.reach == reach && $0.fromMicros > nowMicros
    }
    // The same again is no news: whoever repeats a request finishes what the first one may have left.
    let isAnnounced = state.settings.prices.contains(price) || price.fromMicros <= nowMicros
    guard isAnnounced || announcedCount < Org.announcedPriceLimit else {
      throw .invalid(
        field: "from", code: "too_many",
        message: "\(Org.announcedPriceLimit) markups of one resource are announced already.")
    }
    try run(Org.self, org, .setPrice(price, nowMicros: nowMicros))
    return price
  }

  /// What the org's agency asks of all its clients, from the moment that the agency named: prices that come
  /// late, twice or in another order end in the same book. What was charged stays as it was.
  package mutating func takeOver(_ price: PriceOverride) throws(CommandError) {
    let isSuperseded = state.settings.prices.contains {
      $0.reach == price.reach && $0.resource == price.resource
        && $0.fromMicros > price.fromMicros && $0.fromMicros <= nowMicros
    }
    guard !isSuperseded else { return }
    try run(Org.self, org, .setPrice(price, nowMicros: min(nowMicros, price.fromMicros)))
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
      try skipListed(address, channel, list)
    }
    return count
  }

  package mutating func unsuppress(
    _ addresses: [String], on channel: Channel, list: Suppression.List, source: String
  ) throws(CommandError) -> Int {
    var count = 0
    let normal = try normalized(addresses, channel)
    guard list != .suppression || !normal.contains(where: { state.isClosedByNo($0, of: channel) })
    else {
      throw .invalid(
        field: "addresses", code: "opt_in_by_person_only",
        message: "One of these addresses is on the list because its holder said no: only they "
          + "take that back.")
    }
    for address in normal {
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
    for (index, address) in addresses.enumerated() {
      do throws(CommandError) {
        normal.insert(try ContactAddresses.key(address, on: channel, tools.numbers))
      } catch {
        guard case .invalid(_, let code, let message) = error else { throw error }
        throw .invalid(field: "addresses[\(index)]", code: code, message: message)
      }
    }
    return normal.sorted()
  }

  /// What waits for an address that was listed just now.
  private mutating func skipListed(
    _ address: String, _ channel: Channel, _ list: Suppression.List
  ) throws(CommandError) {
    let isOfNumber = list == .reassignedNumber || list == .doNotCall
    let channels = isOfNumber ? channel.sharingAddress : [channel]
    for channel in channels {
      let waiting = state.queue.stoppable[.init(address, channel)] ?? []
      for id in waiting.prefix(Self.sweepLimit).sorted() { try skip(id, list) }
    }
  }

  private mutating func skip(_ id: Identifier, _ list: Suppression.List) throws(CommandError) {
    guard var facts = try latestFacts(of: id) else { return }
    switch list {
    case .suppression: facts.isSuppressed = true
    case .doNotCall: facts.isSuppressed = facts.purpose == .marketing
    case .landline: facts.numberFault = .landline
    case .reassignedNumber: facts.numberFault = .reassigned
    }
    let verdict = Gate.judge(facts)
    try follow(try run(Message.self, id, .revoke(verdict: verdict)), of: id)
  }
}

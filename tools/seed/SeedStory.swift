internal import Domain
internal import EventCodec
internal import EventLog

/// Ninety days of an org: contacts come every day, and every day a campaign goes out to some of them.
///
/// Every event is the answer of a decider to a command, judged by the gate where the product asks it;
/// the same options give the same events (their ids too), but for the key that the caller passes in.
final class SeedStory {
  private let options: SeedData.Options
  var dice: SeedDice
  let org: Identifier
  private let wallet: Identifier
  let workflow: Identifier
  /// Runs of the workflow, the one that waited longest first.
  var waiting: ArraySlice<Welcome> = []
  private var walletState = Wallet.State()
  private var people: [Person] = []
  private var commits: [Commit] = []
  private(set) var nowMicros: Micros
  private var day = 0
  private var paceMicros = 1_000_000
  private(set) var eventCount = 0
  private(set) var messageCount = 0

  static let dayCount = 90
  static let dayMicros: Int64 = 86_400_000_000
  static let ourNumber = "+15125550100"
  /// Ten in the morning, Central time.
  private static let sendingHour: Int64 = 16

  private struct Person {
    let high: UInt64
    let low: UInt64
    var hasConsent: Bool
    var hasOptedOut = false

    var id: Identifier { Identifier(.contact, UInt128(high) << 64 | UInt128(low)) }
  }

  init(_ options: SeedData.Options) {
    self.options = options
    dice = SeedDice(seed: options.seed)
    nowMicros = options.untilMicros - Int64(Self.dayCount) * Self.dayMicros
    org = dice.id(.org, atMicros: nowMicros)
    wallet = dice.id(.wallet, atMicros: nowMicros)
    workflow = dice.id(.workflow, atMicros: nowMicros)
    people.reserveCapacity(options.contactCount)
  }

  var contactCount: Int { people.count }

  func contactID(_ index: Int) -> Identifier { people[index].id }

  func noteMessage() { messageCount += 1 }

  /// The commits of what happens next; nil at the end of the story.
  func next() throws -> [Commit]? {
    guard day < Self.dayCount else { return nil }
    commits.removeAll(keepingCapacity: true)
    if people.isEmpty, day == 0 { try open() }
    try goOn()
    return commits
  }

  // MARK: Days in pieces, so that no piece is large

  private var pieces: ArraySlice<Piece> = []

  private enum Piece {
    case contacts(Range<Int>)
    case campaign(audienceCount: Int)
    case batch(Range<Int>)
    case close
  }

  private var campaign: Running?

  private struct Running {
    let id: Identifier
    var state: Campaign.State
    let audience: [Int]
    var outcome = CampaignOutcome(
      sentCount: 0, failedCount: 0, skippedCount: 0, cancelledCount: 0)
  }

  private func goOn() throws {
    if pieces.isEmpty { pieces = plan()[...] }
    guard let piece = pieces.popFirst() else { return }
    switch piece {
    case .contacts(let indexes): for index in indexes { try create(index) }
    case .campaign(let count): try launch(audienceCount: count)
    case .batch(let slots): try send(slots)
    case .close: try close()
    }
    if pieces.isEmpty { day += 1 }
  }

  private func plan() -> [Piece] {
    let first = options.contactCount * day / Self.dayCount
    let end = options.contactCount * (day + 1) / Self.dayCount
    let contacts = stride(from: first, to: end, by: 1_000).map {
      Piece.contacts($0..<min($0 + 1_000, end))
    }
    let audienceCount = min(messagesLeft / (Self.dayCount - day), end / 2)
    guard audienceCount > 0 else { return contacts.isEmpty ? [.close] : contacts }
    let batches = stride(from: 0, to: audienceCount, by: 250).map {
      Piece.batch($0..<min($0 + 250, audienceCount))
    }
    return contacts + [.campaign(audienceCount: audienceCount)] + batches + [.close]
  }

  /// As many as fill what the contacts that are still to come leave of the events.
  private var messagesLeft: Int {
    let contactsLeft = options.contactCount - people.count
    let left = options.eventCount - eventCount - contactsLeft * 36 / 10
    return max(0, left * 100 / 960)
  }

  // MARK: Committing

  func commit(
    _ events: [(Identifier, DomainEvent)], by actor: String, origin: String, cause: String
  ) {
    eventCount += events.count
    commits.append(
      Commit(
        org: OrgID(org.value),
        events: events.map { EventCodec.encode($1, stream: $0, org: org) },
        context: CommitContext(
          actor: actor, origin: origin, correlation: cause, occurredAtMicros: nowMicros)))
  }

  func wallet(_ command: Wallet.Command) throws -> [(Identifier, DomainEvent)] {
    let events = try Wallet.decide(command, given: walletState)
    for event in events { walletState.apply(event) }
    return events.map { (wallet, .wallet($0)) }
  }

  /// Between two things that happen to one message.
  func pace() { nowMicros += Int64(1 + dice.below(paceMicros)) }

  private func advance(bySeconds seconds: Int) {
    nowMicros += Int64(1 + dice.below(max(1, seconds * 1_000_000)))
  }
}

// MARK: - The beginning

extension SeedStory {
  private func open() throws {
    let created = try Org.decide(
      .create(
        name: "Seeded \(options.seed)", kind: .direct, agency: nil, timeZone: "America/Chicago",
        isTest: true, clockOffsetMicros: 0), given: Org.initialState)
    commit(
      created.map { (org, .org($0)) } + (try wallet(.open)), by: "operator", origin: "cli",
      cause: "seed")
    let key = dice.id(.apiKey, atMicros: nowMicros)
    let keyed = try APIKey.decide(
      .create(name: "First key", secretHash: options.keyHash, scopes: ["*"]),
      given: APIKey.initialState)
    commit(keyed.map { (key, .apiKey($0)) }, by: "operator", origin: "cli", cause: "seed")
    let funded = try wallet(
      .fund(amountMicros: 900_000_000_000, paymentID: "seed-1", method: "card"))
    commit(funded, by: "operator", origin: "cli", cause: "seed")
    try publishWelcome()
    for (name, filter) in Self.segments {
      let events = try Segment.decide(
        .create(name: name, filter: filter), given: Segment.initialState)
      let id = dice.id(.segment, atMicros: nowMicros)
      commit(events.map { (id, .segment($0)) }, by: "operator", origin: "cli", cause: "seed")
      advance(bySeconds: 2)
    }
  }

  /// The names of what `daybook bench` measures too.
  static let segments: [(name: String, filter: Filter)] = [
    (
      "Three conditions",
      .all([
        condition("consent.sms", .equals, "opted_in"), condition("tags", .contains, "vip"),
        condition("custom.city", .equals, "Austin"),
      ])
    ),
    ("May be texted", condition("consent.sms", .equals, "opted_in")),
    ("New this week", condition("created_at", .inLast, "7d")),
    (
      "Wrote twice in a month",
      .happened(
        Filter.Happened(kind: .messageReceived, count: 2, window: Filter.Duration("30d")))
    ),
    (
      "Reached and silent",
      .all([
        .happened(
          Filter.Happened(kind: .messageDelivered, count: 1, window: Filter.Duration("30d"))),
        .not(.happened(Filter.Happened(kind: .messageReceived))),
      ])
    ),
  ]

  private static func condition(
    _ field: String, _ comparison: Filter.Condition.Operator, _ value: String
  ) -> Filter {
    .condition(Filter.Condition(field: field, comparison: comparison, value: .text(value)))
  }
}

// MARK: - Contacts

extension SeedStory {
  private func create(_ index: Int) throws {
    advance(bySeconds: 28_800 * Self.dayCount / max(1, options.contactCount))
    let details = SeedPeople.details(index, dice: &dice, atMicros: nowMicros)
    let tags = (0..<dice.below(3)).map { _ in SeedPeople.tags[dice.below(SeedPeople.tags.count)] }
    let hasConsent = dice.below(10) < 7
    let consent = Consent(
      channel: .sms, purpose: .marketing, method: .webForm, source: "form-1",
      grantedAtMicros: nowMicros,
      evidence: .known(
        ConsentEvidence(
          address: SeedPeople.phone(index), wording: "Text me offers. Reply STOP to end.")))
    let events = try Contact.decide(
      .create(details, source: "form", tags: tags, consents: hasConsent ? [consent] : []),
      given: Contact.initialState)
    let id = dice.id(.contact, atMicros: nowMicros)
    people.append(
      Person(
        high: UInt64(truncatingIfNeeded: id.value >> 64),
        low: UInt64(truncatingIfNeeded: id.value), hasConsent: hasConsent))
    commit(events.map { (id, .contact($0)) }, by: "key:form", origin: "api", cause: "form-\(index)")
    try welcome(index)
    try endWelcomes()
  }

  func tag(_ index: Int, _ tag: String, cause: String) throws {
    commit(
      [(people[index].id, .contact(.tagged(tag: tag)))], by: "system:workflows", origin: "reactor",
      cause: cause)
  }
}

// MARK: - Campaigns

extension SeedStory {
  private var today: Micros {
    options.untilMicros - Int64(Self.dayCount - day) * Self.dayMicros
  }

  private func launch(audienceCount: Int) throws {
    nowMicros = max(nowMicros, today + Self.sendingHour * 3_600_000_000)
    // Whatever the size of the audience, the day's texts go out before the evening.
    paceMicros = max(1, min(1_000_000, 28_800_000_000 / (audienceCount * 4)))
    let id = dice.id(.campaign, atMicros: nowMicros)
    let segment = Self.segments[1]
    let stride = max(1, people.count / audienceCount)
    let start = dice.below(people.count)
    let audience = Set((0..<audienceCount).map { (start + $0 * stride) % people.count }).sorted()
    var running = Running(id: id, state: Campaign.State(), audience: audience)
    let commands: [Campaign.Command] = [
      .create(
        CampaignDefinition(
          name: "Day \(day + 1)", segment: dice.id(.segment, atMicros: today), channel: .sms,
          purpose: .marketing, body: "Hi {{first_name}}, doors open at nine.")),
      .launch(filter: segment.filter, audience: audience.map { people[$0].id }, batchSize: 250),
    ]
    for command in commands {
      let events = try Campaign.decide(command, given: running.state)
      for event in events { running.state = Campaign.evolve(running.state, with: event) }
      for start in Swift.stride(from: 0, to: events.count, by: 50) {
        commit(
          events[start..<min(start + 50, events.count)].map { (id, .campaign($0)) },
          by: "user:seed", origin: "console", cause: "campaign-\(day)")
      }
      advance(bySeconds: 5)
    }
    campaign = running
  }

  private func send(_ slots: Range<Int>) throws {
    guard let running = campaign else { return }
    for slot in slots where slot < running.audience.count {
      try text(running.audience[slot], for: running.id)
      try attend(running.audience[slot])
    }
    try decide(.markBatchPlanned(ordinal: slots.lowerBound / 250))
  }

  private func close() throws {
    guard let running = campaign else { return }
    for ordinal in running.state.openBatches.keys.sorted() {
      try decide(.markBatchPlanned(ordinal: ordinal))
    }
    try decide(.complete(running.outcome))
    campaign = nil
  }

  private func decide(_ command: Campaign.Command) throws {
    guard var running = campaign else { return }
    let events = try Campaign.decide(command, given: running.state)
    for event in events { running.state = Campaign.evolve(running.state, with: event) }
    campaign = running
    guard !events.isEmpty else { return }
    commit(
      events.map { (running.id, .campaign($0)) }, by: "system:campaigns", origin: "reactor",
      cause: "campaign-\(day)")
  }
}

// MARK: - Messages

extension SeedStory {
  private func text(_ index: Int, for campaignID: Identifier) throws {
    pace()
    messageCount += 1
    let id = dice.id(.message, atMicros: nowMicros)
    let body = "Hi \(SeedPeople.firstName(index)), doors open at nine."
    let priceMicros = Prices.priceMicros(of: .smsOutbound, atMicros: nowMicros)
    let verdict = Gate.judge(
      facts(of: index, channel: .sms, purpose: .marketing, priceMicros: priceMicros))
    let plan = MessagePlan(
      contact: people[index].id, channel: .sms, purpose: .marketing, from: Self.ourNumber,
      content: .known(MessageContent(address: SeedPeople.phone(index), body: body)),
      segmentCount: 1, encoding: SMSSegments.Encoding.gsm7.rawValue, campaign: campaignID)
    var message = Message.State()
    let planned = try take(
      .plan(plan, verdict: verdict, priceMicros: priceMicros), id, &message)
    guard verdict.isAllowed else {
      campaign?.outcome.skippedCount += 1
      return commit(planned, by: "system:campaigns", origin: "reactor", cause: "campaign-\(day)")
    }
    let held = try wallet(.hold(message: id, amountMicros: priceMicros))
    commit(planned + held, by: "system:campaigns", origin: "reactor", cause: "campaign-\(day)")
    try deliver(id, &message, verdict, priceMicros)
    if message.status == .failed {
      campaign?.outcome.failedCount += 1
    } else {
      campaign?.outcome.sentCount += 1
      try answer(index)
    }
  }

  func take(
    _ command: Message.Command, _ id: Identifier, _ message: inout Message.State
  ) throws -> [(Identifier, DomainEvent)] {
    let events = try Message.decide(command, given: message)
    for event in events { message = Message.evolve(message, with: event) }
    return events.map { (id, .message($0)) }
  }

  private func deliver(
    _ id: Identifier, _ message: inout Message.State, _ verdict: Verdict, _ priceMicros: Int64
  ) throws {
    let providerID = "SM" + String(dice.next(), radix: 16)
    let cause = "campaign-\(day)"
    commit(
      try take(.dispatch(verdict: verdict), id, &message), by: "system:dispatcher",
      origin: "reactor", cause: cause)
    let charge = Charge(
      amountMicros: priceMicros, resourceType: "sms", resourceID: providerID,
      description: "SMS, segments: 1")
    let accepted = try take(
      .recordOutcome(.accepted(providerID: providerID), atMicros: nowMicros), id, &message)
    commit(
      accepted + (try wallet(.settle(message: id, charge: charge))), by: "system:dispatcher",
      origin: "reactor", cause: cause)
    let fate = dice.below(100)
    let kinds: [ProviderStatus.Kind] =
      fate < 3 ? [.failed] : (fate < 6 ? [.sent] : [.sent, .delivered])
    for kind in kinds {
      pace()
      let news = ProviderStatus(
        kind: kind, providerID: providerID, errorCode: kind == .failed ? "30003" : nil,
        atMicros: nowMicros)
      commit(
        try take(.recordProviderStatus(news), id, &message), by: "provider:twilio",
        origin: "webhook", cause: providerID)
    }
  }

  /// Some write back, a few of them STOP.
  private func answer(_ index: Int) throws {
    let luck = dice.below(100)
    guard luck < 8 else { return }
    pace()
    let id = dice.id(.message, atMicros: nowMicros)
    let isStop = luck == 0
    let providerID = "SM" + String(dice.next(), radix: 16)
    var message = Message.State()
    let inbound = InboundMessage(
      contact: people[index].id, channel: .sms, to: Self.ourNumber, providerID: providerID,
      keyword: isStop ? .optOut : nil,
      content: .known(
        MessageContent(
          address: SeedPeople.phone(index), body: isStop ? "STOP" : "Thanks, see you!")))
    var events = try take(.receive(inbound), id, &message)
    if isStop {
      people[index].hasOptedOut = true
      let optOut = OptOut(
        channel: .sms, method: .keyword, message: id, address: .known(SeedPeople.phone(index)))
      events.append((people[index].id, .contact(.optedOut(optOut))))
    }
    events += try wallet(
      .debit(
        Charge(
          amountMicros: Prices.priceMicros(of: .smsInbound, atMicros: nowMicros),
          resourceType: "sms_inbound", resourceID: providerID,
          description: "SMS received, segments: 1")))
    commit(events, by: "provider:twilio", origin: "webhook", cause: providerID)
  }

  func facts(
    of index: Int, channel: Channel, purpose: Purpose, priceMicros: Int64
  ) -> GateFacts {
    let person = people[index]
    let minute = Int((nowMicros / 60_000_000 - 360) % 1_440)
    let isText = channel == .sms
    let consent: GateFacts.Consent =
      !isText ? .none : person.hasOptedOut ? .optedOut : (person.hasConsent ? .optedIn : .none)
    return GateFacts(
      nowMicros: nowMicros, channel: channel, purpose: purpose, hasAddress: true,
      accountStatus: "active", consent: consent,
      consentPurpose: consent == .optedIn ? .marketing : nil,
      isAddressOptedOut: isText && person.hasOptedOut, isReply: false,
      zones: [
        ZoneTime(
          zone: "America/Chicago", minuteOfDay: minute, nextOpenMicros: today + 50_400_000_000)
      ],
      priceMicros: priceMicros, walletAvailableMicros: walletState.availableMicros)
  }
}

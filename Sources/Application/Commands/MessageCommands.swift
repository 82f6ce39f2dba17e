import Domain

/// A text to one contact, as callers ask for it.
package struct MessageRequest: Sendable, Equatable {
  package var contact: Identifier
  package var body: String
  package var purpose: Purpose
  package var campaign: Identifier?
  package var run: Identifier?
  package var step: String?

  package init(
    contact: Identifier, body: String, purpose: Purpose, campaign: Identifier? = nil,
    run: Identifier? = nil, step: String? = nil
  ) {
    self.contact = contact
    self.body = body
    self.purpose = purpose
    self.campaign = campaign
    self.run = run
    self.step = step
  }
}

/// What the gate made of it.
package struct PlannedMessage: Sendable, Equatable {
  package let id: Identifier
  package let plan: MessagePlan
  package let verdict: Verdict
  package let priceMicros: Int64
}

extension Workspace {
  /// Plans a text: renders it, prices it, asks the gate and holds the price, in this one commit.
  package mutating func planMessage(
    _ request: MessageRequest
  ) throws(CommandError) -> PlannedMessage {
    let contact = try contact(request.contact)
    let plan = try plan(request, body: try rendered(request, for: contact), contact)
    let priceMicros = price(of: plan)
    let verdict = Gate.judge(facts(for: plan, contact, priceMicros: priceMicros))
    return try keep(plan, verdict: verdict, priceMicros: priceMicros)
  }

  /// What `planMessage` would decide; nothing is kept.
  package func previewMessage(
    _ request: MessageRequest
  ) throws(CommandError) -> PlannedMessage {
    var copy = self
    return try copy.planMessage(request)
  }

  /// Every recipient of a campaign or run gets a message on record, also one whose text cannot be
  /// made: because a merge field has no value, or because of the text itself.
  @discardableResult
  mutating func planOrSkip(_ request: MessageRequest) throws(CommandError) -> PlannedMessage {
    do {
      return try planMessage(request)
    } catch .missingField {
      return try skip(request, .missingField)
    } catch .invalid(field: "body", _, _) {
      return try skip(request, .templateError)
    }
  }

  private mutating func skip(
    _ request: MessageRequest, _ reason: GateReason
  ) throws(CommandError) -> PlannedMessage {
    let contact = try contact(request.contact)
    let plan = try plan(request, body: request.body, contact)
    let verdict = Verdict(
      outcome: .refused(reason), ruleSet: Gate.ruleSet(at: nowMicros).version,
      facts: facts(for: plan, contact, priceMicros: 0))
    return try keep(plan, verdict: verdict, priceMicros: 0)
  }

  private func plan(
    _ request: MessageRequest, body: String, _ contact: Contact.State
  ) throws(CommandError) -> MessagePlan {
    guard let sms = state.settings.sms else { throw .smsNotConfigured }
    let size = SMSSegments.count(body)
    return MessagePlan(
      contact: request.contact, channel: .sms, purpose: request.purpose, from: sms.from,
      content: .known(MessageContent(address: contact.details.phone ?? "", body: body)),
      segmentCount: size.segmentCount, encoding: size.encoding.rawValue,
      campaign: request.campaign, run: request.run, step: request.step)
  }

  private mutating func keep(
    _ plan: MessagePlan, verdict: Verdict, priceMicros: Int64
  ) throws(CommandError) -> PlannedMessage {
    let id = newID(.message)
    let events = try run(
      Message.self, id, .plan(plan, verdict: verdict, priceMicros: priceMicros), isNew: true)
    try follow(events, of: id)
    return PlannedMessage(id: id, plan: plan, verdict: verdict, priceMicros: priceMicros)
  }

  private func price(of plan: MessagePlan) -> Int64 {
    Int64(plan.segmentCount) * Prices.priceMicros(of: .smsOutbound, atMicros: nowMicros)
  }

  private func rendered(
    _ request: MessageRequest, for contact: Contact.State
  ) throws(CommandError) -> String {
    let body: String
    do {
      body = try MergeFields.render(request.body, for: contact.details)
    } catch {
      switch error {
      case .missingValue(let field): throw .missingField(field)
      case .malformed(let reason):
        throw .invalid(field: "body", code: "invalid_merge_field", message: reason)
      }
    }
    guard !body.trimmingBlanks().isEmpty else {
      throw .invalid(field: "body", code: "empty_body", message: "The text has nothing to say.")
    }
    guard request.purpose == .marketing, !OptOutNotice.isIn(body) else { return body }
    // Every marketing text says how to end it (CNS-07).
    return body + " Reply STOP to opt out."
  }
}

// MARK: - Facts

extension Workspace {
  /// The facts of this moment. `reservedMicros` is what the wallet already holds for this message.
  private func facts(
    for plan: MessagePlan, _ contact: Contact.State, priceMicros: Int64,
    reservedMicros: Int64 = 0
  ) -> GateFacts {
    let address = plan.content.value?.address ?? ""
    var consent = GateFacts.Consent.none
    var purpose: Purpose?
    switch contact.consents[plan.channel] {
    case .optedIn(let given, _):
      consent = .optedIn
      purpose = given
    case .optedOut: consent = .optedOut
    case nil: break
    }
    if consent != .optedOut, contact.suspectedOptOuts.contains(plan.channel) {
      consent = .suspected
      purpose = nil
    }
    return GateFacts(
      nowMicros: nowMicros, channel: plan.channel, purpose: plan.purpose,
      hasAddress: !address.isEmpty, accountStatus: state.settings.status.rawValue,
      consent: consent, consentPurpose: purpose,
      isAddressOptedOut: state.hasOptedOut(address, of: plan.channel),
      isReply: isReply(plan), zones: zoneTimes(of: address),
      priceMicros: priceMicros, walletAvailableMicros: walletAvailableMicros + reservedMicros)
  }

  /// An answer to the person's own message. Advertising is none, whoever wrote last.
  private func isReply(_ plan: MessagePlan) -> Bool {
    guard plan.purpose == .transactional, plan.campaign == nil,
      let last = state.lastInboundMicros[plan.contact]
    else { return false }
    return nowMicros - last < 24 * 3_600 * 1_000_000
  }

  private func zoneTimes(of address: String) -> [ZoneTime] {
    let opensAtMinute = Gate.ruleSet(at: nowMicros).windowStartMinute
    return tools.numbers.zones(of: address).compactMap {
      tools.zones.time(in: $0, atMicros: nowMicros, opensAtMinute: opensAtMinute)
    }
  }
}

// MARK: - A planned message's way

extension Workspace {
  /// The wallet's and the clock's part of what a message's events say.
  mutating func follow(_ events: [Message.Event], of id: Identifier) throws(CommandError) {
    for event in events {
      switch event {
      case .queued(_, let priceMicros):
        try runWallet(.hold(message: id, amountMicros: priceMicros))
      case .held(_, let untilMicros, _):
        try runWallet(.release(message: id))
        try run(
          Timer.self, newID(.timer), .schedule(owner: id, dueMicros: untilMicros), isNew: true)
      case .skipped, .cancelled:
        try runWallet(.release(message: id))
      case .planned, .dispatched, .accepted, .retryScheduled, .unknown, .sent, .delivered,
        .failed, .received:
        break
      }
    }
  }

  /// The gate's last look at queued messages, before the provider is called. Those that it lets
  /// through are `dispatched` and must be sent as soon as this is on disk.
  mutating func dispatch(_ ids: [Identifier]) throws(CommandError) -> [Identifier] {
    var dispatched: [Identifier] = []
    for id in ids {
      let message = try current(Message.self, id)
      guard message.status == .queued, let plan = message.plan else { continue }
      let verdict = Gate.judge(
        facts(
          for: plan, try current(Contact.self, plan.contact), priceMicros: message.priceMicros,
          reservedMicros: message.priceMicros))
      try follow(try run(Message.self, id, .dispatch(verdict: verdict)), of: id)
      if verdict.isAllowed { dispatched.append(id) }
    }
    return dispatched
  }

  /// Judges a held message again: its timer fired.
  mutating func release(_ id: Identifier) throws(CommandError) {
    let message = try current(Message.self, id)
    guard message.status == .held, let plan = message.plan else { return }
    let priceMicros = price(of: plan)
    let verdict = Gate.judge(
      facts(for: plan, try current(Contact.self, plan.contact), priceMicros: priceMicros))
    try follow(
      try run(Message.self, id, .release(verdict: verdict, priceMicros: priceMicros)), of: id)
  }

  package mutating func cancelMessage(_ id: Identifier) throws(CommandError) {
    guard try current(Message.self, id).status != nil else { throw .notFound(id) }
    try follow(try run(Message.self, id, .cancel(by: actor)), of: id)
  }

  /// What a call to the provider came to. `isOptOut`: the provider refused because the person had
  /// opted out there, which counts here too.
  mutating func record(
    _ outcome: DispatchOutcome, for id: Identifier, isOptOut: Bool
  ) throws(CommandError) {
    let before = try current(Message.self, id)
    let events = try run(Message.self, id, .recordOutcome(outcome, atMicros: nowMicros))
    try settle(events, of: id, before: before)
    guard isOptOut, let address = before.plan?.content.value?.address else { return }
    try optOut(address: address, channel: .sms, method: .provider, message: nil)
  }

  /// News about a message by callback or by looking it up. Repeated and late ones change nothing.
  package mutating func record(
    _ news: ProviderStatus, for id: Identifier
  ) throws(CommandError) {
    let before = try current(Message.self, id)
    guard before.plan != nil else { throw .notFound(id) }
    let events = try run(Message.self, id, .recordProviderStatus(news))
    try settle(events, of: id, before: before)
  }

  /// Charges once a message is on its way, gives back what was not used.
  private mutating func settle(
    _ events: [Message.Event], of id: Identifier, before: Message.State
  ) throws(CommandError) {
    var message = before
    for event in events {
      let wasCharged = message.status?.isCharged == true
      message = Message.evolve(message, with: event)
      let charge = Charge(
        amountMicros: message.priceMicros, resourceType: "sms",
        resourceID: message.providerID ?? id.text,
        description: "SMS, segments: \(message.plan?.segmentCount ?? 1)")
      switch message.status {
      case .sent where !wasCharged, .delivered where !wasCharged:
        try runWallet(.settle(message: id, charge: charge))
      case .failed where wasCharged:
        try runWallet(.refund(message: id, charge: charge))
      case .failed:
        try runWallet(.release(message: id))
      case .planned, .held, .queued, .dispatched, .accepted, .sent, .delivered, .skipped,
        .cancelled, .unknown, .received, nil:
        break
      }
    }
  }
}

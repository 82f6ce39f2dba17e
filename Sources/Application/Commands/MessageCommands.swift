import Domain

/// A message to one contact, as callers ask for it.
package struct MessageRequest: Sendable, Equatable {
  package var contact: Identifier
  package var body: String
  package var purpose: Purpose
  package var campaign: Identifier?
  package var run: Identifier?
  package var step: String?
  package var channel: Channel
  /// Of an email.
  package var subject: String?
  package var html: String?
  /// Of a text or a call.
  package var media: [String] = []
  /// Of a call.
  package var voicemail: String?
  package var voice: VoicePlan?
  package var template: TemplateUse?
  /// Not before this moment of the org's clock.
  package var sendAtMicros: Micros?
  /// From this moment of the org's clock on nobody wants it any more.
  package var expiresAtMicros: Micros?

  package init(
    contact: Identifier, body: String, purpose: Purpose, campaign: Identifier? = nil,
    run: Identifier? = nil, step: String? = nil, channel: Channel = .sms
  ) {
    self.contact = contact
    self.body = body
    self.purpose = purpose
    self.campaign = campaign
    self.run = run
    self.step = step
    self.channel = channel
  }
}

extension MessageRequest {
  /// How far ahead a message may be scheduled: a year.
  private static let scheduleLimitMicros: Int64 = 366 * 86_400_000_000

  /// Everything for which its times are refused.
  package static func faults(
    sendAtMicros: Micros?, expiresAtMicros: Micros?, nowMicros: Micros
  ) -> [CommandError] {
    var faults: [CommandError] = []
    if let sendAtMicros, sendAtMicros - nowMicros > scheduleLimitMicros {
      faults.append(
        .invalid(
          field: "send_at", code: "out_of_range", message: "send_at is a year ahead at most."))
    }
    if let expiresAtMicros, expiresAtMicros <= max(nowMicros, sendAtMicros ?? nowMicros) {
      faults.append(
        .invalid(
          field: "expires_at", code: "out_of_range",
          message: "expires_at lies ahead, and after send_at."))
    }
    return faults
  }

  /// Everything for which words of its own are refused, `texts` by their fields, whoever gets them.
  package static func faults(in texts: [(field: String, text: String)]) -> [CommandError] {
    texts.compactMap { field, text -> CommandError? in
      if text.isBlank {
        return field == "subject" ? EmailComposing.subjectMissing : EmailComposing.empty(field)
      }
      do throws(MergeFieldError) {
        _ = try MergeFields.fields(of: text)
        return nil
      } catch {
        // Nobody is named whose value could be missing.
        guard case .malformed(let reason) = error else { return nil }
        return EmailComposing.malformed(field, reason)
      }
    }
  }
}

/// What the gate made of it.
package struct PlannedMessage: Sendable, Equatable {
  package let id: Identifier
  package let plan: MessagePlan
  package let verdict: Verdict
  package let priceMicros: Int64
  /// When it will be judged, where somebody asked for later: `verdict` is that of now.
  package var scheduledForMicros: Micros?
}

extension Workspace {
  /// Plans a message: renders it, prices it, asks the gate and holds the price, in this one commit.
  package mutating func planMessage(
    _ request: MessageRequest
  ) throws(CommandError) -> PlannedMessage {
    let request = try resolved(request)
    let faults = MessageRequest.faults(
      sendAtMicros: request.sendAtMicros, expiresAtMicros: request.expiresAtMicros,
      nowMicros: nowMicros)
    if let fault = faults.first { throw fault }
    let contact = try contact(request.contact)
    guard !contact.isErased else { throw .contact(.erased) }
    let plan = try plan(request, try content(of: request, for: contact))
    let priceMicros = price(of: plan)
    let verdict = Gate.judge(facts(for: plan, contact, priceMicros: priceMicros))
    if let sendAtMicros = plan.sendAtMicros, sendAtMicros > nowMicros, !verdict.outcome.isForGood {
      return try schedule(plan, atMicros: sendAtMicros, verdict: verdict, priceMicros: priceMicros)
    }
    return try keep(plan, verdict: verdict, priceMicros: priceMicros)
  }

  /// Judged when its moment has come; `verdict` says what would become of it now.
  private mutating func schedule(
    _ plan: MessagePlan, atMicros: Micros, verdict: Verdict, priceMicros: Int64
  ) throws(CommandError) -> PlannedMessage {
    let id = newID(.message)
    try run(Message.self, id, .schedule(plan), isNew: true)
    try run(Timer.self, newID(.timer), .schedule(owner: id, dueMicros: atMicros), isNew: true)
    return PlannedMessage(
      id: id, plan: plan, verdict: verdict, priceMicros: priceMicros, scheduledForMicros: atMicros)
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
    } catch .invalid(let field, _, _)
      where ["body", "subject", "html", "voicemail"].contains(field)
    {
      return try skip(request, .templateError)
    } catch .contact(.erased) {
      return try skip(request, .noAddress)
    }
  }

  private mutating func skip(
    _ request: MessageRequest, _ reason: GateReason
  ) throws(CommandError) -> PlannedMessage {
    let contact = try contact(request.contact)
    var plan = try plan(
      request,
      MessageContent(
        address: contact.details.address(on: request.channel) ?? "", body: request.body,
        subject: request.subject, html: request.html))
    // Nothing is sealed any more under a key that is destroyed.
    if contact.isErased { plan.content = .erased }
    let verdict = Verdict(
      outcome: .refused(reason), ruleSet: Gate.ruleSet(at: nowMicros).version,
      facts: facts(for: plan, contact, priceMicros: 0))
    return try keep(plan, verdict: verdict, priceMicros: 0)
  }

  private func plan(
    _ request: MessageRequest, _ content: MessageContent
  ) throws(CommandError) -> MessagePlan {
    // Only texts are sent in segments; anything else is one.
    let size = SMSSegments.count(content.body)
    let isText = request.channel == .sms && content.media.isEmpty
    return MessagePlan(
      contact: request.contact, channel: request.channel, purpose: request.purpose,
      from: try sender(on: request.channel), content: .known(content),
      segmentCount: isText ? size.segmentCount : 1,
      encoding: request.channel == .sms ? size.encoding.rawValue : "utf8",
      campaign: request.campaign, run: request.run, step: request.step, voice: request.voice,
      template: request.template, sendAtMicros: request.sendAtMicros,
      expiresAtMicros: expiry(of: request))
  }

  /// What the caller asked for, or the org's own rule, whichever comes first.
  private func expiry(of request: MessageRequest) -> Micros? {
    let plannedMicros = max(nowMicros, request.sendAtMicros ?? nowMicros)
    let byRule = state.settings.sendingRules.maxAgeHours.map {
      plannedMicros + Int64($0) * 3_600_000_000
    }
    return [request.expiresAtMicros, byRule].compactMap(\.self).min()
  }

  /// Our own number or address.
  func sender(on channel: Channel) throws(CommandError) -> String {
    switch channel {
    case .sms, .voice:
      guard let sms = state.settings.sms else { throw .smsNotConfigured }
      return sms.from
    case .email:
      guard let from = state.settings.providers[.email]?.options["from"] else {
        throw .providerNotConfigured(.email)
      }
      return from
    }
  }

  private mutating func keep(
    _ plan: MessagePlan, verdict: Verdict, priceMicros: Int64
  ) throws(CommandError) -> PlannedMessage {
    let id = newID(.message)
    let events = try run(
      Message.self, id, .plan(plan, verdict: verdict, priceMicros: priceMicros), isNew: true)
    try follow(events, of: id)
    plannedByteCount += plan.content.value?.byteCount ?? 0
    return PlannedMessage(id: id, plan: plan, verdict: verdict, priceMicros: priceMicros)
  }

  func price(of plan: MessagePlan) -> Int64 {
    let (resource, count) = plan.billed
    return Int64(count) * priceMicros(of: resource)
  }

  private func content(
    of request: MessageRequest, for contact: Contact.State
  ) throws(CommandError) -> MessageContent {
    let address = contact.details.address(on: request.channel) ?? ""
    switch request.channel {
    case .sms:
      return MessageContent(
        address: address, body: try text(of: request, for: contact), media: request.media)
    case .voice:
      return try script(of: request, address, for: contact.details)
    case .email:
      let composing = EmailComposing(
        orgName: state.settings.name, postalAddress: state.settings.postalAddress,
        advertisementNotice: state.settings.sendingRules.advertisementNotice)
      return try composing.content(request, address: address, for: contact.details)
    }
  }

  private func text(
    of request: MessageRequest, for contact: Contact.State
  ) throws(CommandError) -> String {
    // A picture needs no words, unless it advertises.
    if request.body.isEmpty, !request.media.isEmpty, request.purpose == .transactional { return "" }
    let body = try EmailComposing.rendered(request.body, "body", contact.details)
    guard request.purpose == .marketing, !OptOutNotice.isIn(body) else { return body }
    // Every marketing text says how to end it (CNS-07).
    return body + " Reply STOP to opt out."
  }

  private func script(
    of request: MessageRequest, _ address: String, for details: ContactDetails
  ) throws(CommandError) -> MessageContent {
    var content = MessageContent(address: address, body: "", media: request.media)
    if request.media.isEmpty || !request.body.isEmpty {
      content.body = try EmailComposing.rendered(request.body, "body", details)
    }
    if let voicemail = request.voicemail {
      content.voicemail = try EmailComposing.rendered(voicemail, "voicemail", details)
    }
    return content
  }
}

extension MessagePlan {
  /// What is billed, and how many of it at most.
  var billed: (resource: Prices.Resource, count: Int) {
    switch channel {
    case .sms: content.value?.media.isEmpty == false ? (.mms, 1) : (.smsOutbound, segmentCount)
    case .voice: (.voice, voice?.maxMinutes ?? 1)
    case .email: (.email, 1)
    }
  }
}

extension Verdict.Outcome {
  /// Refused for what neither time nor credit cures.
  fileprivate var isForGood: Bool {
    if case .refused(let reason) = self { reason != .insufficientFunds } else { false }
  }
}

extension ContactDetails {
  /// Where the person is reached.
  func address(on channel: Channel) -> String? {
    switch channel {
    case .sms, .voice: phone
    case .email: email
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
        .failed, .received, .callEnded, .opened, .clicked, .complained:
        break
      }
    }
  }

  /// The gate's last look at queued messages, before the provider is called. Those that it lets
  /// through are `dispatched` and must be sent as soon as this is on disk.
  mutating func dispatch(_ ids: [Identifier]) throws(CommandError) -> [Identifier] {
    var dispatched: [Identifier] = []
    // What is halted waits in the queue: whoever took it puts it back.
    guard state.settings.halts.isEmpty else { return [] }
    for id in ids {
      let message = try current(Message.self, id)
      guard message.status == .queued, let plan = message.plan else { continue }
      switch try campaignStatus(of: plan) {
      case .paused: continue
      case .cancelled:
        try follow(try run(Message.self, id, .cancel(by: actor)), of: id)
        continue
      case .draft, .running, .completed, nil: break
      }
      let contact = try current(Contact.self, plan.contact)
      guard !contact.isErased else {
        try follow(try run(Message.self, id, .cancel(by: actor)), of: id)
        continue
      }
      let verdict = Gate.judge(
        facts(for: plan, contact, priceMicros: message.priceMicros, held: message, id: id))
      try follow(try run(Message.self, id, .dispatch(verdict: verdict)), of: id)
      if verdict.isAllowed { dispatched.append(id) }
    }
    return dispatched
  }

  /// Judges a held message again: its timer fired.
  mutating func release(_ id: Identifier) throws(CommandError) {
    let message = try current(Message.self, id)
    guard message.status == .held || message.status == .planned, let plan = message.plan else {
      return
    }
    if try campaignStatus(of: plan) == .cancelled {
      return try follow(try run(Message.self, id, .cancel(by: actor)), of: id)
    }
    let contact = try current(Contact.self, plan.contact)
    guard !contact.isErased else {
      return try follow(try run(Message.self, id, .cancel(by: actor)), of: id)
    }
    let priceMicros = price(of: plan)
    let verdict = Gate.judge(facts(for: plan, contact, priceMicros: priceMicros, id: id))
    try follow(
      try run(Message.self, id, .release(verdict: verdict, priceMicros: priceMicros)), of: id)
  }

  private func campaignStatus(of plan: MessagePlan) throws(CommandError) -> Campaign.Status? {
    guard let campaign = plan.campaign else { return nil }
    return try current(Campaign.self, campaign).status
  }

  package mutating func cancelMessage(_ id: Identifier) throws(CommandError) {
    guard try current(Message.self, id).status != nil else { throw .notFound(id) }
    try follow(try run(Message.self, id, .cancel(by: actor)), of: id)
  }

  /// What a call to the provider came to. Of an attempt that is not the last one any more it changes nothing.
  mutating func record(
    _ outcome: DispatchOutcome, for id: Identifier, ofAttempt attempt: Int? = nil,
    news: AddressNews? = nil
  ) throws(CommandError) {
    let before = try current(Message.self, id)
    if let attempt, attempt != before.attempt { return }
    let events = try run(Message.self, id, .recordOutcome(outcome, atMicros: nowMicros))
    try settle(events, of: id, before: before)
    if let news, let plan = before.plan { try note(news, of: plan) }
  }

  /// Nothing more goes to an address of which the provider says that it is of no use.
  private mutating func note(
    _ news: AddressNews, of plan: MessagePlan
  ) throws(CommandError) {
    guard let address = plan.content.value?.address else { return }
    switch news {
    case .optedOut:
      try optOut(
        address: address, channel: plan.channel, method: .provider, message: nil,
        recipients: [plan.contact])
    case .landline:
      guard plan.channel == .sms, tools.numbers.e164(address) != nil else { return }
      _ = try suppress([address], on: .sms, list: .landline, source: "provider")
    case .unreachable:
      guard plan.channel == .sms, tools.numbers.e164(address) != nil else { return }
      _ = try suppress([address], on: .sms, list: .suppression, source: "provider:unreachable")
    }
  }

  /// News about a message by callback or by looking it up. Repeated and late ones change nothing.
  package mutating func record(
    _ news: ProviderStatus, for id: Identifier
  ) throws(CommandError) {
    let before = try current(Message.self, id)
    guard before.plan != nil else { throw .notFound(id) }
    let events = try run(Message.self, id, .recordProviderStatus(news))
    try settle(events, of: id, before: before)
    // Once: whoever says yes afterwards is not taken off by the same news told again.
    let isNew = events.contains { if case .failed = $0 { true } else { false } }
    if isNew, let address = news.address, let plan = before.plan { try note(address, of: plan) }
  }

  /// A call is over. Its minutes are charged, and what was held for more is given back.
  package mutating func record(
    _ result: CallResult, providerID: String, for id: Identifier
  ) throws(CommandError) {
    let before = try current(Message.self, id)
    guard let plan = before.plan else { throw .notFound(id) }
    guard plan.channel == .voice else { return }
    let events = try run(
      Message.self, id, .recordCall(result, providerID: providerID, atMicros: nowMicros))
    guard events.contains(where: { if case .callEnded = $0 { true } else { false } }) else {
      return
    }
    guard result.billedMinutes > 0 else {
      try runWallet(.release(message: id))
      return
    }
    let heldMinutes = plan.billed.count
    // The longest call that is allowed is what was held; the provider ends longer ones.
    let minutes = min(result.billedMinutes, heldMinutes)
    try charge(
      Charge(
        amountMicros: before.priceMicros / Int64(heldMinutes) * Int64(minutes),
        resourceType: Prices.Resource.voice.rawValue, resourceID: providerID,
        description: "Call, minutes: \(minutes)"), for: id)
  }

  /// What waits for the morning or for credit holds no money any more. Where it then proves to be on its way, as after a
  /// restore, it costs what it costs; what nobody can pay is on record as waived.
  private mutating func charge(_ charge: Charge, for id: Identifier) throws(CommandError) {
    guard try runWallet(.settle(message: id, charge: charge)).isEmpty else { return }
    do throws(CommandError) {
      try runWallet(.hold(message: id, amountMicros: charge.amountMicros))
    } catch {
      guard case .wallet(.insufficientFunds) = error else { throw error }
      try runWallet(.debit(charge))
      return
    }
    try runWallet(.settle(message: id, charge: charge))
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
        amountMicros: message.priceMicros,
        resourceType: (message.plan?.billed.resource ?? .smsOutbound).rawValue,
        resourceID: message.providerID ?? id.text, description: message.plan?.billing ?? "SMS")
      switch message.status {
      case .sent where !wasCharged, .delivered where !wasCharged:
        try self.charge(charge, for: id)
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

extension MessagePlan {
  /// What a line of the statement says.
  fileprivate var billing: String {
    switch billed.resource {
    case .mms: "MMS"
    case .email: "Email"
    case .voice: "Call"
    case .smsOutbound, .smsInbound, .ai: "SMS, segments: \(segmentCount)"
    }
  }
}

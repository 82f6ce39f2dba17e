import Domain

// What the gate judges by: gathered here, recorded with the verdict.

extension Workspace {
  /// The facts of this moment. For a message that is judged again, `message` is what is held for it.
  func facts(
    for plan: MessagePlan, _ contact: Contact.State, priceMicros: Int64,
    held message: Message.State? = nil, id: Identifier? = nil
  ) -> GateFacts {
    let address = plan.content.value?.address ?? ""
    let rules = Gate.ruleSet(at: nowMicros)
    let place =
      plan.channel == .email
      ? Place(zones: [], regions: [])
      : tools.places.place(
        PlaceQuestion(address: address, contact: contact.details, purpose: plan.purpose),
        atMicros: nowMicros, rules)
    let (consent, purpose) = consent(of: contact, for: plan)
    let reservedMicros = message?.status?.holdsPrice == true ? message?.priceMicros ?? 0 : 0
    var facts = GateFacts(
      nowMicros: nowMicros, channel: plan.channel, purpose: plan.purpose,
      hasAddress: !address.isEmpty && isReached(contact, at: address, on: plan.channel),
      accountStatus: state.settings.status.rawValue,
      consent: consent, consentPurpose: purpose,
      isAddressOptedOut: state.isRevoked(address, of: plan.channel, for: plan.purpose),
      isReply: isReply(plan), zones: place.zones,
      priceMicros: priceMicros, walletAvailableMicros: walletAvailableMicros + reservedMicros)
    facts.regions = place.regions
    facts.opensAtMicros = place.opensAtMicros
    facts.ending = state.ending(of: address, on: plan.channel)
    facts.numberFault = state.numberFault(address, of: plan.channel)
    facts.isArchived = contact.isArchived
    facts.isSuppressed = state.isSuppressed(address, of: plan.channel, for: plan.purpose)
    if plan.purpose == .marketing {
      facts.recentMicros = recentMicros(to: address, of: plan.channel, except: id)
    }
    facts.expiresAtMicros = plan.expiresAtMicros
    facts.isKilled =
      !state.settings.kills.isEmpty || id.map(state.killedWaiting.contains) == true
    facts.testReach = testReach(of: plan, address)
    facts.holdout = holdout(of: plan)
    let isOfToday = id.map(isSpentToday) == true
    apply(
      state.settings.sendingRules, to: &facts, reservedTodayMicros: isOfToday ? reservedMicros : 0)
    noteRepetition(of: plan, address, except: id, in: &facts)
    facts.carrier = carrierUse(of: plan, place.regions)
    return facts
  }

  /// A message was written to one address, and may be judged again when the person has another: what was agreed
  /// to there says nothing of the old one, which may be somebody else's by now.
  private func isReached(
    _ contact: Contact.State, at address: String, on channel: Channel
  ) -> Bool {
    contact.details.key(of: channel) == channel.key(address)
  }

  /// Where the account is a test: whom the message would reach.
  private func testReach(of plan: MessagePlan, _ address: String) -> TestReach? {
    guard state.settings.isTest else { return nil }
    let url =
      plan.channel == .email
      ? state.settings.providers[.email]?.baseURL : state.settings.sms?.baseURL
    return TestReach(address, on: plan.channel, providerURL: url ?? "")
  }

  private func holdout(of plan: MessagePlan) -> HoldoutDraw? {
    guard let campaign = plan.campaign,
      let percent = definition(ofCampaign: campaign)?.holdoutPercent
    else {
      return nil
    }
    return HoldoutDraw(percent: percent, campaign: campaign, contact: plan.contact)
  }

  private func noteRepetition(
    of plan: MessagePlan, _ address: String, except id: Identifier?, in facts: inout GateFacts
  ) {
    guard let hours = state.settings.sendingRules.duplicateHours,
      let text = plan.content.value.map(TextPrint.init)
    else { return }
    facts.duplicateHours = hours
    facts.sameTextMicros = sameTextMicros(text, to: address, of: plan.channel, except: id)
  }

  /// No number tells its carrier, so every text to a number of the United States counts.
  private func carrierUse(of plan: MessagePlan, _ regions: [String]) -> CarrierUse? {
    guard let brand = state.settings.sendingRules.brand, plan.channel == .sms,
      regions.contains(where: CarrierSegments.isCounted), let day = carrierDay()
    else { return nil }
    return CarrierUse(
      brand: brand, segmentCount: plan.segmentCount,
      usedCount: state.carrierSegments.count(fromMicros: day.lowerBound, nowMicros: nowMicros)
        + newCarrierSegmentCount,
      resetsAtMicros: day.upperBound)
  }

  /// From midnight to midnight where the carrier counts, around now; nil where nobody knows the zone.
  private func carrierDay() -> Range<Micros>? {
    func midnight(after micros: Micros) -> Micros? {
      tools.zones.time(in: CarrierUse.zone, atMicros: micros, opensAtMinute: 0)?.nextOpenMicros
    }
    // A day has 25 hours at most.
    guard var start = midnight(after: nowMicros - 26 * 3_600_000_000) else { return nil }
    while let next = midnight(after: start) {
      if next > nowMicros { return start..<next }
      start = next
    }
    return nil
  }

  private func apply(
    _ rules: SendingRules, to facts: inout GateFacts, reservedTodayMicros: Int64
  ) {
    if let count = rules.capCount, let hours = rules.capHours {
      facts.orgCap = FrequencyCap(count: count, hours: hours)
    }
    facts.registration = rules.registration
    if let budgetMicros = rules.dailyBudgetMicros {
      facts.dailyBudgetMicros = budgetMicros
      facts.spentTodayMicros = spentTodayMicros - reservedTodayMicros
    }
  }

  private func consent(
    of contact: Contact.State, for plan: MessagePlan
  ) -> (GateFacts.Consent, Purpose?) {
    if contact.consents[plan.channel] == .optedOut { return (.optedOut, nil) }
    // What may be a STOP may end advertising on every channel: until somebody decides there is none.
    let isInDoubt =
      contact.suspectedOptOuts.contains(plan.channel)
      || plan.purpose == .marketing && !contact.suspectedOptOuts.isEmpty
    if isInDoubt { return (.suspected, nil) }
    guard let purpose = contact.granted(plan.channel, from: plan.from) else { return (.none, nil) }
    return (.optedIn, purpose)
  }

  /// An answer to the person's own message from the same kind of address: a mail at noon invites no text at
  /// night.
  /// Advertising is none, whoever wrote last.
  private func isReply(_ plan: MessagePlan) -> Bool {
    guard plan.purpose == .transactional, plan.campaign == nil else { return false }
    if heardFrom[plan.contact]?.contains(plan.channel.ofAddress) == true { return true }
    guard
      let last = state.contacts[plan.contact]?.lastInboundMicros[plan.channel.ofAddress]
    else { return false }
    return nowMicros - last < Self.replyMicros
  }
}

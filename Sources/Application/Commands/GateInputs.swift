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
      hasAddress: !address.isEmpty, accountStatus: state.settings.status.rawValue,
      consent: consent, consentPurpose: purpose,
      isAddressOptedOut: state.hasOptedOut(address, of: plan.channel),
      isReply: isReply(plan), zones: place.zones,
      priceMicros: priceMicros, walletAvailableMicros: walletAvailableMicros + reservedMicros)
    facts.regions = place.regions
    facts.opensAtMicros = place.opensAtMicros
    facts.ending = state.ending(of: address, on: plan.channel)
    facts.numberFault = state.numberFault(address, of: plan.channel)
    facts.isSuppressed = state.isSuppressed(address, of: plan.channel, for: plan.purpose)
    if plan.purpose == .marketing {
      facts.recentMicros = recentMicros(to: address, of: plan.channel, except: id)
    }
    apply(state.settings.sendingRules, to: &facts, reservedMicros: reservedMicros)
    return facts
  }

  private func apply(
    _ rules: SendingRules, to facts: inout GateFacts, reservedMicros: Int64
  ) {
    if let count = rules.capCount, let hours = rules.capHours {
      facts.orgCap = FrequencyCap(count: count, hours: hours)
    }
    facts.registration = rules.registration
    if let budgetMicros = rules.dailyBudgetMicros {
      facts.dailyBudgetMicros = budgetMicros
      facts.spentTodayMicros = spentTodayMicros - reservedMicros
    }
  }

  private func consent(
    of contact: Contact.State, for plan: MessagePlan
  ) -> (GateFacts.Consent, Purpose?) {
    if contact.consents[plan.channel] == .optedOut { return (.optedOut, nil) }
    if contact.suspectedOptOuts.contains(plan.channel) { return (.suspected, nil) }
    guard let purpose = contact.granted(plan.channel, from: plan.from) else { return (.none, nil) }
    return (.optedIn, purpose)
  }

  /// An answer to the person's own message. Advertising is none, whoever wrote last.
  private func isReply(_ plan: MessagePlan) -> Bool {
    guard plan.purpose == .transactional, plan.campaign == nil,
      let last = state.lastInboundMicros[plan.contact]
    else { return false }
    return nowMicros - last < 24 * 3_600 * 1_000_000
  }
}

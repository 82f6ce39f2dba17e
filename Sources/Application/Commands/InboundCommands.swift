import Domain

/// A text that a person sent to one of our numbers, as the provider told it.
package struct InboundText: Sendable, Equatable {
  /// The person's number and ours: E.164.
  package var from: String
  package var to: String
  package var body: String
  package var providerID: String
  /// 1 to `segmentLimit`.
  package var segmentCount: Int
  /// Where its pictures are kept (MMS).
  package var media: [String]
  /// What the provider itself took it for, by words that were agreed with it: a STOP in a language that we do
  /// not read.
  package var declared: InboundMessage.Keyword?

  /// The parts of one text are numbered in eight bits (3GPP TS 23.040, 9.2.3.24.1): no more is charged, whatever a callback
  /// says that an account can sign itself.
  static let segmentLimit = 255

  package init(
    from: String, to: String, body: String, providerID: String, segmentCount: Int,
    media: [String] = [], declared: InboundMessage.Keyword? = nil
  ) {
    self.from = from
    self.to = to
    self.body = body
    self.providerID = providerID
    self.segmentCount = min(max(1, segmentCount), Self.segmentLimit)
    self.media = media
    self.declared = declared
  }
}

extension InboundText {
  /// Under which it is taken in once, whether the provider brings it or it is found on the provider's list.
  package var idempotencyKey: IdempotencyName {
    IdempotencyName("\(SMSCredentials.provider)-inbound:\(providerID)")
  }
}

/// A text that a provider lists, and when it came. Where its pictures are kept the provider says when it is asked.
package struct ListedText: Sendable, Equatable {
  package var text: InboundText
  package var hasMedia: Bool
  package var atMicros: Micros

  package init(text: InboundText, hasMedia: Bool, atMicros: Micros) {
    self.text = text
    self.hasMedia = hasMedia
    self.atMicros = atMicros
  }
}

extension Workspace {
  /// Takes in a text: on its contact's record (a new contact where the number is unknown), with
  /// its charge, and, where it says STOP or START, with all that follows, in one commit.
  @discardableResult
  package mutating func receive(_ text: InboundText) throws(CommandError) -> Identifier {
    var text = text
    text.from = canonical(text.from)
    return try receive(text, try keyword(of: text), sentAtMicros: nil)
  }

  /// Takes in a text that was found on the provider's list, or passes it over. False, and nothing is decided, where it has
  /// to wait: a yes until all that came before it was seen, and what has pictures until they are known. A no waits for
  /// neither. `isLast`: there is nothing to wait for any more.
  ///
  /// `isFormer`: its number had been given up when it came. By then it may be somebody else's: what counts is a no alone,
  /// of somebody whom the org knows.
  mutating func take(
    _ listed: ListedText, isFormer: Bool, isLast: Bool
  ) throws(CommandError) -> Bool {
    var text = listed.text
    text.from = canonical(text.from)
    var keyword = try keyword(of: text)
    let mayBeNo = keyword == .optOut || keyword == .unsure
    if isFormer {
      guard mayBeNo, try isKnown(text.from) else { return true }
    }
    guard isLast || mayBeNo || (keyword != .optIn && !listed.hasMedia) else { return false }
    // Whoever said yes and then no, on whatever way, has said no.
    if keyword == .optIn,
      state.hasSaidNo(
        text.from, of: .sms, holders: holders(of: text.from), sinceMicros: listed.atMicros)
    {
      keyword = nil
    }
    idMicros = listed.atMicros
    defer { idMicros = nil }
    try receive(
      text, keyword, sentAtMicros: listed.atMicros + state.settings.clockOffsetMicros)
    return true
  }

  private func isKnown(_ number: String) throws(CommandError) -> Bool {
    guard holders(of: number).isEmpty else { return true }
    return try !recipients(at: number).isEmpty
  }

  @discardableResult
  private mutating func receive(
    _ text: InboundText, _ keyword: InboundMessage.Keyword?, sentAtMicros: Micros?
  ) throws(CommandError) -> Identifier {
    let contact = try senderOrNew(text.from)
    let message = newID(.message)
    try run(
      Message.self, message,
      .receive(
        InboundMessage(
          contact: contact, channel: .sms, to: text.to, providerID: text.providerID,
          keyword: keyword,
          content: .known(
            MessageContent(address: text.from, body: text.body, media: text.media)),
          sentAtMicros: sentAtMicros)),
      isNew: true)
    try chargeInbound(text)
    switch keyword {
    case .optOut:
      try optOut(
        address: text.from, channel: .sms, method: .keyword, message: message,
        recipients: try recipients(at: text.from))
    case .optIn:
      try optIn(text, grantedAtMicros: sentAtMicros ?? nowMicros)
    case .unsure:
      for holder in holders(of: text.from) + (try recipients(at: text.from)) {
        try run(Contact.self, holder, .suspectOptOut(.sms, message: message))
      }
    case .help:
      try answerHelp(text, contact)
    case nil:
      break
    }
    return message
  }

  /// The number as contacts have it: carriers of some countries write one line in two ways. What is no number,
  /// a short code, stays as it is.
  func canonical(_ number: String) -> String { tools.numbers.e164(number) ?? number }

  /// To whom advertising went at this number within a day, and who has another one by now: their answer may
  /// still come from it.
  private func recipients(at number: String) throws(CommandError) -> [Identifier] {
    var contacts: Set<Identifier> = []
    for id in state.recent.messages(to: .init(number, .sms)) {
      guard let contact = try current(Message.self, id).contact else { continue }
      if try !current(Contact.self, contact).isErased { contacts.insert(contact) }
    }
    return contacts.subtracting(holders(of: number)).sorted()
  }

  /// In the org's own words, through the gate like everything else: whoever has said STOP hears from the
  /// provider alone, as does everybody where the provider answers.
  private mutating func answerHelp(
    _ text: InboundText, _ contact: Identifier
  ) throws(CommandError) {
    guard let answer = state.settings.sendingRules.program.helpText, text.declared != .help else {
      return
    }
    try planOrSkip(MessageRequest(contact: contact, body: answer, purpose: .transactional))
  }

  /// YES may answer any question: it opts in only where there was a no, or perhaps one, before.
  private func keyword(of text: InboundText) throws(CommandError) -> InboundMessage.Keyword? {
    // The provider writes to this person no more, or again; its YES to a question is no news.
    if text.declared == .optOut { return .optOut }
    if text.declared == .optIn, state.hasOptedOut(text.from, of: .sms) { return .optIn }
    let keyword = OptOutKeywords.classify(text.body)
    if keyword != .optOut, let own = state.settings.sendingRules.program.meaning(of: text.body) {
      return own
    }
    guard keyword == .optIn, !OptOutKeywords.isStart(text.body) else { return keyword }
    if state.hasOptedOut(text.from, of: .sms) { return .optIn }
    for holder in holders(of: text.from) {
      let contact = try current(Contact.self, holder)
      if contact.consents[.sms] == .optedOut || contact.suspectedOptOuts.contains(.sms) {
        return .optIn
      }
    }
    return nil
  }

  private mutating func chargeInbound(_ text: InboundText) throws(CommandError) {
    guard state.wallet.isOpen else { return }
    let segments = text.segmentCount
    try runWallet(
      .debit(
        Charge(
          amountMicros: Int64(segments)
            * priceMicros(of: .smsInbound),
          resourceType: "sms_inbound", resourceID: text.providerID,
          description: "Inbound SMS, segments: \(segments)")))
  }

  private mutating func senderOrNew(_ number: String) throws(CommandError) -> Identifier {
    if let known = state.contacts.contacts(withPhone: number).first { return known }
    let contact = newID(.contact)
    try run(
      Contact.self, contact,
      .create(ContactDetails(phone: number), source: "inbound_sms", tags: [], consents: []),
      isNew: true)
    return contact
  }

  /// Everybody who carries the address is opted out and nothing that waits for it goes out.
  ///
  /// What the person says in answer to a text or on a call ends all advertising, on every channel (47 CFR
  /// 64.1200(a)(10)); a link in a mail, or a list, ends the channel that it speaks of.
  ///
  /// `recipients`: who got the messages that it answers. They may have another address by now: the no is theirs all
  /// the same, unless it was the address alone that came to an end.
  mutating func optOut(
    address: String, channel: Channel, method: OptOut.Method, message: Identifier?,
    recipients: [Identifier] = []
  ) throws(CommandError) {
    let scope: OptOut.Scope =
      switch method {
      case .keyword, .text, .call: .seller
      case .link, .staff, .api, .provider, .importList, .bounce, .complaint: .channel
      }
    let people = try concerned(address, channel, method, recipients)
    let isNewAddress = !state.hasOptedOut(address, of: channel)
    for contact in people {
      try run(
        Contact.self, contact,
        .optOut(
          OptOut(
            channel: channel, method: method, message: message, address: .known(address),
            scope: scope), isNewAddress: isNewAddress))
    }
    if people.isEmpty { try close(address, channel, method) }
    let ending: GateFacts.Ending? =
      switch method {
      case .bounce: .bounced
      case .complaint: .complained
      case .keyword, .text, .link, .call, .staff, .api, .provider, .importList: nil
      }
    try revokeWaiting(.init(address, channel), ending: ending)
  }

  /// Whose no it is.
  private func concerned(
    _ address: String, _ channel: Channel, _ method: OptOut.Method, _ recipients: [Identifier]
  ) throws(CommandError) -> [Identifier] {
    var people = holders(of: address, on: channel)
    guard method != .bounce else { return people }
    for recipient in recipients where !people.contains(recipient) {
      if try !current(Contact.self, recipient).isErased { people.append(recipient) }
    }
    return people
  }

  /// A no of an address that nobody carries: whoever comes to have it is not written to either.
  private mutating func close(
    _ address: String, _ channel: Channel, _ method: OptOut.Method
  ) throws(CommandError) {
    guard !state.hasOptedOut(address, of: channel) else { return }
    try run(
      Org.self, org,
      .suppress(
        .no(by: method, on: channel, address: .known(channel.key(address))),
        isListed: state.isClosedByNo(address, of: channel)))
  }

  /// The contacts that are reached at `address` on `channel`.
  func holders(of address: String, on channel: Channel) -> [Identifier] {
    guard channel == .email else { return holders(of: address) }
    let key = channel.key(address)
    let known = state.contacts.contacts(withEmail: key)
    return known.isEmpty ? newContactsByEmail[key].map { [$0] } ?? [] : known
  }

  /// The contacts with this number: the known ones, or the one that this command just created.
  func holders(of number: String) -> [Identifier] {
    let known = state.contacts.contacts(withPhone: number)
    return known.isEmpty ? newContactsByPhone[number].map { [$0] } ?? [] : known
  }

  /// What waits for an address that said no, as much as one commit takes.
  mutating func revokeWaiting(
    _ address: DispatchQueueIndex.Address, ending: GateFacts.Ending? = nil
  ) throws(CommandError) {
    for id in (state.queue.stoppable[address] ?? []).prefix(Self.sweepLimit).sorted() {
      guard var facts = try latestFacts(of: id) else { continue }
      facts.isAddressOptedOut = true
      facts.ending = ending
      try follow(try run(Message.self, id, .revoke(verdict: Gate.judge(facts))), of: id)
    }
  }

  /// What a waiting message would be judged by now.
  func latestFacts(of id: Identifier) throws(CommandError) -> GateFacts? {
    let message = try current(Message.self, id)
    guard let plan = message.plan else { return nil }
    return facts(
      for: plan, try current(Contact.self, plan.contact), priceMicros: message.priceMicros,
      held: message, id: id)
  }

  /// START, YES, UNSTOP: a new yes by the person, on every contact with this number.
  private mutating func optIn(
    _ text: InboundText, grantedAtMicros: Micros
  ) throws(CommandError) {
    let consent = Consent(
      channel: .sms, purpose: .marketing, method: .keyword, source: "inbound_sms",
      grantedAtMicros: grantedAtMicros,
      evidence: .known(ConsentEvidence(address: text.from, wording: text.body)))
    let isRenewal = state.isRevoked(text.from, of: .sms, for: .marketing)
    for contact in holders(of: text.from) {
      try run(Contact.self, contact, .optIn(consent, isRenewal: isRenewal))
    }
    try reopen(consent)
  }
}

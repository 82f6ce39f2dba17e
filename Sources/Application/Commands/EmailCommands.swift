import Domain

/// An email that a person sent to one of our addresses, as the provider told it.
package struct InboundEmail: Sendable, Equatable {
  package var from: String
  package var to: String
  package var subject: String
  package var text: String
  package var providerID: String

  package init(from: String, to: String, subject: String, text: String, providerID: String) {
    self.from = from
    self.to = to
    self.subject = subject
    self.text = text
    self.providerID = providerID
  }
}

extension Workspace {
  /// When a message was handed out, on the org's clock; nil where that is not known.
  package func sentAt(_ id: Identifier) throws(CommandError) -> Micros? {
    let message = try current(Message.self, id)
    guard message.plan != nil else { throw .notFound(id) }
    return message.sentAtMicros
  }

  /// What somebody did with an email of ours; repeated news beyond a limit changes nothing.
  package mutating func record(
    _ engagement: Engagement, for id: Identifier
  ) throws(CommandError) {
    guard let plan = try current(Message.self, id).plan else { throw .notFound(id) }
    try run(Message.self, id, .recordEngagement(engagement, atMicros: nowMicros))
    if case .complained = engagement { try end(plan, .complaint, id) }
  }

  /// A failure of an email. `method`: what it says of the address for good, such as that there is none.
  package mutating func recordFailure(
    _ news: ProviderStatus, ending method: OptOut.Method?, for id: Identifier
  ) throws(CommandError) {
    guard let plan = try current(Message.self, id).plan else { throw .notFound(id) }
    try record(news, for: id)
    if let method { try end(plan, method, id) }
  }

  /// The link at the end of an email, or the mailbox's own button.
  package mutating func unsubscribe(by id: Identifier) throws(CommandError) {
    guard let plan = try current(Message.self, id).plan else { throw .notFound(id) }
    try end(plan, .link, id)
  }

  private mutating func end(
    _ plan: MessagePlan, _ method: OptOut.Method, _ id: Identifier
  ) throws(CommandError) {
    guard let address = plan.content.value?.address else { return }
    try optOut(
      address: address, channel: plan.channel, method: method, message: id, recipient: plan.contact)
  }

  /// Takes in an email: on its contact's record (a new contact where the address is unknown), and
  /// with what follows where it asks for no more.
  @discardableResult
  package mutating func receive(_ email: InboundEmail) throws(CommandError) -> Identifier {
    let contact = try senderOrNew(email.from)
    let keyword = Self.keyword(in: email)
    let message = newID(.message)
    try run(
      Message.self, message,
      .receive(
        InboundMessage(
          contact: contact, channel: .email, to: email.to, providerID: email.providerID,
          keyword: keyword,
          content: .known(
            MessageContent(address: email.from, body: email.text, subject: email.subject)))),
      isNew: true)
    switch keyword {
    case .optOut:
      try optOut(address: email.from, channel: .email, method: .keyword, message: message)
    case .unsure:
      for holder in holders(of: email.from, on: .email) {
        try run(Contact.self, holder, .suspectOptOut(.email, message: message))
      }
    case .optIn, .help, nil:
      break
    }
    return message
  }

  /// By the subject or the first line: what follows may be our own mail, quoted.
  private static func keyword(in email: InboundEmail) -> InboundMessage.Keyword? {
    let line = email.text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    let found = [email.subject, line].compactMap(OptOutKeywords.classify)
    if found.contains(.optOut) { return .optOut }
    return found.contains(.unsure) ? .unsure : nil
  }

  private mutating func senderOrNew(_ address: String) throws(CommandError) -> Identifier {
    if let known = holders(of: address, on: .email).first { return known }
    let contact = newID(.contact)
    try run(
      Contact.self, contact,
      .create(ContactDetails(email: address), source: "inbound_email", tags: [], consents: []),
      isNew: true)
    return contact
  }
}

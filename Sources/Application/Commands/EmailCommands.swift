import Domain

/// An email that a person sent to one of our addresses, as the provider told it.
package struct InboundEmail: Sendable, Equatable {
  package var from: String
  package var to: String
  package var subject: String
  package var text: String
  package var providerID: String
  /// The `Message-ID`s of what it answers, without their brackets.
  package var references: [String]

  package init(
    from: String, to: String, subject: String, text: String, providerID: String,
    references: [String] = []
  ) {
    self.from = from
    self.to = to
    self.subject = subject
    self.text = text
    self.providerID = providerID
    self.references = references
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
      address: address, channel: plan.channel, method: method, message: id,
      recipients: [plan.contact])
  }

  /// Takes in an email: on its contact's record (a new contact where the address is unknown), and
  /// with what follows where it asks for no more.
  @discardableResult
  package mutating func receive(_ email: InboundEmail) throws(CommandError) -> Identifier {
    let answered = try answered(by: email)
    let contact: Identifier
    if let known = holders(of: email.from, on: .email).first ?? answered.first?.contact {
      contact = known
    } else {
      contact = try newContact(email.from)
    }
    let keyword = OptOutKeywords.classify(mail: email.text, subject: email.subject)
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
      let recipients = answered.map(\.contact)
      try optOut(
        address: email.from, channel: .email, method: .keyword, message: message,
        recipients: recipients)
      for mail in answered where Channel.email.key(mail.address) != Channel.email.key(email.from) {
        try optOut(
          address: mail.address, channel: .email, method: .keyword, message: message,
          recipients: [mail.contact])
      }
    case .unsure:
      let people = Set(holders(of: email.from, on: .email)).union(answered.map(\.contact))
      for person in people.sorted() {
        try run(Contact.self, person, .suspectOptOut(.email, message: message))
      }
    case .optIn, .help, nil:
      break
    }
    return message
  }

  /// Who got the mails that it answers, and where: people have several addresses, and let one forward to another.
  private func answered(
    by email: InboundEmail
  ) throws(CommandError) -> [(contact: Identifier, address: String)] {
    var answered: [(contact: Identifier, address: String)] = []
    for reference in email.references.prefix(Self.referenceLimit) {
      let name = String(reference.prefix { $0 != "@" && $0 != "." })
      guard let id = Identifier(name, kind: .message) ?? state.queue.message(providerID: name)
      else { continue }
      let message = try current(Message.self, id)
      guard message.channel == .email, let contact = message.contact, let address = message.address,
        try !current(Contact.self, contact).isErased
      else { continue }
      answered.append((contact, address))
    }
    return answered
  }

  /// Longer threads name their beginning and their end first (RFC 5322, 3.6.4): more is not looked up.
  private static let referenceLimit = 20

  private mutating func newContact(_ address: String) throws(CommandError) -> Identifier {
    let contact = newID(.contact)
    try run(
      Contact.self, contact,
      .create(ContactDetails(email: address), source: "inbound_email", tags: [], consents: []),
      isNew: true)
    return contact
  }
}

import Domain

extension Workspace {
  /// What a message was to say; nil where there is none.
  package func plan(of id: Identifier) throws(CommandError) -> MessagePlan? {
    try current(Message.self, id).plan
  }

  /// The person pressed the key for no more calls.
  package mutating func endCalls(after id: Identifier) throws(CommandError) {
    guard let plan = try current(Message.self, id).plan else { throw .notFound(id) }
    guard let address = plan.content.value?.address else { return }
    try optOut(
      address: address, channel: .voice, method: .call, message: id, recipients: [plan.contact])
  }

  package mutating func endCalls(to number: String) throws(CommandError) {
    try optOut(address: canonical(number), channel: .voice, method: .call, message: nil)
  }

  /// Somebody calls one of our numbers: on the contact's record, a new one where the number is unknown.
  @discardableResult
  package mutating func receiveCall(
    from: String, to: String, providerID: String
  ) throws(CommandError) -> Identifier {
    let from = canonical(from)
    let contact: Identifier
    if let known = holders(of: from).first {
      contact = known
    } else {
      contact = newID(.contact)
      try run(
        Contact.self, contact,
        .create(ContactDetails(phone: from), source: "inbound_call", tags: [], consents: []),
        isNew: true)
    }
    let message = newID(.message)
    try run(
      Message.self, message,
      .receive(
        InboundMessage(
          contact: contact, channel: .voice, to: to, providerID: providerID, keyword: nil,
          content: .known(MessageContent(address: from, body: "")))),
      isNew: true)
    return message
  }
}

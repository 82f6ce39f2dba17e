import Domain

/// An enquiry as it comes in.
package struct LeadRequest: Sendable, Equatable {
  package var contact: ContactRequest
  package var origin: LeadOrigin
  package var hook: Identifier?

  package init(contact: ContactRequest, origin: LeadOrigin, hook: Identifier? = nil) {
    self.contact = contact
    self.origin = origin
    self.hook = hook
  }

  /// Why nobody can answer it.
  package static var withoutAddress: CommandError {
    .invalid(field: "phone", code: "required", message: "A lead has a phone number or an email.")
  }
}

extension Workspace {
  /// Takes an enquiry: from a person with a known phone or email it goes to that contact, whose empty
  /// fields are filled and of whom nothing is replaced; else the contact comes to be. Consents count
  /// for the addresses that the form had: where the contact has another one, the event says so and
  /// nothing is recorded.
  ///
  /// - Throws: `invalid` where there is no phone and no email, or one that is none.
  package mutating func captureLead(
    _ request: LeadRequest
  ) throws(CommandError) -> Identifier {
    let details = try normalized(request.contact.details)
    guard details.phone != nil || details.email != nil else { throw LeadRequest.withoutAddress }
    let known = existing(like: details)?.0
    let id: Identifier
    var unrecorded: [Channel] = []
    if let known {
      unrecorded = try merge(details, request.contact, into: known)
      id = known
    } else {
      id = try createContact(request.contact)
    }
    try run(
      Contact.self, id,
      .captureLead(
        Lead(
          source: request.contact.source, isNewContact: known == nil, hook: request.hook,
          unrecordedConsents: unrecorded, origin: .known(request.origin))))
    return id
  }

  private mutating func merge(
    _ details: ContactDetails, _ request: ContactRequest, into id: Identifier
  ) throws(CommandError) -> [Channel] {
    // Whoever enquires again is there again.
    try run(Contact.self, id, .restore)
    let contact = try contact(id)
    let isFree = (
      phone: details.phone.map { holders(of: $0).isEmpty } ?? false,
      email: details.email.map { holders(of: $0, on: .email).isEmpty } ?? false
    )
    let changes = details.fields.filter { field, _ in
      guard contact.details[field] == nil else { return false }
      if field == "phone" || field == "raw_phone" {
        return contact.details.phone == nil && isFree.phone
      }
      return field != "email" || isFree.email
    }
    try run(Contact.self, id, .update(changes.map { FieldChange(field: $0.0, value: $0.1) }))
    try addTags(request.tags, to: id)
    let merged = try self.contact(id).details
    var unrecorded: [Channel] = []
    for (index, consent) in request.consents.enumerated() {
      if let key = details.key(of: consent.channel), key == merged.key(of: consent.channel) {
        try recordConsent(consent, of: id, number: index)
      } else {
        unrecorded.append(consent.channel)
      }
    }
    return unrecorded
  }
}

extension Workspace {
  package mutating func createInboundHook(
    _ settings: HookSettings, secret: String
  ) throws(CommandError) -> Identifier {
    let id = newID(.inboundHook)
    try run(InboundHook.self, id, .create(settings, secret: secret), isNew: true)
    return id
  }

  package mutating func changeInboundHook(
    _ id: Identifier, by command: InboundHook.Command
  ) throws(CommandError) {
    guard try current(InboundHook.self, id).exists else { throw .notFound(id) }
    try run(InboundHook.self, id, command)
  }

  /// The org's hooks that are not deleted, oldest first.
  package var inboundHooks: [Identifier] {
    state.tables.inboundHooks.filter { !$0.value.isDeleted }.keys.sorted()
  }

  package func inboundHook(_ id: Identifier) throws(CommandError) -> InboundHook.State {
    try current(InboundHook.self, id)
  }

  /// Whoever has the address is written to no more, on the channels that reach it; on one alone where
  /// `channel` names it.
  package mutating func optOut(
    phone: String?, email: String?, channel: Channel?
  ) throws(CommandError) {
    if let phone = try phone.map({ raw throws(CommandError) in try e164(raw) }) {
      let channels: [Channel] = channel.map { [$0] } ?? [.sms, .voice]
      for channel in channels where channel != .email {
        try optOut(address: phone, channel: channel, method: .api, message: nil)
      }
    }
    if let email = try email.map({ raw throws(CommandError) in try emailAddress(raw) }),
      channel ?? .email == .email
    {
      try optOut(address: email, channel: .email, method: .api, message: nil)
    }
  }
}

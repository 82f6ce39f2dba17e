import Crypto
import Domain

/// A contact as callers describe it; the phone in any form that people write.
package struct ContactRequest: Sendable, Equatable {
  package var details: ContactDetails
  package var source: String
  package var tags: [String]
  package var consents: [ConsentRequest]

  package init(
    details: ContactDetails, source: String, tags: [String] = [], consents: [ConsentRequest] = []
  ) {
    self.details = details
    self.source = source
    self.tags = tags
    self.consents = consents
  }
}

package struct ConsentRequest: Sendable, Equatable {
  package var channel: Channel
  package var purpose: Purpose
  package var method: Consent.Method
  package var source: String
  package var wording: String
  package var ip: String?
  /// Which of our numbers or brands the person agreed to; nil: the org.
  package var sender: String?

  package init(
    channel: Channel, purpose: Purpose, method: Consent.Method, source: String, wording: String,
    ip: String? = nil, sender: String? = nil
  ) {
    self.channel = channel
    self.purpose = purpose
    self.method = method
    self.source = source
    self.wording = wording
    self.ip = ip
    self.sender = sender
  }

  /// - Throws: `invalid` for words that nobody could have agreed to.
  package static func check(wording: String) throws(CommandError) {
    guard wording.trimmingBlanks().isEmpty else { return }
    throw .invalid(
      field: "wording", code: "required",
      message: "Give the exact words that the person agreed to: without them nobody can show "
        + "that they did.")
  }

  /// Why a consent for `channel` is refused where the contact is not reached on it.
  package static func withoutAddress(_ channel: Channel) -> CommandError {
    .invalid(
      field: "consents", code: "no_address",
      message: "A consent for \(channel.rawValue) needs the contact's "
        + (channel == .email ? "email." : "phone."))
  }
}

extension Workspace {
  /// A new contact.
  ///
  /// - Throws: `duplicateContact` where one with this phone or email exists, `invalid` for a phone
  ///   or email that is none.
  package mutating func createContact(
    _ request: ContactRequest
  ) throws(CommandError) -> Identifier {
    let details = try normalized(request.details)
    if let (existing, field) = existing(like: details) {
      throw .duplicateContact(existing: existing, field: field)
    }
    let id = newID(.contact)
    var consents: [Consent] = []
    for (index, request) in request.consents.enumerated() {
      consents.append(try consent(request, of: details, number: index))
    }
    try run(
      Contact.self, id,
      .create(details, source: request.source, tags: request.tags, consents: consents),
      isNew: true)
    for consent in consents { try reopen(consent) }
    return id
  }

  /// A contact that this command created, as it comes to be: what is answered need not be read back.
  package struct NewContact: Sendable {
    package let id: Identifier
    package let state: Contact.State
    package let atMicros: Micros
  }

  package func newContact(_ id: Identifier) throws(CommandError) -> NewContact {
    NewContact(id: id, state: try contact(id), atMicros: nowMicros)
  }

  package mutating func updateContact(
    _ id: Identifier, _ changes: [FieldChange]
  ) throws(CommandError) {
    let contact = try contact(id)
    var normal: [FieldChange] = []
    for change in changes {
      switch (change.field, change.value?.text) {
      case ("phone", let raw?):
        let phone = try e164(raw)
        try requireFree(
          phone, state.contacts.contacts(withPhone: phone), for: id, field: "phone"
        ) { $0.phone }
        normal.append(FieldChange(field: "phone", value: .text(phone)))
        let kept = raw == phone ? nil : FieldValue.text(raw)
        if phone != contact.details.phone {
          normal.append(FieldChange(field: "raw_phone", value: kept))
        }
      case ("phone", nil):
        normal.append(FieldChange(field: "phone", value: nil))
        normal.append(FieldChange(field: "raw_phone", value: nil))
      case ("email", let raw?):
        let email = try emailAddress(raw)
        try requireFree(
          email.lowercased(), state.contacts.contacts(withEmail: email.lowercased()), for: id,
          field: "email"
        ) { $0.email?.lowercased() }
        normal.append(FieldChange(field: "email", value: .text(email)))
      default:
        normal.append(change)
      }
    }
    try run(Contact.self, id, .update(normal))
  }

  /// `holders`: those of before this command, which may have lost the address in it.
  private mutating func requireFree(
    _ address: String, _ holders: [Identifier], for id: Identifier, field: String,
    held: (ContactDetails) -> String?
  ) throws(CommandError) {
    let key = "\(field):\(address)"
    let taker = takenAddresses[key].map { [$0] } ?? []
    for other in holders + taker where other != id {
      guard held(try current(Contact.self, other).details) != address else {
        throw .duplicateContact(existing: other, field: field)
      }
    }
    takenAddresses[key] = id
  }

  /// Takes the contact out of lists, segments and sends, or puts it back. What is known of the person, and
  /// what they said, stays either way.
  package mutating func setContact(_ id: Identifier, archived: Bool) throws(CommandError) {
    _ = try contact(id)
    try run(Contact.self, id, archived ? .archive : .restore)
  }

  package mutating func addTags(_ tags: [String], to id: Identifier) throws(CommandError) {
    _ = try contact(id)
    try run(Contact.self, id, .addTags(tags))
  }

  /// Exactly these: others are taken away.
  package mutating func setTags(_ tags: [String], of id: Identifier) throws(CommandError) {
    _ = try contact(id)
    try run(Contact.self, id, .setTags(tags))
  }

  package mutating func removeTags(_ tags: [String], from id: Identifier) throws(CommandError) {
    _ = try contact(id)
    try run(Contact.self, id, .removeTags(tags))
  }

  /// A recorded yes. After an opt-out only the person can say it again: staff cannot.
  /// `number`: which of the request's consents it is; nil where it is the request itself.
  package mutating func recordConsent(
    _ request: ConsentRequest, of id: Identifier, number: Int? = nil
  ) throws(CommandError) {
    let contact = try contact(id)
    let consent = try consent(request, of: contact.details, number: number)
    let isEnded = request.purpose == .marketing && contact.refusesMarketing(on: request.channel)
    if isEnded || contact.consents[request.channel] == .optedOut {
      try requireByPerson(request.method, number)
    }
    try run(Contact.self, id, .optIn(consent, isRenewal: isRevoked(consent)))
    try reopen(consent)
  }

  /// The person's own yes takes their own no off the list, where it had to stand there.
  mutating func reopen(_ consent: Consent) throws(CommandError) {
    guard consent.method.isByPerson, let address = consent.evidence.value?.address,
      state.isClosedByNo(address, of: consent.channel)
    else { return }
    try run(
      Org.self, org,
      .unsuppress(
        Suppression(
          list: .suppression, channel: consent.channel, source: "opt_in",
          address: .known(consent.channel.key(address))), isListed: true))
  }

  private func requireByPerson(
    _ method: Consent.Method, _ number: Int?
  ) throws(CommandError) {
    guard !method.isByPerson else { return }
    throw CommandError.invalid(
      field: "method", code: "opt_in_by_person_only",
      message: "The person opted out; a new opt-in must come from the person "
        + "(a keyword, a form, a signed paper), not from staff, a program or a list."
    ).ofConsent(number)
  }

  /// Whether the address of `consent` said no, whichever contact carried it then.
  private func isRevoked(_ consent: Consent) -> Bool {
    consent.evidence.value.map {
      state.isRevoked($0.address, of: consent.channel, for: consent.purpose)
    } ?? false
  }

  /// A human read what may have been a revocation: it is none.
  package mutating func dismissOptOut(
    _ id: Identifier, channel: Channel
  ) throws(CommandError) {
    _ = try contact(id)
    try run(Contact.self, id, .dismissOptOut(channel))
  }

  package mutating func recordOptOut(
    _ id: Identifier, channel: Channel, method: OptOut.Method
  ) throws(CommandError) {
    let contact = try contact(id)
    let address = (channel == .email ? contact.details.email : contact.details.phone) ?? ""
    guard !address.isEmpty else {
      try run(
        Contact.self, id,
        .optOut(OptOut(channel: channel, method: method, address: .known(address))))
      return
    }
    try optOut(address: address, channel: channel, method: method, message: nil)
  }

  /// A human read what may have been a revocation: it is one.
  package mutating func confirmOptOut(
    _ id: Identifier, channel: Channel
  ) throws(CommandError) {
    let contact = try contact(id)
    guard contact.suspectedOptOuts.contains(channel) else { return }
    // Whoever wrote may have another address by now: the no is that of both.
    let suspicion = state.suspectedOptOuts[id]?[channel]
    let said = try suspicion.flatMap { suspicion throws(CommandError) -> String? in
      try current(Message.self, suspicion.message).inbound?.content.value?.address
    }
    guard let said, said != contact.details.key(of: channel) else {
      return try recordOptOut(id, channel: channel, method: .text)
    }
    try optOut(address: said, channel: channel, method: .text, message: nil, recipients: [id])
  }
}

// MARK: - Normal forms

extension Workspace {
  /// The contact that has the same phone or email, and which of them.
  func existing(like details: ContactDetails) -> (Identifier, String)? {
    if let phone = details.phone, let contact = holders(of: phone).first {
      return (contact, "phone")
    }
    if let email = details.email?.lowercased() {
      let contact = state.contacts.contacts(withEmail: email).first ?? newContactsByEmail[email]
      return contact.map { ($0, "email") }
    }
    return nil
  }

  func normalized(_ details: ContactDetails) throws(CommandError) -> ContactDetails {
    var details = details
    if let raw = details.phone {
      let phone = try e164(raw)
      details.phone = phone
      if raw != phone { details.rawPhone = raw }
    }
    if let raw = details.email { details.email = try emailAddress(raw) }
    return details
  }

  func e164(_ raw: String) throws(CommandError) -> String {
    try ContactAddresses.e164(raw, tools.numbers)
  }

  func emailAddress(_ raw: String) throws(CommandError) -> String {
    try ContactAddresses.email(raw)
  }

  /// `number`: which of the request's consents it is; nil where it is the request itself.
  func consent(
    _ request: ConsentRequest, of details: ContactDetails, number: Int? = nil
  ) throws(CommandError) -> Consent {
    do throws(CommandError) {
      try ConsentRequest.check(wording: request.wording)
    } catch {
      throw error.ofConsent(number)
    }
    let address = request.channel == .email ? details.email : details.phone
    guard let address else { throw ConsentRequest.withoutAddress(request.channel) }
    let isClosed =
      state.isRevoked(address, of: request.channel, for: request.purpose)
      || state.isClosedByNo(address, of: request.channel)
    if isClosed { try requireByPerson(request.method, number) }
    return Consent(
      channel: request.channel, purpose: request.purpose, method: request.method,
      source: request.source, grantedAtMicros: nowMicros,
      evidence: .known(
        ConsentEvidence(address: address, wording: request.wording, ip: request.ip)),
      sender: request.sender,
      wordingHash: Hex.encode(SHA256.hash(Array(request.wording.utf8))))
  }
}

extension String {
  /// Without blanks at both ends.
  func trimmingBlanks() -> String {
    // Most texts are bare already, and Unicode's tables need not be asked about a letter of ASCII's.
    let plain = 0x21...0x7e as ClosedRange<UInt8>
    if let first = utf8.first, let last = utf8.last, plain.contains(first), plain.contains(last) {
      return self
    }
    var text = Substring(self)
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}

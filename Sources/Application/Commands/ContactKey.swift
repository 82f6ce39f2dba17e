import Domain

/// What identifies a contact besides its id.
package enum ContactKey: Sendable, Equatable {
  case email(String)
  /// In any form that people write it.
  case phone(String)
}

extension Workspace {
  /// Creates the contact with this key, or changes the one that has it: named fields change, tags are
  /// added, consents are recorded. Who was archived is there again.
  package mutating func putContact(
    _ key: ContactKey, _ request: ContactRequest, changes: [FieldChange]
  ) throws(CommandError) -> Identifier {
    guard let id = try contact(with: key) else { return try createContact(request) }
    try run(Contact.self, id, .restore)
    try updateContact(id, changes)
    if !request.tags.isEmpty { try addTags(request.tags, to: id) }
    for (index, consent) in request.consents.enumerated() {
      try recordConsent(consent, of: id, number: index)
    }
    return id
  }

  package func contact(with key: ContactKey) throws(CommandError) -> Identifier? {
    switch key {
    case .email(let email):
      state.contacts.contacts(withEmail: try ContactAddresses.email(email).lowercased()).first
    case .phone(let phone): state.contacts.contacts(withPhone: try e164(phone)).first
    }
  }
}

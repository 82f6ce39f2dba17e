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
    try requireSame(key, changes)
    guard let id = try contact(with: key) else { return try createContact(request) }
    try run(Contact.self, id, .restore)
    try updateContact(id, changes)
    if !request.tags.isEmpty { try addTags(request.tags, to: id) }
    for (index, consent) in request.consents.enumerated() {
      try recordConsent(consent, of: id, number: index)
    }
    return id
  }

  /// Whoever asks for the contact with an address, and names another one, would have the first request move the
  /// person and the same one again not find them.
  private func requireSame(
    _ key: ContactKey, _ changes: [FieldChange]
  ) throws(CommandError) {
    func require(_ field: String, _ holds: (String) throws(CommandError) -> Bool)
      throws(CommandError)
    {
      guard let change = changes.first(where: { $0.field == field }) else { return }
      if let text = change.value?.text, try holds(text) { return }
      throw .invalid(
        field: field, code: "key_mismatch",
        message: "\(field) is not that of the key. PATCH the contact to change it.")
    }
    switch key {
    case .email(let key):
      let own = try ContactAddresses.email(key).lowercased()
      try require("email") { text throws(CommandError) in
        try ContactAddresses.email(text).lowercased() == own
      }
    case .phone(let key):
      let own = try e164(key)
      try require("phone") { text throws(CommandError) in try e164(text) == own }
    }
  }

  package func contact(with key: ContactKey) throws(CommandError) -> Identifier? {
    switch key {
    case .email(let email):
      state.contacts.contacts(withEmail: try ContactAddresses.email(email).lowercased()).first
    case .phone(let phone): state.contacts.contacts(withPhone: try e164(phone)).first
    }
  }
}

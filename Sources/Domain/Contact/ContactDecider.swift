// MARK: - Decide

extension Contact: Decider {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if case .create(let details, let source, let tags, let consents) = command {
      return try create(details, source: source, tags: tags, consents: consents, given: state)
    }
    guard state.exists else { throw .notFound }
    if let events = try decideErasure(command, given: state) { return events }
    guard !state.isErased else { throw .erased }
    switch command {
    case .create, .requestErasure, .recordDestruction, .recordErasure:
      preconditionFailure("handled above")
    case .update(let changes):
      return try update(changes, given: state)
    case .addTags(let tags):
      return try added(tags, given: state)
    case .removeTags(let tags):
      return unique(tags).filter(state.tags.contains).map { .untagged(tag: $0) }
    case .setTags(let tags):
      let gone = state.tags.subtracting(tags).sorted()
      var kept = state
      kept.tags.subtract(gone)
      return gone.map { .untagged(tag: $0) } + (try added(tags, given: kept))
    case .optOut(let optOut, let isNewAddress):
      return isNewAddress || isNews(optOut, given: state) ? [.optedOut(optOut)] : []
    case .optIn(let consent, let isRenewal):
      return isRenewal || isNews(consent, given: state) ? [.optedIn(consent)] : []
    case .suspectOptOut(let channel, let message):
      guard state.consents[channel] != .optedOut, !state.suspectedOptOuts.contains(channel) else {
        return []
      }
      return [.optOutSuspected(channel: channel, message: message)]
    case .dismissOptOut(let channel):
      return state.suspectedOptOuts.contains(channel) ? [.optOutDismissed(channel: channel)] : []
    case .captureLead(let lead):
      return [.leadCaptured(lead)]
    case .archive:
      return state.isArchived ? [] : [.archived]
    case .restore:
      return state.isArchived ? [.restored] : []
    }
  }

  private static func create(
    _ details: ContactDetails, source: String, tags: [String], consents: [Consent],
    given state: State
  ) throws(Rejection) -> [Event] {
    guard !state.exists else { throw .alreadyExists }
    guard details.isIdentifying else { throw .nothingToIdentify }
    for (field, value) in details.fields { try check(value, of: field) }
    try check(details.custom, given: state)
    let tagged = try added(tags, given: state)
    var events: [Event] = []
    events.reserveCapacity(1 + tagged.count + consents.count)
    events.append(.created(details: .known(details), source: source))
    events += tagged
    for consent in consents { events.append(.optedIn(consent)) }
    return events
  }

  private static func update(
    _ changes: [FieldChange], given state: State
  ) throws(Rejection) -> [Event] {
    var details = state.details
    var effective: [FieldChange] = []
    for change in changes {
      guard ContactDetails.isField(change.field) else { throw .unknownField(change.field) }
      if let value = change.value { try check(value, of: change.field) }
      guard details[change.field] != change.value else { continue }
      details[change.field] = change.value
      effective.append(change)
    }
    guard details.isIdentifying else { throw .nothingToIdentify }
    try check(details.custom, given: state)
    guard !effective.isEmpty else { return [] }
    return [.updated(fields: effective.map(\.field), changes: .known(effective))]
  }

  private static func added(_ tags: [String], given state: State) throws(Rejection) -> [Event] {
    let new = unique(tags).filter { !state.tags.contains($0) }
    for tag in new { try check(tag: tag) }
    guard state.tags.count + new.count <= tagLimit else { throw .tooManyTags(limit: tagLimit) }
    return new.map { .tagged(tag: $0) }
  }

  /// Who had more than that before there was a limit keeps them, and gets no further ones.
  private static func check(_ custom: FieldValues, given state: State) throws(Rejection) {
    let count = custom.fields.count
    guard count <= max(customFieldLimit, state.details.custom.fields.count) else {
      throw .tooManyFields(limit: customFieldLimit)
    }
  }

  /// - Throws: `invalidField` for what no contact has as a tag.
  package static func check(tag: String) throws(Rejection) {
    guard !tag.isEmpty, tag.utf8.count <= 100 else {
      throw .invalidField("tags", reason: "a tag has 1 to 100 bytes")
    }
  }

  /// - Throws: `invalidField` for what no contact has in `field`.
  package static func check(_ value: FieldValue, of field: String) throws(Rejection) {
    if case .text(let text) = value {
      guard text.utf8.count <= 2_000 else {
        throw .invalidField(field, reason: "longer than 2000 bytes")
      }
    } else if !field.hasPrefix("custom.") {
      throw .invalidField(field, reason: "must be text")
    }
  }

  /// A second, equal yes is news only where the channel is not open for that purpose yet, or in doubt.
  private static func isNews(_ consent: Consent, given state: State) -> Bool {
    if state.suspectedOptOuts.contains(consent.channel), consent.method.isByPerson { return true }
    // A yes to one of our numbers is no news where the whole org has it.
    return !state.grants.contains { $0.covers(ConsentGrant(consent)) }
  }

  /// A second no is news where it ends more than the first one did.
  private static func isNews(_ optOut: OptOut, given state: State) -> Bool {
    guard state.consents[optOut.channel] == .optedOut else { return true }
    return optOut.scope == .seller && !state.sellerOptOuts.contains(optOut.channel)
  }

  private static func unique(_ tags: [String]) -> [String] {
    guard tags.count > 1 else { return tags }
    var seen: Set<String> = []
    return tags.filter { seen.insert($0).inserted }
  }
}

// MARK: - Evolve

extension Contact {
  package static func evolve(_ state: consuming State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let details, let source):
      next.exists = true
      next.source = source
      switch details {
      case .known(let details): next.details = details
      case .erased: next.isErased = true
      }
    case .updated(_, .known(let changes)):
      let before = next.details
      for change in changes { next.details[change.field] = change.value }
      for channel in Channel.allCases
      where before.key(of: channel) != next.details.key(of: channel) {
        next.forgetYes(on: channel)
      }
    case .updated(_, .erased):
      next.isErased = true
      next.details = ContactDetails()
      next.grants = []
    case .tagged(let tag):
      next.tags.insert(tag)
    case .untagged(let tag):
      next.tags.remove(tag)
    case .optedOut(let optOut):
      next.consents[optOut.channel] = .optedOut
      next.grants.removeAll { $0.channel == optOut.channel }
      next.suspectedOptOuts.remove(optOut.channel)
      if optOut.scope == .seller {
        next.forgetMarketing()
        next.sellerOptOuts.insert(optOut.channel)
      }
    case .optedIn(let consent):
      // The no was to everything, and advertising is not what they said yes to.
      if consent.purpose == .transactional, next.consents[consent.channel] == .optedOut {
        next.serviceOnly.insert(consent.channel)
      }
      next.consents[consent.channel] = .optedIn(
        purpose: consent.purpose, atMicros: consent.grantedAtMicros)
      let grant = ConsentGrant(consent)
      next.grants.removeAll { $0.covers(grant) && grant.covers($0) }
      next.grants.append(grant)
      if consent.method.isByPerson { next.suspectedOptOuts.remove(consent.channel) }
      // A yes to messages that are no advertising, and what somebody else says, takes no such no back.
      if consent.purpose == .marketing, consent.method.isByPerson {
        next.sellerOptOuts.remove(consent.channel)
        next.serviceOnly.remove(consent.channel)
      }
    case .optOutSuspected(let channel, _):
      next.suspectedOptOuts.insert(channel)
    case .optOutDismissed(let channel):
      next.suspectedOptOuts.remove(channel)
    case .erasureRequested(let request):
      next = forgotten(request)
    case .dataDestroyed(let atMicros):
      next.erasure?.rewrittenAtMicros = atMicros
    case .erased(let record):
      next.erasure?.purgedAtMicros = record.purgedAtMicros
      next.erasure?.erasedAtMicros = record.erasedAtMicros
      next.erasure?.keyIDs = record.keyIDs
    case .archived:
      next.isArchived = true
    case .restored:
      next.isArchived = false
    case .leadCaptured:
      break
    }
    return next
  }
}

extension Contact.State {
  /// The address is another one, and that one has not agreed to anything. A no stays.
  fileprivate mutating func forgetYes(on channel: Channel) {
    grants.removeAll { $0.channel == channel }
    if case .optedIn = consents[channel] { consents[channel] = nil }
  }

  fileprivate mutating func forgetMarketing() {
    grants.removeAll { $0.purpose == .marketing }
    for (channel, status) in consents {
      if case .optedIn(.marketing, _) = status { consents[channel] = nil }
    }
  }
}

// MARK: - Fields

extension ContactDetails {
  /// Where the person is reached on `channel`, as addresses are compared; nil without one.
  package func key(of channel: Channel) -> String? {
    switch channel {
    case .sms, .voice: phone
    case .email: email.map(channel.key)
    }
  }

  /// The standard fields by their API name.
  package static let standardFields = [
    "first_name", "last_name", "company", "email", "phone", "raw_phone",
  ]

  package static func isField(_ name: String) -> Bool {
    standardFields.contains(name) || (name.hasPrefix("custom.") && name.utf8.count <= 107)
  }

  /// Whether something tells this person from others.
  package var isIdentifying: Bool {
    firstName != nil || lastName != nil || email != nil || phone != nil || company != nil
  }

  /// The value of a field by its API name; nil where it is not set.
  package subscript(field: String) -> FieldValue? {
    get {
      switch field {
      case "first_name": firstName.map(FieldValue.text)
      case "last_name": lastName.map(FieldValue.text)
      case "company": company.map(FieldValue.text)
      case "email": email.map(FieldValue.text)
      case "phone": phone.map(FieldValue.text)
      case "raw_phone": rawPhone.map(FieldValue.text)
      default: custom[Self.customName(field)]
      }
    }
    set {
      switch field {
      case "first_name": firstName = newValue?.text
      case "last_name": lastName = newValue?.text
      case "company": company = newValue?.text
      case "email": email = newValue?.text
      case "phone": phone = newValue?.text
      case "raw_phone": rawPhone = newValue?.text
      default: custom[Self.customName(field)] = newValue
      }
    }
  }

  /// Every field that is set: the standard ones in their order, then the custom ones by name.
  package var fields: [(field: String, value: FieldValue)] {
    var fields: [(field: String, value: FieldValue)] = []
    fields.reserveCapacity(Self.standardFields.count + custom.fields.count)
    func add(_ name: String, _ text: String?) {
      if let text { fields.append((name, .text(text))) }
    }
    add("first_name", firstName)
    add("last_name", lastName)
    add("company", company)
    add("email", email)
    add("phone", phone)
    add("raw_phone", rawPhone)
    for own in custom.fields { fields.append(("custom." + own.name, own.value)) }
    return fields
  }

  private static func customName(_ field: String) -> String {
    String(field.dropFirst("custom.".count))
  }
}

extension FieldValue {
  package var text: String? {
    guard case .text(let value) = self else { return nil }
    return value
  }
}

import Crypto
import Domain
import EventLog

/// What ends with a person's erasure.
package struct PendingWork: Sendable, Equatable {
  /// Queued or held.
  package let messages: [Identifier]
  package let runs: [Identifier]
  package let timers: [Identifier]
}

extension Workspace {
  /// Asks for a person to be erased: ends what is pending, keeps the hashes of the addresses that said no, and
  /// makes every reader fail closed, in one commit. The rest is the erasure reactor's. A second request adds
  /// nothing.
  package mutating func requestErasure(
    of id: Identifier, reason: Erasure.Reason
  ) throws(CommandError) {
    let contact = try contact(id)
    guard contact.erasure == nil else { return }
    let pending = pendingWork(of: id)
    for message in pending.messages {
      try follow(try run(Message.self, message, .cancel(by: actor)), of: message)
    }
    for run in pending.runs {
      guard let step = try current(WorkflowRun.self, run).step else { continue }
      try self.run(WorkflowRun.self, run, .fail(step: step, reason: "contact_erased"))
    }
    for timer in pending.timers { try run(Timer.self, timer, .cancel) }
    let addresses = try keyedAddresses(of: id, contact)
    try run(
      Contact.self, id,
      .requestErasure(
        ErasureRequest(
          reason: reason, by: actor, atMicros: nowMicros, addresses: .known(addresses))))
  }

  /// What would end. Looks at all that is under way in the org.
  package func pendingWork(of contact: Identifier) -> PendingWork {
    let messages = state.tables.messages.filter { _, message in
      message.plan?.contact == contact && message.status?.isWaiting == true
    }.keys
    let runs = state.runs.active.filter { $0.key.contact == contact }.values
    let owners = Set(messages).union(runs)
    let timers = state.tables.timers.filter { _, timer in
      guard case .pending(let owner, _) = timer else { return false }
      return owners.contains(owner)
    }.keys
    return PendingWork(
      messages: messages.sorted(), runs: runs.sorted(), timers: timers.sorted())
  }

  /// Gives up a message whose person is being forgotten: nobody can ask the provider about it any more.
  mutating func endUnanswered(_ id: Identifier) throws(CommandError) {
    let message = try current(Message.self, id)
    if let providerID = message.providerID {
      try record(
        ProviderStatus(
          kind: .failed, providerID: providerID, errorCode: "recipient_erased",
          atMicros: nowMicros), for: id)
    } else {
      try record(.refused(code: "recipient_erased"), for: id)
    }
  }

  mutating func recordDestruction(of id: Identifier) throws(CommandError) {
    try run(Contact.self, id, .recordDestruction(atMicros: nowMicros))
  }

  /// The last word: with the keys that leaves name.
  mutating func recordErasure(of id: Identifier) throws(CommandError) {
    let keyID = SubjectID(id.value).keyID(in: OrgID(org.value))
    try run(
      Contact.self, id,
      .recordErasure(
        keyIDs: [Hex.encode(keyID)], purgedAtMicros: nowMicros, atMicros: nowMicros))
  }

  /// Where a person's erasure stands; nil where nobody asked.
  package func erasure(of id: Identifier) throws(CommandError) -> Erasure? {
    try contact(id).erasure
  }

  package func isErased(_ contact: Identifier) -> Bool {
    state.contacts.isErased(contact)
  }

  /// On which channels the person's no would outlive them.
  package func lastingOptOuts(of id: Identifier) throws(CommandError) -> [Channel] {
    let contact = try contact(id)
    let noes = Set(contact.noes)
    return Channel.allCases.filter { channel in
      guard let address = contact.details.key(of: channel) else { return false }
      return noes.contains(.init(address, channel)) || state.hasOptedOut(address, of: channel)
    }
  }

  /// The lists of the account on which an address of the person's stands. It stays there, shown as a hash and readable in the
  /// book: whoever has the address next is not written to either.
  package func lastingListings(
    of id: Identifier
  ) throws(CommandError) -> [(list: Suppression.List, channel: Channel)] {
    let addresses = try addresses(of: id, try contact(id))
    return Suppression.List.allCases.flatMap { list in
      let channels = Set(
        addresses.filter { state.isListed($0.key, of: $0.channel, on: list) }.map(\.channel))
      return Channel.allCases.filter(channels.contains).map { (list, $0) }
    }
  }

  /// Everybody who was erased or is being erased, with how far it is.
  package var erasures: [(contact: Identifier, erasure: Erasure)] {
    state.contacts.withErasure.compactMap { id in
      state.contacts[id]?.state.erasure.map { (id, $0) }
    }
  }
}

// MARK: - What stays

extension Workspace {
  private mutating func keyedAddresses(
    of id: Identifier, _ contact: Contact.State
  ) throws(CommandError) -> [KeyedAddress] {
    let noes = Set(contact.noes)
    // What the person had before may be another's by now, who said yes.
    let today = Set(contact.details.addresses)
    let all = try addresses(of: id, contact)
    guard !all.isEmpty else { return [] }
    let known = try current(Org.self, org).addressKey
    let key = known ?? Hex.encode(drawKey())
    let hasher = AddressHasher(key: key)
    let kept = all.flatMap { address in
      let no = state.keyed(
        address.key, of: address.channel, .transactional, saidNo: noes.contains(address), hasher)
      // Whoever may not be written to at all may not be sent advertising.
      if let no, no.isOptedOut { return [no, listed(address, hasher)].compactMap(\.self) }
      let ended = state.keyed(
        address.key, of: address.channel, .marketing,
        saidNo: today.contains(address) && contact.hasEndedMarketing(on: address.channel), hasher)
      return [no, ended, listed(address, hasher)].compactMap(\.self)
    }
    guard !kept.isEmpty else { return [] }
    if known == nil { try run(Org.self, org, .drawAddressKey(key)) }
    // Sorted by what nobody can read: the order must not tell which number was whose.
    return kept.sorted { ($0.channel.rawValue, $0.hash) < ($1.channel.rawValue, $1.hash) }
  }

  /// A list shows the address no more.
  private func listed(
    _ address: DispatchQueueIndex.Address, _ hasher: AddressHasher
  ) -> KeyedAddress? {
    let isListed = Suppression.List.allCases.contains {
      state.isListed(address.key, of: address.channel, on: $0)
    }
    guard isListed else { return nil }
    return KeyedAddress(
      channel: address.channel, hash: hasher.hash(address.key, address.channel),
      isOptedOut: false, isListed: true)
  }

  /// Where the person is or was reached.
  private func addresses(
    of id: Identifier, _ contact: Contact.State
  ) throws(CommandError) -> Set<DispatchQueueIndex.Address> {
    var all = Set(contact.details.addresses).union(contact.noes)
    try StreamFold.forEach(Contact.self, id, org: org, log: log) { event, _ in
      all.formUnion(event.addresses)
    }
    return all
  }

  private func drawKey() -> [UInt8] {
    [tools.random.next(), tools.random.next()].flatMap { value in
      (0..<16).map { UInt8(truncatingIfNeeded: value >> UInt128($0 * 8)) }
    }
  }
}

extension Contact.State {
  /// Where the person said no, or perhaps did: nobody can be asked any more.
  fileprivate var noes: [DispatchQueueIndex.Address] {
    Channel.allCases.compactMap { channel in
      guard consents[channel] == .optedOut || suspectedOptOuts.contains(channel) else {
        return nil
      }
      return details.key(of: channel).map { .init($0, channel) }
    }
  }
}

extension Contact.State {
  /// The person's no to it stands, and they never took it back for this channel.
  fileprivate func hasEndedMarketing(on channel: Channel) -> Bool {
    refusesMarketing(on: channel)
      && !grants.contains { $0.channel == channel && $0.purpose == .marketing }
  }
}

extension ContactDetails {
  var addresses: [DispatchQueueIndex.Address] {
    Channel.allCases.compactMap { channel in key(of: channel).map { .init($0, channel) } }
  }
}

extension Contact.Event {
  /// Where the person could be reached by then.
  var addresses: [DispatchQueueIndex.Address] {
    switch self {
    case .created(.known(let details), _): return details.addresses
    case .updated(_, .known(let changes)):
      var details = ContactDetails()
      for change in changes { details[change.field] = change.value }
      return details.addresses
    case .optedOut(let optOut):
      return optOut.address.value.map { $0.isEmpty ? [] : [.init($0, optOut.channel)] } ?? []
    case .optedIn(let consent):
      return consent.evidence.value.map { [.init($0.address, consent.channel)] } ?? []
    case .created(.erased, _), .updated(_, .erased), .tagged, .untagged, .optOutSuspected,
      .optOutDismissed, .erasureRequested, .dataDestroyed, .erased, .leadCaptured, .archived,
      .restored:
      return []
    }
  }
}

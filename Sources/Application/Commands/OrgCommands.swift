import Domain

extension Workspace {
  /// A new org with its wallet.
  package mutating func createOrg(
    name: String, kind: Org.Kind, agency: Identifier?, timeZone: String, isTest: Bool,
    clockOffsetMicros: Int64
  ) throws(CommandError) {
    try run(
      Org.self, org,
      .create(
        name: name, kind: kind, agency: agency, timeZone: timeZone, isTest: isTest,
        clockOffsetMicros: clockOffsetMicros))
    try runWallet(.open)
    tellNew(org)
    tellNew(walletID)
  }

  /// A place in this agency's book for a client whose own book begins afterwards: a repeated request finds it and
  /// finishes what the first one left.
  package mutating func addClient() throws(CommandError) -> Identifier {
    let client = newID(.org)
    try run(Org.self, org, .addClient(client))
    return client
  }

  /// Keeps the idempotency key of a request that has changed nothing; `subject` is what it answers.
  package mutating func recordNoEffect(on subject: Identifier) throws(CommandError) {
    precondition(decided.isEmpty, "what changed something is remembered with that")
    try run(Org.self, org, .recordNoEffect(on: subject))
  }

  /// Refused where another account takes over while the answer about a message is due from the former one, which it could
  /// not give, or while something waits to go out from a number that it does not have. `isSameAccount`: whoever asks
  /// for it says that it is no other account, whatever it looks like.
  package mutating func configureSMS(
    _ settings: SMSSettings, isSameAccount: Bool = false
  ) throws(CommandError) {
    var settings = settings
    settings.from = try e164(settings.from)
    if let today = state.settings.sms, !isSameAccount, !today.isOfSameAccount(as: settings),
      state.isInDoubt(.sms) || today.from != settings.from && state.isAwaited(.sms)
    {
      throw .providerInUse(.sms)
    }
    try run(Org.self, org, .configureSMS(settings))
  }

  /// Refused as by `configureSMS`. Mail that merely waits goes out through the new account; a payment or a refund
  /// is the former one's until it has ended: the other one knows nothing of what was paid.
  package mutating func configureProvider(
    _ settings: ProviderSettings, isSameAccount: Bool = false
  ) throws(CommandError) {
    if let today = state.settings.providers[settings.service], !isSameAccount,
      !today.isOfSameAccount(as: settings), state.isBound(to: settings.service)
    {
      throw .providerInUse(settings.service == .email ? .email : .payment)
    }
    try run(Org.self, org, .configureProvider(settings))
  }

  /// Refused while messages wait for it, or their answers: they would end as failures.
  package mutating func removeProvider(
    _ service: Org.ProvidedService, isForgotten: Bool
  ) throws(CommandError) {
    if state.settings.has(service), state.isAwaited(service) { throw .providerInUse(service) }
    try run(Org.self, org, .removeProvider(service, isForgotten: isForgotten))
  }

  /// - Throws: `invalid` where nobody knows the time zone.
  package mutating func changeOrg(name: String?, timeZone: String?) throws(CommandError) {
    if let timeZone { try Self.check(timeZone: timeZone, tools) }
    try run(Org.self, org, .change(name: name, timeZone: timeZone))
  }

  /// - Throws: `invalid` where nobody knows it.
  package static func check(timeZone: String, _ tools: Tools) throws(CommandError) {
    guard tools.knows(timeZone: timeZone) else {
      throw .invalid(
        field: "time_zone", code: "unknown_time_zone",
        message: "time_zone is a name of the IANA database, such as America/Chicago.")
    }
  }

  package mutating func setStatus(_ status: Org.Status) throws(CommandError) {
    try run(Org.self, org, .setStatus(status))
  }

  package mutating func recordLetter(_ letter: AdministratorLetter) throws(CommandError) {
    try run(Org.self, org, .recordLetter(letter))
  }

  package mutating func setPostalAddress(_ address: String) throws(CommandError) {
    try run(Org.self, org, .setPostalAddress(address))
  }

  package mutating func advanceClock(byMicros: Int64) throws(CommandError) {
    try run(Org.self, org, .advanceClock(byMicros: byMicros))
  }

  package mutating func recordCheckpoint(size: Int64, note: String) throws(CommandError) {
    try run(Org.self, org, .recordCheckpoint(size: size, note: note))
  }

  package mutating func recordRestore(_ restore: HistoryRestore) throws(CommandError) {
    try run(Org.self, org, .recordRestore(restore))
  }

  /// The record of an export that is about to be written.
  package mutating func recordExport(
    of scope: AuditScope, opensCredentials: Bool
  ) throws(CommandError) -> AuditExportRecord {
    switch scope {
    case .contact(let id): guard try current(Contact.self, id).exists else { throw .notFound(id) }
    case .message(let id):
      guard try current(Message.self, id).status != nil else { throw .notFound(id) }
    case .campaign(let id):
      guard try current(Campaign.self, id).status != nil else { throw .notFound(id) }
    case .account, .number, .period: break
    }
    let record = AuditExportRecord(
      id: newID(.auditExport), scope: scope, opensCredentials: opensCredentials)
    try run(Org.self, org, .recordExport(record))
    return record
  }

  package mutating func addFunds(
    amountMicros: Int64, paymentID: String, method: String
  ) throws(CommandError) {
    try runWallet(.fund(amountMicros: amountMicros, paymentID: paymentID, method: method))
  }

  package mutating func createSegment(
    name: String, filter: Filter
  ) throws(CommandError) -> Identifier {
    let id = newID(.segment)
    try run(Segment.self, id, .create(name: name, filter: filter), isNew: true)
    return id
  }

  package mutating func updateSegment(
    _ id: Identifier, name: String?, filter: Filter?
  ) throws(CommandError) {
    try requireSegment(id)
    try run(Segment.self, id, .update(name: name, filter: filter))
  }

  package mutating func deleteSegment(_ id: Identifier) throws(CommandError) {
    try requireSegment(id)
    try run(Segment.self, id, .delete)
  }

  /// As it was when it was deleted; nothing where it is there.
  mutating func restoreSegment(_ id: Identifier, createdAtMicros: Micros) throws(CommandError) {
    try run(Segment.self, id, .restore(createdAtMicros: createdAtMicros))
  }

  private func requireSegment(_ id: Identifier) throws(CommandError) {
    let segment = try current(Segment.self, id)
    guard segment.exists, !segment.isDeleted else { throw .notFound(id) }
  }

  package mutating func createWebhookEndpoint(
    url: String, types: [String], secret: String
  ) throws(CommandError) -> Identifier {
    let id = newID(.webhookEndpoint)
    try run(
      WebhookEndpoint.self, id, .create(url: url, types: types, secret: secret), isNew: true)
    return id
  }

  package func webhookEndpoint(
    _ id: Identifier
  ) throws(CommandError) -> WebhookEndpoint.State {
    try current(WebhookEndpoint.self, id)
  }

  package mutating func change(
    _ id: Identifier, by command: WebhookEndpoint.Command
  ) throws(CommandError) {
    let endpoint = try current(WebhookEndpoint.self, id)
    guard endpoint.exists, !endpoint.isDeleted else { throw .notFound(id) }
    try run(WebhookEndpoint.self, id, command)
  }
}

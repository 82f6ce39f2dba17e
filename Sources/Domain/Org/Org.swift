/// A tenant: a direct account, an agency, or an agency's client. Stream: the org's id.
package enum Org: Decider {
  package enum Command: Sendable, Equatable {
    /// A test org's clock may start in the past (a negative offset); any other org's is the real one.
    case create(
      name: String, kind: Kind, agency: Identifier?, timeZone: String, isTest: Bool,
      clockOffsetMicros: Int64)
    case configureSMS(SMSSettings)
    case configureProvider(ProviderSettings)
    /// What stands below every marketing email.
    case setPostalAddress(String)
    case setAutoRecharge(AutoRecharge)
    case setStatus(Status)
    /// What stays nil stays as it is.
    case change(name: String?, timeZone: String?)
    /// Nothing goes out through it any more. What it still has to tell is taken in, unless it is forgotten.
    case removeProvider(ProvidedService, isForgotten: Bool)
    /// Only a test org has a clock of its own.
    case advanceClock(byMicros: Int64)
    /// The head of the account's own tree, signed: whoever keeps it can prove a later change.
    case recordCheckpoint(size: Int64, note: String)
    case recordExport(AuditExportRecord)
    /// The book was restored from a backup, and this is its first event since.
    case recordRestore(HistoryRestore)
    /// The most that one of its API keys may ask for; nil: the standard.
    case setRateLimit(RateLimit?)
    /// Somebody tried what is not theirs to do.
    case recordRefusal(AccessRefusal)
    /// Somebody of this account decides about a read model, which is all accounts'.
    case recordReadModelOrder(ReadModelOrder, readModel: String)
    /// The kill switch: nothing is handed to a provider from this commit on.
    case halt(HaltScope, HaltMode, reason: String, by: String)
    case resume(HaltScope, by: String)
    case setSendingRules(SendingRules)
    /// From now on or from a later moment: what was charged stays as it was.
    case setPrice(PriceOverride, nowMicros: Micros)
    /// `isListed`: what the caller found in the org's lists.
    case suppress(Suppression, isListed: Bool)
    case unsuppress(Suppression, isListed: Bool)
    /// The key of the hashes that stay of erased people's addresses: 32 random bytes, in hex.
    case drawAddressKey(String)
    /// Who is written to about what the account's administrators should know.
    case recordLetter(AdministratorLetter)
    /// In an agency's book, before the client's own begins.
    case addClient(Identifier)
    /// A request under an idempotency key changed nothing, and must not later, when it is sent again.
    case recordNoEffect(on: Identifier)
  }

  package enum Event: Sendable, Equatable {
    case created(
      name: String, kind: Kind, agency: Identifier?, timeZone: String, isTest: Bool,
      clockOffsetMicros: Int64)
    case smsConfigured(SMSSettings)
    case providerConfigured(ProviderSettings)
    case postalAddressSet(String)
    case autoRechargeSet(AutoRecharge)
    case statusChanged(Status)
    case detailsChanged(name: String, timeZone: String)
    case providerRemoved(ProvidedService, isForgotten: Bool)
    case clockAdvanced(byMicros: Int64)
    case checkpointPublished(size: Int64, note: String)
    case auditExported(AuditExportRecord)
    case historyRestored(HistoryRestore)
    case rateLimitSet(RateLimit?)
    case accessRefused(AccessRefusal)
    case readModelOrdered(ReadModelOrder, readModel: String)
    case sendingHalted(scope: HaltScope, mode: HaltMode, reason: String, by: String)
    case sendingResumed(scope: HaltScope, by: String)
    case sendingRulesSet(SendingRules)
    case priceSet(PriceOverride)
    case suppressed(Suppression)
    case unsuppressed(Suppression)
    /// Once: hashes of before have to be found again.
    case addressKeyDrawn(Personal<String>)
    /// Before the letter is handed over: one that got lost is not written twice.
    case letterWritten(AdministratorLetter)
    case clientAdded(Identifier)
    /// It keeps the request's idempotency key, which lives as long as a commit does.
    case requestHadNoEffect(on: Identifier)
  }

  /// What is done with a read model.
  package enum ReadModelOrder: String, Sendable, CaseIterable {
    case rebuild, cancelRebuild = "cancel_rebuild", drain
  }

  package enum Kind: String, Sendable, CaseIterable, Codable {
    case direct, agency, client
  }

  package enum Status: String, Sendable, CaseIterable, Codable {
    case active
    case pastDue = "past_due"
    case paused
    case archived
  }

  /// What an org has a provider for. Texts and calls share the one of `sms`.
  package enum ProvidedService: String, Sendable, CaseIterable, Codable {
    case sms, email, payment
  }

  package struct State: Sendable, Equatable, Codable {
    package var exists = false
    package var name = ""
    package var kind = Kind.direct
    package var agency: Identifier?
    package var timeZone = ""
    package var isTest = false
    package var status = Status.active
    package var clockOffsetMicros: Int64 = 0
    package var sms: SMSSettings?
    /// Former ones, the newest last: what they still send, a STOP above all, is taken in.
    package var formerSMS: [SMSSettings] = []
    package var formerProviders: [ProviderSettings] = []
    package var providers: [ProviderSettings.Service: ProviderSettings] = [:]
    package var postalAddress: String?
    package var rateLimit: RateLimit?
    /// Why nothing goes out now; empty: it does.
    package var halts: Set<HaltScope> = []
    /// Those of them that let nothing wait.
    package var kills: Set<HaltScope> = []
    package var sendingRules = SendingRules()
    /// In the order of their days: of each resource and reach the last `keptPrices`, which is what holds and what is
    /// announced, and some of what held.
    package var prices: [PriceOverride] = []
    package var autoRecharge = AutoRecharge.standard
    package var addressKey: String?
    package var lastLetter: AdministratorLetter?
    /// Which of its histories the book is in: 1, and a higher one after each restore that it tells of.
    package var incarnation: Int64 = 1

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case emptyName
    case emptyPostalAddress
    case notATestOrg
    case clockMovesForwardOnly
    case clockTooFar(limitMicros: Int64)
    case sendingRuleOutOfRange(String)
    case markupOutOfRange(limitPercent: Int)
    case priceInThePast
    case noProvider(ProvidedService)
    case notAnAgency
  }

  /// A hundred years: as far as a test clock goes from the real one, in either direction. `decide` keeps
  /// to it, so no sum of times can overflow.
  package static let clockLimitMicros: Int64 = 36_525 * 86_400_000_000

  /// As many as anybody had in turn: a stolen one of years ago is not taken for good.
  package static let formerLimit = 8

  /// Ten times what it costs: more is a slip of the finger.
  package static let markupLimitPercent = 1_000

  /// Markups of one resource that begin later, at once.
  package static let announcedPriceLimit = 100
  /// More than are announced, so that the one that holds is among them.
  package static let keptPrices = 120

  package static let initialState = State()
}

/// Through whom an org texts. The token is sealed under a key of the org's own.
package struct SMSSettings: Sendable, Equatable, Codable {
  /// Our own number: E.164.
  package var from: String
  package var accountSID: String
  /// Where the provider's API is reached; the sandbox on loopback in development.
  package var baseURL: String
  package var authToken: Personal<String>

  package init(from: String, accountSID: String, baseURL: String, authToken: Personal<String>) {
    self.from = from
    self.accountSID = accountSID
    self.baseURL = baseURL
    self.authToken = authToken
  }

  package func isOfSameAccount(as other: SMSSettings) -> Bool {
    accountSID == other.accountSID && baseURL == other.baseURL
  }
}

/// Who tried what, from where, and why it was refused. Names ids and operations; the address is a person's.
package struct AccessRefusal: Sendable, Hashable {
  /// `key:key_…` or `user:usr_…`.
  package var actor: String
  /// Such as `POST /api/contacts`.
  package var operation: String
  /// An error code: `missing_scope`, `address_not_allowed`, ….
  package var reason: String
  /// Where it came from. Events of before it was recorded read as if it was erased.
  package var address: Personal<String>

  package init(actor: String, operation: String, reason: String, address: Personal<String>) {
    self.actor = actor
    self.operation = operation
    self.reason = reason
    self.address = address
  }

  /// The user who tried it; nil: a key did.
  package var user: Identifier? {
    let name = actor.prefix { $0 != " " }
    guard name.hasPrefix("user:") else { return nil }
    return Identifier(String(name.dropFirst("user:".count)), kind: .user)
  }
}

// MARK: - Decide

extension Org {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .create(let name, let kind, let agency, let timeZone, let isTest, let clockOffsetMicros):
      guard !state.exists else { throw .alreadyExists }
      guard !name.isBlank else { throw .emptyName }
      guard isTest || clockOffsetMicros == 0 else { throw .notATestOrg }
      try requireReachable(clockOffsetMicros)
      return [
        .created(
          name: name, kind: kind, agency: agency, timeZone: timeZone, isTest: isTest,
          clockOffsetMicros: clockOffsetMicros)
      ]
    case .configureSMS(let settings):
      guard state.exists else { throw .notFound }
      return state.sms == settings ? [] : [.smsConfigured(settings)]
    case .configureProvider(let settings):
      guard state.exists else { throw .notFound }
      return state.providers[settings.service] == settings ? [] : [.providerConfigured(settings)]
    case .setPostalAddress(let address):
      guard state.exists else { throw .notFound }
      let address = address.trimmed
      guard !address.isEmpty else { throw .emptyPostalAddress }
      return state.postalAddress == address ? [] : [.postalAddressSet(address)]
    case .setAutoRecharge(let settings):
      guard state.exists else { throw .notFound }
      return state.autoRecharge == settings ? [] : [.autoRechargeSet(settings)]
    case .setStatus(let status):
      guard state.exists else { throw .notFound }
      return state.status == status ? [] : [.statusChanged(status)]
    case .change(let name, let timeZone):
      guard state.exists else { throw .notFound }
      let name = name?.trimmed ?? state.name
      guard !name.isEmpty else { throw .emptyName }
      let timeZone = timeZone ?? state.timeZone
      guard name != state.name || timeZone != state.timeZone else { return [] }
      return [.detailsChanged(name: name, timeZone: timeZone)]
    case .removeProvider(let service, let isForgotten):
      guard state.exists else { throw .notFound }
      guard state.has(service) || (isForgotten && state.remembers(service)) else {
        throw .noProvider(service)
      }
      return [.providerRemoved(service, isForgotten: isForgotten)]
    case .recordLetter(let letter):
      guard state.exists else { throw .notFound }
      return [.letterWritten(letter)]
    case .addClient(let client):
      guard state.exists else { throw .notFound }
      guard state.kind == .agency else { throw .notAnAgency }
      return [.clientAdded(client)]
    case .recordNoEffect(let subject):
      guard state.exists else { throw .notFound }
      return [.requestHadNoEffect(on: subject)]
    case .advanceClock(let byMicros):
      guard state.exists else { throw .notFound }
      guard state.isTest else { throw .notATestOrg }
      guard byMicros > 0 else { throw .clockMovesForwardOnly }
      let (offsetMicros, isBeyond) = state.clockOffsetMicros.addingReportingOverflow(byMicros)
      try requireReachable(isBeyond ? .max : offsetMicros)
      return [.clockAdvanced(byMicros: byMicros)]
    case .recordCheckpoint(let size, let note):
      guard state.exists else { throw .notFound }
      return [.checkpointPublished(size: size, note: note)]
    case .recordExport(let record):
      guard state.exists else { throw .notFound }
      return [.auditExported(record)]
    case .recordRestore(let restore):
      guard state.exists else { throw .notFound }
      // Told once, however often the start that tells it is killed.
      return restore.incarnation > state.incarnation ? [.historyRestored(restore)] : []
    case .setRateLimit(let limit):
      guard state.exists else { throw .notFound }
      return state.rateLimit == limit ? [] : [.rateLimitSet(limit)]
    case .recordRefusal(let refusal):
      guard state.exists else { throw .notFound }
      return [.accessRefused(refusal)]
    case .recordReadModelOrder(let order, let readModel):
      guard state.exists else { throw .notFound }
      return [.readModelOrdered(order, readModel: readModel)]
    case .drawAddressKey(let key):
      guard state.exists else { throw .notFound }
      return state.addressKey == nil ? [.addressKeyDrawn(.known(key))] : []
    case .halt, .resume, .setSendingRules, .setPrice, .suppress, .unsuppress:
      guard state.exists else { throw .notFound }
      return try decideSending(command, given: state)
    }
  }

  private static func decideSending(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .halt(let scope, let mode, let reason, let by):
      // A stop may become one that lets nothing wait; what was skipped stays so.
      let isNews =
        !state.halts.contains(scope) || (mode == .skip && !state.kills.contains(scope))
      return isNews ? [.sendingHalted(scope: scope, mode: mode, reason: reason, by: by)] : []
    case .resume(let scope, let by):
      return state.halts.contains(scope) ? [.sendingResumed(scope: scope, by: by)] : []
    case .setSendingRules(let rules):
      if let field = rules.fieldOutOfRange { throw .sendingRuleOutOfRange(field) }
      return state.sendingRules == rules ? [] : [.sendingRulesSet(rules)]
    case .setPrice(let price, let nowMicros):
      guard (0...markupLimitPercent).contains(price.markupPercent ?? 0) else {
        throw .markupOutOfRange(limitPercent: markupLimitPercent)
      }
      guard price.fromMicros >= nowMicros else { throw .priceInThePast }
      let before = state.prices.last {
        $0.resource == price.resource && $0.reach == price.reach
          && $0.fromMicros <= price.fromMicros
      }
      guard price.markupPercent != nil || before?.markupPercent != nil else { return [] }
      return state.prices.contains(price) ? [] : [.priceSet(price)]
    case .suppress(let suppression, let isListed):
      return isListed ? [] : [.suppressed(suppression)]
    case .unsuppress(let suppression, let isListed):
      return isListed ? [.unsuppressed(suppression)] : []
    case .create, .configureSMS, .configureProvider, .setPostalAddress, .setAutoRecharge,
      .setStatus,
      .advanceClock,
      .recordCheckpoint, .recordExport, .recordRestore, .setRateLimit, .recordRefusal,
      .recordReadModelOrder, .drawAddressKey, .change,
      .removeProvider, .recordLetter, .addClient, .recordNoEffect:
      preconditionFailure("handled by the caller")
    }
  }

  private static func requireReachable(_ offsetMicros: Int64) throws(Rejection) {
    guard (-clockLimitMicros...clockLimitMicros).contains(offsetMicros) else {
      throw .clockTooFar(limitMicros: clockLimitMicros)
    }
  }
}

// MARK: - Evolve

extension Org {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let name, let kind, let agency, let timeZone, let isTest, let clockOffsetMicros):
      next.exists = true
      next.name = name
      next.kind = kind
      next.agency = agency
      next.timeZone = timeZone
      next.isTest = isTest
      next.clockOffsetMicros = clockOffsetMicros
    case .detailsChanged(let name, let timeZone):
      next.name = name
      next.timeZone = timeZone
    case .smsConfigured(let settings):
      next.retireSMS(for: settings)
      next.sms = settings
    case .providerConfigured(let settings):
      next.retire(settings.service, for: settings)
      next.providers[settings.service] = settings
    case .providerRemoved(let service, let isForgotten):
      next.remove(service, isForgotten: isForgotten)
    case .postalAddressSet(let address):
      next.postalAddress = address
    case .autoRechargeSet(let settings):
      next.autoRecharge = settings
    case .statusChanged(let status):
      next.status = status
    case .clockAdvanced(let byMicros):
      next.clockOffsetMicros += byMicros
    case .sendingHalted(let scope, let mode, _, _):
      next.halts.insert(scope)
      if mode == .skip { next.kills.insert(scope) }
    case .sendingResumed(let scope, _):
      next.halts.remove(scope)
      next.kills.remove(scope)
    case .sendingRulesSet(let rules):
      next.sendingRules = rules
    case .priceSet(let price):
      next.prices.append(price)
      next.prices.sort { $0.fromMicros < $1.fromMicros }
      let alike = next.prices.indices.filter {
        next.prices[$0].resource == price.resource && next.prices[$0].reach == price.reach
      }
      if alike.count > keptPrices { next.prices.remove(at: alike[0]) }
    case .checkpointPublished, .auditExported, .suppressed, .unsuppressed:
      // Lists are long: the org's index keeps them, not this state, which is copied with every event.
      break
    case .historyRestored(let restore):
      next.incarnation = restore.incarnation
    case .rateLimitSet(let limit):
      next.rateLimit = limit
    case .accessRefused, .readModelOrdered, .clientAdded, .requestHadNoEffect:
      break
    case .addressKeyDrawn(let key):
      next.addressKey = key.value
    case .letterWritten(let letter):
      next.lastLetter = letter
    }
    return next
  }
}

extension Org.State {
  package func has(_ service: Org.ProvidedService) -> Bool {
    switch service {
    case .sms: sms != nil
    case .email: providers[.email] != nil
    case .payment: providers[.payment] != nil
    }
  }

  /// Whether a former provider of it is still listened to.
  package func remembers(_ service: Org.ProvidedService) -> Bool {
    switch service {
    case .sms: !formerSMS.isEmpty
    case .email: formerProviders.contains { $0.service == .email }
    case .payment: formerProviders.contains { $0.service == .payment }
    }
  }

  /// New credentials of the same account take the place of the old ones, which may have been stolen and are listened to for
  /// a while only (by the org's index); another account leaves the former one to be listened to.
  fileprivate mutating func retireSMS(for next: SMSSettings? = nil) {
    let former = sms.map { [$0] } ?? []
    sms = nil
    formerSMS = (formerSMS + former).filter { $0.accountSID != next?.accountSID }
      .suffix(Org.formerLimit)
  }

  /// Nothing tells a new key of an account from one of another account: what is signed by the former one is taken in, be it
  /// of the one or of the other.
  fileprivate mutating func retire(
    _ service: ProviderSettings.Service, for next: ProviderSettings? = nil
  ) {
    let former = providers.removeValue(forKey: service).map { [$0] } ?? []
    formerProviders = (formerProviders + former)
      .filter { former in next.map { !former.isCovered(by: $0) } ?? true }
      .suffix(Org.formerLimit)
  }

  fileprivate mutating func remove(_ service: Org.ProvidedService, isForgotten: Bool) {
    switch service {
    case .sms:
      retireSMS()
      if isForgotten { formerSMS = [] }
    case .email: remove(.email, isForgotten)
    case .payment: remove(.payment, isForgotten)
    }
  }

  private mutating func remove(_ service: ProviderSettings.Service, _ isForgotten: Bool) {
    retire(service)
    if isForgotten { formerProviders.removeAll { $0.service == service } }
  }
}

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
    case setStatus(Status)
    /// Only a test org has a clock of its own.
    case advanceClock(byMicros: Int64)
    /// The head of the account's own tree, signed: whoever keeps it can prove a later change.
    case recordCheckpoint(size: Int64, note: String)
    case recordExport(AuditExportRecord)
    /// The most that one of its API keys may ask for; nil: the standard.
    case setRateLimit(RateLimit?)
    /// Somebody tried what is not theirs to do.
    case recordRefusal(AccessRefusal)
  }

  package enum Event: Sendable, Equatable {
    case created(
      name: String, kind: Kind, agency: Identifier?, timeZone: String, isTest: Bool,
      clockOffsetMicros: Int64)
    case smsConfigured(SMSSettings)
    case providerConfigured(ProviderSettings)
    case postalAddressSet(String)
    case statusChanged(Status)
    case clockAdvanced(byMicros: Int64)
    case checkpointPublished(size: Int64, note: String)
    case auditExported(AuditExportRecord)
    case rateLimitSet(RateLimit?)
    case accessRefused(AccessRefusal)
  }

  package enum Kind: String, Sendable, CaseIterable {
    case direct, agency, client
  }

  package enum Status: String, Sendable, CaseIterable {
    case active
    case pastDue = "past_due"
    case paused
    case archived
  }

  package struct State: Sendable, Equatable {
    package var exists = false
    package var name = ""
    package var kind = Kind.direct
    package var agency: Identifier?
    package var timeZone = ""
    package var isTest = false
    package var status = Status.active
    package var clockOffsetMicros: Int64 = 0
    package var sms: SMSSettings?
    package var providers: [ProviderSettings.Service: ProviderSettings] = [:]
    package var postalAddress: String?
    package var rateLimit: RateLimit?

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
  }

  /// A hundred years: as far as a test clock goes from the real one, in either direction. `decide` keeps
  /// to it, so no sum of times can overflow.
  package static let clockLimitMicros: Int64 = 36_525 * 86_400_000_000

  package static let initialState = State()
}

/// Through whom an org texts. The token is sealed under a key of the org's own.
package struct SMSSettings: Sendable, Equatable {
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
}

/// Who tried what, and why it was refused. Names ids and operations, no person's data.
package struct AccessRefusal: Sendable, Equatable {
  /// `key:key_…` or `user:usr_…`.
  package var actor: String
  /// Such as `POST /api/contacts`.
  package var operation: String
  /// An error code: `missing_scope`, `address_not_allowed`, ….
  package var reason: String

  package init(actor: String, operation: String, reason: String) {
    self.actor = actor
    self.operation = operation
    self.reason = reason
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
    case .setStatus(let status):
      guard state.exists else { throw .notFound }
      return state.status == status ? [] : [.statusChanged(status)]
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
    case .setRateLimit(let limit):
      guard state.exists else { throw .notFound }
      return state.rateLimit == limit ? [] : [.rateLimitSet(limit)]
    case .recordRefusal(let refusal):
      guard state.exists else { throw .notFound }
      return [.accessRefused(refusal)]
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
    case .smsConfigured(let settings):
      next.sms = settings
    case .providerConfigured(let settings):
      next.providers[settings.service] = settings
    case .postalAddressSet(let address):
      next.postalAddress = address
    case .statusChanged(let status):
      next.status = status
    case .clockAdvanced(let byMicros):
      next.clockOffsetMicros += byMicros
    case .checkpointPublished, .auditExported:
      break
    case .rateLimitSet(let limit):
      next.rateLimit = limit
    case .accessRefused:
      break
    }
    return next
  }
}

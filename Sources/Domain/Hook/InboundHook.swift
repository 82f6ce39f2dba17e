/// An address where other systems tell an org something: a form, an ad platform, a shop. Stream: the
/// hook's id.
///
/// Invariant: what comes in while it is disabled or after it was deleted changes nothing.
package enum InboundHook: Decider {
  package enum Command: Sendable, Equatable {
    case create(HookSettings, secret: String)
    case update(HookSettings)
    /// The secret before is no good any more.
    case rotateSecret(String)
    case enable
    case disable
    case delete
  }

  package enum Event: Sendable, Equatable {
    case created(settings: HookSettings, secret: Personal<String>)
    case updated(settings: HookSettings)
    case secretRotated(secret: Personal<String>)
    case enabled
    case disabled
    case deleted
  }

  package struct State: Sendable, Equatable, Codable {
    package var settings: HookSettings?
    package var secret: String?
    package var isEnabled = false
    package var isDeleted = false

    package init() {}

    package var exists: Bool { settings != nil }
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case emptyName
    /// Nothing that says who it is about.
    case noAddress
    case unknownField(String)
    case emptySource(field: String)
  }

  package static let initialState = State()
}

/// How a hook knows who calls, and what becomes of what it is told.
package struct HookSettings: Sendable, Equatable, Codable {
  package enum Authentication: String, Sendable, CaseIterable, Codable {
    /// Standard Webhooks: id, time and signature in headers.
    case standardWebhooks = "standard_webhooks"
    /// HMAC-SHA-256 of the body in a header, as hex or base64.
    case hmac = "hmac_sha256"
    /// The secret is the end of the address, for forms that can sign nothing.
    case secretInPath = "secret_in_path"
  }

  package enum Action: String, Sendable, CaseIterable, Codable {
    /// Somebody enquired: a contact with `lead.created`.
    case lead
    /// Creates the contact with that email or phone, or changes it.
    case contact
    /// The address is written to no more.
    case optOut = "opt_out"

    /// What somebody needs for whom the API does the same.
    package var rights: [String] {
      switch self {
      case .lead: ["leads:create"]
      case .contact: ["contacts:create", "contacts:update"]
      case .optOut: ["contacts:update"]
      }
    }
  }

  /// Where one field's value comes from.
  package struct Mapping: Sendable, Equatable, Codable {
    /// `email`, `custom.size`, `consent.sms`, `utm_source`, …
    package var field: String
    /// A path into the body (`person.emails.0`), or `=` and the value itself.
    package var source: String

    package init(field: String, source: String) {
      self.field = field
      self.source = source
    }
  }

  package var name: String
  package var authentication: Authentication
  /// The header of `hmac`.
  package var signatureHeader: String?
  package var action: Action
  /// Sorted by field.
  package var mapping: [Mapping]
  /// Where the body says which delivery it is; one that came before is not carried out again.
  package var deliveryID: String?

  package init(
    name: String, authentication: Authentication, signatureHeader: String? = nil, action: Action,
    mapping: [Mapping], deliveryID: String? = nil
  ) {
    self.name = name
    self.authentication = authentication
    self.signatureHeader = signatureHeader
    self.action = action
    self.mapping = mapping.sorted { $0.field < $1.field }
    self.deliveryID = deliveryID
  }

  /// The fields that may be mapped, beside `custom.<name>`.
  package static let fields: Set<String> = [
    "first_name", "last_name", "name", "company", "email", "phone", "tags", "source",
    "consent.sms", "consent.voice", "consent.email", "consent_wording", "consent_purpose", "ip",
    "page", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
    "channel",
  ]

  package static func isField(_ name: String) -> Bool {
    fields.contains(name) || (name.hasPrefix("custom.") && ContactDetails.isField(name))
  }
}

// MARK: - Decide

extension InboundHook {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if case .create(let settings, let secret) = command {
      guard !state.exists else { throw .alreadyExists }
      try check(settings)
      return [.created(settings: settings, secret: .known(secret))]
    }
    guard state.exists else { throw .notFound }
    if state.isDeleted, case .delete = command { return [] }
    guard !state.isDeleted else { throw .notFound }
    switch command {
    case .create: throw .alreadyExists
    case .update(let settings):
      try check(settings)
      return settings == state.settings ? [] : [.updated(settings: settings)]
    case .rotateSecret(let secret): return [.secretRotated(secret: .known(secret))]
    case .enable: return state.isEnabled ? [] : [.enabled]
    case .disable: return state.isEnabled ? [.disabled] : []
    case .delete: return [.deleted]
    }
  }

  private static func check(_ settings: HookSettings) throws(Rejection) {
    guard !settings.name.isBlank else { throw .emptyName }
    if let fault = faults(in: settings.mapping).first { throw fault }
  }

  /// Everything for which a mapping is refused.
  package static func faults(in mapping: [HookSettings.Mapping]) -> [Rejection] {
    var faults = mapping.compactMap { mapping -> Rejection? in
      guard HookSettings.isField(mapping.field) else { return .unknownField(mapping.field) }
      let isEmpty = mapping.source.isBlank || mapping.source == "="
      return isEmpty ? .emptySource(field: mapping.field) : nil
    }
    if !mapping.contains(where: { ["email", "phone"].contains($0.field) }) {
      faults.append(.noAddress)
    }
    return faults
  }
}

// MARK: - Evolve

extension InboundHook {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let settings, let secret):
      next.settings = settings
      next.secret = secret.value
      next.isEnabled = true
    case .updated(let settings): next.settings = settings
    case .secretRotated(let secret): next.secret = secret.value
    case .enabled: next.isEnabled = true
    case .disabled: next.isEnabled = false
    case .deleted:
      next.isDeleted = true
      next.isEnabled = false
    }
    return next
  }
}

/// A person that an org knows. Stream: the contact's id.
///
/// Invariants: created first and once; a tag is carried at most once; the consent of a channel
/// changes only by an explicit event.
package enum Contact {
  package enum Command: Sendable, Equatable {
    case create(ContactDetails, source: String, tags: [String], consents: [Consent])
    /// Replaces the named fields; nil clears one.
    case update([FieldChange])
    case addTags([String])
    case removeTags([String])
    /// Exactly these: others are taken away.
    case setTags([String])
    /// `isNewAddress`: the address itself had not said no, whatever this contact's consent is.
    case optOut(OptOut, isNewAddress: Bool = false)
    /// `isRenewal`: the address itself had said no, whatever this contact's consent is.
    case optIn(Consent, isRenewal: Bool = false)
    /// `message` reads like a revocation and is not certain.
    case suspectOptOut(Channel, message: Identifier)
    /// A human decided that it was none.
    case dismissOptOut(Channel)
    case requestErasure(ErasureRequest)
    /// The keys are destroyed, and what they sealed is out of the files.
    case recordDestruction(atMicros: Micros)
    /// The read models have nothing left either.
    case recordErasure(keyIDs: [String], purgedAtMicros: Micros, atMicros: Micros)
    /// The person enquired.
    case captureLead(Lead)
    /// Out of lists, segments and sends; nothing is forgotten.
    case archive
    case restore
  }

  package enum Event: Sendable, Equatable {
    /// Behind a pointer: an event is handed on a dozen times, and these are ten texts.
    indirect case created(details: Personal<ContactDetails>, source: String)
    /// `fields` names what changed; the values are personal.
    case updated(fields: [String], changes: Personal<[FieldChange]>)
    case tagged(tag: String)
    case untagged(tag: String)
    case optedOut(OptOut)
    case optedIn(Consent)
    /// Marketing pauses until the person or a human of the org decides.
    case optOutSuspected(channel: Channel, message: Identifier)
    case optOutDismissed(channel: Channel)
    /// From here on nobody sees or reaches the person.
    case erasureRequested(ErasureRequest)
    case dataDestroyed(atMicros: Micros)
    /// The end of it: proves whose keys are gone.
    case erased(ErasureRecord)
    case leadCaptured(Lead)
    case archived
    case restored
  }

  package struct State: Sendable, Equatable, Codable {
    /// Contacts are many: tables of them hold a pointer each. See the properties below.
    fileprivate var fields: Boxed<Fields>

    package init() { fields = Self.unknown }

    /// Shared by all who are not known.
    private static let unknown = Boxed(Fields())

    fileprivate struct Fields: Sendable, Equatable, Codable {
      var exists = false
      var isErased = false
      var isArchived = false
      var details = ContactDetails()
      var source = ""
      var tags: Set<String> = []
      var consents: [Channel: ConsentStatus] = [:]
      var grants: [ConsentGrant] = []
      var suspectedOptOuts: Set<Channel> = []
      var sellerOptOuts: Set<Channel> = []
      var serviceOnly: Set<Channel> = []
      /// Few people have one.
      var erasure: Boxed<Erasure>?
    }
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case erased
    case nothingToIdentify
    case unknownField(String)
    case invalidField(String, reason: String)
    case tooManyTags(limit: Int)
    case tooManyFields(limit: Int)
    /// A step of an erasure before the one that it follows.
    case erasureOutOfOrder
  }

  package static let tagLimit = 200
  /// Fields of the org's own: as many columns as wide exports of other systems have. Each comes along with every read of
  /// the contact.
  package static let customFieldLimit = 200
  package static let initialState = State()
}

// MARK: - What is known of a contact

extension Contact.State {
  package var exists: Bool {
    _read { yield fields.value.exists }
    _modify { yield &fields.value.exists }
  }

  package var details: ContactDetails {
    _read { yield fields.value.details }
    _modify { yield &fields.value.details }
  }

  package var source: String {
    _read { yield fields.value.source }
    _modify { yield &fields.value.source }
  }

  package var tags: Set<String> {
    _read { yield fields.value.tags }
    _modify { yield &fields.value.tags }
  }

  package var consents: [Channel: ConsentStatus] {
    _read { yield fields.value.consents }
    _modify { yield &fields.value.consents }
  }

  /// What each yes covers. A yes belongs to the address that gave it: another number has none.
  package var grants: [ConsentGrant] {
    _read { yield fields.value.grants }
    _modify { yield &fields.value.grants }
  }

  /// Channels on which the person may have said no: nobody has decided yet.
  package var suspectedOptOuts: Set<Channel> {
    _read { yield fields.value.suspectedOptOuts }
    _modify { yield &fields.value.suspectedOptOuts }
  }

  /// Channels on which the person ended all advertising, whatever the channel (`OptOut.Scope.seller`).
  package var sellerOptOuts: Set<Channel> {
    _read { yield fields.value.sellerOptOuts }
    _modify { yield &fields.value.sellerOptOuts }
  }

  /// Channels on which the person said no and then yes to messages that are no advertising: what the no said of
  /// advertising stands, whatever their address is by now.
  package var serviceOnly: Set<Channel> {
    _read { yield fields.value.serviceOnly }
    _modify { yield &fields.value.serviceOnly }
  }

  /// In no list and no segment, and written to no more, until somebody restores it.
  package var isArchived: Bool {
    _read { yield fields.value.isArchived }
    _modify { yield &fields.value.isArchived }
  }

  /// Asked for, or the person's key is gone: there is nothing left to show or to send to.
  package var isErased: Bool {
    _read { yield fields.value.isErased }
    _modify { yield &fields.value.isErased }
  }

  /// nil where nobody asked: the key of a restored log's person was destroyed later.
  package var erasure: Erasure? {
    get { fields.value.erasure?.value }
    set { fields.value.erasure = newValue.map(Boxed.init) }
  }
}

extension Contact.State {
  /// What contacts are found by.
  package struct Outline {
    package let exists: Bool
    package let isErased: Bool
    package let isArchived: Bool
    package let hasErasure: Bool
    package let phone: String?
    package let email: String?
  }

  /// In one look: each thing that is taken out of the box by itself takes as long.
  package var outline: Outline {
    fields.look { fields in
      Outline(
        exists: fields.exists, isErased: fields.isErased, isArchived: fields.isArchived,
        hasErasure: fields.erasure != nil, phone: fields.details.phone,
        email: fields.details.email)
    }
  }
}

/// What is known about a person. Every field is personal.
package struct ContactDetails: Sendable, Equatable, Codable {
  package var firstName: String?
  package var lastName: String?
  package var company: String?
  package var email: String?
  /// E.164.
  package var phone: String?
  /// The number as it was given, where it differs from `phone`.
  package var rawPhone: String?
  package var custom = FieldValues()

  package init(
    firstName: String? = nil, lastName: String? = nil, company: String? = nil,
    email: String? = nil, phone: String? = nil, rawPhone: String? = nil,
    custom: FieldValues = [:]
  ) {
    self.firstName = firstName
    self.lastName = lastName
    self.company = company
    self.email = email
    self.phone = phone
    self.rawPhone = rawPhone
    self.custom = custom
  }
}

/// The value of a field that the org defined.
package enum FieldValue: Sendable, Equatable, Hashable, Codable {
  case text(String)
  case number(Double)
  case flag(Bool)

  /// 2^53 - 1: up to here a `Double` tells every whole number from its neighbours. Beyond, another number than the
  /// given one would be kept.
  package static let numberLimit: Int64 = 9_007_199_254_740_991
}

/// One field's new value. Standard fields by their API name (`first_name`, `phone`, …), custom ones
/// as `custom.<name>`.
package struct FieldChange: Sendable, Equatable {
  package let field: String
  /// nil clears the field.
  package let value: FieldValue?

  package init(field: String, value: FieldValue?) {
    self.field = field
    self.value = value
  }
}

/// An explicit yes on record: for which channel and purpose, how it was given and what was shown.
package struct Consent: Sendable, Equatable {
  package enum Method: String, Sendable, CaseIterable {
    case webForm = "web_form"
    case keyword
    case verbal
    case paper
    case importStatement = "import_statement"
    case api
    case staff

    /// Whether the person said so: nobody else's word lifts a person's no. A program's word is that of whoever
    /// runs it: a list that is brought up to date every night would take back every STOP of the day.
    package var isByPerson: Bool {
      switch self {
      case .webForm, .keyword, .verbal, .paper: true
      case .importStatement, .api, .staff: false
      }
    }
  }

  package var channel: Channel
  package var purpose: Purpose
  package var method: Method
  /// Form id, list name or URL that it came from.
  package var source: String
  package var grantedAtMicros: Micros
  package var evidence: Personal<ConsentEvidence>
  /// Which of our numbers or brands it names; nil: the whole org.
  package var sender: String?
  /// SHA-256 of the exact wording, in hex: it outlives the wording, which is personal.
  package var wordingHash: String?

  package init(
    channel: Channel, purpose: Purpose, method: Method, source: String, grantedAtMicros: Micros,
    evidence: Personal<ConsentEvidence>, sender: String? = nil, wordingHash: String? = nil
  ) {
    self.channel = channel
    self.purpose = purpose
    self.method = method
    self.source = source
    self.grantedAtMicros = grantedAtMicros
    self.evidence = evidence
    self.sender = sender
    self.wordingHash = wordingHash
  }
}

package struct ConsentEvidence: Sendable, Equatable {
  /// The number or email address that said yes.
  package var address: String
  /// The exact wording shown.
  package var wording: String
  package var ip: String?

  package init(address: String, wording: String, ip: String? = nil) {
    self.address = address
    self.wording = wording
    self.ip = ip
  }
}

/// A no: it counts for the address, not only for the contact that carries it.
package struct OptOut: Sendable, Equatable {
  package enum Method: String, Sendable, CaseIterable, Codable {
    case keyword
    /// A free text that reads as a revocation.
    case text
    case link
    case call
    case staff
    case api
    /// The provider refused because the person had opted out there.
    case provider
    /// Mail to the address came back: it does not exist.
    case bounce
    /// The person called our mail spam.
    case complaint
    case importList = "import_list"
  }

  /// How far a no reaches.
  package enum Scope: String, Sendable, CaseIterable {
    /// This channel.
    case channel
    /// This channel, and marketing on every channel: a STOP, unless the person says otherwise
    /// (47 CFR 64.1200(a)(10)).
    case seller
  }

  package var channel: Channel
  package var method: Method
  /// The inbound message that said it, where there is one.
  package var message: Identifier?
  package var address: Personal<String>
  package var scope: Scope

  package init(
    channel: Channel, method: Method, message: Identifier? = nil, address: Personal<String>,
    scope: Scope = .channel
  ) {
    self.channel = channel
    self.method = method
    self.message = message
    self.address = address
    self.scope = scope
  }
}

/// A yes that permits sending.
package struct ConsentGrant: Sendable, Equatable, Codable {
  package var channel: Channel
  package var purpose: Purpose
  /// nil: whoever of the org sends.
  package var sender: String?
  package var atMicros: Micros

  package init(channel: Channel, purpose: Purpose, sender: String?, atMicros: Micros) {
    self.channel = channel
    self.purpose = purpose
    self.sender = sender
    self.atMicros = atMicros
  }

  init(_ consent: Consent) {
    channel = consent.channel
    purpose = consent.purpose
    sender = consent.sender
    atMicros = consent.grantedAtMicros
  }

  /// Whether nothing that `other` permits is missing here.
  func covers(_ other: ConsentGrant) -> Bool {
    channel == other.channel && (sender == nil || sender == other.sender)
      && (purpose == .marketing || other.purpose == .transactional)
  }
}

/// Where a contact stands on one channel.
package enum ConsentStatus: Sendable, Equatable, Codable {
  case optedIn(purpose: Purpose, atMicros: Micros)
  case optedOut
}

extension Contact.State {
  /// Whether the person's no to advertising on `channel` stands: nobody else's word takes it back. A STOP ended advertising
  /// on every channel, not only on its own.
  package func refusesMarketing(on channel: Channel) -> Bool {
    !sellerOptOuts.isEmpty || serviceOnly.contains(channel)
  }

  /// Whether lists, segments and audiences have the person.
  package var isListed: Bool { exists && !isErased && !isArchived }

  /// The widest purpose that the person agreed to on `channel` from `sender`; nil without a yes.
  package func granted(_ channel: Channel, from sender: String) -> Purpose? {
    let own = grants.filter {
      $0.channel == channel && ($0.sender == nil || $0.sender == sender)
    }
    if own.contains(where: { $0.purpose == .marketing }) { return .marketing }
    return own.isEmpty ? nil : .transactional
  }
}

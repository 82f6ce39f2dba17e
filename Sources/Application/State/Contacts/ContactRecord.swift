// A contact as bytes, for the file of `ContactTable` and for snapshots. Written by hand, because there are millions of
// them; a test compares what is here with what the types have. As `BinaryCoding` writes numbers and texts:
//
//   marks (1): exists 1, erased 2, archived 4, erasure 8, phone 16, email 32
//   phone, email: texts, where there are some
//   marks (1): first name 1, last name 2, company 4, raw phone 8; these texts
//   custom fields: count; name, kind (1: text 0, number 1, flag 2), value
//   source; tags: count, texts in order
//   consents: per channel 0 none, 1 opted out, 2 opted in to marketing, 3 to transactional, then when
//   grants: count; channel, purpose, sender (0, or 1 and the text), when
//   channels (1 bit each): suspected, ended for the seller
//   erasure, where there is one
//   created; activity: count; kind, microseconds since the one before; heard from: channels, when

import BinaryCoding
import Domain

/// All that is kept of a contact.
struct ContactRecord: Equatable {
  var state = Contact.State()
  var createdAtMicros: Micros = 0
  /// What filters look at beside the state.
  var activity = Activity()
  /// When the contact last wrote to us, on the org's clock. Texts and calls are one: both are of a number.
  var lastInboundMicros: [Channel: Micros] = [:]
}

extension ContactRecord {
  /// What it was found by, and is found by now.
  mutating func apply(_ event: Contact.Event) -> (before: ContactHead, after: ContactHead) {
    let before = ContactHead(state)
    // Taken out meanwhile: what nobody else holds is changed in place.
    var current = Contact.initialState
    swap(&current, &state)
    state = Contact.evolve(consume current, with: event)
    return (before, ContactHead(state))
  }

  /// What a filter is judged on.
  var facts: ContactFacts {
    ContactFacts(state, createdAtMicros: createdAtMicros, activity: activity)
  }
}

/// What stands at the beginning of a record, enough to index it.
struct ContactHead {
  let marks: ContactMarks
  let phone: String?
  let email: String?

  init(_ state: Contact.State) {
    let outline = state.outline
    marks = ContactMarks(outline)
    phone = outline.phone
    email = outline.email
  }

  init(from input: BinaryInput) throws {
    marks = ContactMarks(rawValue: try input.byte())
    phone = marks.contains(.phone) ? try input.text() : nil
    email = marks.contains(.email) ? try input.text() : nil
  }
}

struct ContactMarks: OptionSet {
  let rawValue: UInt8

  static let exists = ContactMarks(rawValue: 1)
  static let erased = ContactMarks(rawValue: 2)
  static let archived = ContactMarks(rawValue: 4)
  static let erasure = ContactMarks(rawValue: 8)
  static let phone = ContactMarks(rawValue: 16)
  static let email = ContactMarks(rawValue: 32)

  init(rawValue: UInt8) { self.rawValue = rawValue }

  init(_ outline: Contact.State.Outline) {
    var marks: ContactMarks = []
    if outline.exists { marks.insert(.exists) }
    if outline.isErased { marks.insert(.erased) }
    if outline.isArchived { marks.insert(.archived) }
    if outline.hasErasure { marks.insert(.erasure) }
    if outline.phone != nil { marks.insert(.phone) }
    if outline.email != nil { marks.insert(.email) }
    self = marks
  }
}

// MARK: - Writing

extension ContactRecord {
  func write(to output: BinaryOutput) throws {
    let head = ContactHead(state)
    output.put(head.marks.rawValue)
    head.phone.map(output.put)
    head.email.map(output.put)
    state.details.writeRest(to: output)
    output.put(state.source)
    output.put(varint: UInt64(state.tags.count))
    for tag in state.tags.count > 1 ? state.tags.sorted() : Array(state.tags) { output.put(tag) }
    writeConsents(to: output)
    if let erasure = state.erasure { try output.encode(erasure) }
    output.put(signed: createdAtMicros)
    activity.write(to: output)
    output.put(Self.mask(lastInboundMicros.keys))
    for channel in Channel.allCases {
      if let atMicros = lastInboundMicros[channel] { output.put(signed: atMicros) }
    }
  }

  private func writeConsents(to output: BinaryOutput) {
    for channel in Channel.allCases {
      switch state.consents[channel] {
      case nil: output.put(0 as UInt8)
      case .optedOut: output.put(1 as UInt8)
      case .optedIn(let purpose, let atMicros):
        output.put(2 + purpose.ordinal)
        output.put(signed: atMicros)
      }
    }
    output.put(varint: UInt64(state.grants.count))
    for grant in state.grants {
      output.put(grant.channel.ordinal)
      output.put(grant.purpose.ordinal)
      output.put(grant.sender != nil)
      grant.sender.map(output.put)
      output.put(signed: grant.atMicros)
    }
    output.put(Self.mask(state.suspectedOptOuts))
    output.put(Self.mask(state.sellerOptOuts))
    output.put(Self.mask(state.serviceOnly))
  }

  private static func mask(_ channels: some Sequence<Channel>) -> UInt8 {
    channels.reduce(0) { $0 | 1 << $1.ordinal }
  }
}

extension ContactDetails {
  private var rest: [String?] { [firstName, lastName, company, rawPhone] }

  /// All but phone and email.
  fileprivate func writeRest(to output: BinaryOutput) {
    let texts = rest
    output.put(
      texts.indices.reduce(0 as UInt8) { $0 | (texts[$1] == nil ? 0 : 1 << UInt8($1)) })
    for case let text? in texts { output.put(text) }
    output.put(varint: UInt64(custom.fields.count))
    for field in custom.fields {
      output.put(field.name)
      switch field.value {
      case .text(let text):
        output.put(0 as UInt8)
        output.put(text)
      case .number(let number):
        output.put(1 as UInt8)
        output.put(fixed: number.bitPattern)
      case .flag(let flag):
        output.put(2 as UInt8)
        output.put(flag)
      }
    }
  }
}

extension Activity {
  private static let kinds = Kind.allCases
  private static let ordinals = Dictionary(
    uniqueKeysWithValues: kinds.enumerated().map { ($1, UInt8($0)) })

  fileprivate func write(to output: BinaryOutput) {
    output.put(varint: UInt64(moments.count))
    var before: Micros = 0
    for moment in moments {
      guard let ordinal = Self.ordinals[moment.kind] else {
        preconditionFailure("every kind is among all cases")
      }
      output.put(ordinal)
      output.put(signed: moment.atMicros &- before)
      before = moment.atMicros
    }
  }

  fileprivate init(from input: BinaryInput) throws {
    self.init()
    var atMicros: Micros = 0
    for _ in 0..<(try input.count()) {
      let ordinal = Int(try input.byte())
      guard ordinal < Self.kinds.count else { throw BinaryCodingError.malformed }
      atMicros &+= try input.signed()
      record(Self.kinds[ordinal], atMicros: atMicros)
    }
  }
}

// MARK: - Reading

extension ContactRecord {
  init(from input: BinaryInput) throws {
    let head = try ContactHead(from: input)
    state.exists = head.marks.contains(.exists)
    state.isErased = head.marks.contains(.erased)
    state.isArchived = head.marks.contains(.archived)
    state.details = try ContactDetails(head, restFrom: input)
    state.source = try input.text()
    for _ in 0..<(try input.count()) {
      guard state.tags.insert(try input.text()).inserted else { throw BinaryCodingError.malformed }
    }
    try readConsents(from: input)
    if head.marks.contains(.erasure) { state.erasure = try input.decode(Erasure.self) }
    createdAtMicros = try input.signed()
    activity = try Activity(from: input)
    for channel in try Self.channels(from: input) {
      lastInboundMicros[channel] = try input.signed()
    }
  }

  private mutating func readConsents(from input: BinaryInput) throws {
    for channel in Channel.allCases {
      switch try input.byte() {
      case 0: break
      case 1: state.consents[channel] = .optedOut
      case let code:
        state.consents[channel] = .optedIn(
          purpose: try Purpose.at(code - 2), atMicros: try input.signed())
      }
    }
    let grantCount = try input.count()
    var grants: [ConsentGrant] = []
    for _ in 0..<grantCount {
      grants.append(
        ConsentGrant(
          channel: try Channel.at(try input.byte()), purpose: try Purpose.at(try input.byte()),
          sender: try input.flag() ? try input.text() : nil, atMicros: try input.signed()))
    }
    state.grants = grants
    state.suspectedOptOuts = Set(try Self.channels(from: input))
    state.sellerOptOuts = Set(try Self.channels(from: input))
    state.serviceOnly = Set(try Self.channels(from: input))
  }

  private static func channels(from input: BinaryInput) throws -> [Channel] {
    let mask = try input.byte()
    guard mask < 1 << Channel.allCases.count else { throw BinaryCodingError.malformed }
    return mask == 0 ? [] : Channel.allCases.filter { mask & 1 << $0.ordinal != 0 }
  }
}

extension ContactDetails {
  fileprivate init(_ head: ContactHead, restFrom input: BinaryInput) throws {
    let marks = try input.byte()
    func text(_ place: UInt8) throws -> String? {
      marks & 1 << place == 0 ? nil : try input.text()
    }
    self.init(
      firstName: try text(0), lastName: try text(1), company: try text(2), email: head.email,
      phone: head.phone, rawPhone: try text(3))
    for _ in 0..<(try input.count()) {
      let name = try input.text()
      switch try input.byte() {
      case 0: custom[name] = .text(try input.text())
      case 1: custom[name] = .number(Double(bitPattern: try input.fixed()))
      case 2: custom[name] = .flag(try input.flag())
      default: throw BinaryCodingError.malformed
      }
    }
  }
}

extension Channel {
  fileprivate var ordinal: UInt8 {
    switch self {
    case .sms: 0
    case .voice: 1
    case .email: 2
    }
  }

  fileprivate static func at(_ ordinal: UInt8) throws -> Channel {
    guard ordinal < allCases.count else { throw BinaryCodingError.malformed }
    return allCases[Int(ordinal)]
  }
}

extension Purpose {
  fileprivate var ordinal: UInt8 {
    switch self {
    case .marketing: 0
    case .transactional: 1
    }
  }

  fileprivate static func at(_ ordinal: UInt8) throws -> Purpose {
    guard ordinal < allCases.count else { throw BinaryCodingError.malformed }
    return allCases[Int(ordinal)]
  }
}

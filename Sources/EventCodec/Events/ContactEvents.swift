import Domain
import JSON

extension Contact.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "contact.created"
    case updated = "contact.updated"
    case tagged = "contact.tagged"
    case untagged = "contact.untagged"
    case optedOut = "contact.opted_out"
    case optedIn = "contact.opted_in"
    case optOutSuspected = "contact.opt_out_suspected"
    case optOutDismissed = "contact.opt_out_dismissed"
    case erasureRequested = "subject.erasure_requested"
    case dataDestroyed = "subject.data_destroyed"
    case erased = "subject.erased"
    case leadCaptured = "lead.created"
    case archived = "contact.archived"
    case restored = "contact.restored"
  }

  static var streamKind: Identifier.Kind { .contact }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let details, let source):
      payload.fields.field("source", source)
      payload.personal(details, of: payload.stream) { $0.write(to: &$1) }
      return .created
    case .updated(let fields, let changes):
      payload.fields.field("fields", fields)
      payload.personal(changes, of: payload.stream) { changes, part in
        part.objects("changes", changes) { $0.write(to: &$1) }
      }
      return .updated
    case .tagged(let tag):
      payload.fields.field("tag", tag)
      return .tagged
    case .untagged(let tag):
      payload.fields.field("tag", tag)
      return .untagged
    case .optedOut(let optOut):
      optOut.write(to: &payload)
      return .optedOut
    case .optedIn(let consent):
      consent.write(to: &payload)
      return .optedIn
    case .optOutSuspected(let channel, let message):
      payload.fields.field("channel", channel)
      payload.fields.field("message", message)
      return .optOutSuspected
    case .optOutDismissed(let channel):
      payload.fields.field("channel", channel)
      return .optOutDismissed
    case .erasureRequested(let request):
      request.write(to: &payload)
      return .erasureRequested
    case .dataDestroyed(let atMicros):
      payload.fields.field("at_micros", atMicros)
      return .dataDestroyed
    case .erased(let record):
      record.write(to: &payload.fields)
      return .erased
    case .leadCaptured(let lead):
      lead.write(to: &payload)
      return .leadCaptured
    case .archived: return .archived
    case .restored: return .restored
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      let source = try payload.fields.string("source")
      return .created(details: try payload.personal(ContactDetails.read), source: source)
    case .updated:
      let fields = try payload.fields.strings("fields")
      let changes = try payload.personal { part throws(CodecError) in
        try part.objects("changes", FieldChange.read)
      }
      return .updated(fields: fields, changes: changes)
    case .tagged: return .tagged(tag: try payload.fields.string("tag"))
    case .untagged: return .untagged(tag: try payload.fields.string("tag"))
    case .optedOut: return .optedOut(try OptOut.read(from: &payload))
    case .optedIn: return .optedIn(try Consent.read(from: &payload))
    case .optOutSuspected:
      return .optOutSuspected(
        channel: try payload.fields.word("channel"),
        message: try payload.fields.identifier("message", .message))
    case .optOutDismissed: return .optOutDismissed(channel: try payload.fields.word("channel"))
    case .erasureRequested: return .erasureRequested(try ErasureRequest.read(from: &payload))
    case .dataDestroyed:
      return .dataDestroyed(atMicros: try payload.fields.int64("at_micros"))
    case .erased: return .erased(try ErasureRecord.read(from: &payload.fields))
    case .leadCaptured: return .leadCaptured(try Lead.read(from: &payload))
    case .archived: return .archived
    case .restored: return .restored
    }
  }
}

extension ContactDetails {
  fileprivate func write(to part: inout JSONWriter) {
    part.optional("first_name", firstName)
    part.optional("last_name", lastName)
    part.optional("company", company)
    part.optional("email", email)
    part.optional("phone", phone)
    part.optional("raw_phone", rawPhone)
    guard !custom.isEmpty else { return }
    part.object("custom") { object in
      // They are in order: the same details have the same bytes.
      for field in custom.fields { object.field(field.name, field.value.json) }
    }
  }

  fileprivate static func read(from part: inout FieldReader) throws(CodecError) -> Self {
    ContactDetails(
      firstName: try part.optionalString("first_name"),
      lastName: try part.optionalString("last_name"), company: try part.optionalString("company"),
      email: try part.optionalString("email"), phone: try part.optionalString("phone"),
      rawPhone: try part.optionalString("raw_phone"), custom: try readCustom(from: &part))
  }

  private static func readCustom(
    from part: inout FieldReader
  ) throws(CodecError) -> FieldValues {
    guard let json = try part.optionalJSON("custom") else { return [:] }
    guard let object = json.object else { throw part.error("custom") }
    var custom = FieldValues()
    for (name, json) in object.fields {
      // Not the field's name in the error: an org could have put a person's name there.
      guard let value = FieldValue(json: json) else { throw part.error("custom") }
      custom[name] = value
    }
    return custom
  }
}

extension FieldChange {
  fileprivate func write(to object: inout JSONWriter) {
    object.field("field", field)
    object.field("value", value?.json ?? .null)
  }

  fileprivate static func read(from object: inout FieldReader) throws(CodecError) -> Self {
    let field = try object.string("field")
    let json = try object.json("value")
    if json.isNull { return FieldChange(field: field, value: nil) }
    guard let value = FieldValue(json: json) else { throw object.error("value") }
    return FieldChange(field: field, value: value)
  }
}

extension OptOut {
  fileprivate func write(to payload: inout PayloadWriter) {
    payload.fields.field("channel", channel)
    payload.fields.field("method", method)
    payload.fields.optional("message", message)
    if scope != .channel { payload.fields.field("scope", scope) }
    payload.personal(address, of: payload.stream) { $1.field("address", $0) }
  }

  fileprivate static func read(from payload: inout PayloadReader) throws(CodecError) -> Self {
    let channel = try payload.fields.word("channel", Channel.self)
    let method = try payload.fields.word("method", OptOut.Method.self)
    let message = try payload.fields.optionalIdentifier("message", .message)
    let scope = try payload.fields.optionalWord("scope", OptOut.Scope.self)
    return OptOut(
      channel: channel, method: method, message: message,
      address: try payload.personal { part throws(CodecError) in try part.string("address") },
      scope: scope ?? .channel)
  }
}

extension Consent {
  fileprivate func write(to payload: inout PayloadWriter) {
    payload.fields.field("channel", channel)
    payload.fields.field("purpose", purpose)
    payload.fields.field("method", method)
    payload.fields.field("source", source)
    payload.fields.field("granted_at_micros", grantedAtMicros)
    payload.fields.optional("sender", sender)
    payload.fields.optional("wording_sha256", wordingHash)
    payload.personal(evidence, of: payload.stream) { evidence, part in
      part.field("address", evidence.address)
      part.field("wording", evidence.wording)
      part.optional("ip", evidence.ip)
    }
  }

  fileprivate static func read(from payload: inout PayloadReader) throws(CodecError) -> Self {
    var consent = Consent(
      channel: try payload.fields.word("channel"), purpose: try payload.fields.word("purpose"),
      method: try payload.fields.word("method"), source: try payload.fields.string("source"),
      grantedAtMicros: try payload.fields.int64("granted_at_micros"), evidence: .erased,
      sender: try payload.fields.optionalString("sender"),
      wordingHash: try payload.fields.optionalString("wording_sha256"))
    consent.evidence = try payload.personal { part throws(CodecError) in
      ConsentEvidence(
        address: try part.string("address"), wording: try part.string("wording"),
        ip: try part.optionalString("ip"))
    }
    return consent
  }
}

import Domain
import JSON

extension InboundHook.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "inbound_hook.created"
    case updated = "inbound_hook.updated"
    case secretRotated = "inbound_hook.secret_rotated"
    case enabled = "inbound_hook.enabled"
    case disabled = "inbound_hook.disabled"
    case deleted = "inbound_hook.deleted"
  }

  static var streamKind: Identifier.Kind { .inboundHook }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let settings, let secret):
      settings.write(to: &payload.fields)
      payload.personal(secret, of: payload.org) { $1.field("secret", $0) }
      return .created
    case .updated(let settings):
      settings.write(to: &payload.fields)
      return .updated
    case .secretRotated(let secret):
      payload.personal(secret, of: payload.org) { $1.field("secret", $0) }
      return .secretRotated
    case .enabled: return .enabled
    case .disabled: return .disabled
    case .deleted: return .deleted
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      let settings = try HookSettings.read(from: &payload.fields)
      return .created(settings: settings, secret: try secret(&payload))
    case .updated: return .updated(settings: try HookSettings.read(from: &payload.fields))
    case .secretRotated: return .secretRotated(secret: try secret(&payload))
    case .enabled: return .enabled
    case .disabled: return .disabled
    case .deleted: return .deleted
    }
  }

  private static func secret(
    _ payload: inout PayloadReader
  ) throws(CodecError) -> Personal<String> {
    try payload.personal { part throws(CodecError) in try part.string("secret") }
  }
}

extension HookSettings {
  fileprivate func write(to fields: inout JSONWriter) {
    fields.field("name", name)
    fields.field("authentication", authentication)
    fields.optional("signature_header", signatureHeader)
    fields.field("action", action)
    fields.objects("mapping", mapping) { mapping, object in
      object.field("field", mapping.field)
      object.field("source", mapping.source)
    }
    fields.optional("delivery_id", deliveryID)
  }

  fileprivate static func read(from fields: inout FieldReader) throws(CodecError) -> Self {
    HookSettings(
      name: try fields.string("name"), authentication: try fields.word("authentication"),
      signatureHeader: try fields.optionalString("signature_header"),
      action: try fields.word("action"),
      mapping: try fields.objects("mapping") { object throws(CodecError) in
        Mapping(field: try object.string("field"), source: try object.string("source"))
      }, deliveryID: try fields.optionalString("delivery_id"))
  }
}

extension Lead {
  func write(to payload: inout PayloadWriter) {
    payload.fields.field("source", source)
    payload.fields.field("is_new_contact", isNewContact)
    payload.fields.optional("hook", hook)
    payload.fields.field("unrecorded_consents", unrecordedConsents.map(\.rawValue))
    payload.personal(origin, of: payload.stream) { origin, part in
      part.optional("utm_source", origin.utm.source)
      part.optional("utm_medium", origin.utm.medium)
      part.optional("utm_campaign", origin.utm.campaign)
      part.optional("utm_term", origin.utm.term)
      part.optional("utm_content", origin.utm.content)
      part.optional("page", origin.page)
      part.optional("referrer", origin.referrer)
      part.optional("ip", origin.ip)
    }
  }

  static func read(from payload: inout PayloadReader) throws(CodecError) -> Lead {
    let source = try payload.fields.string("source")
    let isNewContact = try payload.fields.bool("is_new_contact")
    let hook = try payload.fields.optionalIdentifier("hook", .inboundHook)
    var unrecorded: [Channel] = []
    for text in try payload.fields.strings("unrecorded_consents") {
      guard let channel = Channel(rawValue: text) else {
        throw payload.fields.error("unrecorded_consents")
      }
      unrecorded.append(channel)
    }
    let origin = try payload.personal { part throws(CodecError) in
      let utm = LeadOrigin.Campaign(
        source: try part.optionalString("utm_source"),
        medium: try part.optionalString("utm_medium"),
        campaign: try part.optionalString("utm_campaign"),
        term: try part.optionalString("utm_term"),
        content: try part.optionalString("utm_content"))
      return LeadOrigin(
        utm: utm, page: try part.optionalString("page"),
        referrer: try part.optionalString("referrer"), ip: try part.optionalString("ip"))
    }
    return Lead(
      source: source, isNewContact: isNewContact, hook: hook, unrecordedConsents: unrecorded,
      origin: origin)
  }
}

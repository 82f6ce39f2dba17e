import Application
import Domain
import EventCodec
import JSON

/// Reads contacts and consents out of request bodies.
enum ContactInput {
  /// Everything that `POST /api/contacts` takes.
  static func request(_ fields: inout Fields) -> ContactRequest {
    var request = person(&fields)
    request.source = fields.string("source", limit: 200) ?? "api"
    var consents: [ConsentRequest] = []
    if let value = fields.value("consents") {
      if let items = value.array {
        for (index, item) in items.enumerated() {
          consent(item, "consents[\(index)].", &fields).map { consents.append($0) }
        }
      } else {
        fields.fail("consents", "invalid_type", "consents must be an array of objects.")
      }
    }
    request.consents = consents
    return request
  }

  /// Who it is, and the tags.
  static func person(_ fields: inout Fields) -> ContactRequest {
    let details = ContactDetails(
      firstName: name(&fields, "first_name"), lastName: name(&fields, "last_name"),
      company: name(&fields, "company"), email: name(&fields, "email"),
      phone: name(&fields, "phone"), custom: custom(&fields))
    return ContactRequest(details: details, source: "", tags: fields.strings("tags") ?? [])
  }

  /// Blank text is no value.
  private static func name(_ fields: inout Fields, _ field: String) -> String? {
    guard let text = fields.string(field) else { return nil }
    // Nearly every text that is not blank has one of these, which cost no look at Unicode's tables.
    let isPlain = text.utf8.contains { $0 > 0x20 && $0 < 0x7f }
    return isPlain || text.contains(where: { !$0.isWhitespace }) ? text : nil
  }

  /// What `PATCH /api/contacts/{id}` takes: null clears.
  static func changes(_ fields: inout Fields) -> [FieldChange] {
    var changes: [FieldChange] = []
    for field in ["first_name", "last_name", "company", "email", "phone"] where fields.has(field) {
      let text = fields.string(field)
      changes.append(FieldChange(field: field, value: text.map(FieldValue.text)))
    }
    if let value = fields.value("custom") {
      guard let object = value.object else {
        fields.fail("custom", "invalid_type", "custom must be an object.")
        return changes
      }
      for (key, value) in object.fields {
        guard isCustomName(key), value.isNull || FieldValue(json: value) != nil else {
          fields.fail(
            "custom.\(key)", "invalid_value",
            "A custom field has a name of letters, digits and _, and a text, number or boolean.")
          continue
        }
        changes.append(FieldChange(field: "custom.\(key)", value: FieldValue(json: value)))
      }
    }
    return changes
  }

  private static func custom(_ fields: inout Fields) -> FieldValues {
    var values = FieldValues()
    guard let value = fields.value("custom") else { return values }
    guard let object = value.object else {
      fields.fail("custom", "invalid_type", "custom must be an object.")
      return values
    }
    for (key, value) in object.fields where !value.isNull {
      guard isCustomName(key), let own = FieldValue(json: value) else {
        fields.fail(
          "custom.\(key)", "invalid_value",
          "A custom field has a name of letters, digits and _, and a text, number or boolean.")
        continue
      }
      values[key] = own
    }
    return values
  }

  static func isCustomName(_ name: String) -> Bool {
    (1...100).contains(name.utf8.count)
      && name.utf8.allSatisfy {
        ($0 | 0x20 >= UInt8(ascii: "a") && $0 | 0x20 <= UInt8(ascii: "z"))
          || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || $0 == UInt8(ascii: "_")
      }
  }

  static func consent(
    _ value: JSON, _ prefix: String, _ fields: inout Fields
  ) -> ConsentRequest? {
    guard let object = value.object else {
      fields.fail(String(prefix.dropLast()), "invalid_type", "A consent must be an object.")
      return nil
    }
    var nested = Fields(object, prefix: prefix)
    let request = consent(&nested)
    fields.adopt(nested.finishNested())
    return request
  }

  /// A consent without its wording proves nothing, so wording is required.
  static func consent(_ fields: inout Fields) -> ConsentRequest? {
    let channel = fields.choice("channel", Channel.self, required: true)
    let purpose = fields.choice("purpose", Purpose.self) ?? .marketing
    let method = fields.choice("method", Consent.Method.self, required: true)
    let source = fields.string("source", required: true, limit: 500)
    let wording = fields.string("wording", required: true, limit: 5_000)
    let ip = fields.string("ip", limit: 45)
    guard let channel, let method, let source, let wording else { return nil }
    return ConsentRequest(
      channel: channel, purpose: purpose, method: method, source: source, wording: wording,
      ip: ip)
  }
}

import Application
import Domain
import JSON

/// What the commands refuse of a person.
enum ContactRules {
  /// Of a new contact, which has nothing beside what its body says.
  static let create = SchemaRule.object(
    refuses: ["invalid_value", "no_address", "nothing_to_identify"],
    states: {
      Schema.all(
        [Schema.given(identifying)]
          + [(["email"], "email"), (["sms", "voice"], "phone")].map { channels, address in
            Schema.when(
              Schema.hasConsent(on: channels), Schema.isGiven(address))
          })
    }
  ) { object, _ in
    var faults = details(of: object)
    if !identifying.contains(where: { isGiven($0, in: object) }) {
      faults.append(.contact(.nothingToIdentify))
    }
    for consent in object["consents"]?.array ?? [] {
      guard let channel = consent["channel"]?.string.flatMap(Channel.init) else { continue }
      if !isGiven(channel == .email ? "email" : "phone", in: object) {
        faults.append(ConsentRequest.withoutAddress(channel))
      }
    }
    return faults
  }

  private static let identifying = ["first_name", "last_name", "company", "email", "phone"]

  /// Of a lead.
  static let lead = SchemaRule.object(
    refuses: ["invalid_value", "required"], states: { Schema.given(["email", "phone"]) }
  ) { object, _ in
    var faults = details(of: object)
    if !isGiven("email", in: object), !isGiven("phone", in: object) {
      faults.append(LeadRequest.withoutAddress)
    }
    return faults
  }

  /// Of a person who may be known already.
  static let person = SchemaRule.object(refuses: ["invalid_value"]) { object, _ in
    details(of: object)
  }

  /// Of the words that somebody agreed to.
  static let wording = SchemaRule.text(refuses: ["required"], pattern: TextPattern.notBlank) {
    text, _ throws(CommandError) in
    try ConsentRequest.check(wording: text)
  }

  /// Blank text is no value; one of another type is one, and wrong.
  private static func isGiven(_ field: String, in object: JSONObject) -> Bool {
    guard let value = object[field], !value.isNull else { return false }
    return value.string?.isBlank != true
  }

  private static func details(of object: JSONObject) -> [CommandError] {
    var faults: [CommandError] = []
    func check(_ body: () throws(Contact.Rejection) -> Void) {
      do throws(Contact.Rejection) {
        try body()
      } catch {
        faults.append(.contact(error))
      }
    }
    for (name, value) in object["custom"]?.object?.fields ?? [] {
      guard let text = value.string else { continue }
      check { () throws(Contact.Rejection) in
        try Contact.check(.text(text), of: "custom." + name)
      }
    }
    for tag in (object["tags"]?.array ?? []).compactMap(\.string) {
      check { () throws(Contact.Rejection) in try Contact.check(tag: tag) }
    }
    return faults
  }
}

extension Schema {
  /// Whether one of the consents is for one of the channels.
  fileprivate static func hasConsent(on channels: [String]) -> JSON {
    [
      "required": ["consents"],
      "properties": [
        "consents": ["type": "array", "contains": isOne("channel", of: channels)]
      ],
    ]
  }
}

import Application
import Domain
import JSON

/// What the commands refuse of the words of messages, campaigns and templates.
enum WordsRules {
  /// Of a message: its times, and its words where they are its own.
  static let message = SchemaRule.object(
    refuses: ["empty_body", "invalid_merge_field", "out_of_range", "required"],
    states: {
      Schema.all([
        Schema.one(of: ["template", "body", "media"].map(Schema.has)),
        Schema.byChannel([
          .sms: ["subject", "html", "voicemail", "max_minutes", "record"],
          .email: ["media", "voicemail", "max_minutes", "record"], .voice: ["subject", "html"],
        ]), Schema.needsSubject,
      ])
    }
  ) { object, context in
    var faults = MessageRequest.faults(
      sendAtMicros: object.text("send_at").flatMap(Timestamp.micros),
      expiresAtMicros: object.text("expires_at").flatMap(Timestamp.micros),
      nowMicros: context.nowMicros)
    if let channel = object.channel, !object.hasTemplate {
      faults += MessageRequest.faults(in: object.words(of: channel).filter { $0.text != "" })
    }
    return faults
  }

  /// Of a new campaign.
  static let campaign = SchemaRule.object(
    refuses: [
      "deceptive_subject", "invalid_merge_field", "required", "too_long", "unsupported_field",
    ],
    states: {
      Schema.all([
        Schema.one(of: ["template", "body"].map(Schema.has)),
        Schema.byChannel([
          .sms: ["subject", "html", "voicemail"], .email: ["voicemail"],
          .voice: ["subject", "html"],
        ]), Schema.needsSubject,
      ])
    }
  ) { object, _ in
    guard let channel = object.channel, !object.hasTemplate else { return [] }
    return CampaignWords.faults(
      in: object.words(of: channel), on: channel, for: object.purpose)
  }

  /// Of a campaign that there is, whose channel nobody knows.
  static let campaignChange = SchemaRule.object(refuses: ["invalid_merge_field"]) { object, _ in
    guard !object.hasTemplate else { return [] }
    return CampaignWords.faults(in: object.words(of: nil), on: nil, for: object.purpose)
  }

  /// Of a template.
  static let template = SchemaRule.object(
    refuses: ["invalid_merge_field", "required", "unsupported_field"],
    states: {
      Schema.all([
        Schema.byChannel([
          .sms: ["subject", "html", "voicemail"], .email: ["voicemail"],
          .voice: ["subject", "html"],
        ]),
        Schema.when(
          Schema.isOne("channel", of: ["email"]), Schema.isGiven("subject")),
      ])
    }
  ) { object, _ in templateFaults(object, for: object.text("channel").flatMap(Channel.init)) }

  /// Of a template that there is, whose channel the body does not name.
  static let revision = SchemaRule.object(refuses: [
    "invalid_merge_field", "required", "unsupported_field",
  ]) { object, _ in templateFaults(object, for: nil) }

  private static func templateFaults(
    _ object: JSONObject, for channel: Channel?
  ) -> [CommandError] {
    let content = TemplateContent(
      body: object.text("body") ?? "", subject: object.text("subject"), html: object.text("html"),
      voicemail: object.text("voicemail"))
    return Template.faults(name: object.text("name") ?? "", content, for: channel)
      .map(CommandError.template)
  }
}

extension JSONObject {
  fileprivate func text(_ name: String) -> String? { self[name]?.string }

  /// `sms` where none is named, nil where it is none.
  fileprivate var channel: Channel? {
    guard let value = self["channel"], !value.isNull else { return .sms }
    return value.string.flatMap(Channel.init)
  }

  fileprivate var purpose: Purpose { text("purpose").flatMap(Purpose.init) ?? .marketing }

  fileprivate var hasTemplate: Bool { self["template"].map { !$0.isNull } ?? false }

  /// The words that `channel` has; nil: that any has.
  fileprivate func words(of channel: Channel?) -> [(field: String, text: String)] {
    let fields =
      switch channel {
      case .sms: ["body"]
      case .email: ["body", "subject", "html"]
      case .voice: ["body", "voicemail"]
      case nil: ["body", "subject", "html", "voicemail"]
      }
    return fields.compactMap { field in text(field).map { (field, $0) } }
  }
}

extension Schema {
  /// With a field that is not empty.
  fileprivate static func has(_ field: String) -> JSON {
    [
      "required": [.string(field)],
      "properties": one(field, ["minLength": 1, "minItems": 1]),
    ]
  }

  /// Fields that the body of each channel does not have; without one it is a text's.
  fileprivate static func byChannel(_ foreign: [Channel: [String]]) -> JSON {
    all(
      Channel.allCases.map { channel in
        when(
          isOne("channel", of: [channel.rawValue], orMissing: channel == .sms),
          fields(absent: foreign[channel] ?? []))
      })
  }

  /// An email has a subject, its own or its template's.
  fileprivate static var needsSubject: JSON {
    when(
      all([isOne("channel", of: ["email"]), fields(absent: ["template"])]), isGiven("subject"))
  }
}

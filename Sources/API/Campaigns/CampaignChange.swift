import Domain

/// What a PATCH of a draft asks for: what is not named stays.
struct CampaignChange: Sendable {
  /// A field that was named: its new value, or nothing where it was `null`.
  private struct Named<Value: Sendable>: Sendable { let value: Value? }

  private let name: String?
  private let segment: Identifier?
  private let purpose: Purpose?
  private let channel: Channel?
  private let body: String?
  private let subject: String?
  private let html: Named<String>?
  private let voicemail: Named<String>?
  private let template: Named<Identifier>?
  private let holdoutPercent: Named<Int>?

  init(_ fields: inout Fields) {
    name = fields.string("name", limit: 200)
    segment = fields.id("segment", .segment)
    purpose = fields.choice("purpose", Purpose.self)
    channel = fields.choice("channel", Channel.self)
    body = fields.string("body", limit: 500_000)
    subject = fields.string("subject", limit: 998)
    html = fields.has("html") ? Named(value: fields.string("html", limit: 500_000)) : nil
    voicemail =
      fields.has("voicemail") ? Named(value: fields.string("voicemail", limit: 4_000)) : nil
    template = fields.has("template") ? Named(value: fields.id("template", .template)) : nil
    holdoutPercent =
      fields.has("holdout_percent")
      ? Named(value: fields.int("holdout_percent").map { Int($0) }) : nil
  }

  private var namesWords: Bool {
    body != nil || subject != nil || html != nil || voicemail != nil
  }

  func apply(to definition: inout CampaignDefinition) {
    definition.name = name ?? definition.name
    definition.segment = segment ?? definition.segment
    definition.purpose = purpose ?? definition.purpose
    if let channel, channel != definition.channel {
      definition.channel = channel
      definition.template = nil
      if channel != .email { (definition.subject, definition.html) = (nil, nil) }
      if channel != .voice { definition.voicemail = nil }
    }
    // Words of its own take the place of the template's.
    if namesWords { definition.template = nil }
    definition.body = body ?? definition.body
    definition.subject = subject ?? definition.subject
    if let html { definition.html = html.value }
    if let voicemail { definition.voicemail = voicemail.value }
    if let template {
      definition.template = template.value.map { TemplateUse(id: $0, version: 0) }
    }
    if let holdoutPercent { definition.holdoutPercent = holdoutPercent.value }
  }
}

import Application
import Domain
import HTTP
import JSON

/// The body of `POST /api/messages`: which fields a message of each channel has.
enum MessageInput {
  static let maxMediaCount = 10

  static func request(_ exchange: Exchange) throws(APIError) -> MessageRequest {
    var fields = try exchange.body()
    let channel = fields.choice("channel", Channel.self) ?? .sms
    fields.pass("subject", "html", "voicemail", "max_minutes", "record", since: "channel")
    let contact = fields.id("contact", .contact, required: true)
    let purpose = fields.choice("purpose", Purpose.self) ?? .marketing
    let media = media(&fields, channel)
    let template = fields.id("template", .template)
    let hasMedia = !media.isEmpty || template != nil
    let body = fields.string("body", required: !hasMedia, limit: limit(of: channel)) ?? ""
    if channel == .sms, body.count > 1_600 {
      fields.fail("body", "too_long", "A text has at most 1600 characters.")
    }
    var request = MessageRequest(
      contact: contact ?? Identifier(.contact, 0), body: body, purpose: purpose, channel: channel)
    request.media = media
    request.template = template.map { TemplateUse(id: $0, version: 0) }
    request.sendAtMicros = time("send_at", &fields)
    request.expiresAtMicros = time("expires_at", &fields)
    switch channel {
    case .sms: break
    case .email:
      request.subject = fields.string("subject", required: template == nil, limit: 998)
      request.html = fields.string("html", limit: limit(of: .email))
    case .voice:
      request.voicemail = fields.string("voicemail", limit: limit(of: .voice))
      request.voice = voice(&fields, isDrop: request.voicemail != nil)
    }
    try fields.finish()
    return request
  }

  private static func limit(of channel: Channel) -> Int {
    switch channel {
    case .sms: 6_400
    // As much as Twilio says in one go.
    case .voice: 4_000
    case .email: 500_000
    }
  }

  private static func time(_ name: String, _ fields: inout Fields) -> Micros? {
    guard let text = fields.string(name) else { return nil }
    guard let micros = Timestamp.micros(text) else {
      fields.fail(name, "invalid_time", "\(name) is a time: 2026-11-21T09:30:00Z.")
      return nil
    }
    return micros
  }

  private static func media(_ fields: inout Fields, _ channel: Channel) -> [String] {
    guard channel != .email else { return [] }
    let urls = fields.strings("media") ?? []
    let limit = channel == .sms ? maxMediaCount : 1
    if urls.count > limit {
      fields.fail("media", "too_many", "media has at most \(limit) addresses here.")
    }
    if !urls.allSatisfy({ $0.hasPrefix("https://") || $0.hasPrefix("http://") }) {
      fields.fail("media", "invalid_url", "media holds addresses: https://….")
    }
    return urls
  }

  private static func voice(_ fields: inout Fields, isDrop: Bool) -> VoicePlan {
    let minutes = fields.int("max_minutes") ?? 5
    if !(1...Int64(VoicePlan.minutesLimit)).contains(minutes) {
      fields.fail(
        "max_minutes", "out_of_range",
        "max_minutes is a whole number from 1 to \(VoicePlan.minutesLimit).")
    }
    return VoicePlan(
      maxMinutes: Int(max(1, min(minutes, Int64(VoicePlan.minutesLimit)))),
      isRecorded: fields.bool("record") ?? false, isVoicemailDrop: isDrop)
  }
}

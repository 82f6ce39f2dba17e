import Domain
import JSON

extension Message.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case planned = "message.planned"
    case queued = "message.queued"
    case held = "message.held"
    case skipped = "message.skipped"
    case dispatched = "message.dispatched"
    case accepted = "message.accepted"
    case retryScheduled = "message.retry_scheduled"
    case unknown = "message.unknown"
    case sent = "message.sent"
    case delivered = "message.delivered"
    case failed = "message.failed"
    case cancelled = "message.cancelled"
    case received = "message.received"
    case callEnded = "message.call_ended"
    case opened = "message.opened"
    case clicked = "message.clicked"
    case complained = "message.complained"
  }

  static var streamKind: Identifier.Kind { .message }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .planned(let plan):
      plan.write(to: &payload)
      return .planned
    case .received(let message):
      message.write(to: &payload)
      return .received
    case .queued, .held, .skipped, .dispatched:
      return writeJudged(to: &payload.fields)
    case .accepted, .retryScheduled, .unknown, .sent, .delivered, .failed, .cancelled:
      return writeOutcome(to: &payload.fields)
    case .callEnded, .opened, .clicked, .complained:
      return writeAnswer(to: &payload.fields)
    }
  }

  /// The events that carry a verdict.
  private func writeJudged(to fields: inout JSONWriter) -> Name {
    switch self {
    case .queued(let verdict, let priceMicros):
      verdict.write(to: &fields)
      fields.field("price_micros", priceMicros)
      return .queued
    case .held(let reason, let untilMicros, let verdict):
      fields.field("reason", reason)
      fields.field("until_micros", untilMicros)
      verdict.write(to: &fields)
      return .held
    case .skipped(let reason, let verdict):
      fields.field("reason", reason)
      verdict.write(to: &fields)
      return .skipped
    case .dispatched(let attempt, let verdict):
      fields.field("attempt", attempt)
      verdict.write(to: &fields)
      return .dispatched
    case .planned, .accepted, .retryScheduled, .unknown, .sent, .delivered, .failed, .cancelled,
      .received, .callEnded, .opened, .clicked, .complained:
      preconditionFailure("written elsewhere")
    }
  }

  /// What came back from the other end.
  private func writeAnswer(to fields: inout JSONWriter) -> Name {
    switch self {
    case .callEnded(let result, let atMicros):
      fields.field("outcome", result.outcome)
      fields.field("duration_seconds", result.durationSeconds)
      fields.field("at_micros", atMicros)
      return .callEnded
    case .opened(let isMachine, let atMicros):
      fields.field("is_machine", isMachine)
      fields.field("at_micros", atMicros)
      return .opened
    case .clicked(let link, let isMachine, let atMicros):
      fields.field("link", link)
      fields.field("is_machine", isMachine)
      fields.field("at_micros", atMicros)
      return .clicked
    case .complained(let atMicros):
      fields.field("at_micros", atMicros)
      return .complained
    case .planned, .queued, .held, .skipped, .dispatched, .accepted, .retryScheduled, .unknown,
      .sent, .delivered, .failed, .cancelled, .received:
      preconditionFailure("written elsewhere")
    }
  }

  private func writeOutcome(to fields: inout JSONWriter) -> Name {
    switch self {
    case .accepted(let providerID):
      fields.field("provider_id", providerID)
      return .accepted
    case .retryScheduled(let attempt, let code, let notBeforeMicros):
      fields.field("attempt", attempt)
      fields.field("code", code)
      fields.field("not_before_micros", notBeforeMicros)
      return .retryScheduled
    case .unknown(let attempt, let reason):
      fields.field("attempt", attempt)
      fields.field("reason", reason)
      return .unknown
    case .sent(let atMicros):
      fields.field("at_micros", atMicros)
      return .sent
    case .delivered(let atMicros):
      fields.field("at_micros", atMicros)
      return .delivered
    case .failed(let code, let atMicros):
      fields.field("code", code)
      fields.field("at_micros", atMicros)
      return .failed
    case .cancelled(let by):
      fields.field("by", by)
      return .cancelled
    case .planned, .queued, .held, .skipped, .dispatched, .received, .callEnded, .opened, .clicked,
      .complained:
      preconditionFailure("written elsewhere")
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .planned:
      .planned(try MessagePlan.read(from: &payload))
    case .queued:
      .queued(
        verdict: try Verdict.read(from: &payload.fields),
        priceMicros: try payload.fields.int64("price_micros"))
    case .held:
      .held(
        reason: try payload.fields.word("reason"),
        untilMicros: try payload.fields.int64("until_micros"),
        verdict: try Verdict.read(from: &payload.fields))
    case .skipped:
      .skipped(
        reason: try payload.fields.word("reason"), verdict: try Verdict.read(from: &payload.fields))
    case .dispatched:
      .dispatched(
        attempt: try payload.fields.int("attempt"), verdict: try Verdict.read(from: &payload.fields)
      )
    case .accepted:
      .accepted(providerID: try payload.fields.string("provider_id"))
    case .retryScheduled:
      .retryScheduled(
        attempt: try payload.fields.int("attempt"), code: try payload.fields.string("code"),
        notBeforeMicros: try payload.fields.int64("not_before_micros"))
    case .unknown:
      .unknown(
        attempt: try payload.fields.int("attempt"), reason: try payload.fields.string("reason"))
    case .sent: .sent(atMicros: try payload.fields.int64("at_micros"))
    case .delivered: .delivered(atMicros: try payload.fields.int64("at_micros"))
    case .failed:
      .failed(
        code: try payload.fields.string("code"), atMicros: try payload.fields.int64("at_micros"))
    case .cancelled: .cancelled(by: try payload.fields.string("by"))
    case .received: .received(try InboundMessage.read(from: &payload))
    case .callEnded, .opened, .clicked, .complained: try readAnswer(name, from: &payload.fields)
    }
  }

  private static func readAnswer(
    _ name: Name, from fields: inout FieldReader
  ) throws(CodecError) -> Self {
    switch name {
    case .callEnded:
      .callEnded(
        CallResult(
          outcome: try fields.word("outcome"),
          durationSeconds: try fields.int("duration_seconds")),
        atMicros: try fields.int64("at_micros"))
    case .opened:
      .opened(isMachine: try fields.bool("is_machine"), atMicros: try fields.int64("at_micros"))
    case .clicked:
      .clicked(
        link: try fields.int("link"), isMachine: try fields.bool("is_machine"),
        atMicros: try fields.int64("at_micros"))
    case .complained:
      .complained(atMicros: try fields.int64("at_micros"))
    case .planned, .queued, .held, .skipped, .dispatched, .accepted, .retryScheduled, .unknown,
      .sent, .delivered, .failed, .cancelled, .received:
      preconditionFailure("read elsewhere")
    }
  }
}

extension MessagePlan {
  fileprivate func write(to payload: inout PayloadWriter) {
    payload.fields.field("contact", contact)
    payload.fields.field("channel", channel)
    payload.fields.field("purpose", purpose)
    payload.fields.field("from", from)
    payload.fields.field("segment_count", segmentCount)
    payload.fields.field("encoding", encoding)
    payload.fields.optional("campaign", campaign)
    payload.fields.optional("run", run)
    payload.fields.optional("step", step)
    if let voice {
      payload.fields.object("voice") { object in
        object.field("max_minutes", voice.maxMinutes)
        object.field("is_recorded", voice.isRecorded)
        object.field("is_voicemail_drop", voice.isVoicemailDrop)
      }
    }
    if let template {
      payload.fields.object("template") { object in
        object.field("id", template.id)
        object.field("version", template.version)
      }
    }
    payload.fields.optional("send_at_micros", sendAtMicros)
    payload.fields.optional("expires_at_micros", expiresAtMicros)
    payload.personal(content, of: contact) { $0.write(to: &$1) }
  }

  fileprivate static func read(from payload: inout PayloadReader) throws(CodecError) -> Self {
    // The sealed part is read apart: the order here is that of the fields.
    MessagePlan(
      contact: try payload.fields.identifier("contact", .contact),
      channel: try payload.fields.word("channel"), purpose: try payload.fields.word("purpose"),
      from: try payload.fields.string("from"), content: try payload.personal(MessageContent.read),
      segmentCount: try payload.fields.int("segment_count"),
      encoding: try payload.fields.string("encoding"),
      campaign: try payload.fields.optionalIdentifier("campaign", .campaign),
      run: try payload.fields.optionalIdentifier("run", .run),
      step: try payload.fields.optionalString("step"),
      voice: try payload.fields.optionalObject("voice") { object throws(CodecError) in
        VoicePlan(
          maxMinutes: try object.int("max_minutes"), isRecorded: try object.bool("is_recorded"),
          isVoicemailDrop: try object.bool("is_voicemail_drop"))
      },
      template: try payload.fields.optionalObject("template") { object throws(CodecError) in
        TemplateUse(
          id: try object.identifier("id", .template), version: try object.int("version"))
      }, sendAtMicros: try payload.fields.optionalInt64("send_at_micros"),
      expiresAtMicros: try payload.fields.optionalInt64("expires_at_micros"))
  }
}

extension InboundMessage {
  fileprivate func write(to payload: inout PayloadWriter) {
    payload.fields.field("contact", contact)
    payload.fields.field("channel", channel)
    payload.fields.field("to", to)
    payload.fields.field("provider_id", providerID)
    payload.fields.optional("keyword", keyword)
    payload.fields.optional("sent_at_micros", sentAtMicros)
    payload.personal(content, of: contact) { $0.write(to: &$1) }
  }

  fileprivate static func read(from payload: inout PayloadReader) throws(CodecError) -> Self {
    InboundMessage(
      contact: try payload.fields.identifier("contact", .contact),
      channel: try payload.fields.word("channel"), to: try payload.fields.string("to"),
      providerID: try payload.fields.string("provider_id"),
      keyword: try payload.fields.optionalWord("keyword"),
      content: try payload.personal(MessageContent.read),
      sentAtMicros: try payload.fields.optionalInt64("sent_at_micros"))
  }
}

extension MessageContent {
  fileprivate func write(to part: inout JSONWriter) {
    part.field("address", address)
    part.field("body", body)
    part.optional("subject", subject)
    part.optional("html", html)
    if !media.isEmpty { part.field("media", media) }
    part.optional("voicemail", voicemail)
  }

  fileprivate static func read(from part: inout FieldReader) throws(CodecError) -> Self {
    MessageContent(
      address: try part.string("address"), body: try part.string("body"),
      subject: try part.optionalString("subject"), html: try part.optionalString("html"),
      media: try part.optionalStrings("media") ?? [],
      voicemail: try part.optionalString("voicemail"))
  }
}

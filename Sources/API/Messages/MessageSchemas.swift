import Domain

/// Messages as they come in and go out.
enum MessageSchemas {
  static let send = Schema.input(
    "MessageInput",
    [
      .required("contact", .id(.contact)),
      .optional("channel", .choice(Channel.self), "`sms` where not given."),
      .optional(
        "body", .string(0...500_000),
        "With merge fields: `{{first_name|there}}`. Texts: at most 1600 characters, calls 4000."),
      .optional("purpose", .choice(Purpose.self), "`marketing` where not given."),
      .optional("template", .id(.template), "Instead of the texts."),
      .optional("subject", .string(1...998), "Of an email: required there."),
      .optional("html", .string(1...500_000), "Of an email."),
      .optional(
        "media", .array(.pattern(#"^https?://[^\x00]*$"#, 0...2_000), 0...10),
        "Addresses: pictures of a text (MMS), or the recording that a call plays."),
      .optional("voicemail", .string(1...4_000), "Of a call: what an answering machine is told."),
      .optional("max_minutes", .int(1...60), "Of a call: 5 where not given."),
      .optional("record", .bool, "Of a call: recorded, after it was said to be."),
      .optional(
        "send_at", .time,
        "Not before this moment of the account's clock. Judged then; until then it is `planned`."),
      .optional(
        "expires_at", .time,
        "From this moment of the account's clock on it does not go out any more: `stale`."),
    ]
  ).ruled(by: WordsRules.message)

  static let verdict = Schema.object(
    "Verdict",
    [
      .required("outcome", .string()), .optional("reason", .string().nullable),
      .optional("rule_set", .anything), .optional("facts", .anything),
    ])

  /// What sending would come to.
  static let trial = Trial.schema(
    "MessageTrial",
    [
      .required("channel", .choice(Channel.self)), .required("to", .string().nullable),
      .required("subject", .string(0...1_000).nullable),
      .required("body", .string(0...600_000).nullable),
      .required("html", .string(0...600_000).nullable), .required("segments", .count),
      .required("encoding", .string()), .required("price", .money),
      .required("send_at", .time.nullable), .required("verdict", verdict),
      .required("reason", .string().nullable, "Why it would be held or skipped."),
      .required("explanation", .string().nullable),
    ])

  static let message = Schema.stored(
    "Message", "message", .message,
    [
      .required("direction", .choice(["outbound", "inbound"])),
      .required("contact", .id(.contact)), .required("channel", .choice(Channel.self)),
      .required("purpose", .choice(Purpose.self).nullable),
      .required("from", .string().nullable), .required("to", .string().nullable),
      .required("body", .string(0...600_000).nullable), .required("segments", .count),
      .required("encoding", .string().nullable),
      .required("status", .choice(Message.Status.self)),
      .required("reason", .string().nullable, "Why it is held, skipped or failed."),
      .required("verdict", verdict.nullable), .required("price", .money),
      .required("provider_id", .string().nullable),
      .required("error_code", .string().nullable), .required("keyword", .string().nullable),
      .required("campaign", .id(.campaign).nullable), .required("run", .id(.run).nullable),
      .required("held_until", .time.nullable), .required("sent_at", .time.nullable),
      .required("delivered_at", .time.nullable), .required("subject", .string(0...1_000).nullable),
      .required("html", .string(0...600_000).nullable),
      .required("media", .array(.string(), 0...10).nullable),
      .required("call_outcome", .choice(CallResult.Outcome.self).nullable),
      .required("call_seconds", .count.nullable), .required("opened_at", .time.nullable),
      .required("machine_opened_at", .time.nullable), .required("clicked_at", .time.nullable),
      .required("complained_at", .time.nullable),
    ])

  /// What a rule of the gate answers, as far as a send can be refused at once.
  static let refusals: [Int: [String]] = [
    400: [
      "deceptive_subject", "invalid_merge_field", "invalid_url", "other_channel", "too_long",
      "too_many", "unsupported_field",
    ], 402: ["insufficient_funds"], 404: ["erased", "not_found"], 409: ["archived"],
    422: [
      "sms_not_configured", "email_not_configured", "postal_address_missing", "missing_field",
    ]
      + GateReason.allCases.map(\.rawValue)
      .filter { $0 != "missing_field" && $0 != "insufficient_funds" },
  ]
}

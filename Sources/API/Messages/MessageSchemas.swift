import Domain

/// Messages as they come in and go out.
enum MessageSchemas {
  static let send = Schema.input(
    "MessageInput",
    [
      .required("contact", .id(.contact)), .optional("channel", .constant("sms")),
      .required("body", .string(1...1_600), "With merge fields such as `{{first_name|there}}`."),
      .optional("purpose", .choice(Purpose.self), "`marketing` where not given."),
    ])

  static let verdict = Schema.object(
    "Verdict",
    [
      .required("outcome", .string()), .optional("reason", .string().nullable),
      .optional("rule_set", .anything), .optional("facts", .anything),
    ])

  static let message = Schema.stored(
    "Message", "message", .message,
    [
      .required("direction", .choice(["outbound", "inbound"])),
      .required("contact", .id(.contact)), .required("channel", .choice(Channel.self)),
      .required("purpose", .choice(Purpose.self).nullable),
      .required("from", .string().nullable), .required("to", .string().nullable),
      .required("body", .string(0...10_000).nullable), .required("segments", .count),
      .required("encoding", .string().nullable),
      .required("status", .choice(Message.Status.self)),
      .required("reason", .string().nullable, "Why it is held, skipped or failed."),
      .required("verdict", verdict.nullable), .required("price", .money),
      .required("provider_id", .string().nullable),
      .required("error_code", .string().nullable), .required("keyword", .string().nullable),
      .required("campaign", .id(.campaign).nullable), .required("run", .id(.run).nullable),
      .required("held_until", .time.nullable), .required("sent_at", .time.nullable),
      .required("delivered_at", .time.nullable),
    ])

  /// What a rule of the gate answers, as far as a send can be refused at once.
  static let refusals: [Int: [String]] = [
    402: ["insufficient_funds"], 404: ["not_found"],
    422: ["sms_not_configured", "missing_field"]
      + GateReason.allCases.map(\.rawValue)
      .filter { $0 != "missing_field" && $0 != "insufficient_funds" },
  ]
}

import Domain

/// Campaigns as they come in and go out.
enum CampaignSchemas {
  static let create = Schema.input(
    "CampaignInput",
    [
      .required("name", .string(1...200)), .required("segment", .id(.segment)),
      .optional("channel", .choice(Channel.self)), .optional("purpose", .choice(Purpose.self)),
      .optional("body", .string(1...500_000), "Required where there is no template."),
      .optional("subject", .string(1...998), "Of an email: required there, or in the template."),
      .optional("html", .string(1...500_000), "Of an email."),
      .optional("voicemail", .string(1...4_000), "Of a call: what an answering machine is told."),
      .optional(
        "template", .id(.template),
        "Instead of the texts: its words of now, whatever becomes of it."),
    ])

  static let update = Schema.input(
    "CampaignChange",
    [
      .optional("name", .string(1...200)), .optional("segment", .id(.segment)),
      .optional("purpose", .choice(Purpose.self)), .optional("body", .string(1...1_600)),
    ])

  static let campaign = Schema.stored(
    "Campaign", "campaign", .campaign,
    [
      .required("name", .string()), .required("segment", .id(.segment)),
      .required("channel", .choice(Channel.self)), .required("purpose", .choice(Purpose.self)),
      .required("body", .string(0...500_000)), .required("status", .choice(Campaign.Status.self)),
      .required("planned", .count, "= sent + failed + skipped + cancelled + pending."),
      .required("sent", .count), .required("failed", .count), .required("skipped", .count),
      .required("cancelled", .count), .required("pending", .count),
      .optional("deleted", .bool, "In the answer to its deletion."),
    ])
}

import Domain

/// Leads as they come in and go out.
enum LeadSchemas {
  private static let word = Schema.string(1...500)

  private static let utm = Schema.input(
    "CampaignParameters",
    ["source", "medium", "campaign", "term", "content"].map { .optional($0, word) })

  private static let consent = Schema.input(
    "LeadConsent",
    [
      .required("channel", .choice(Channel.self)),
      .optional("purpose", .choice(Purpose.self), "`marketing` where not given."),
      .required(
        "wording", .string(1...5_000).ruled(by: ContactRules.wording),
        "The text that the person agreed to."),
      .optional("source", .string(1...500), "Where; the form where not given."),
      .optional("ip", .string(1...45)),
    ])

  static let input = Schema.input(
    "LeadInput",
    ContactSchemas.person(isBlankNone: true) + [
      .optional("tags", .array(ContactSchemas.tag, 0...200)),
      .optional("source", .string(1...200), "Which form or list."),
      .optional("page", .string(1...2_000)), .optional("referrer", .string(1...2_000)),
      .optional("ip", .string(1...45)), .optional("utm", utm),
      .optional("consents", .array(consent, 0...20)),
    ]
  ).ruled(by: ContactRules.lead)

  static let lead = Schema.object(
    "Lead",
    [
      .required("object", .constant("lead")), .required("event", .id(.event)),
      .required("contact", .id(.contact)), .required("account", .id(.org)),
      .required("source", .string()), .required("is_new_contact", .bool),
      .required(
        "unrecorded_consents", .array(.choice(Channel.self)),
        "Agreed to for an address that is not the contact's."),
      .required("events", .array(.id(.event))),
    ])
}

import Domain

/// Contacts, consents and what happened to a person, as they come in and go out.
enum ContactSchemas {
  static let custom = Schema.map(
    .either([.string(), .number, .bool]).nullable)

  /// What comes in: order numbers of too many digits for a number are texts.
  static let customInput = Schema.map(
    .either([
      .string(),
      .number(Double(-FieldValue.numberLimit)...Double(FieldValue.numberLimit)), .bool,
    ]).nullable)

  static let consentInput = Schema.input(
    "ConsentInput",
    [
      .required("channel", .choice(Channel.self)),
      .optional("purpose", .choice(Purpose.self), "`marketing` where not given."),
      .required("method", .choice(Consent.Method.self), "How the person agreed."),
      .required("source", .string(1...500), "Where: a page, a form, a keyword."),
      .required(
        "wording", .string(1...5_000).ruled(by: ContactRules.wording),
        "The text that the person agreed to."),
      .optional("ip", .string(1...45)),
    ])

  /// Who somebody is. `isBlankNone`: a blank email or phone says that there is none.
  static func person(isBlankNone: Bool) -> [Schema.Property] {
    [
      .optional("first_name", .string().nullable), .optional("last_name", .string().nullable),
      .optional("company", .string().nullable),
      .optional(
        "email", .string().nullable.ruled(by: .email(isBlankNone: isBlankNone)),
        "A name, one @ and a domain."),
      .optional(
        "phone", .string().nullable.ruled(by: .phone(isBlankNone: isBlankNone)),
        "In any form a US person writes it, or E.164."),
      .optional(
        "custom", customInput.nullable,
        "Fields of your own, at most \(Contact.customFieldLimit) a contact. A number beyond 2^53 - 1 is a text; a text "
          + "has at most 2000 bytes of UTF-8."
      ),
    ]
  }

  private static let whole =
    person(isBlankNone: true) + [
      .optional("source", .string(0...200)), .optional("tags", .array(tag, 0...200)),
      .optional("consents", .array(consentInput, 0...20)),
    ]

  static let create = Schema.input("ContactInput", whole).ruled(by: ContactRules.create)

  /// The key, or the contact that has it, may say what the body does not.
  static let upsert = Schema.input("ContactUpsert", whole).ruled(by: ContactRules.person)

  /// A hundred bytes of UTF-8, which no schema can count.
  static let tag = Schema.string(1...100)

  static let update = Schema.input(
    "ContactChange",
    person(isBlankNone: false) + [
      .optional(
        "tags", .array(tag, 0...200), "All that it has then: others are taken away.")
    ]
  ).ruled(by: ContactRules.person)

  static let tags = Schema.input(
    "TagsInput", [.required("tags", .array(tag, 1...200))]
  ).ruled(by: ContactRules.person)

  static let optOut = Schema.input(
    "OptOutInput",
    [
      .required("channel", .choice(Channel.self)),
      .optional("method", .choice(OptOut.Method.self), "`staff` where not given."),
    ])

  private static let consent = Schema.object(
    "ConsentState",
    [
      .required("status", .choice(["opted_in", "opted_out", "none"])),
      .required("purpose", .choice(Purpose.self).nullable),
      .required("since", .time.nullable),
    ])

  static let contact = Schema.stored(
    "Contact", "contact", .contact,
    [
      .required("first_name", .string().nullable), .required("last_name", .string().nullable),
      .required("company", .string().nullable), .required("email", .string().nullable),
      .required("phone", .string().nullable, "E.164."),
      .required("raw_phone", .string().nullable, "As it was given."),
      .required("source", .string()), .required("tags", .array(.string())),
      .required("custom", custom),
      .required(
        "consent",
        .object(Channel.allCases.map { .required($0.rawValue, consent) }),
        "The state of each channel."),
      .required("archived", .bool, "In no list and no segment, and written to no more."),
      .required("erased", .bool),
    ])

  static let timelineEntry = Schema.object(
    "TimelineEntry",
    [
      .required("id", .id(.event)), .required("object", .constant("timeline_entry")),
      .required("kind", .string()), .required("type", .string()),
      .required("occurred_at", .time), .required("recorded_at", .time),
      .required("position", .count), .required("title", .string()),
      .required("body", .string(0...10_000).nullable),
      .required("message", MessageSchemas.message.nullable), .required("actor", .string()),
      .required("origin", .string()), .required("correlation", .string()),
      .required("contact", .id(.contact)), .required("conversation", .string().nullable),
      .required("campaign", .id(.campaign).nullable),
      .required("workflow", .id(.workflow).nullable),
      .required("run", .id(.run).nullable),
      .required("cause", .count.nullable, "Position of the event that it reacts to."),
    ])

  static let conversation = Schema.object(
    "Conversation",
    [
      .required("object", .constant("conversation")),
      .required("conversation", .string(), "The channel and our own address."),
      .required("messages", .count), .required("last_at", .time),
    ])

  static let importJob = Schema.stored(
    "ImportJob", "import_job", .importJob,
    [
      .required("status", .choice(["started", "completed"])), .required("rows", .count),
      .required("created", .count), .required("updated", .count), .required("unchanged", .count),
      .required("failed", .count),
    ])

  private static let counts: [Schema.Property] = [
    .required("rows", .count), .required("created", .count), .required("updated", .count),
    .required("unchanged", .count), .required("failed", .count),
    .required("columns", .array(.anything)), .required("errors", .array(.anything)),
  ]

  static let importTrial = Trial.schema("ImportTrial", counts)

  static let importReport = Schema.object(
    "Import",
    [
      .required("object", .constant("import")), .required("id", .string().nullable),
      .required("status", .string()),
    ] + counts)
}

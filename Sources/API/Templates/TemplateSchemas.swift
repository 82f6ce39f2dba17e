import Domain

/// Templates as they come in and go out.
enum TemplateSchemas {
  private static let texts: [Schema.Property] = [
    .required("name", .pattern(TextPattern.notBlank, 1...200)),
    .required(
      "body", .pattern(TextPattern.notBlank, 1...500_000),
      "With merge fields, `{{first_name|there}}`, and blocks, "
        + "`{{#if company}}…{{else}}…{{/if}}`."),
    .optional("subject", .string(1...998), "Of emails: required there."),
    .optional("html", .string(1...500_000), "Of emails."),
    .optional("voicemail", .string(1...4_000), "Of calls."),
  ]

  static let input = Schema.input(
    "TemplateInput", [.required("channel", .choice(Channel.self))] + texts
  ).ruled(by: WordsRules.template)

  static let revision = Schema.input("TemplateRevision", texts)
    .ruled(by: WordsRules.revision)

  private static let content: [Schema.Property] = [
    .required("subject", .string(0...1_000).nullable),
    .required("body", .string(0...600_000)),
    .required("html", .string(0...600_000).nullable),
    .required("voicemail", .string(0...4_000).nullable),
  ]

  private static let version: [Schema.Property] = content + [.required("version", .count)]

  static let template = Schema.object(
    "Template",
    [
      .required("id", .id(.template)), .required("object", .constant("template")),
      .required("name", .string()), .required("channel", .choice(Channel.self)),
      .required("archived", .bool),
      .required("fields", .array(.string(), 0...1_000), "The merge fields of the latest version."),
      .required("versions", .array(.object("TemplateVersion", version), 0...100_000)),
      .required(
        "findings", .array(ContentFindingView.schema),
        "What is to be said of the latest version, as marketing."),
      .required("latest_version", .count, "How many versions its words have."),
      .required("version", .count, "Grows with every change; `ETag` is `\"v<version>\"`."),
      .required("created_at", .time), .required("updated_at", .time),
    ] + content)

  static let preview = Schema.input(
    "TemplatePreviewInput",
    [
      .required("contact", .id(.contact)), .optional("purpose", .choice(Purpose.self)),
      .optional("version", .int(1...100_000), "The latest where not given."),
    ])

  static let rendered = Schema.object(
    "TemplatePreview",
    [
      .required("object", .constant("template_preview")),
      .required("missing", .array(.string(), 0...1_000), "Fields without value and fallback."),
      .optional("subject", .string(0...1_000).nullable),
      .optional("body", .string(0...600_000).nullable),
      .optional("html", .string(0...600_000).nullable),
    ])
}

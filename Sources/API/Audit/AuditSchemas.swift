import Domain

/// Exports for audits.
enum AuditSchemas {
  private static let scope: [Schema.Property] = [
    .required("scope", .choice(AuditScope.Kind.self), "What to open."),
    .optional("contact", .id(.contact), "With scope `contact`."),
    .optional("message", .id(.message), "With scope `message`."),
    .optional("campaign", .id(.campaign), "With scope `campaign`."),
    .optional(
      "number", .string(1...100), "With scope `number`: everybody who has or had it."),
    .optional("from", .time, "With scope `period`: recorded at or after."),
    .optional("until", .time, "With scope `period`: recorded before."),
  ]

  static let order = Schema.input("AuditExportInput", scope)

  static let operatorOrder = Schema.input(
    "OperatorAuditExportInput",
    [.required("account", .id(.org))] + scope + [
      .optional("open_credentials", .bool, "Whether tokens and password hashes are opened.")
    ])

  static let export = Schema.object(
    "AuditExport",
    [
      .required("id", .id(.auditExport)), .required("object", .constant("audit_export")),
      .required("status", .choice(["running", "completed", "failed"])),
      .required("scope", .string()), .required("events", .count, "In the whole book."),
      .required("root", .string(), "Of the account's tree, base64."),
      .required("checkpoint", .string(), "The signed head."),
      .required("verifier_key", .string(), "What the head is checked with."),
      .optional("events_opened", .count), .optional("parts_erased", .count),
      .optional("parts_withheld", .count), .optional("download", .string()),
      .required("account", .id(.org)),
      .required(
        "opens_credentials", .bool,
        "Whether tokens, secrets and password hashes are open in it: then it is for callers with every right alone."
      ),
    ])
}

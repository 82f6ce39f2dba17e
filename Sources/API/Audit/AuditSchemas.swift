import Domain
import JSON

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

  static let order = Schema.input("AuditExportInput", scope).stating(whatGoesWithScope)

  /// What each scope needs; the others' fields it does not have.
  private static let whatGoesWithScope: JSON = {
    let own: [(AuditScope.Kind, [String])] = AuditScope.Kind.allCases.map { kind in
      let fields =
        switch kind {
        case .account: [] as [String]
        case .contact: ["contact"]
        case .message: ["message"]
        case .campaign: ["campaign"]
        case .number: ["number"]
        case .period: ["from", "until"]
        }
      return (kind, fields)
    }
    let all = own.flatMap(\.1)
    return Schema.all(
      own.map { kind, fields in
        Schema.when(
          Schema.isOne("scope", of: [kind.rawValue]),
          Schema.fields(required: fields, absent: all.filter { !fields.contains($0) }))
      })
  }()

  static let operatorOrder = Schema.input(
    "OperatorAuditExportInput",
    [.required("account", .id(.org))] + scope + [
      .optional("open_credentials", .bool, "Whether tokens and password hashes are opened.")
    ]
  ).stating(whatGoesWithScope)

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

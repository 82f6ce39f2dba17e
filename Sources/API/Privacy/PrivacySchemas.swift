import Domain

/// Erasures.
enum PrivacySchemas {
  private static let reason = Schema.choice(
    Erasure.Reason.allCases.filter { $0 != .restored }.map(\.rawValue))

  private static let order: [Schema.Property] = [
    .required("contact", .id(.contact)),
    .optional("reason", reason, "On what ground; `person_asked` where not given."),
  ]

  static let input = Schema.input("ErasureInput", order)

  static let operatorInput = Schema.input(
    "OperatorErasureInput",
    [.required("account", .id(.org))] + order + [
      .optional("dry_run", .bool, "Only tell what would go.")
    ])

  static let erasure = Schema.object(
    "Erasure",
    [
      .required("id", .id(.erasure)), .required("object", .constant("erasure")),
      .required("contact", .id(.contact)),
      .required(
        "status", .choice(Erasure.Status.self),
        "`requested`: nobody sees or reaches the person any more. `keys_destroyed`. `rewritten`: the log's "
          + "and the keys' files hold nothing of theirs. `rows_purged`. `erased`: on record."),
      .required("reason", .choice(Erasure.Reason.self)),
      .required("requested_by", .string(), "The actor."), .required("requested_at", .time),
      .required("rewritten_at", .time.nullable), .required("rows_purged_at", .time.nullable),
      .required("erased_at", .time.nullable),
      .required("key_ids", .array(.string()), "Of the destroyed keys, as leaves name them."),
      .required("account", .id(.org)),
    ])

  /// What an erasure would do.
  static let trial = Trial.schema(
    "ErasureTrial",
    [
      .required("contact", .id(.contact)),
      .required(
        "goes",
        .object([
          .required(
            "events", .count, "Of the book, that concern the person: they stay, unreadable."),
          .required("contacts", .count), .required("contact_versions", .count),
          .required("messages", .count, "Their texts and addresses."),
          .required("segment_memberships", .count), .required("segment_changes", .count),
          .required("messages_cancelled", .count, "Queued or held."),
          .required("runs_ended", .count), .required("timers_cancelled", .count),
        ])),
      .required(
        "stays",
        .object([
          .required("opt_outs", .array(.choice(Channel.self)), "As keyed hashes of the addresses."),
          .required(
            "lists",
            .array(
              .object([
                .required("list", .choice(Suppression.List.self)),
                .required("channel", .choice(Channel.self)),
              ])),
            "The account's lists on which an address of the person's stands: in "
              + "`GET /api/suppressions` as a part of its hash, and readable in the book for good."),
        ])),
      .required("account", .id(.org)),
    ])
}

import Domain

/// How an org sends, and what it keeps from going out.
enum SendingSchemas {
  static let sending = Schema.object(
    "Sending",
    [
      .required("object", .constant("sending")), .required("account", .id(.org)),
      .required(
        "halted_by", .array(.choice(HaltScope.self)),
        "Who stopped the sending; empty: it goes on."),
      .required(
        "waiting", .choice(HaltMode.self),
        "What becomes of that which waits while it is stopped: `skip` once it is stopped for good."),
      .required("rules", rules), .required("rule_set", .string()),
      .optional("suspected_opt_outs", .count, "Now; a write does not answer this, nor alerts."),
      .optional(
        "alerts", .array(.choice(["low_balance"])),
        "`low_balance`: less is left than the rules say."),
    ])

  static let halt = Schema.input(
    "HaltInput", [.required("reason", .string(1...200)), waiting])

  private static let waiting = Schema.Property.optional(
    "waiting", .choice(HaltMode.self), "What becomes of that which waits; `wait`, unless said so.")

  static let operatorHalt = Schema.input(
    "OperatorHaltInput",
    [
      .required("halted", .bool), .optional("reason", .string(1...200)),
      .optional("account", .id(.org), "One account; without it, all of them."),
      .optional(
        "scope", .choice(HaltScope.self), "Whose stop it is: `all`, unless said otherwise."),
      waiting,
    ])

  static let operatorHaltAnswer = Schema.object(
    "OperatorHalt", [.required("halted", .bool), .required("accounts", .count)])

  static let rules = Schema.input(
    "SendingRules",
    [
      .optional(
        "frequency_cap",
        .input([.required("count", .int(1...100)), .required("hours", .int(1...24))]).nullable,
        "Marketing to one person, beside what the law of their state allows."),
      .optional("messages_per_second", .int(1...10_000).nullable, "Of one of our numbers."),
      .optional(
        "daily_budget", .int(0...1_000_000_000_000).nullable,
        "Micros a day (UTC) for messages and calls."),
      .optional("low_balance", .int(0...1_000_000_000_000).nullable, "Micros that raise an alert."),
      .optional("registration", .choice(SendingRules.Registration.self).nullable),
      .optional(
        "concurrent_calls", .int(1...1_000).nullable,
        "Calls at the same time; \(SendingRules.standardConcurrentCalls), unless said otherwise."),
      .optional(
        "duplicate_hours", .int(1...Int64(Gate.capHoursLimit)).nullable,
        "The same text does not go to the same address again within so many hours, unless it "
          + "answers them. Counted from the day on which this was set."),
      .optional(
        "max_age_hours", .int(1...Int64(SendingRules.maxAgeHoursLimit)).nullable,
        "What did not go out so long after it was planned for is skipped."),
      .optional(
        "carrier_brand", .choice(BrandClass.self).nullable,
        "What the carriers registered the sender as: their daily limit holds what goes beyond it."),
      .optional(
        "keywords",
        .input([
          .optional("opt_out", words), .optional("opt_in", words), .optional("help", words),
        ]).nullable,
        "Words of the registered program, each as a whole message, beside STOP, START, HELP and "
          + "their like, which count everywhere and cannot mean anything else."),
      .optional(
        "help_text", .string(1...MessagingProgram.helpLength).nullable,
        "Answers HELP, through the gate. Only where the provider does not answer itself."),
      .optional(
        "advertisement_notice", .string(1...SendingRules.noticeLength).nullable,
        "A line below every marketing mail, such as: This is an advertisement."),
    ]
  ).ruled(by: SendingSchemaRules.rules)

  private static let words = Schema.array(.string(1...MessagingProgram.wordLength))

  static let prices = Schema.object(
    "Prices",
    [
      .required("object", .constant("prices")),
      .required(
        "data",
        .array(
          .object([
            .required("resource", .choice(Prices.Resource.self)), .required("price", .money),
          ]))),
      .required(
        "markups",
        .array(
          .object([
            .required("resource", .choice(Prices.Resource.self)),
            .required("reach", .choice(PriceOverride.Reach.self)),
            .required("markup_percent", .int(0...1_000).nullable), .required("from", .time),
          ])),
        "Set by the agency, in the order of their days: `org` for this account alone, `agency` for all "
          + "clients; null: taken back."),
    ])

  static let markup = Schema.input(
    "MarkupInput",
    [
      .required("resource", .choice(Prices.Resource.self)),
      .required("markup_percent", .int(0...1_000)),
      .optional(
        "from", .time.ruled(by: SendingSchemaRules.from),
        "From when on; now, unless said otherwise."),
    ])

  static let clientPrices = Schema.object(
    "ClientPrices",
    [.required("object", .constant("client_prices")), .required("clients", .count)])

  static let pace = Schema.input(
    "PaceInput", [.required("per_minute", .int(1...600_000).nullable, "null: no pace.")])

  static let suspicion = Schema.object(
    "SuspectedOptOut",
    [
      .required("object", .constant("suspected_opt_out")), .required("contact", .id(.contact)),
      .required("channel", .choice(Channel.self)), .required("message", .id(.message)),
      .required("body", .string(0...10_000).nullable), .required("from", .string().nullable),
      .required("received_at", .time),
    ])

  static let decision = Schema.input(
    "SuspectedOptOutDecision", [.optional("channel", .choice(Channel.self), "sms")])

  static let list = Schema.input(
    "SuppressionInput",
    [
      .optional("list", .choice(Suppression.List.self), "suppression"),
      .required("channel", .choice(Channel.self)),
      .required("addresses", .array(.string(1...254), 0...1_000)),
      .optional("source", .string(1...200), "Where they come from."),
    ]
  ).ruled(by: SendingSchemaRules.addresses)

  static let suppression = Schema.object(
    "SuppressedAddress",
    [
      .required("object", .constant("suppression")),
      .required("list", .choice(Suppression.List.self)),
      .required("channel", .choice(Channel.self)),
      .required(
        "address", .string(),
        "`erased:` and a part of its hash, where it was an erased person's and nobody has it since."
      ),
    ])

  static let listed = Schema.object(
    "SuppressionResult",
    [.required("object", .constant("suppression_result")), .required("changed", .count)])

  static let consent = Schema.object(
    "ConsentEntry",
    [
      .required("object", .constant("consent_entry")), .required("id", .string()),
      .required("type", .choice(["opted_in", "opted_out", "suspected", "dismissed"])),
      .required("channel", .choice(Channel.self)), .optional("purpose", .string().nullable),
      .optional("sender", .string().nullable), .optional("scope", .string().nullable),
      .optional("method", .string().nullable), .optional("source", .string().nullable),
      .optional("address", .string().nullable), .optional("wording", .string(0...10_000).nullable),
      .optional("wording_sha256", .string().nullable), .optional("ip", .string().nullable),
      .optional("message", .string().nullable), .required("actor", .string()),
      .required("occurred_at", .time), .required("position", .int(1...Int64.max)),
    ])
}

import Application
import Domain

/// Campaigns as they come in and go out.
enum CampaignSchemas {
  static let create = Schema.input(
    "CampaignInput",
    [
      .required("name", name), .required("segment", .id(.segment)),
      .optional("channel", .choice(Channel.self)), .optional("purpose", .choice(Purpose.self)),
      .optional("body", body, "Required where there is no template."),
      .optional("subject", .string(1...998), "Of an email: required there, or in the template."),
      .optional("html", .string(1...500_000), "Of an email."),
      .optional("voicemail", .string(1...4_000), "Of a call: what an answering machine is told."),
      .optional(
        "template", .id(.template),
        "Instead of the texts: its words of now, whatever becomes of it."),
      .optional("holdout_percent", .int(1...50), holdoutNote),
    ]
  ).ruled(by: WordsRules.campaign)

  private static let name = Schema.string(1...200).ruled(by: .notBlank(.campaign(.emptyName)))
  private static let body = Schema.string(1...500_000).ruled(by: .notBlank(.campaign(.emptyBody)))

  /// What a launch would come to.
  static let launchTrial = Trial.schema(
    "LaunchTrial",
    [
      .required("planned", .count, "Whoever the segment holds now."),
      .required(
        "judged", .count, "Of whom so many were put before the gate, in the order of their ids."),
      .required(
        "is_whole", .bool,
        "Whether all of them were. Else twenty seconds were over, and what follows is of the judged ones alone."
      ),
      .required("allowed", .count, "Of the judged ones: would go out at once."),
      .required("held", .map(.count), "Would wait, by reason."),
      .required("skipped", .map(.count), "Would get nothing, by reason."),
      .required("cost", .money, "Of the judged ones that would go out, at once or later."),
    ])

  static let launch = Schema.input(
    "CampaignLaunch",
    [
      .optional(
        "skip_missing", .bool, "Leave out whoever lacks a field that has no fallback; false.")
    ])

  static let check = Schema.object(
    "CampaignCheck",
    [
      .required("object", .constant("campaign_check")),
      .required("recipients", .count, "Whoever the segment holds now."),
      .required("incomplete", .count, "Recipients whose text could not be filled."),
      .required(
        "missing",
        .array(
          .object([.required("field", .string()), .required("recipients", .count)]))),
      .required("findings", .array(ContentFindingView.schema)),
    ])

  private static let holdoutNote =
    "Of a hundred people that it could go to, so many are skipped (`holdout`), to compare with. "
    + "Who they are follows from the campaign's and the contact's ids."

  static let update = Schema.input(
    "CampaignChange",
    [
      .optional("name", name), .optional("segment", .id(.segment)),
      .optional("purpose", .choice(Purpose.self)),
      .optional(
        "channel", .choice(Channel.self), "Words that the new channel does not have are dropped."),
      .optional(
        "body", body, "Words of its own take the place of a template's."),
      .optional("subject", .string(1...998), "Of an email."),
      .optional("html", .string(1...500_000).nullable, "Of an email."),
      .optional(
        "voicemail", .string(1...4_000).nullable, "Of a call: what an answering machine is told."),
      .optional(
        "template", .id(.template).nullable,
        "Its words of now take the place of the campaign's; `null` keeps them as they are."),
      .optional("holdout_percent", .int(1...50).nullable, holdoutNote),
    ]
  ).ruled(by: WordsRules.campaignChange)

  static let campaign = Schema.stored(
    "Campaign", "campaign", .campaign,
    [
      .required("name", .string()), .required("segment", .id(.segment)),
      .required("channel", .choice(Channel.self)), .required("purpose", .choice(Purpose.self)),
      .required("body", .string(0...500_000)), .required("subject", .string(0...998).nullable),
      .required("html", .string(0...500_000).nullable),
      .required("voicemail", .string(0...4_000).nullable),
      .required("template", .id(.template).nullable),
      .required("template_version", .count.nullable, "Whose words they are."),
      .required("holdout_percent", .count.nullable),
      .required("per_minute", .count.nullable, "Its pace; null: as fast as the sender may."),
      .required("status", .choice(Campaign.Status.self)),
      .required("planned", .count, "= sent + failed + skipped + cancelled + pending."),
      .required("sent", .count), .required("failed", .count), .required("skipped", .count),
      .required("cancelled", .count), .required("pending", .count),
      .optional("deleted", .bool, "In the answer to its deletion."),
    ])
}

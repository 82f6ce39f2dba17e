import Application
import Domain

/// Webhook endpoints as they come in and go out.
enum WebhookSchemas {
  private static let types = Schema.array(EventSchemas.typeName, 1...200)

  private static let style: [Schema.Property] = [
    .optional(
      "payload", .choice(WebhookEndpoint.Style.Payload.self),
      "`thin` has ids and types only; so has a full one above 20 kB."),
    .optional(
      "format", .choice(WebhookEndpoint.Style.Format.self),
      "Standard Webhooks, or CloudEvents 1.0 in structured mode, signed the same way."),
  ]

  static let rotate = Schema.input(
    "SecretRotation",
    [
      .optional(
        "overlap_seconds", .int(0...2_592_000), "How long the old secret signs along; a day.")
    ])

  static let redeliver = Schema.input(
    "Redelivery",
    [
      .optional("events", .array(.id(.event), 1...50), "These events, or:"),
      .optional("from", .int(1...Int64.max), "From this log position on."),
      .optional("to", .int(1...Int64.max), "Up to this one; the log's end where not given."),
      .optional("failed", .bool, "What was given up: every dead letter."),
    ]
  ).stating(
    Schema.exactlyOne([
      Schema.all([
        Schema.fields(required: ["events"], absent: ["from", "to"]), Schema.isFlag("failed", false),
      ]),
      Schema.all([
        Schema.fields(required: ["from"], absent: ["events"]), Schema.isFlag("failed", false),
      ]),
      Schema.all([
        Schema.fields(required: ["failed"], absent: ["events", "from", "to"]),
        Schema.isFlag("failed", true),
      ]),
    ]))

  static let delivery = Schema.object("Delivery", deliveryFields)

  static let sentDelivery = Schema.object(
    "SentDelivery",
    deliveryFields + [
      .required(
        "request",
        .object([
          .required(
            "headers", .map(.string()),
            "But for the signature, which whoever knows the secret can make again."),
          .required(
            "body", .string().nullable,
            "null: a full body, and you may not read events; or sent before its style was kept."),
          .required(
            "as_sent", .bool.nullable, "`false`: somebody whom it was about was erased since."),
        ]))
    ])

  private static let deliveryFields: [Schema.Property] =
    [
      .required("object", .constant("delivery")),
      .required("number", .count, "Counts up for each endpoint."), .required("event", .id(.event)),
      .required("type", .string()), .required("position", .count), .required("attempt", .count),
      .required("sent_at", .time), .required("took_millis", .count), .required("url", .string()),
      .required("status", .count.nullable, "null: there was no answer."),
      .required("error", .string().nullable),
      .required(
        "response", .string(), "The first 500 bytes of what was answered. Goes with the person."),
      .required("redelivery", .bool),
      .required("backfill", .bool, "It waited while the endpoint was paused or disabled."),
    ]

  static let deadLetter = Schema.object(
    "DeadLetter",
    [
      .required("id", .id(.event), "The event by which it was given up."),
      .required("object", .constant("dead_letter")),
      .required("position", .count, "Of the event that was not delivered."),
      .required("attempts", .count), .required("reason", .string()),
      .required("given_up_at", .time),
    ])

  static let create = Schema.input(
    "WebhookEndpointInput",
    [
      .required("url", url),
      .required(
        "types", types,
        "`message.sent`, a family such as `message.*`, or `*`; also names of the catalogue (`sms.received`, `email.*`). "
          + "What is delivered has the log's name."),
    ] + style)

  static let update = Schema.input(
    "WebhookEndpointChange", [.optional("url", url), .optional("types", types)] + style)

  private static let url = Schema.string().ruled(
    by: .text(refuses: ["invalid_url"], pattern: TextPattern.webAddress) {
      text, _ throws(CommandError) in
      if !WebhookEndpoint.isURL(text) { throw .webhookEndpoint(.invalidURL) }
    })

  static let endpoint = Schema.stored(
    "WebhookEndpoint", "webhook_endpoint", .webhookEndpoint,
    [
      .required("url", .string()), .required("types", .array(.string())),
      .required("enabled", .bool, "`false`: its failures have ended the deliveries."),
      .required("paused", .bool, "`true`: somebody wants it quiet. What happens meanwhile waits."),
      .required("deleted", .bool),
      .required("payload", .choice(WebhookEndpoint.Style.Payload.self)),
      .required("format", .choice(WebhookEndpoint.Style.Format.self)),
      .optional(
        "position", .count,
        "Everything up to this log position is dealt with. A write does not answer this, nor the next four."
      ),
      .optional("waiting", .count, "Events under way, or waiting for another attempt."),
      .optional("failures", .count, "Failed attempts for the oldest event that waits."),
      .optional("retry_at", .time.nullable),
      .optional(
        "circuit", .choice(["closed", "open"]),
        "`open`: one attempt at a time, until one succeeds."),
      .required("redeliveries", .count, "Still to come."),
      .optional("secret", .string().nullable, "Shown once, at creation."),
    ])
}

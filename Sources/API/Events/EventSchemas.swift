import Application
import Domain
import JSON

/// Events as the API, webhooks and exports show them.
enum EventSchemas {
  /// A name by which events can be asked for, a family of them, or `*`.
  static let typeName = Schema.string(1...100).stating(
    ["enum": .array(EventNames.all.map(JSON.string))])

  /// The same without the names of the catalogue.
  static let ownTypeName = Schema.string(1...100).stating(
    ["enum": .array(EventNames.all.filter(EventSelection.isOwn).map(JSON.string))])

  static let event = Schema.object(
    "Event",
    [
      .required("id", .id(.event)), .required("object", .constant("event")),
      .required("type", .string()), .required("position", .count),
      .required("sequence", .count, "Dense per account."), .required("occurred_at", .time),
      .required("recorded_at", .time), .required("account", .id(.org)),
      .required("actor", .string()), .required("origin", .string()),
      .required("correlation", .string(), "The request that began it."),
      .required("cause", .count.nullable, "Position of the event that it follows from."),
      .required(
        "subject",
        .object([
          .required("type", .string()), .required("id", .string()), .required("version", .count),
        ])), .required("data", .map(.anything)),
    ])

  static let auditEvent = Schema.object(
    "AuditEvent",
    [
      .required("id", .id(.event)), .required("object", .constant("audit_event")),
      .required("position", .count), .required("sequence", .count), .required("type", .string()),
      .required("occurred_at", .time), .required("recorded_at", .time),
      .required("actor", .string()), .required("origin", .string()),
      .required("on_behalf_of", .string().nullable), .required("correlation", .string()),
      .required("cause", .count.nullable, "Position of the event that it follows from."),
      .required("depth", .count, "Reactions between it and the outside world."),
      .required(
        "subject",
        .object([
          .required("type", .string()), .required("id", .string()), .required("version", .count),
        ])),
      .required("contact", .id(.contact).nullable), .required("campaign", .id(.campaign).nullable),
      .required("summary", .string()), .required("verdict", MessageSchemas.verdict.nullable),
      .required("evidence", .map(.anything).nullable, "What it rests on, as far as not personal."),
      .required("account", .id(.org)),
    ])
}

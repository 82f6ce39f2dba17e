import Domain

/// Read models as those see them who look after the installation.
enum ProjectionSchemas {
  private static let rebuild = Schema.object(
    "ProjectionRebuild",
    [
      .required(
        "state",
        .choice(["requested", "running", "cancelling", "done", "failed", "cancelled"])),
      .required(
        "phase", .choice(["folding", "indexing", "catchingUp", "swapping"]).nullable),
      .required("position", .count, "How far it is."), .required("head", .count),
      .required("rate", .number, "Events a second since its start."),
      .required("remaining_seconds", .number.nullable, "Of folding, at this rate."),
      .required("reason", .string().nullable, "Why it failed."),
      .required("requested_at", .time), .required("updated_at", .time),
    ])

  static let projection = Schema.object(
    "Projection",
    [
      .required("object", .constant("projection")), .required("name", .string()),
      .required("version", .count),
      .required(
        "state", .choice(["live", "stopped", "building", "rolled_back"]),
        "`stopped`: it needs a rebuild, or its parked events."),
      .required("position", .count, "The last event applied."),
      .required("lag_events", .count, "Events of the log that are not applied yet."),
      .required("lag_seconds", .number, "For how long the first of them has waited."),
      .required("rate", .number, "Events a second, lately."),
      .required("bytes", .count, "Tables and indexes."),
      .required("parked", .count, "Events that wait because one of them cannot be applied."),
      .required("failed_reason", .string().nullable), .required("built_at", .time),
      .required("checked_at", .time.nullable),
      .required("checked_equal", .bool.nullable, "The rows were what the log says."),
      .required("rebuild", rebuild.nullable, "The last one, or the one under way."),
    ])

  static let parked = Schema.object(
    "ParkedEvent",
    [
      .required("object", .constant("parked_event")), .required("projection", .string()),
      .required("position", .count), .required("type", .string()),
      .required("account", .id(.org)),
      .required("code", .string().nullable, "null: it waits behind another one."),
      .required("reason", .string().nullable), .required("parked_at", .time),
    ])

  static let drained = Schema.object(
    "DrainedProjection",
    [
      .required("object", .constant("drained_projection")), .required("projection", .string()),
      .required("applied", .count), .required("remaining", .count),
    ])
}

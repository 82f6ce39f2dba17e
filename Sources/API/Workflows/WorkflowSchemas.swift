import Domain

/// Workflows and runs as they come in and go out.
enum WorkflowSchemas {
  static let source = Schema.input(
    "WorkflowInput", [.required("source", .string(1...262_144), "The YAML.")])

  static let start = Schema.input("RunInput", [.required("contact", .id(.contact))])

  static let workflow = Schema.stored(
    "Workflow", "workflow", .workflow,
    [
      .required("name", .string().nullable), .required("trigger", .string().nullable),
      .required("paused", .bool), .required("latest_version", .count),
      .required("source", .string(0...262_144).nullable),
      .optional("deleted", .bool, "In the answer to its deletion."),
    ])

  static let run = Schema.stored(
    "Run", "run", .run,
    [
      .required("workflow", .id(.workflow).nullable), .required("workflow_version", .count),
      .required("contact", .id(.contact).nullable), .required("status", .string().nullable),
      .required("step", .string().nullable), .required("waiting_until", .time.nullable),
    ])
}

import Application
import Domain
import JSON

/// Inbound hooks as they come in and go out.
enum HookSchemas {
  private static let mapping = Schema.map(
    .pattern(TextPattern.notBlank, 1...500).stating(["not": ["const": "="]])
  ).stating(["propertyNames": ["pattern": .string(mappable)]]).stating(
    Schema.one(of: ["email", "phone"].map { Schema.fields(required: [$0]) }))

  private static let mappable =
    "^(" + HookSettings.fields.sorted().joined(separator: "|").replacing(".", with: "\\.")
    + #"|custom\.[^\x00]{0,100})$"#

  private static let mappingRule = SchemaRule.object(refuses: ["required", "unknown_field"]) {
    object, _ in
    guard let mapping = object["mapping"]?.object else { return [] }
    let parts = mapping.fields.map { field, source in
      // What is no text is wrong already.
      HookSettings.Mapping(field: field, source: source.string ?? "?")
    }
    return InboundHook.faults(in: parts).map { CommandError.inboundHook($0) }
  }

  private static let name = Schema.string(1...200).ruled(by: .notBlank(.inboundHook(.emptyName)))

  private static let settings: [Schema.Property] = [
    .optional("signature_header", .string(1...100), "Of `hmac_sha256`; X-Signature-256."),
    .optional(
      "delivery_id", .string(1...200),
      "Where the body names the delivery: one that came before is not carried out again."),
  ]

  static let create = Schema.input(
    "InboundHookInput",
    [
      .required("name", name),
      .required("authentication", .choice(HookSettings.Authentication.self)),
      .required("action", .choice(HookSettings.Action.self)),
      .required("mapping", mapping, "A path into the body, or `=` and the value, by field."),
    ] + settings
  ).ruled(by: mappingRule)

  static let update = Schema.input(
    "InboundHookChange",
    [
      .optional("name", name),
      .optional("authentication", .choice(HookSettings.Authentication.self)),
      .optional("action", .choice(HookSettings.Action.self)), .optional("mapping", mapping),
    ] + settings
  ).ruled(by: mappingRule)

  static let hook = Schema.stored(
    "InboundHook", "inbound_hook", .inboundHook,
    [
      .required("name", .string()),
      .required("authentication", .choice(HookSettings.Authentication.self)),
      .required("signature_header", .string().nullable),
      .required("action", .choice(HookSettings.Action.self)),
      .required("mapping", .map(.string(1...500))),
      .required("rights", .array(.string()), "What it may do, whoever made it."),
      .required("delivery_id", .string().nullable), .required("enabled", .bool),
      .required("deleted", .bool),
      .required("url", .string(), "Where to send to; with `secret_in_path` the secret follows."),
      .optional("secret", .string().nullable, "Shown once, at creation and rotation."),
    ])

  static let test = Schema.input(
    "InboundHookTest",
    [
      .optional("payload", .map(.anything), "The body, as JSON."),
      .optional("form", .string(1...100_000), "Or the body of a form: `a=1&b=2`."),
    ]
  ).stating(
    Schema.exactlyOne([
      Schema.fields(required: ["payload"], absent: ["form"]),
      Schema.fields(required: ["form"], absent: ["payload"]),
    ]))

  static let tested = Schema.object(
    "InboundHookTestResult",
    [
      .required("object", .constant("inbound_hook_test")),
      .required("values", .map(.anything), "What the mapping found, by field."),
      .required(
        "problems",
        .array(
          .object([
            .required("param", .string()), .required("code", .string()),
            .required("message", .string()),
          ])), "Why nothing would follow."),
      .required("events", .array(.anything), "What would be written."),
    ])

  static let delivery = Schema.object(
    "InboundDelivery",
    [
      .required("object", .constant("inbound_delivery")), .required("hook", .id(.inboundHook)),
      .required("status", .choice(["accepted", "duplicate"])),
      .required("contact", .id(.contact).nullable),
      .required("events", .array(.id(.event))),
    ])
}

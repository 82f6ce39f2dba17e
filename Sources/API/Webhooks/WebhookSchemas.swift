import Domain

/// Webhook endpoints as they come in and go out.
enum WebhookSchemas {
  private static let types = Schema.array(.string(1...100), 1...200)

  static let create = Schema.input(
    "WebhookEndpointInput",
    [
      .required("url", .format("uri")),
      .required("types", types, "`message.sent`, a family such as `message.*`, or `*`."),
    ])

  static let update = Schema.input(
    "WebhookEndpointChange", [.optional("url", .format("uri")), .optional("types", types)])

  static let endpoint = Schema.stored(
    "WebhookEndpoint", "webhook_endpoint", .webhookEndpoint,
    [
      .required("url", .string()), .required("types", .array(.string())),
      .required("enabled", .bool), .required("deleted", .bool),
      .optional("secret", .string().nullable, "Shown once, at creation."),
    ])
}

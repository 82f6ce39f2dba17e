import Domain

/// Sessions and accounts as they come in and go out.
enum AccessSchemas {
  static let account = Schema.object(
    "Account",
    [
      .required("id", .id(.org)), .required("object", .constant("account")),
      .required("name", .string()), .required("kind", .choice(Org.Kind.self)),
      .required("agency", .id(.org).nullable), .required("time_zone", .string()),
      .required("test", .bool), .required("status", .choice(Org.Status.self)),
      .required("now", .time, "The account's own clock."), .required("created_at", .time),
    ])

  static let signIn = Schema.input(
    "SignIn",
    [.required("email", .string(1...254)), .required("password", .string(1...1_000))])

  static let session = Schema.object(
    "Session",
    [
      .required("object", .constant("session")),
      .required(
        "user",
        .object([
          .required("id", .id(.user)), .required("email", .string()), .required("name", .string()),
          .required("role", .string()),
        ])),
      .required("account", account.nullable), .required("accounts", .array(account)),
      .required("csrf_token", .string(), "Goes back as `X-CSRF-Token` on every write."),
      .required("expires_at", .time),
    ])

  static let clockAdvance = Schema.input(
    "ClockAdvance", [.required("seconds", .int(1...34_560_000))])

  static let clock = Schema.object(
    "TestClock",
    [.required("object", .constant("test_clock")), .required("now", .time)])

  static let newAccount = Schema.input(
    "AccountInput",
    [
      .required("name", .string(1...200)), .optional("kind", .choice(Org.Kind.self)),
      .optional("agency", .id(.org)), .optional("time_zone", .string(1...100)),
      .optional("test", .bool), .optional("clock_offset_seconds", .int(-34_560_000...0)),
      .optional(
        "owner",
        .input([
          .required("email", .string(1...254)), .required("name", .string(1...200)),
          .required("password", .string(1...1_000)), .optional("role", .string(1...100)),
        ])),
      .optional(
        "sms",
        .input([
          .required("from", .string(1...40)), .required("account_sid", .string(1...200)),
          .required("auth_token", .string(1...200)), .optional("base_url", .string(1...500)),
        ])),
    ])

  static let createdAccount = Schema.object(
    "CreatedAccount",
    [
      .required("id", .id(.org)), .required("object", .constant("account")),
      .required("api_key", .string(), "Shown once."),
    ])
}

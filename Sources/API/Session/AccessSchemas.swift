import Application
import Domain
import JSON

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
      .optional("updated_at", .time, "Not in a session's accounts; nor are these two."),
      .optional("version", .count), .optional("account", .id(.org)),
    ])

  static let signIn = Schema.input(
    "SignIn",
    [.required("email", .string(1...254)), .required("password", password)])

  static let session = Schema.object(
    "Session",
    [
      .required("object", .constant("session")),
      .required(
        "user",
        .object([
          .required("id", .id(.user)), .required("email", .string()), .required("name", .string()),
          .required("role", .string()),
          .required("scopes", .array(.string()), "What the role allows: `contacts:read`, `*`, …"),
        ])),
      .required("account", account.nullable),
      .required(
        "accounts", .array(account),
        "The own one and the first of its clients, by name: 20 at most. See `GET /api/accounts`."),
      .required("account_count", .count, "How many there are."),
      .required("csrf_token", .string(), "Goes back as `X-CSRF-Token` on every write."),
      .required("expires_at", .time),
    ])

  static let clockAdvance = Schema.input(
    "ClockAdvance", [.required("seconds", .int(1...34_560_000))])

  static let clock = Schema.object(
    "TestClock",
    [.required("object", .constant("test_clock")), .required("now", .time)])

  /// As long wherever it is given: what is made can sign in.
  private static let passwordLimit = 1_000
  private static let password = Schema.string(1...passwordLimit)
  private static let newPassword = Schema.string(12...passwordLimit)

  static let passwordChange = Schema.input(
    "PasswordChange",
    [
      .required("current_password", password),
      .required("new_password", newPassword, "At least 12 characters."),
    ])

  // MARK: Users and roles

  private static let role = Schema.string(1...100).ruled(
    by: .text(
      refuses: ["unknown_role"],
      pattern: TextPattern.word(Roles.builtIn.keys.sorted(), orID: .role)
    ) { text, _ throws(CommandError) in
      guard Roles.builtIn[text] == nil, Identifier(text, kind: .role) == nil else { return }
      throw Workspace.unknownRole
    })

  private static let userName = Schema.string(1...200).ruled(by: .notBlank(.user(.emptyName)))

  static let newUser = Schema.input(
    "UserInput",
    [
      .required("email", .format("email", 3...254)), .required("name", userName),
      .required("role", role, "A built-in role or the id of one of your own."),
      .required("password", newPassword, "At least 12 characters."),
    ])

  static let userChange = Schema.input(
    "UserChange",
    [
      .optional("name", userName), .optional("role", role),
      .optional("password", newPassword), .optional("active", .bool),
    ])

  static let user = Schema.stored(
    "User", "user", .user,
    [
      .required("email", .string()), .required("name", .string()), .required("role", .string()),
      .required("active", .bool), .required("locked_until", .time.nullable),
    ])

  private static let scopes = Schema.array(
    .string(1...100).stating(["enum": .array(ScopeInput.known.sorted().map(JSON.string))]), 1...100)

  private static let roleName = Schema.string(1...200).ruled(by: .notBlank(.role(.emptyName)))

  static let newRole = Schema.input(
    "RoleInput",
    [
      .required("name", roleName),
      .required(
        "scopes", scopes,
        "`resource:action`; actions are read, create, update, delete, write (the last three) and *."
      ),
    ])

  static let roleChange = Schema.input(
    "RoleChange", [.optional("name", roleName), .optional("scopes", scopes)])

  static let roleObject = Schema.object(
    "Role",
    [
      .required("id", .string()), .required("object", .constant("role")),
      .required("name", .string()), .required("scopes", .array(.string())),
      .required("built_in", .bool),
      .required("version", .count, "0 for those that every account has."),
      .required("account", .id(.org)), .required("created_at", .time.nullable),
      .required("updated_at", .time.nullable),
    ])

  // MARK: API keys

  static let limit = Schema.input(
    "RateLimit",
    [.required("per_minute", .int(1...1_000_000)), .required("burst", .int(1...2_000_000))])

  static let sharedLimit = Schema.object(
    "SharedRateLimit", [.required("per_minute", .count), .required("burst", .count)])

  private static let keyName = Schema.string(1...200).ruled(by: .notBlank(.apiKey(.emptyName)))

  private static let keyFields: [Schema.Property] = [
    .optional("expires_at", .time.nullable),
    .optional(
      "networks", .array(.string(1...60), 0...100),
      "Addresses or CIDR networks that it may be used from; none: anywhere."),
    .optional("rate_limit", limit.nullable, "At most the account's own."),
  ]

  static let newKey = Schema.input(
    "APIKeyInput",
    [
      .required("name", keyName), .required("scopes", scopes),
      .optional("signed", .bool, "Whether every request has to be signed."),
    ] + keyFields)

  static let keyChange = Schema.input(
    "APIKeyChange",
    [.optional("name", keyName), .optional("scopes", scopes)] + keyFields)

  static let keyRoll = Schema.input(
    "APIKeyRoll",
    [
      .optional(
        "overlap_seconds", .int(0...2_592_000), "How long the old secret still works; 3600.")
    ])

  static let key = Schema.stored(
    "APIKey", "api_key", .apiKey,
    [
      .required("name", .string()), .required("scopes", .array(.string())),
      .required("expires_at", .time.nullable), .required("networks", .array(.string())),
      .required("signed", .bool), .required("rate_limit", limit),
      .optional("secret", .string(), "Shown once."),
      .optional("signing_secret", .string(), "Shown once."),
    ])

  private static let owner = Schema.input([
    .required("email", .format("email", 3...254)), .required("name", .string(1...200)),
    .required("password", newPassword, "At least 12 characters."),
    .optional("role", .choice(Roles.builtIn.keys.sorted()), "One of the built-in roles."),
  ])

  private static let sms = Schema.input([
    .required("from", .string(1...40)), .required("account_sid", .string(1...200)),
    .required("auth_token", .string(1...200)), .optional("base_url", .string(1...500)),
  ])

  private static let accountName = Schema.string(1...200).ruled(by: .notBlank(.org(.emptyName)))

  static let newAccount = Schema.input(
    "AccountInput",
    [
      .required("name", accountName), .optional("kind", .choice(Org.Kind.self)),
      .optional("agency", .id(.org)), .optional("time_zone", .string(1...100)),
      .optional("test", .bool), .optional("rate_limit", limit),
      .optional("clock_offset_seconds", .int(-34_560_000...0)),
      .optional("owner", owner), .optional("sms", sms),
    ])

  static let newClient = Schema.input(
    "ClientInput",
    [
      .required("name", accountName), .optional("time_zone", .string(1...100)),
      .optional("test", .bool), .optional("rate_limit", limit),
      .optional("owner", owner), .optional("sms", sms),
    ])

  static let accountChange = Schema.input(
    "AccountChange",
    [
      .optional("name", .string(1...200)),
      .optional("time_zone", .string(1...100).ruled(by: .timeZone)),
      .optional("status", .choice(Org.Status.self), "By its agency alone."),
      .optional("rate_limit", limit, "Of each of its keys. By its agency alone."),
    ])

  static let standingChange = Schema.input(
    "StandingChange",
    [
      .optional("status", .choice(Org.Status.self)),
      .optional("rate_limit", limit, "Of each of its keys that has none of its own."),
    ])

  static let createdAccount = Schema.object(
    "CreatedAccount",
    [
      .required("id", .id(.org)), .required("object", .constant("account")),
      .optional("api_key", .string(), "Shown once: not in the answer to a repeated request."),
    ])
}

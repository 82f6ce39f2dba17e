import Application
import Domain

/// Providers' settings as they come in and go out.
enum ProviderSchemas {
  static let input = Schema.input(
    "ProviderInput",
    [
      .optional("provider", .string(1...100), "The adapter, such as `sendgrid`."),
      .optional("base_url", .format("uri"), "The provider's own where not given."),
      .optional("options", .map(.string(0...4_000)), "What is no secret: the sender's address, …"),
      .optional("secrets", .map(.string(0...4_000)), "Sealed; never shown again."),
      .optional(
        "same_account", .bool,
        "It is the account of before, whatever has changed: messages of which its answer is due may be looked "
          + "for in it, and payments."),
    ])

  enum Standing: String, CaseIterable {
    case active
    case former
  }

  static let removal = Schema.object(
    "ProviderRemoval",
    [
      .required("object", .constant("provider_removal")),
      .required("service", .choice(Org.ProvidedService.self)), .required("forgotten", .bool),
    ])

  static let provider = Schema.object(
    "Provider",
    [
      .required("object", .constant("provider")), .required("service", .string()),
      .required("provider", .string()),
      .required(
        "status", .choice(Standing.self),
        "`former`: nothing goes out through it; what it still brings is taken in."),
      .optional("base_url", .string()),
      .optional("options", .map(.string(0...4_000))),
      .optional("secrets", .array(.string(), 0...100), "Their names."),
    ])

  static let providers = Schema.object(
    "ProviderList",
    [
      .required("object", .constant("list")), .required("data", .array(provider, 0...100)),
      .required("has_more", .bool, "Always false."), .required("next", .string().nullable),
      .required("postal_address", .string().nullable),
    ])

  static let addressInput = Schema.input(
    "PostalAddressInput",
    [
      .required(
        "postal_address", .string(1...500).ruled(by: .notBlank(.org(.emptyPostalAddress))))
    ])

  static let address = Schema.object(
    "PostalAddress",
    [.required("object", .constant("postal_address")), .required("postal_address", .string())])
}

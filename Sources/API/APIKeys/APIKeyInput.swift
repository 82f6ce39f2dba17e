import Application
import Domain
import HTTP
import JSON

/// Reads what restricts an API key out of request bodies.
enum APIKeyInput {
  static func limit(_ fields: inout Fields) -> RateLimit? {
    guard let value = fields.value("rate_limit"), let perMinute = value["per_minute"]?.int,
      let burst = value["burst"]?.int
    else { return nil }
    return RateLimit(perMinute: Int(clamping: perMinute), burst: Int(clamping: burst))
  }

  /// A key's own limit, at most its account's.
  static func limit(_ fields: inout Fields, _ exchange: Exchange) -> RateLimit? {
    guard let limit = limit(&fields) else { return nil }
    let account = accountLimit(exchange)
    if limit.perMinute > account.perMinute || limit.burst > account.burst {
      fields.fail(
        "rate_limit", "limit_exceeds_account",
        "The account has \(account.perMinute) a minute and bursts of \(account.burst).")
    }
    return limit
  }

  static func accountLimit(_ exchange: Exchange) -> RateLimit {
    exchange.engine.directory.org(exchange.org)?.rateLimit ?? exchange.services.settings.rateLimit
  }

  static func networks(_ fields: inout Fields) -> [String]? {
    guard let networks = fields.strings("networks") else { return nil }
    for network in networks where IPNetwork(network) == nil {
      fields.fail(
        "networks", "invalid_network",
        "\(network.prefix(60)) is no address or network such as 203.0.113.0/24.")
    }
    return networks
  }

  static func expiry(_ fields: inout Fields) -> Micros? {
    fields.string("expires_at").flatMap(Timestamp.micros)
  }
}

/// What a PATCH of a key asks for of its restrictions: what is not named stays.
struct RestrictionChange: Sendable {
  private let namesExpiry: Bool
  private let expiresAtMicros: Micros?
  private let networks: [String]?

  /// nil where none is named.
  init?(_ fields: inout Fields) {
    namesExpiry = fields.has("expires_at")
    expiresAtMicros = namesExpiry ? APIKeyInput.expiry(&fields) : nil
    networks = fields.has("networks") ? APIKeyInput.networks(&fields) : nil
    if !namesExpiry, networks == nil { return nil }
  }

  func apply(to restrictions: inout APIKey.Restrictions) {
    if namesExpiry { restrictions.expiresAtMicros = expiresAtMicros }
    if let networks { restrictions.networks = networks }
  }
}

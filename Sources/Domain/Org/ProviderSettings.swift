/// How an org reaches the provider of one service. What is secret is sealed under the org's key and is
/// never shown again.
package struct ProviderSettings: Sendable, Equatable, Codable {
  package enum Service: String, Sendable, CaseIterable, Codable {
    case email
    case payment
  }

  package var service: Service
  /// The adapter's name, such as `sendgrid`.
  package var provider: String
  /// Where the provider's API is reached; the sandbox on loopback in development.
  package var baseURL: String
  /// What is no secret, by the names that the adapter knows.
  package var options: [String: String]
  /// Keys and tokens, by the names that the adapter knows.
  package var secrets: Personal<[String: String]>

  package init(
    service: Service, provider: String, baseURL: String, options: [String: String],
    secrets: Personal<[String: String]>
  ) {
    self.service = service
    self.provider = provider
    self.baseURL = baseURL
    self.options = options
    self.secrets = secrets
  }

  /// As far as settings tell: another key may be one of the same account, or not.
  package func isOfSameAccount(as other: ProviderSettings) -> Bool {
    let name = service == .payment ? "secret_key" : "api_key"
    func key(_ settings: ProviderSettings) -> String? { settings.secrets.value?[name] }
    return provider == other.provider && baseURL == other.baseURL && key(self) == key(other)
  }

  /// Whether all that it takes for genuine `other` does, too.
  func isCovered(by other: ProviderSettings) -> Bool {
    service == other.service && provider == other.provider && secrets == other.secrets
      && options["webhook_public_key"] == other.options["webhook_public_key"]
  }
}

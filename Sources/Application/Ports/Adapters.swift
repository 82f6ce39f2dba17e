import Domain
import HTTP

/// What a provider posts to us, under `/webhooks/{name}/{account}/{hook}`.
package protocol ProviderWebhooks: Sendable {
  /// The provider's name, as in the path.
  var name: String { get }

  /// Nothing is read before the signature is found good, nothing is answered before what follows is on
  /// disk.
  func take(_ call: WebhookCall) async throws(WebhookRefusal) -> HTTPResponse
}

extension WebhookCall {
  /// The org's secrets for `TwilioSignature` and its like: any of them may have signed.
  package func providerTokens() async throws(WebhookRefusal) -> [String] {
    do {
      return try await executor.providerTokens()
    } catch {
      throw .refused(error)
    }
  }

  package func credentials(
    of provider: String, for service: ProviderSettings.Service
  ) async throws(WebhookRefusal) -> [ProviderCredentials] {
    do {
      return try await executor.credentials(of: provider, for: service)
    } catch {
      throw .refused(error)
    }
  }
}

/// One request of a provider to one of our addresses.
package struct WebhookCall: Sendable {
  package let request: HTTPRequest
  /// The last piece of the path, such as `events`.
  package let hook: String
  /// The address that the provider was given: its signature may be made over it.
  package let url: String
  package let executor: OrgExecutor
  package let requestID: String
  /// The real time: signatures age by it.
  package let nowMicros: Micros

  package init(
    request: HTTPRequest, hook: String, url: String, executor: OrgExecutor, requestID: String,
    nowMicros: Micros
  ) {
    self.request = request
    self.hook = hook
    self.url = url
    self.executor = executor
    self.requestID = requestID
    self.nowMicros = nowMicros
  }

  /// Carries out what a webhook says, once per `key`.
  package func perform<Output: Sendable>(
    by provider: String, key: String?,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(WebhookRefusal) {
    let call = Call(
      actor: "provider:\(provider)", origin: "webhook", correlation: requestID,
      idempotencyKey: key.map { IdempotencyName($0) })
    do {
      _ = try await executor.perform(call, body)
    } catch {
      throw .refused(error)
    }
  }
}

/// Why a webhook changed nothing.
package enum WebhookRefusal: Error, Equatable {
  /// No such address, or a signature that is wrong, late or missing.
  case unauthorized
  case malformed(code: String, detail: String)
  case refused(CommandError)
}

extension WebhookRefusal {
  package var code: String {
    switch self {
    case .unauthorized: "invalid_signature"
    case .malformed(let code, _): code
    case .refused: "refused"
    }
  }

  package var isRetryable: Bool { false }
}

/// What an adapter needs to know about an org's account: checked when it is set.
package struct ProviderDescription: Sendable {
  package let service: ProviderSettings.Service
  package let name: String
  package let baseURL: String
  package let requiredOptions: Set<String>
  package let optionalOptions: Set<String>
  package let requiredSecrets: Set<String>
  package let optionalSecrets: Set<String>

  package init(
    service: ProviderSettings.Service, name: String, baseURL: String,
    requiredOptions: Set<String> = [], optionalOptions: Set<String> = [],
    requiredSecrets: Set<String> = [], optionalSecrets: Set<String> = []
  ) {
    self.service = service
    self.name = name
    self.baseURL = baseURL
    self.requiredOptions = requiredOptions
    self.optionalOptions = optionalOptions
    self.requiredSecrets = requiredSecrets
    self.optionalSecrets = optionalSecrets
  }
}

/// One provider, with all that it can do here. The list of these is the only place that knows them all.
package struct Adapter: Sendable {
  package var description: ProviderDescription?
  package var messages: (any MessageProvider)?
  package var payments: (any PaymentProvider)?
  package var webhooks: (any ProviderWebhooks)?

  package init(
    description: ProviderDescription? = nil, messages: (any MessageProvider)? = nil,
    payments: (any PaymentProvider)? = nil, webhooks: (any ProviderWebhooks)? = nil
  ) {
    self.description = description
    self.messages = messages
    self.payments = payments
    self.webhooks = webhooks
  }
}

package struct Adapters: Sendable {
  package let messages: MessageProviders
  package let payments: [any PaymentProvider]
  private let webhooks: [String: any ProviderWebhooks]
  private let descriptions: [ProviderDescription]

  package init(_ all: [Adapter]) {
    messages = MessageProviders(all.compactMap(\.messages))
    payments = all.compactMap(\.payments)
    webhooks = Dictionary(
      uniqueKeysWithValues: all.compactMap { $0.webhooks.map { ($0.name, $0) } })
    descriptions = all.compactMap(\.description)
  }

  package func webhooks(of provider: String) -> (any ProviderWebhooks)? { webhooks[provider] }

  package func descriptions(for service: ProviderSettings.Service) -> [ProviderDescription] {
    descriptions.filter { $0.service == service }
  }
}

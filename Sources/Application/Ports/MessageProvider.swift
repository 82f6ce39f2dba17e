import Domain

/// A service that carries text messages to phones.
package protocol MessageProvider: Sendable {
  /// Hands over one message in one call. Never retries inside: the caller decides, from the outcome,
  /// whether another attempt can do harm.
  func send(_ request: OutboundSMS) async -> SendOutcome

  /// What the provider knows of messages to this number since then, newest first: how a call in
  /// doubt is settled.
  ///
  /// - Throws: `ProviderError` where the list could not be read whole; nothing has changed anywhere.
  func find(_ query: FindQuery) async throws(ProviderError) -> [ProviderMessage]

  /// The codes by which the provider says that the recipient has opted out of this sender. Whoever
  /// meets one in `SendOutcome.refused` records an opt-out.
  var optOutCodes: Set<String> { get }
}

/// How to reach one account at the provider.
package struct SMSCredentials: Sendable, Equatable {
  package var accountSID: String
  package var authToken: String
  /// Scheme, host and port, no path: `https://api.twilio.com`, or a simulator on loopback.
  package var baseURL: String

  package init(accountSID: String, authToken: String, baseURL: String) {
    self.accountSID = accountSID
    self.authToken = authToken
    self.baseURL = baseURL
  }
}

extension SMSCredentials: CustomStringConvertible, CustomDebugStringConvertible {
  /// Without the token: descriptions end up in logs.
  package var description: String { "\(accountSID) at \(baseURL)" }
  package var debugDescription: String { description }
}

/// One text message on its way out.
package struct OutboundSMS: Sendable, Equatable {
  package var credentials: SMSCredentials
  /// Our own number: E.164.
  package var from: String
  /// The person's number: E.164.
  package var to: String
  package var body: String
  /// Where the provider reports what becomes of it, as it is reachable from outside.
  package var statusCallbackURL: String?

  package init(
    credentials: SMSCredentials, from: String, to: String, body: String,
    statusCallbackURL: String?
  ) {
    self.credentials = credentials
    self.from = from
    self.to = to
    self.body = body
    self.statusCallbackURL = statusCallbackURL
  }
}

/// What one call came to. `code` is the provider's own number, as text, where it gave one.
package enum SendOutcome: Sendable, Equatable {
  /// The provider has it, under this id.
  case accepted(providerID: String)
  /// Not taken, and the same request never will be.
  case refused(code: String)
  /// Certainly not taken; worth another try, no sooner than the provider asked for.
  case notTaken(code: String, retryAfterMillis: Int64?)
  /// Nobody can say whether it was taken: ask `find` before anything else.
  case inDoubt(reason: String)
}

/// Messages to `to` that were created at or after `sinceMicros`.
package struct FindQuery: Sendable, Equatable {
  package var credentials: SMSCredentials
  package var from: String
  package var to: String
  package var sinceMicros: Micros

  package init(credentials: SMSCredentials, from: String, to: String, sinceMicros: Micros) {
    self.credentials = credentials
    self.from = from
    self.to = to
    self.sinceMicros = sinceMicros
  }
}

/// A message as the provider lists it.
package struct ProviderMessage: Sendable, Equatable {
  package var providerID: String
  package var from: String
  package var to: String
  package var body: String
  /// How far it got. Nil where the provider's word for it is none that moves a message.
  package var status: ProviderStatus.Kind?
  package var errorCode: String?
  /// To the second: providers keep no more.
  package var createdAtMicros: Micros

  package init(
    providerID: String, from: String, to: String, body: String, status: ProviderStatus.Kind?,
    errorCode: String?, createdAtMicros: Micros
  ) {
    self.providerID = providerID
    self.from = from
    self.to = to
    self.body = body
    self.status = status
    self.errorCode = errorCode
    self.createdAtMicros = createdAtMicros
  }
}

/// Why a question to a provider got no answer. Questions change nothing, so each may be repeated.
package enum ProviderError: Error, Equatable {
  /// No answer came: no connection, or a time-out.
  case unreachable(reason: String)
  /// It wants us to slow down.
  case throttled(retryAfterMillis: Int64?)
  /// It does not accept our credentials.
  case unauthorized
  /// It answered with a failure of its own, or of ours.
  case failed(status: Int, code: String)
  /// Its answer is not what its description promises.
  case malformed(detail: String)
}

extension ProviderError {
  /// The name of the failure in API responses, logs, and metrics. Never changes once released.
  package var code: String {
    switch self {
    case .unreachable: "provider_unreachable"
    case .throttled: "provider_throttled"
    case .unauthorized: "provider_unauthorized"
    case .failed: "provider_failed"
    case .malformed: "provider_malformed_answer"
    }
  }

  /// Whether the same question can succeed later without anybody's help.
  package var isRetryable: Bool {
    switch self {
    case .unreachable, .throttled: true
    case .failed(let status, _): status >= 500
    case .unauthorized, .malformed: false
    }
  }
}

extension ProviderError: CustomStringConvertible {
  /// What went wrong, for operators, without numbers of people or texts of messages.
  package var description: String {
    switch self {
    case .unreachable(let reason): "\(code): \(reason)"
    case .throttled(let millis): "\(code): retry after \(millis.map { "\($0) ms" } ?? "a while")"
    case .unauthorized: code
    case .failed(let status, let providerCode): "\(code): HTTP \(status), code \(providerCode)"
    case .malformed(let detail): "\(code): \(detail)"
    }
  }
}

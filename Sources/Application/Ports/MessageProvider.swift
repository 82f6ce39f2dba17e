import Domain

/// A service that carries messages to people: texts, calls or emails.
package protocol MessageProvider: Sendable {
  /// What an org's settings name it by, such as `twilio`.
  var name: String { get }

  var channels: Set<Channel> { get }

  /// Hands over one message in one call. Never retries inside: the caller decides, from the outcome,
  /// whether another attempt can do harm.
  func send(_ message: OutboundMessage) async -> SendOutcome

  /// What the provider took since then that may be this very message, newest first: how a call in
  /// doubt is settled.
  ///
  /// - Throws: `ProviderError` where the provider could not be asked; nothing has changed anywhere.
  func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage]

  /// What a code of the provider's says of the address for good; nil where it says nothing of it.
  func news(in code: String) -> AddressNews?

  /// How long after it took a message the provider may not list it yet.
  func listingDelayMillis(of message: OutboundMessage) -> Int64

  /// Whether `message`, which is not listed that delay after it was handed over, was certainly not taken: a list that
  /// shows nothing at all proves nothing.
  func provesAbsence(
    of message: OutboundMessage, handedOverAtMicros: Micros
  ) async throws(ProviderError) -> Bool

  /// What people sent to `number`, newest first: the first page, or the one that another names as its next.
  func received(
    at number: String, by credentials: SMSCredentials, page: String?
  ) async throws(ProviderError) -> ListedTexts

  /// Where the pictures of a text that somebody sent are kept.
  func media(
    of text: ListedText, by credentials: SMSCredentials
  ) async throws(ProviderError) -> [String]
}

extension MessageProvider {
  package func news(in code: String) -> AddressNews? { nil }
  package func listingDelayMillis(of message: OutboundMessage) -> Int64 { 0 }
  package func provesAbsence(
    of message: OutboundMessage, handedOverAtMicros: Micros
  ) async throws(ProviderError) -> Bool { true }
  package func received(
    at number: String, by credentials: SMSCredentials, page: String?
  ) async throws(ProviderError) -> ListedTexts { ListedTexts(texts: []) }
  package func media(
    of text: ListedText, by credentials: SMSCredentials
  ) async throws(ProviderError) -> [String] { [] }
}

/// A page of what people sent to a number.
package struct ListedTexts: Sendable, Equatable {
  package var texts: [ListedText]
  /// How many more were sent of which the provider did not say what they are.
  package var unreadableCount = 0
  /// nil: there is none further back.
  package var nextPage: String?

  package init(texts: [ListedText], unreadableCount: Int = 0, nextPage: String? = nil) {
    self.texts = texts
    self.unreadableCount = unreadableCount
    self.nextPage = nextPage
  }
}

/// The adapters that this program has. A further one is one more entry.
package struct MessageProviders: Sendable {
  private let all: [any MessageProvider]

  package init(_ all: [any MessageProvider]) { self.all = all }

  package func provider(named name: String, for channel: Channel) -> (any MessageProvider)? {
    all.first { $0.name == name && $0.channels.contains(channel) }
  }

  package func names(for channel: Channel) -> [String] {
    all.filter { $0.channels.contains(channel) }.map(\.name)
  }
}

/// One message on its way out, with what its channel needs.
package enum OutboundMessage: Sendable, Equatable {
  case sms(OutboundSMS)
  case call(OutboundCall)
  case email(OutboundEmail)

  package var channel: Channel {
    switch self {
    case .sms: .sms
    case .call: .voice
    case .email: .email
    }
  }
}

/// How to reach one account at the provider.
package struct SMSCredentials: Sendable, Equatable {
  /// Texts and calls go through the one provider whose settings an org's number has.
  package static let provider = "twilio"

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
  /// Addresses of pictures: with any, it is an MMS.
  package var mediaURLs: [String]

  package init(
    credentials: SMSCredentials, from: String, to: String, body: String,
    statusCallbackURL: String?, mediaURLs: [String] = []
  ) {
    self.credentials = credentials
    self.from = from
    self.to = to
    self.body = body
    self.statusCallbackURL = statusCallbackURL
    self.mediaURLs = mediaURLs
  }
}

/// One call to be placed.
package struct OutboundCall: Sendable, Equatable {
  package var credentials: SMSCredentials
  /// Our own number and the person's: E.164.
  package var from: String
  package var to: String
  /// Where the provider asks what to do once somebody or something has answered.
  package var instructionsURL: String
  package var statusCallbackURL: String
  package var maxMinutes: Int

  package init(
    credentials: SMSCredentials, from: String, to: String, instructionsURL: String,
    statusCallbackURL: String, maxMinutes: Int
  ) {
    self.credentials = credentials
    self.from = from
    self.to = to
    self.instructionsURL = instructionsURL
    self.statusCallbackURL = statusCallbackURL
    self.maxMinutes = maxMinutes
  }
}

/// One email on its way out, with its links rewritten.
package struct OutboundEmail: Sendable, Equatable {
  package var credentials: ProviderCredentials
  /// Our own id: comes back with everything that the provider tells of the message.
  package var message: Identifier
  package var from: String
  package var fromName: String?
  package var replyTo: String?
  package var to: String
  package var subject: String
  package var text: String
  package var html: String?
  /// Further header lines: `List-Unsubscribe` and the like.
  package var headers: [String: String]

  package init(
    credentials: ProviderCredentials, message: Identifier, from: String, fromName: String?,
    replyTo: String?, to: String, subject: String, text: String, html: String?,
    headers: [String: String]
  ) {
    self.credentials = credentials
    self.message = message
    self.from = from
    self.fromName = fromName
    self.replyTo = replyTo
    self.to = to
    self.subject = subject
    self.text = text
    self.html = html
    self.headers = headers
  }
}

/// How to reach an org's account at a provider.
package struct ProviderCredentials: Sendable, Equatable {
  /// Scheme, host and port, no path.
  package var baseURL: String
  package var options: [String: String]
  package var secrets: [String: String]

  package init(baseURL: String, options: [String: String], secrets: [String: String]) {
    self.baseURL = baseURL
    self.options = options
    self.secrets = secrets
  }

  /// nil where the secrets are gone.
  init?(_ settings: ProviderSettings) {
    guard let secrets = settings.secrets.value else { return nil }
    self.init(baseURL: settings.baseURL, options: settings.options, secrets: secrets)
  }
}

extension ProviderCredentials: CustomStringConvertible, CustomDebugStringConvertible {
  /// Without the secrets: descriptions end up in logs.
  package var description: String { "account at \(baseURL)" }
  package var debugDescription: String { description }
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
  /// Of a call that is over.
  package var call: CallResult?
  /// To the second: providers keep no more.
  package var createdAtMicros: Micros

  package init(
    providerID: String, from: String, to: String, body: String, status: ProviderStatus.Kind?,
    errorCode: String?, call: CallResult? = nil, createdAtMicros: Micros
  ) {
    self.providerID = providerID
    self.from = from
    self.to = to
    self.body = body
    self.status = status
    self.errorCode = errorCode
    self.call = call
    self.createdAtMicros = createdAtMicros
  }

  /// Whether it says more than that the provider took it.
  package var hasNews: Bool { call != nil || (status != nil && status != .accepted) }
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

  /// Whether it does not serve such questions, as far as its answer tells.
  var isNotServed: Bool {
    if case .failed(403...404, _) = self { return true }
    return false
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

/// A tenant: a direct account, an agency, or an agency's client. Stream: the org's id.
package enum Org {
  package enum Command: Sendable, Equatable {
    /// A test org's clock may start in the past (a negative offset); any other org's is the real one.
    case create(
      name: String, kind: Kind, agency: Identifier?, timeZone: String, isTest: Bool,
      clockOffsetMicros: Int64)
    case configureSMS(SMSSettings)
    case setStatus(Status)
    /// Only a test org has a clock of its own.
    case advanceClock(byMicros: Int64)
  }

  package enum Event: Sendable, Equatable {
    case created(
      name: String, kind: Kind, agency: Identifier?, timeZone: String, isTest: Bool,
      clockOffsetMicros: Int64)
    case smsConfigured(SMSSettings)
    case statusChanged(Status)
    case clockAdvanced(byMicros: Int64)
  }

  package enum Kind: String, Sendable, CaseIterable {
    case direct, agency, client
  }

  package enum Status: String, Sendable, CaseIterable {
    case active
    case pastDue = "past_due"
    case paused
    case archived
  }

  package struct State: Sendable, Equatable {
    package var exists = false
    package var name = ""
    package var kind = Kind.direct
    package var agency: Identifier?
    package var timeZone = ""
    package var isTest = false
    package var status = Status.active
    package var clockOffsetMicros: Int64 = 0
    package var sms: SMSSettings?

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case emptyName
    case notATestOrg
    case clockMovesForwardOnly
  }

  package static let initialState = State()
}

/// Through whom an org texts. The token is sealed under a key of the org's own.
package struct SMSSettings: Sendable, Equatable {
  /// Our own number: E.164.
  package var from: String
  package var accountSID: String
  /// Where the provider's API is reached; the sandbox on loopback in development.
  package var baseURL: String
  package var authToken: Personal<String>

  package init(from: String, accountSID: String, baseURL: String, authToken: Personal<String>) {
    self.from = from
    self.accountSID = accountSID
    self.baseURL = baseURL
    self.authToken = authToken
  }
}

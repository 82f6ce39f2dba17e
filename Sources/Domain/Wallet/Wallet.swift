/// Prepaid credit that an org spends on messages. Stream: the wallet's id, one an org.
///
/// Invariants: `0 <= heldMicros <= balanceMicros`; whoever asks for more credit than `balanceLimitMicros` is refused,
/// but what was paid or came back is never left out of the books;
/// funded + refunded - settled - debited = balance; a hold ends once, settled or released.
package enum Wallet {
  package enum Command: Sendable, Equatable {
    case open
    case fund(amountMicros: Int64, paymentID: String, method: String)
    /// The same of money that came already, beyond the limit too.
    case credit(amountMicros: Int64, paymentID: String, method: String)
    /// Reserves the price of one message; the message's id is the hold's id.
    case hold(message: Identifier, amountMicros: Int64)
    case settle(message: Identifier, charge: Charge)
    case release(message: Identifier)
    /// A charge without a hold, such as an inbound message.
    case debit(Charge)
    /// Gives a settled charge back: the provider failed after all.
    case refund(message: Identifier, charge: Charge)
  }

  package enum Event: Sendable, Equatable {
    case opened
    case funded(amountMicros: Int64, paymentID: String, method: String)
    case held(message: Identifier, amountMicros: Int64)
    case settled(message: Identifier, charge: Charge)
    case released(message: Identifier, amountMicros: Int64)
    case debited(Charge)
    /// Not enough credit for a charge that could not be refused: nothing was taken.
    case waived(Charge)
    case refunded(message: Identifier, charge: Charge)
  }

  package struct State: Sendable, Equatable, Codable {
    package var isOpen = false
    package var balanceMicros: Int64 = 0
    package var heldMicros: Int64 = 0
    package var holds: [Identifier: Int64] = [:]
    package var paymentIDs: Set<String> = []
    /// Names of sending that was never paid for, so that it is not given back either.
    package var waived: Set<String> = []

    package init() {}

    package var availableMicros: Int64 { balanceMicros - heldMicros }
  }

  package enum Rejection: Error, Equatable {
    case notOpen
    case amountNotPositive(amountMicros: Int64)
    case insufficientFunds(availableMicros: Int64, amountMicros: Int64)
    case balanceLimitExceeded(limitMicros: Int64)
    case chargeExceedsHold(heldMicros: Int64)
  }

  /// One million dollars, in millionths.
  package static let balanceLimitMicros: Int64 = 1_000_000_000_000

  package static let initialState = State()
}

/// One line of the statement: what was used and what it costs.
package struct Charge: Sendable, Equatable {
  package var amountMicros: Int64
  /// `sms`, `sms_inbound`, `mms`, `voice`, `email`, `ai`.
  package var resourceType: String
  /// What was billed: the provider's id (a message SID) or our own.
  package var resourceID: String
  package var description: String

  /// What may be charged once: a provider's id under one kind of use.
  package var name: String { resourceType + ":" + resourceID }

  /// Whether it is for a message or a call of the org's own.
  package var isOfSending: Bool {
    switch Prices.Resource(rawValue: resourceType) {
    case .smsOutbound, .mms, .voice, .email: true
    case .smsInbound, .ai, nil: false
    }
  }

  package init(amountMicros: Int64, resourceType: String, resourceID: String, description: String) {
    self.amountMicros = amountMicros
    self.resourceType = resourceType
    self.resourceID = resourceID
    self.description = description
  }
}

import Domain

/// A service that takes money. Every call carries a key under which the provider does it once, as long as it knows the
/// key: a call whose answer was lost is made again within a day, and looked for after that.
package protocol PaymentProvider: Sendable {
  /// What an org's settings name it by, such as `stripe`.
  var name: String { get }

  func pay(_ request: PaymentRequest) async -> PaymentOutcome
  func refund(_ request: RefundRequest) async -> PaymentOutcome

  /// What became of a payment, by the provider's own id of it or by ours; nil: the provider has none.
  func find(_ request: PaymentRequest, providerID: String?) async -> PaymentOutcome?
  func find(_ request: RefundRequest, refundID: String?) async -> PaymentOutcome?
}

package struct PaymentRequest: Sendable, Equatable {
  package var credentials: ProviderCredentials
  package var payment: Identifier
  package var amountCents: Int64

  package init(credentials: ProviderCredentials, payment: Identifier, amountCents: Int64) {
    self.credentials = credentials
    self.payment = payment
    self.amountCents = amountCents
  }
}

package struct RefundRequest: Sendable, Equatable {
  package var credentials: ProviderCredentials
  package var payment: Identifier
  /// The provider's own id of the payment.
  package var providerID: String
  /// Counts the payment's refunds, from 1.
  package var ordinal: Int
  package var amountCents: Int64

  package init(
    credentials: ProviderCredentials, payment: Identifier, providerID: String, ordinal: Int,
    amountCents: Int64
  ) {
    self.credentials = credentials
    self.payment = payment
    self.providerID = providerID
    self.ordinal = ordinal
    self.amountCents = amountCents
  }
}

/// Which of a payment's refunds is meant.
package struct RefundName: Sendable, Equatable {
  /// As it was sent with the refund.
  package var ordinal: Int?
  /// The provider's own id of the refund.
  package var providerID: String?

  package init(ordinal: Int?, providerID: String? = nil) {
    self.ordinal = ordinal
    self.providerID = providerID
  }
}

package enum PaymentOutcome: Sendable, Equatable {
  case succeeded(providerID: String)
  /// The provider has it and will tell what came of it.
  case pending(providerID: String)
  case failed(code: String)
  /// To be asked again under the same key.
  case notAnswered(code: String, retryAfterMillis: Int64?)
}

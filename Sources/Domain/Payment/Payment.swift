/// Money that an org pays in, by card or other means of a payment provider. Stream: the payment's id.
///
/// Invariants: it succeeds or fails once; what is refunded never exceeds what was paid. The payment's
/// id is the provider's idempotency key, so that a call may be repeated until it is answered. Refunds are
/// told apart by their ordinals, from 1: the provider speaks of each for weeks.
package enum Payment: Decider {
  package enum Command: Sendable, Equatable {
    case request(amountMicros: Int64, reason: Reason)
    case recordPending(providerID: String)
    case recordSuccess(providerID: String)
    case recordFailure(code: String)
    case requestRefund(amountMicros: Int64)
    case recordRefundPending(refund: Int, providerID: String)
    case recordRefund(refund: Int, providerID: String)
    case recordRefundFailure(refund: Int, code: String)
  }

  package enum Event: Sendable, Equatable {
    /// The intent. The provider is called once this is on disk.
    case requested(amountMicros: Int64, reason: Reason)
    /// The provider has it; the money is not there yet.
    case pending(providerID: String)
    case succeeded(providerID: String)
    case failed(code: String)
    case refundRequested(amountMicros: Int64)
    /// nil is the refund that was not answered yet: there was no other way to say it once.
    case refunded(amountMicros: Int64, providerID: String, refund: Int?)
    case refundFailed(amountMicros: Int64, code: String, refund: Int?)
    /// The provider has it; the money is not back yet.
    case refundPending(refund: Int, providerID: String)
  }

  package enum Reason: String, Sendable, CaseIterable, Codable {
    case manual
    case autoRecharge = "auto_recharge"
  }

  package enum Status: String, Sendable, CaseIterable, Codable {
    case requested, pending, succeeded, failed
  }

  package struct State: Sendable, Equatable, Codable {
    package var status: Status?
    package var amountMicros: Int64 = 0
    package var reason = Reason.manual
    package var providerID: String?
    package var errorCode: String?
    /// All that were asked for, by ordinal.
    package var refunds: [Refund] = []

    package init() {}

    /// Whether the provider has to be asked for something, or has not said yet what came of it.
    package var isOpen: Bool { status == .requested || status == .pending || isRefundPending }

    /// The ordinal of the refund that was asked for and not answered yet.
    package var openRefund: Int? {
      refunds.firstIndex { $0.status == .requested }.map { $0 + 1 }
    }

    /// Whether the money of a refund may be on its way.
    package var isRefundPending: Bool {
      refunds.contains { $0.status == .requested || $0.status == .pending }
    }

    package var refundedMicros: Int64 {
      refunds.reduce(0) { $1.status == .succeeded ? $0 + $1.amountMicros : $0 }
    }

    /// What is left to give back once nothing that is under way fails.
    package var refundableMicros: Int64 {
      refunds.reduce(amountMicros) { $1.status == .failed ? $0 : $0 - $1.amountMicros }
    }

    package func refund(_ ordinal: Int) -> Refund? {
      ordinal > 0 && ordinal <= refunds.count ? refunds[ordinal - 1] : nil
    }
  }

  package struct Refund: Sendable, Equatable, Codable {
    package enum Status: String, Sendable, Codable {
      case requested, pending, succeeded, failed
    }

    package let amountMicros: Int64
    package var status = Status.requested
    /// The provider's own id of it.
    package var providerID: String?
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case amountOutOfRange(minMicros: Int64, maxMicros: Int64)
    case notRefundable
    case refundExceedsPayment(refundableMicros: Int64)
  }

  /// Providers refuse less than half a dollar.
  package static let minMicros: Int64 = 500_000
  package static let maxMicros: Int64 = 10_000_000_000
  package static let microsPerCent: Int64 = 10_000

  /// Whether so much can be charged: whole cents within the limits.
  package static func isPayable(_ amountMicros: Int64) -> Bool {
    (minMicros...maxMicros).contains(amountMicros) && amountMicros % microsPerCent == 0
  }

  package static let initialState = State()
}

// MARK: - Decide

extension Payment {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if case .request(let amountMicros, let reason) = command {
      guard state.status == nil else { throw .alreadyExists }
      guard isPayable(amountMicros) else {
        throw .amountOutOfRange(minMicros: minMicros, maxMicros: maxMicros)
      }
      return [.requested(amountMicros: amountMicros, reason: reason)]
    }
    guard let status = state.status else { throw .notFound }
    return try decide(command, given: state, at: status)
  }

  private static func decide(
    _ command: Command, given state: State, at status: Status
  ) throws(Rejection) -> [Event] {
    switch command {
    case .request:
      throw .alreadyExists
    case .recordPending(let providerID):
      return status == .requested ? [.pending(providerID: providerID)] : []
    case .recordSuccess(let providerID):
      // Also after a failure: the provider tried again, and its last word is that it has the money.
      return status == .succeeded ? [] : [.succeeded(providerID: providerID)]
    case .recordFailure(let code):
      return status == .requested || status == .pending ? [.failed(code: code)] : []
    case .requestRefund(let amountMicros):
      guard status == .succeeded, state.openRefund == nil else { throw .notRefundable }
      let refundableMicros = state.refundableMicros
      guard amountMicros > 0, amountMicros <= refundableMicros, amountMicros % microsPerCent == 0
      else { throw .refundExceedsPayment(refundableMicros: refundableMicros) }
      return [.refundRequested(amountMicros: amountMicros)]
    case .recordRefundPending(let ordinal, let providerID):
      guard state.refund(ordinal)?.status == .requested else { return [] }
      return [.refundPending(refund: ordinal, providerID: providerID)]
    case .recordRefund(let ordinal, let providerID):
      guard let refund = state.refund(ordinal),
        refund.status == .requested || refund.status == .pending
      else { return [] }
      return [
        .refunded(amountMicros: refund.amountMicros, providerID: providerID, refund: ordinal)
      ]
    case .recordRefundFailure(let ordinal, let code):
      // Also after a success: the bank sent the money back.
      guard let refund = state.refund(ordinal), refund.status != .failed else { return [] }
      return [.refundFailed(amountMicros: refund.amountMicros, code: code, refund: ordinal)]
    }
  }
}

// MARK: - Evolve

extension Payment {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .requested(let amountMicros, let reason):
      next.status = .requested
      next.amountMicros = amountMicros
      next.reason = reason
    case .pending(let providerID):
      next.status = .pending
      next.providerID = providerID
    case .succeeded(let providerID):
      next.status = .succeeded
      next.providerID = providerID
      next.errorCode = nil
    case .failed(let code):
      next.status = .failed
      next.errorCode = code
    case .refundRequested(let amountMicros):
      next.refunds.append(Refund(amountMicros: amountMicros))
    case .refunded(_, let providerID, let refund):
      next.note(.succeeded, of: refund, providerID)
    case .refundFailed(_, let code, let refund):
      next.note(.failed, of: refund)
      next.errorCode = code
    case .refundPending(let refund, let providerID):
      next.note(.pending, of: refund, providerID)
    }
    return next
  }
}

extension Payment.State {
  fileprivate mutating func note(
    _ status: Payment.Refund.Status, of refund: Int?, _ providerID: String? = nil
  ) {
    guard let ordinal = refund ?? openRefund, self.refund(ordinal) != nil else { return }
    refunds[ordinal - 1].status = status
    refunds[ordinal - 1].providerID = providerID ?? refunds[ordinal - 1].providerID
  }
}

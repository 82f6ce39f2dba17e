/// Money that an org pays in, by card or other means of a payment provider. Stream: the payment's id.
///
/// Invariants: it succeeds or fails once; what is refunded never exceeds what was paid. The payment's
/// id is the provider's idempotency key, so that a call may be repeated until it is answered.
package enum Payment: Decider {
  package enum Command: Sendable, Equatable {
    case request(amountMicros: Int64, reason: Reason)
    case recordPending(providerID: String)
    case recordSuccess(providerID: String)
    case recordFailure(code: String)
    case requestRefund(amountMicros: Int64)
    case recordRefund(providerID: String)
    case recordRefundFailure(code: String)
  }

  package enum Event: Sendable, Equatable {
    /// The intent. The provider is called once this is on disk.
    case requested(amountMicros: Int64, reason: Reason)
    /// The provider has it; the money is not there yet.
    case pending(providerID: String)
    case succeeded(providerID: String)
    case failed(code: String)
    case refundRequested(amountMicros: Int64)
    case refunded(amountMicros: Int64, providerID: String)
    case refundFailed(amountMicros: Int64, code: String)
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
    package var refundedMicros: Int64 = 0
    /// A refund that was asked for and not answered yet.
    package var openRefundMicros: Int64?
    /// Refunds asked for so far: each has a key of its own.
    package var refundCount = 0

    package init() {}

    /// Whether the provider has to be asked for something.
    package var isOpen: Bool { status == .requested || openRefundMicros != nil }
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
      guard status == .succeeded, state.openRefundMicros == nil else { throw .notRefundable }
      let refundableMicros = state.amountMicros - state.refundedMicros
      guard amountMicros > 0, amountMicros <= refundableMicros, amountMicros % microsPerCent == 0
      else { throw .refundExceedsPayment(refundableMicros: refundableMicros) }
      return [.refundRequested(amountMicros: amountMicros)]
    case .recordRefund(let providerID):
      guard let amountMicros = state.openRefundMicros else { return [] }
      return [.refunded(amountMicros: amountMicros, providerID: providerID)]
    case .recordRefundFailure(let code):
      guard let amountMicros = state.openRefundMicros else { return [] }
      return [.refundFailed(amountMicros: amountMicros, code: code)]
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
      next.openRefundMicros = amountMicros
      next.refundCount += 1
    case .refunded(let amountMicros, _):
      next.openRefundMicros = nil
      next.refundedMicros += amountMicros
    case .refundFailed(_, let code):
      next.openRefundMicros = nil
      next.errorCode = code
    }
    return next
  }
}

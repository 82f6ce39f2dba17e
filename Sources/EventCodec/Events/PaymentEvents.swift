import Domain
import JSON

extension Payment.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case requested = "payment.requested"
    case pending = "payment.pending"
    case succeeded = "payment.succeeded"
    case failed = "payment.failed"
    case refundRequested = "payment.refund_requested"
    case refunded = "payment.refunded"
    case refundFailed = "payment.refund_failed"
    case refundPending = "payment.refund_pending"
  }

  static var streamKind: Identifier.Kind { .payment }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .requested(let amountMicros, let reason):
      payload.fields.field("amount_micros", amountMicros)
      payload.fields.field("reason", reason)
      return .requested
    case .pending(let providerID):
      payload.fields.field("provider_id", providerID)
      return .pending
    case .succeeded(let providerID):
      payload.fields.field("provider_id", providerID)
      return .succeeded
    case .failed(let code):
      payload.fields.field("code", code)
      return .failed
    case .refundRequested(let amountMicros):
      payload.fields.field("amount_micros", amountMicros)
      return .refundRequested
    case .refunded(let amountMicros, let providerID, let refund):
      payload.fields.field("amount_micros", amountMicros)
      payload.fields.field("provider_id", providerID)
      if let refund { payload.fields.field("refund", Int64(refund)) }
      return .refunded
    case .refundFailed(let amountMicros, let code, let refund):
      payload.fields.field("amount_micros", amountMicros)
      payload.fields.field("code", code)
      if let refund { payload.fields.field("refund", Int64(refund)) }
      return .refundFailed
    case .refundPending(let refund, let providerID):
      payload.fields.field("refund", Int64(refund))
      payload.fields.field("provider_id", providerID)
      return .refundPending
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .requested:
      .requested(
        amountMicros: try payload.fields.int64("amount_micros"),
        reason: try payload.fields.word("reason"))
    case .pending: .pending(providerID: try payload.fields.string("provider_id"))
    case .succeeded: .succeeded(providerID: try payload.fields.string("provider_id"))
    case .failed: .failed(code: try payload.fields.string("code"))
    case .refundRequested:
      .refundRequested(amountMicros: try payload.fields.int64("amount_micros"))
    case .refunded:
      .refunded(
        amountMicros: try payload.fields.int64("amount_micros"),
        providerID: try payload.fields.string("provider_id"),
        refund: try payload.fields.optionalInt64("refund").map { Int($0) })
    case .refundFailed:
      .refundFailed(
        amountMicros: try payload.fields.int64("amount_micros"),
        code: try payload.fields.string("code"),
        refund: try payload.fields.optionalInt64("refund").map { Int($0) })
    case .refundPending:
      .refundPending(
        refund: try payload.fields.int("refund"),
        providerID: try payload.fields.string("provider_id"))
    }
  }
}

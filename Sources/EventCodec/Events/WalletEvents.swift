import Domain
import JSON

extension Wallet.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case opened = "wallet.opened"
    case funded = "wallet.funded"
    case held = "wallet.held"
    case settled = "wallet.settled"
    case released = "wallet.released"
    case debited = "wallet.debited"
    case waived = "wallet.waived"
    case refunded = "wallet.refunded"
  }

  static var streamKind: Identifier.Kind { .wallet }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .opened:
      return .opened
    case .funded(let amountMicros, let paymentID, let method):
      payload.fields.field("amount_micros", amountMicros)
      payload.fields.field("payment_id", paymentID)
      payload.fields.field("method", method)
      return .funded
    case .held(let message, let amountMicros):
      payload.fields.field("message", message)
      payload.fields.field("amount_micros", amountMicros)
      return .held
    case .settled(let message, let charge):
      payload.fields.field("message", message)
      charge.write(to: &payload.fields)
      return .settled
    case .released(let message, let amountMicros):
      payload.fields.field("message", message)
      payload.fields.field("amount_micros", amountMicros)
      return .released
    case .debited(let charge):
      charge.write(to: &payload.fields)
      return .debited
    case .waived(let charge):
      charge.write(to: &payload.fields)
      return .waived
    case .refunded(let message, let charge):
      payload.fields.field("message", message)
      charge.write(to: &payload.fields)
      return .refunded
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .opened: .opened
    case .funded:
      .funded(
        amountMicros: try payload.fields.int64("amount_micros"),
        paymentID: try payload.fields.string("payment_id"),
        method: try payload.fields.string("method"))
    case .held:
      .held(
        message: try payload.fields.identifier("message", .message),
        amountMicros: try payload.fields.int64("amount_micros"))
    case .settled:
      .settled(
        message: try payload.fields.identifier("message", .message),
        charge: try Charge.read(from: &payload.fields))
    case .released:
      .released(
        message: try payload.fields.identifier("message", .message),
        amountMicros: try payload.fields.int64("amount_micros"))
    case .debited: .debited(try Charge.read(from: &payload.fields))
    case .waived: .waived(try Charge.read(from: &payload.fields))
    case .refunded:
      .refunded(
        message: try payload.fields.identifier("message", .message),
        charge: try Charge.read(from: &payload.fields))
    }
  }
}

extension Charge {
  fileprivate func write(to fields: inout JSONWriter) {
    fields.field("amount_micros", amountMicros)
    fields.field("resource_type", resourceType)
    fields.field("resource_id", resourceID)
    fields.field("description", description)
  }

  fileprivate static func read(from fields: inout FieldReader) throws(CodecError) -> Charge {
    Charge(
      amountMicros: try fields.int64("amount_micros"),
      resourceType: try fields.string("resource_type"),
      resourceID: try fields.string("resource_id"), description: try fields.string("description"))
  }
}

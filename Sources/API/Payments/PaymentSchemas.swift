import Domain
import JSON

/// Payments as they come in and go out.
enum PaymentSchemas {
  private static let amount = amount(.int(0...1_000_000_000_000))

  /// What a provider takes: whole cents.
  private static let payable = amount(
    .int(Payment.minMicros...Payment.maxMicros)
      .stating(["multipleOf": .int(Payment.microsPerCent)]))

  private static func amount(_ micros: Schema) -> Schema {
    .either([
      micros, .input([.required("amount", micros), .required("unit", .constant("usd_micro"))]),
    ])
  }

  static let refund = Schema.input(
    "RefundInput", [.required("amount", amount, "Whole millionths of a US dollar, whole cents.")])

  static let payment = Schema.stored(
    "Payment", "payment", .payment,
    [
      .required("status", .choice(Payment.Status.self)), .required("amount", .money),
      .required("refunded", .money), .required("refund_pending", .bool),
      .required("reason", .choice(Payment.Reason.self)),
      .required("provider_id", .string().nullable), .required("error_code", .string().nullable),
    ])

  static let autoRechargeInput = Schema.input(
    "AutoRechargeInput",
    [
      .optional("enabled", .bool), .optional("threshold", amount), .optional("amount", payable),
      .optional("monthly_cap", amount),
    ])

  static let autoRecharge = Schema.object(
    "AutoRecharge",
    [
      .required("object", .constant("auto_recharge")), .required("enabled", .bool),
      .required("threshold", .money), .required("amount", .money),
      .required("monthly_cap", .money),
      .required(
        "payment_provider", .string().nullable,
        "Who charges; null: nobody is set up, and nothing is ever charged."),
    ])
}

import Domain
import WalletProjection

/// The wallet as it comes in and goes out.
enum WalletSchemas {
  static let addFunds = Schema.input(
    "FundsInput",
    [
      .required(
        "amount",
        .either([
          .int(1...1_000_000_000_000),
          .input([
            .required("amount", .int(1...1_000_000_000_000)),
            .required("unit", .constant("usd_micro")),
          ]),
        ]), "Whole millionths of a US dollar.")
    ])

  static let wallet = Schema.stored(
    "Wallet", "wallet", .wallet,
    [
      .required("balance", .money), .required("held", .money), .required("available", .money),
      .required("funded", .money), .required("refunded", .money), .required("charged", .money),
    ])

  static let statement = Schema.object(
    "WalletStatement",
    [
      .required("object", .constant("wallet_statement")), .required("account", .id(.org)),
      .required("from", .time), .required("to", .time), .required("opening_balance", .money),
      .required("credits", .money), .required("refunds", .money), .required("debits", .money),
      .required("closing_balance", .money),
      .required("balanced", .bool, "opening + credits + refunds - debits = closing."),
      .required("lines", .array(transaction, 0...50_000)),
    ])

  static let transaction = Schema.object(
    "WalletTransaction",
    [
      .required("id", .string()), .required("object", .constant("wallet_transaction")),
      .required("type", .choice(TransactionRow.Kind.self)), .required("amount", .money),
      .optional("balance_after", .money), .optional("held_after", .money),
      .required("resource_type", .string().nullable), .optional("resource_id", .string().nullable),
      .optional("message", .id(.message).nullable), .required("description", .string()),
      .optional("position", .count), .optional("account", .id(.org)),
      .optional("created_at", .time),
    ])
}

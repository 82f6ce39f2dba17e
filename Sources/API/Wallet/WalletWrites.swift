import Application
import Domain
import HTTP
import JSON

/// Adding funds. Reading the wallet is in `WalletReads.swift`.
enum WalletWrites {
  static let all = [
    Operation(
      "POST", "/api/wallet/add-funds", .scope("wallet:write"), "Add funds",
      body: .json(WalletSchemas.addFunds, example: ["amount": 5_000_000]),
      answers: [.created(.either([WalletSchemas.transaction, PaymentSchemas.payment]))],
      refuses: [400: ["balance_limit_exceeded", "out_of_range"], 422: ["payment_not_configured"]],
      idempotency: .required, handler: addFunds)
  ]

  private static func addFunds(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let amountMicros = fields.amountMicros("amount")
    if let amountMicros, amountMicros <= 0 {
      fields.fail("amount", "out_of_range", "The amount must be greater than zero.")
    }
    try fields.finish()
    guard let amountMicros else { preconditionFailure("finish refuses missing fields") }
    if try await exchange.readState({ $0.settings.providers[.payment] != nil }) {
      return try await pay(amountMicros, exchange)
    }
    // Credit that nobody paid for is for trying things out.
    guard try await exchange.readState({ $0.settings.isTest }) else {
      throw APIError(.providerNotConfigured(.payment))
    }
    // The request is the payment's name: repeated under its key, it is the same payment.
    let paymentID = exchange.requestID
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.addFunds(amountMicros: amountMicros, paymentID: paymentID, method: "manual")
    }
    return exchange.respond(
      201,
      [
        "id": .string(
          Identifier(.wallet, written.receipt.versions.first?.stream ?? exchange.org.value).text),
        "object": "wallet_transaction", "type": "credit", "amount": Money.json(amountMicros),
        "resource_type": "payment", "description": "Funds added",
      ], receipt: written.receipt)
  }

  /// Asks for a payment: the wallet is credited when the money is there.
  private static func pay(
    _ amountMicros: Int64, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.requestPayment(amountMicros: amountMicros, reason: .manual)
    }
    let id = try ContactWrites.created(.payment, written)
    return exchange.respond(201, try exchange.payment(id), receipt: written.receipt)
  }
}

import Application
import Domain
import HTTP
import JSON

/// Payments into the wallet, refunds, and the wallet that fills itself up.
enum PaymentRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/payments", "wallet:read", "List payments, newest first", of: PaymentSchemas.payment,
      rows: list),
    Operation(
      "GET", "/api/payments/{id}", .scope("wallet:read"), "Read a payment",
      answers: [.ok(PaymentSchemas.payment)], handler: show),
    Operation(
      "POST", "/api/payments/{id}/refund", .scope("wallet:write"), "Refund a payment",
      body: .json(PaymentSchemas.refund, example: ["amount": 5_000_000]),
      answers: [.ok(PaymentSchemas.payment)],
      refuses: [
        400: ["out_of_range", "refund_exceeds_payment"], 402: ["insufficient_funds"],
        409: ["not_refundable"],
      ], idempotency: .required,
      handler: refund),
    Operation(
      "GET", "/api/wallet/auto-recharge", .scope("wallet:read"), "Read the recharge rule",
      answers: [.ok(PaymentSchemas.autoRecharge)], handler: showRule),
    Operation(
      "POST", "/api/wallet/auto-recharge/configure", .scope("wallet:write"),
      "Change the recharge rule",
      body: .json(PaymentSchemas.autoRechargeInput, example: ["enabled": true]),
      answers: [.ok(PaymentSchemas.autoRecharge)], refuses: [400: ["out_of_range"]],
      handler: configure),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    try await .of({ $0.payments }, list, exchange) { id throws(APIError) in
      try exchange.payment(id)
    }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    exchange.respond(200, try exchange.payment(try exchange.id("id", .payment)))
  }

  private static func refund(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .payment)
    var fields = try exchange.body()
    let amountMicros = fields.amountMicros("amount")
    try fields.finish()
    guard let amountMicros else { preconditionFailure("finish refuses missing fields") }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.requestRefund(id, amountMicros: amountMicros)
    }
    return exchange.respond(200, try exchange.payment(id), receipt: written.receipt)
  }

  // MARK: Recharge

  private static func showRule(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let (rule, provider) = try await exchange.readState {
      ($0.settings.autoRecharge, $0.settings.providers[.payment]?.provider)
    }
    return exchange.respond(200, view(rule, provider))
  }

  private static func configure(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let isOn = fields.bool("enabled")
    func amount(_ name: String) -> Int64? { fields.has(name) ? fields.amountMicros(name) : nil }
    let (threshold, each, cap) = (amount("threshold"), amount("amount"), amount("monthly_cap"))
    if let each, !Payment.isPayable(each) {
      fields.fail("amount", "out_of_range", "amount is whole cents, at least half a dollar.")
    }
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      // What is not named stays as it is by now: somebody else may have changed it meanwhile.
      var rule = workspace.settings.autoRecharge
      rule.isOn = isOn ?? rule.isOn
      rule.thresholdMicros = threshold ?? rule.thresholdMicros
      rule.amountMicros = each ?? rule.amountMicros
      rule.monthlyCapMicros = cap ?? rule.monthlyCapMicros
      try workspace.setAutoRecharge(rule)
    }
    let left = try exchange.account(at: written.receipt).state
    return exchange.respond(
      200, view(left.autoRecharge, left.providers[.payment]?.provider), receipt: written.receipt)
  }

  /// Without somebody who takes payments nothing is charged, whatever the rule says.
  private static func view(_ rule: AutoRecharge, _ provider: String?) -> JSON {
    [
      "object": "auto_recharge", "enabled": .bool(rule.isOn),
      "threshold": Money.json(rule.thresholdMicros), "amount": Money.json(rule.amountMicros),
      "monthly_cap": Money.json(rule.monthlyCapMicros),
      "payment_provider": JSON(provider),
    ]
  }
}

extension Exchange {
  func payment(_ id: Identifier, version: UInt64 = .max) throws(APIError) -> JSON {
    let snapshot: Snapshot<Payment.State>
    do {
      snapshot = try engine.payment(id, of: org, version: version)
    } catch {
      throw APIError(error)
    }
    let state = snapshot.state
    guard let status = state.status else { throw .notFound("payment") }
    return [
      "id": .string(id.text), "object": "payment", "status": .string(status.rawValue),
      "amount": Money.json(state.amountMicros), "refunded": Money.json(state.refundedMicros),
      "refund_pending": .bool(state.isRefundPending),
      "reason": .string(state.reason.rawValue), "provider_id": JSON(state.providerID),
      "error_code": JSON(state.errorCode), "version": .int(Int64(snapshot.version)),
      "account": .string(org.text),
      "created_at": .string(Timestamp.text(snapshot.createdAtMicros)),
      "updated_at": .string(Timestamp.text(snapshot.updatedAtMicros)),
    ]
  }
}

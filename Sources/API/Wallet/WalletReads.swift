import Application
import Domain
import HTTP
import JSON
import ProjectionRuntime
import WalletProjection

/// Reading the wallet and its statement.
enum WalletRoutes {
  static let all: [Operation] =
    WalletWrites.all + StatementRoutes.all + [
      Operation(
        "GET", "/api/wallet/balance", .scope("wallet:read"), "Read the wallet",
        parameters: [.asOf], answers: [.ok(WalletSchemas.wallet)], refuses: [404: ["not_found"]],
        handler: balance),
      Operation.list(
        "/api/wallet/transactions", "wallet:read", "List the wallet's transactions, newest first",
        parameters: [
          .query("type", .choice(TransactionRow.Kind.self)), .query("message", .id(.message)),
        ], of: WalletSchemas.transaction, sorts: ["-created_at", "-id"], order: .leading,
        keepsHistory: true,
        rows: transactions),
    ]

  private static func balance(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let org = exchange.org
    let asOf = try exchange.asOf()
    let found = try await exchange.read([.wallet], asOf: asOf) { pool in
      try await WalletQueries.balance(pool, org: org, asOf: asOf?.position)
    }
    guard let row = found.value else { throw .notFound("wallet") }
    return exchange.respond(
      .object(
        JSONObject([
          ("id", .string(Identifier(.wallet, row.key.id).text)), ("object", "wallet"),
          ("balance", Money.json(row.balanceMicros)), ("held", Money.json(row.heldMicros)),
          ("available", Money.json(row.availableMicros)),
          ("funded", Money.json(row.fundedMicros)), ("refunded", Money.json(row.refundedMicros)),
          ("charged", Money.json(row.chargedMicros)), ("version", .int(row.version)),
          ("account", .string(org.text)),
          ("created_at", .string(Timestamp.text(row.createdAtMicros))),
          ("updated_at", .string(Timestamp.text(row.updatedAtMicros))),
        ])), found)
  }

  @Sendable
  private static func transactions(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    let org = exchange.org
    var request = WalletQueries.Request(page: list.page)
    if let kind = try exchange.queryChoice("type", TransactionRow.Kind.self) {
      request.kinds = [kind]
    }
    request.message = try exchange.queryID("message", .message)
    request.asOf = list.asOf?.position
    let found = try await exchange.read([.wallet], list) { [request] pool in
      try await WalletQueries.transactions(pool, org: org, request)
    }
    return exchange.rows(found) { view($0, org) }
  }

  static func view(_ line: WalletTransaction, _ org: Identifier) -> JSON {
    .object(
      JSONObject([
        ("id", .string(line.event.text)), ("object", "wallet_transaction"),
        ("type", .string(line.kind.rawValue)), ("amount", Money.json(line.amountMicros)),
        ("balance_after", Money.json(line.balanceAfterMicros)),
        ("held_after", Money.json(line.heldAfterMicros)),
        ("resource_type", JSON(line.resourceType)), ("resource_id", JSON(line.resourceID)),
        ("message", JSON(line.message?.text)), ("description", .string(line.description)),
        ("position", .int(line.position)), ("account", .string(org.text)),
        ("created_at", .string(Timestamp.text(line.createdAtMicros))),
      ]))
  }
}

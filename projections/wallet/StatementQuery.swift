package import Domain
package import Postgres
internal import ProjectionRuntime

/// What moved a wallet's balance between two moments, oldest first: what an accountant asks for.
package struct WalletStatement: Sendable {
  package var openingMicros: Int64 = 0
  package var lines: [WalletTransaction] = []

  package var closingMicros: Int64 { lines.last?.balanceAfterMicros ?? openingMicros }

  package func sum(_ kind: TransactionRow.Kind) -> Int64 {
    lines.reduce(0) { $0 + ($1.kind == kind ? $1.amountMicros : 0) }
  }

  /// Opening + credits + refunds - debits = closing, by the lines themselves.
  package var isBalanced: Bool {
    openingMicros + sum(.credit) + sum(.refund) - sum(.debit) == closingMicros
  }
}

extension WalletQueries {
  /// The movements from `fromMicros` (included) to `untilMicros` (not included); nil where there are more than
  /// `limit`. What was only set aside and given back moved nothing and is not there.
  package static func statement(
    _ pool: PostgresPool, org: Identifier, fromMicros: Micros, untilMicros: Micros, limit: Int
  ) async throws -> WalletStatement? {
    try await Reading.read(pool, org: org) { connection in
      var statement = WalletStatement()
      let moved = "type IN ('credit', 'debit', 'refund')"
      let before = try connection.query(
        """
        SELECT balance_after FROM \(WalletProjection.schema).transactions
        WHERE org = $1 AND created_at < $2 AND \(moved) ORDER BY position DESC LIMIT 1
        """, [.id(org), .timestampMicros(fromMicros)])
      for row in before {
        var reader = RowReader(row, table: TransactionRow.table)
        statement.openingMicros = try reader.bigint()
      }
      let found = try connection.query(
        """
        SELECT event, position, wallet, type, amount_micros, balance_after, held_after,
          resource_type, resource_id, message, description, created_at
        FROM \(WalletProjection.schema).transactions
        WHERE org = $1 AND created_at >= $2 AND created_at < $3 AND \(moved)
        ORDER BY position LIMIT \(limit + 1)
        """, [.id(org), .timestampMicros(fromMicros), .timestampMicros(untilMicros)])
      guard found.count <= limit else { return nil }
      statement.lines = try found.map(transaction)
      return statement
    }
  }
}

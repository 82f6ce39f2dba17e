package import Domain
package import Postgres
package import ProjectionRuntime

/// A line of the statement.
package struct WalletTransaction: Sendable, Equatable {
  package let event: Identifier
  package let position: Int64
  package let wallet: Identifier
  package let kind: TransactionRow.Kind
  /// Never negative; `kind` gives the direction.
  package let amountMicros: Int64
  package let balanceAfterMicros: Int64
  package let heldAfterMicros: Int64
  package let resourceType: String?
  package let resourceID: String?
  package let message: Identifier?
  package let description: String
  package let createdAtMicros: Micros
}

package enum WalletQueries {
  /// The org's wallet; nil where it has none yet.
  package static func balance(
    _ pool: PostgresPool, org: Identifier, asOf: UInt64? = nil
  ) async throws -> WalletRow? {
    try await Reading.read(pool, org: org) { connection in
      try WalletRow.rows(
        connection.query(
          """
          SELECT \(WalletRow.columnList("w")) FROM \(WalletRow.source(WalletProjection.schema, asOf: asOf)) w
          WHERE w.org = $1 ORDER BY w.wallet LIMIT 1
          """, [.id(org)])
      ).first
    }
  }

  package struct Request: Sendable {
    /// Empty: all.
    package var kinds: [TransactionRow.Kind] = []
    package var message: Identifier?
    /// The statement as it was after this position.
    package var asOf: UInt64?
    package var page: PageRequest

    package init(page: PageRequest = PageRequest()) { self.page = page }
  }

  /// Newest first.
  ///
  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func transactions(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<WalletTransaction> {
    try await Reading.read(pool, org: org) { connection in
      var conditions = Conditions()
      conditions.add("org = ?", .id(org))
      conditions.addIfPresent("message = ?", request.message.map(PostgresValue.id))
      conditions.addIfPresent(
        "position <= ?", request.asOf.map { .int(Int64(clamping: $0)) })
      conditions.addPin(request.page, position: "position")
      if !request.kinds.isEmpty {
        conditions.add("type = ANY(?)", .textArray(request.kinds.map(\.rawValue)))
      }
      return try query.page(conditions, request.page, connection)
    }
  }

  private static let query = ListQuery<WalletTransaction>(
    "transactions",
    columns: """
      event, position, wallet, type, amount_micros, balance_after, held_after, resource_type,
      resource_id, message, description, created_at
      """, source: "\(WalletProjection.schema).transactions",
    order: [.init("position", .bigint)], isDescending: true, row: { try transaction($0) }
  ) { [String($0.position)] }

  static func transaction(_ row: PostgresRow) throws -> WalletTransaction {
    guard let kind = TransactionRow.Kind(rawValue: try row.text("type")) else {
      throw RowError(table: TransactionRow.table, reason: "type")
    }
    var reader = RowReader(row, table: TransactionRow.table)
    return WalletTransaction(
      event: Identifier(.event, try reader.uuid()), position: try reader.bigint(),
      wallet: Identifier(.wallet, try reader.uuid()), kind: kind,
      amountMicros: try reader.bigint(skipping: 1), balanceAfterMicros: try reader.bigint(),
      heldAfterMicros: try reader.bigint(), resourceType: try reader.optionalText(),
      resourceID: try reader.optionalText(),
      message: try reader.optionalUUID().map { Identifier(.message, $0) },
      description: try reader.text(), createdAtMicros: try reader.timestamp())
  }
}

extension RowReader {
  fileprivate mutating func bigint(skipping count: Int) throws(RowError) -> Int64 {
    for _ in 0..<count { try skip() }
    return try bigint()
  }
}

import Postgres

/// Connections for the API's reads: as the role that owns nothing, read-only, with a bound on how
/// long a question may take.
package enum ReadPool {
  /// A list that needs longer than this is a missing index.
  private static let statementTimeoutMillis = 10_000

  package static func make(connectionString: String, size: Int) -> PostgresPool {
    PostgresPool(
      connectionString: connectionString, size: size,
      options: PostgresConnection.Options(
        statementTimeoutMillis: statementTimeoutMillis, applicationName: "daybook serve")
    ) { connection in
      try connection.execute("SET ROLE daybook_reader; SET default_transaction_read_only = on")
    }
  }
}

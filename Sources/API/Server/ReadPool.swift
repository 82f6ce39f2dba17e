import Postgres

/// Connections for the API's reads: as the role that owns nothing, read-only, with a bound on how
/// long a question may take.
package enum ReadPool {
  /// A list that needs longer than this is a missing index: it is stopped, and the answer is 503
  /// `read_timeout`.
  static let statementTimeoutMillis = 10_000

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

/// Connections that may write to the runtime's own tables and apply what is parked: few, and for
/// administrators alone.
package enum OwnerPool {
  /// Draining applies at most what is parked.
  private static let statementTimeoutMillis = 60_000

  package static func make(connectionString: String) -> PostgresPool {
    PostgresPool(
      connectionString: connectionString, size: 1,
      options: PostgresConnection.Options(
        statementTimeoutMillis: statementTimeoutMillis, applicationName: "daybook serve owner"))
  }
}

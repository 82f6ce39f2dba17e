/// A connection to Postgres: synchronous, and for one thread at a time. Not Sendable, so the compiler
/// keeps it where it was made; `PostgresPool` lends one per thread.
///
///     let connection = try PostgresConnection(url)
///     let rows = try connection.query("SELECT name FROM contacts WHERE org = $1", [.text(org)])
///     for row in rows { print(try row.text("name")) }
///
/// Sessions run with `TimeZone` UTC, `DateStyle` ISO and UTF-8.
package final class PostgresConnection {
  package struct Options: Sendable {
    /// The server stops a statement that takes longer. Nil: never.
    package var statementTimeoutMillis: Int?
    package var connectTimeoutSeconds = 5
    /// What `pg_stat_activity` shows.
    package var applicationName = "daybook"

    package init(statementTimeoutMillis: Int? = nil, applicationName: String = "daybook") {
      self.statementTimeoutMillis = statementTimeoutMillis
      self.applicationName = applicationName
    }
  }

  package enum Isolation: String, Sendable {
    case readCommitted = "READ COMMITTED"
    case repeatableRead = "REPEATABLE READ"
    case serializable = "SERIALIZABLE"
  }

  let session: Session
  private var statements = StatementCache()

  /// Connects; waits for at most `connectTimeoutSeconds` for each address.
  ///
  /// - Throws: `.unavailable`.
  package init(_ connectionString: String, options: Options = Options()) throws(PostgresError) {
    session = try Session(
      connectionString: connectionString,
      settings: [
        ("application_name", options.applicationName),
        ("client_encoding", "UTF8"),
        ("connect_timeout", "\(max(2, options.connectTimeoutSeconds))"),
        // A server that vanished is noticed after half a minute instead of a quarter of an hour.
        ("tcp_user_timeout", "30000"),
      ])
    _ = try session.execute(
      """
      SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET client_min_messages = 'warning';
      SET bytea_output = 'hex'; SET statement_timeout = \(options.statementTimeoutMillis ?? 0)
      """)
    SessionPriority.share(with: session)
  }

  /// Whether the connection is gone for good.
  package var isBroken: Bool { session.isBroken }

  package var isInTransaction: Bool { session.isInTransaction }

  /// For example 150020.
  package var serverVersion: Int { session.serverVersion }

  /// Runs one statement with parameters `$1`, `$2`, … A statement that comes a second time is
  /// prepared and its plan kept.
  package func query(
    _ sql: String, _ parameters: [PostgresValue] = []
  ) throws(PostgresError) -> PostgresRows {
    PostgresRows(try answer(sql, parameters, isBinary: false))
  }

  /// As `query`, and the fields of the answer come in the binary form of their types, which takes no
  /// parsing.
  package func binaryQuery(
    _ sql: String, _ parameters: [PostgresValue] = []
  ) throws(PostgresError) -> PostgresBinaryRows {
    PostgresBinaryRows(try answer(sql, parameters, isBinary: true))
  }

  private func answer(
    _ sql: String, _ parameters: [PostgresValue], isBinary: Bool
  ) throws(PostgresError) -> ServerAnswer {
    let encoded = try EncodedParameters(parameters)
    do {
      return try run(sql, encoded, isBinary: isBinary)
    } catch .rejected(let rejection) where rejection.kind == .staleStatement {
      // A plan whose table has changed its columns. Outside of a transaction nothing was lost.
      statements.forgetAll()
      guard !isInTransaction else { throw .rejected(rejection) }
      return try run(sql, encoded, isBinary: isBinary)
    }
  }

  /// Runs one statement and gives the count of the rows that it changed.
  @discardableResult
  package func execute(
    _ sql: String, _ parameters: [PostgresValue]
  ) throws(PostgresError) -> Int {
    try query(sql, parameters).affectedRowCount
  }

  /// Runs one or several statements without parameters, such as a schema file: all of them or none,
  /// unless they hold their own `COMMIT`.
  package func execute(_ sql: String) throws(PostgresError) {
    do {
      _ = try session.execute(sql)
    } catch {
      throw outcomeKnown(error)
    }
  }

  private func run(
    _ sql: String, _ parameters: EncodedParameters, isBinary: Bool
  ) throws(PostgresError) -> ServerAnswer {
    do {
      guard let statement = statements.statement(for: sql, types: parameters.types) else {
        return try session.execute(sql, parameters, isBinary: isBinary)
      }
      if statement.isNew {
        try session.prepare(statement.name, sql, types: parameters.types)
        statements.keep(statement)
        for name in statements.takeEvicted() { _ = try session.execute("DEALLOCATE \(name)") }
      }
      return try session.executePrepared(statement.name, parameters, isBinary: isBinary)
    } catch {
      throw outcomeKnown(error)
    }
  }

  /// Inside of a transaction a lost connection means that nothing happened: the server undoes it.
  private func outcomeKnown(_ error: PostgresError) -> PostgresError {
    guard isInExplicitTransaction, case .connectionLost = error else { return error }
    return .connectionLost(outcome: .didNotHappen)
  }

  // MARK: Transactions

  private var isInExplicitTransaction = false

  /// Runs `body` in a transaction: committed when it returns, undone when it throws.
  ///
  /// - Throws: What `body` throws, or `PostgresError`. Where the connection breaks during the commit
  ///   the error's `outcome` is `.unknown`.
  @discardableResult
  package func transaction<Result>(
    isolation: Isolation = .readCommitted, isReadOnly: Bool = false,
    _ body: () throws -> Result
  ) throws -> Result {
    precondition(!isInExplicitTransaction, "transactions do not nest; use a savepoint")
    _ = try session.execute(
      "BEGIN ISOLATION LEVEL \(isolation.rawValue)\(isReadOnly ? " READ ONLY" : "")")
    isInExplicitTransaction = true
    let result: Result
    do {
      result = try body()
    } catch {
      isInExplicitTransaction = false
      // A rollback that fails leaves the connection broken or in the transaction; the pool looks.
      if !isBroken { _ = try? session.execute("ROLLBACK") }
      throw error
    }
    isInExplicitTransaction = false
    try commit()
    return result
  }

  /// Postgres answers a COMMIT of a failed transaction with a tag, not with an error.
  private func commit() throws(PostgresError) {
    let answer = try session.execute("COMMIT")
    guard answer.commandTag == "COMMIT" else {
      throw .rejected(
        PostgresError.Rejection(
          sqlState: "25P02", message: "an earlier statement of the transaction had failed",
          schema: nil, table: nil, column: nil, constraint: nil))
    }
  }

  /// Runs `body` within a transaction so that a statement that fails in it undoes only `body`.
  @discardableResult
  package func savepoint<Result>(_ body: () throws -> Result) throws -> Result {
    precondition(isInExplicitTransaction, "a savepoint is inside a transaction")
    try execute("SAVEPOINT daybook")
    do {
      let result = try body()
      try execute("RELEASE SAVEPOINT daybook")
      return result
    } catch {
      if !isBroken { try execute("ROLLBACK TO SAVEPOINT daybook; RELEASE SAVEPOINT daybook") }
      throw error
    }
  }
}

@available(*, unavailable) extension PostgresConnection: Sendable {}

/// Which statements of a session are prepared. A text is prepared when it comes a second time: one
/// that comes once would pay a round trip for nothing.
private struct StatementCache {
  struct Key: Hashable {
    let sql: String
    let types: [UInt32]
  }

  struct Statement {
    let key: Key
    let name: String
    let isNew: Bool
  }

  /// Plans cost the server memory; the house has some dozens of statements.
  private static let limit = 200
  private static let seenLimit = 1000

  private var names: [Key: String] = [:]
  private var order: [Key] = []
  private var seen: Set<Key> = []
  private var nextNumber = 1
  private var evicted: [String] = []

  /// The prepared statement to use, a new one where the caller must prepare it first, or nil where
  /// the text came for the first time.
  mutating func statement(for sql: String, types: [UInt32]) -> Statement? {
    let key = Key(sql: sql, types: types)
    if let name = names[key] { return Statement(key: key, name: name, isNew: false) }
    guard seen.contains(key) else {
      if seen.count >= Self.seenLimit { seen.removeAll() }
      seen.insert(key)
      return nil
    }
    defer { nextNumber += 1 }
    return Statement(key: key, name: "daybook_\(nextNumber)", isNew: true)
  }

  mutating func keep(_ statement: Statement) {
    names[statement.key] = statement.name
    order.append(statement.key)
    guard order.count > Self.limit else { return }
    if let name = names.removeValue(forKey: order.removeFirst()) { evicted.append(name) }
  }

  mutating func takeEvicted() -> [String] {
    defer { evicted = [] }
    return evicted
  }

  /// Numbers go on, so that no new statement meets an old one of its name.
  mutating func forgetAll() {
    evicted += names.values
    names = [:]
    order = []
  }
}

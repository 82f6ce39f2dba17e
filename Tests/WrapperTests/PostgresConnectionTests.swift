import Postgres
import TestSupport
import Testing

/// Runs `body` with a connection to a new database.
func withConnection(
  _ options: PostgresConnection.Options = PostgresConnection.Options(),
  _ body: (PostgresConnection) throws -> Void
) async throws {
  try await withTestDatabase { connectionString in
    try body(try PostgresConnection(connectionString, options: options))
  }
}

/// The error that `body` throws.
func postgresError(_ body: () throws -> Void) -> PostgresError? {
  do {
    try body()
    return nil
  } catch {
    return error as? PostgresError
  }
}

@Suite struct PostgresConnectionTests {
  @Test func `every kind of value comes back as it went`() async throws {
    try await withConnection { connection in
      try connection.execute(
        """
        CREATE TABLE kinds (
          flag boolean, small smallint, big bigint, ratio double precision, note text,
          at timestamptz, raw bytea, tags text[], ids bigint[], doc jsonb, nothing text)
        """)
      let at: Int64 = 1_795_227_188_807_123
      let tags = [
        "plain", "", "NULL", "a,b", "quo\"te", "back\\slash", "{brace}", "tab\there", "✓",
      ]
      let changed = try connection.execute(
        "INSERT INTO kinds VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        [
          .bool(true), .int(-7), .int(.min), .double(0.1), .text("é'\"\\"), .timestampMicros(at),
          .bytes([0, 255, 92, 10]), .textArray(tags), .intArray([1, -2]), .text(#"{"a": [1]}"#),
          .null,
        ])
      #expect(changed == 1)
      let row = try #require(try connection.query("SELECT * FROM kinds").first)
      #expect(try row.bool("flag"))
      #expect(try row.int64("small") == -7)
      #expect(try row.int64("big") == .min)
      #expect(try row.double("ratio") == 0.1)
      #expect(try row.text("note") == "é'\"\\")
      #expect(try row.timestampMicros("at") == at)
      #expect(try row.bytes("raw") == [0, 255, 92, 10])
      #expect(try row.textArray("tags") == tags)
      #expect(try row.text("doc") == #"{"a": [1]}"#)
      #expect(try row.optionalText("nothing") == nil)
      #expect(try row.isNull("nothing"))
      #expect(try row.text(4) == "é'\"\\")
    }
  }

  @Test(arguments: [
    ("1970-01-01 00:00:00+00", 0), ("1969-12-31 23:59:59.999999+00", -1),
    ("2000-02-29 12:34:56.7+00", 951_827_696_700_000),
    ("0001-01-01 00:00:00+00", -62_135_596_800_000_000),
    ("2026-11-21 03:13:08+01", 1_795_227_188_000_000),
  ])
  func `a time is read in microseconds since 1970`(text: String, micros: Int) async throws {
    try await withConnection { connection in
      let rows = try connection.query("SELECT $1::timestamptz AS at", [.text(text)])
      #expect(try rows[0].timestampMicros("at") == Int64(micros))
      let back = try connection.query(
        "SELECT $1::timestamptz = $2::timestamptz AS same",
        [.timestampMicros(Int64(micros)), .text(text)])
      #expect(try back[0].bool("same"))
    }
  }

  @Test func `an empty text, an empty array and null are three things`() async throws {
    try await withConnection { connection in
      let rows = try connection.query(
        "SELECT $1::text AS a, $2::text[] AS b, $3::text AS c", [.text(""), .textArray([]), .null])
      #expect(try rows[0].text("a") == "")
      #expect(try rows[0].textArray("b") == [])
      #expect(try rows[0].optionalText("c") == nil)
      #expect(
        try connection.query("SELECT $1::text IS NULL AS n", [.text("")])[0].bool("n") == false)
    }
  }

  @Test func `a column that is absent, null or of another type is an error that names it`()
    async throws
  {
    try await withConnection { connection in
      let row = try connection.query("SELECT 'x'::text AS word, NULL::int AS hole")[0]
      #expect(
        throws: PostgresError.unexpectedResult(column: "word", expected: "an integer")
      ) { _ = try row.int64("word") }
      #expect(
        throws: PostgresError.unexpectedResult(column: "hole", expected: "an integer")
      ) { _ = try row.int64("hole") }
      #expect(
        throws: PostgresError.unexpectedResult(column: "none", expected: "a column of the answer")
      ) { _ = try row.optionalText("none") }
    }
  }

  @Test func `a text with a zero byte is refused instead of cut short`() async throws {
    try await withConnection { connection in
      let error = postgresError { _ = try connection.query("SELECT $1", [.text("a\0b")]) }
      #expect(error == .invalidValue(column: "$1", expected: "a text without zero bytes"))
      let one = try connection.query("SELECT 1 AS one")[0].int64("one")
      #expect(one == 1)
    }
  }

  @Test func `an error names rule, table and constraint, and never the values`() async throws {
    try await withConnection { connection in
      try connection.execute("CREATE TABLE people (email text CONSTRAINT people_email UNIQUE)")
      try connection.execute("INSERT INTO people VALUES ($1)", [.text("secret@example.org")])
      let error = try #require(
        postgresError {
          try connection.execute("INSERT INTO people VALUES ($1)", [.text("secret@example.org")])
        })
      guard case .rejected(let rejection) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(rejection.kind == .uniqueViolation)
      #expect(rejection.table == "people")
      #expect(rejection.constraint == "people_email")
      #expect(error.code == "postgres_unique_violation")
      #expect(error.sqlState == "23505")
      #expect(!error.isRetryable)
      #expect(error.outcome == .didNotHappen)
      #expect(!"\(error)".contains("secret"))

      let invalid = try #require(
        postgresError { _ = try connection.query("SELECT $1::int", [.text("secret")]) })
      #expect(invalid.code == "postgres_data_exception")
      #expect(!"\(invalid)".contains("secret"))
    }
  }

  @Test func `a transaction keeps all or nothing`() async throws {
    struct Changed: Error {}
    try await withConnection { connection in
      try connection.execute("CREATE TABLE t (n int UNIQUE)")
      try connection.transaction { try connection.execute("INSERT INTO t VALUES ($1)", [.int(1)]) }
      #expect(throws: Changed.self) {
        try connection.transaction {
          try connection.execute("INSERT INTO t VALUES ($1)", [.int(2)])
          throw Changed()
        }
      }
      #expect(try connection.query("SELECT n FROM t").map { try $0.int64("n") } == [1])
      #expect(!connection.isInTransaction)
    }
  }

  @Test func `a commit that the server turned into a rollback is an error`() async throws {
    try await withConnection { connection in
      try connection.execute("CREATE TABLE t (n int UNIQUE); INSERT INTO t VALUES (1)")
      let error = postgresError {
        try connection.transaction {
          // The mistake: the failure is not passed on.
          _ = postgresError { try connection.execute("INSERT INTO t VALUES (1)") }
        }
      }
      #expect(error?.sqlState == "25P02")
    }
  }

  @Test func `a savepoint undoes only itself`() async throws {
    try await withConnection { connection in
      try connection.execute("CREATE TABLE t (n int UNIQUE)")
      try connection.transaction {
        try connection.execute("INSERT INTO t VALUES (1)")
        let error = postgresError {
          try connection.savepoint {
            try connection.execute("INSERT INTO t VALUES (2)")
            try connection.execute("INSERT INTO t VALUES (1)")
          }
        }
        #expect(error?.code == "postgres_unique_violation")
        try connection.savepoint { try connection.execute("INSERT INTO t VALUES (3)") }
      }
      let numbers = try connection.query("SELECT n FROM t ORDER BY n").map { try $0.int64("n") }
      #expect(numbers == [1, 3])
    }
  }

  @Test func `a statement that comes again is prepared, and survives a change of its table`()
    async throws
  {
    try await withConnection { connection in
      try connection.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
      let sql = "SELECT * FROM t WHERE n = $1"
      for _ in 0..<3 { #expect(try connection.query(sql, [.int(1)]).count == 1) }
      let prepared = try connection.query(
        "SELECT count(*) AS count FROM pg_prepared_statements WHERE statement = $1", [.text(sql)])
      #expect(try prepared[0].int64("count") == 1)
      try connection.execute("ALTER TABLE t ADD COLUMN extra text DEFAULT 'new'")
      #expect(try connection.query(sql, [.int(1)])[0].text("extra") == "new")
    }
  }

  @Test func `prepared statements are bounded in number`() async throws {
    try await withConnection { connection in
      for number in 0..<250 {
        for _ in 0..<3 { _ = try connection.query("SELECT \(number) + $1::int", [.int(1)]) }
      }
      let rows = try connection.query("SELECT count(*) AS count FROM pg_prepared_statements")
      #expect(try rows[0].int64("count") == 200)
    }
  }

  @Test func `a statement beyond its time is stopped and the connection goes on`() async throws {
    try await withConnection(PostgresConnection.Options(statementTimeoutMillis: 50)) { connection in
      let error = postgresError { _ = try connection.query("SELECT pg_sleep(30)") }
      #expect(error?.code == "postgres_statement_timeout")
      #expect(error?.isRetryable == true)
      let one = try connection.query("SELECT 1 AS one")[0].int64("one")
      #expect(one == 1)
    }
  }

  @Test func `a connection that the server ends is reported as lost`() async throws {
    try await withTestDatabase { url in
      let connection = try PostgresConnection(url)
      let other = try PostgresConnection(url)
      let pid = try connection.query("SELECT pg_backend_pid() AS pid")[0].int64("pid")
      let error = postgresError {
        try connection.transaction {
          _ = try other.query("SELECT pg_terminate_backend($1::int)", [.int(pid)])
          _ = try connection.query("SELECT pg_sleep(30)")
        }
      }
      #expect(error == .connectionLost(outcome: .didNotHappen))
      #expect(connection.isBroken)
    }
  }

  @Test func `a server that is away is unavailable`() {
    let error = postgresError {
      _ = try PostgresConnection("host=/nonexistent port=1 dbname=x user=y")
    }
    #expect(error?.code == "postgres_unavailable")
    #expect(error?.isRetryable == true)
  }

  @Test func `a connection string is taken apart and hides its password`() throws {
    var url = try PostgresConnectionString("postgresql://me:it's%20secret@db.example:5433/main")
    #expect(url["user"] == "me")
    #expect(url["password"] == "it's secret")
    url["dbname"] = "other one"
    let again = try PostgresConnectionString(url.text)
    #expect(again["dbname"] == "other one")
    #expect(again["password"] == "it's secret")
    #expect(!"\(url)".contains("secret"))
    #expect(postgresError { _ = try PostgresConnectionString("postgresql://[") } != nil)
  }

  @Test func `names and literals are quoted`() async throws {
    try await withConnection { connection in
      let name = "odd \"name\""
      try connection.execute("CREATE TABLE \(quotedIdentifier(name)) (a int)")
      for text in ["it's", "back\\slash'", ""] {
        let rows = try connection.query("SELECT \(quotedLiteral(text)) AS text")
        #expect(try rows[0].text("text") == text)
      }
    }
  }
}

import ContactsProjection
import Domain
import Postgres
import ProjectionRuntime
import Testing

/// Nobody reads across orgs, in whatever table there is: the tables come from the catalogue, so a new
/// one is in here from its first day.
@Suite struct IsolationTests {
  private static let tables = """
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'p') AND n.nspname ~ '_v[0-9]+(_old|_build|_sample)?$'
    ORDER BY 1
    """

  @Test func `no table of any read model shows another org's rows, or any without an org`()
    async throws
  {
    try await withDesk { desk in
      let both = RandomHistory(seed: 7, commitCount: 80)
      try await both.append(to: desk.history, commits: 80)
      try await desk.project()
      // What a rebuild keeps for a rollback, and the views of a new version, are tables like others.
      try await desk.rebuilder.rebuild()
      let tables = try desk.table(Self.tables)
      #expect(tables.count > 30)
      let reader = try PostgresConnection(desk.connectionString)
      try reader.execute("SET ROLE daybook_reader")
      var seen = 0
      for table in tables where !table.contains("_old.") {
        #expect(try count(table, org: nil, reader) == 0, "\(table) without an org")
        let own = try count(table, org: acme, reader)
        let foreign = try count(table, org: other, reader)
        let all = try desk.table("SELECT count(*) FROM \(table)").first
        #expect(all == String(own + foreign), "\(table) of both orgs")
        #expect(try strangers(table, than: acme, reader) == 0, "\(table) of a stranger")
        seen += own
      }
      #expect(seen > 100)
    }
  }

  @Test
  func
    `every table has row-level security, org first in its key, and an owner who is not the reader`()
    async throws
  {
    try await withDesk { desk in
      try await desk.project()
      let open = try desk.table(
        """
        SELECT n.nspname || '.' || c.relname FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname ~ '_v[0-9]+$'
          AND (NOT c.relrowsecurity OR c.relowner = 'daybook_reader'::regrole
            OR NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid)
            OR NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a
              ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
              WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = 'org'))
        """)
      #expect(open == [])
      #expect(
        try desk.table(
          """
          SELECT rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'daybook_reader'
          """) == ["f | f | f"])
    }
  }

  /// Groups and totals of one answer, a page and its count: they may not be of two moments.
  @Test func `all questions of one answer see one state of the rows`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.project()
      let names = "SELECT first_name FROM \(ContactsProjection.schema).contacts"
      let pool = desk.readers
      let seen = try await Reading.read(pool, org: acme) { connection in
        let before = try connection.query(names).map { try $0.text(0) }
        try desk.execute("UPDATE \(ContactsProjection.schema).contacts SET first_name = 'Bea'")
        return (before, try connection.query(names).map { try $0.text(0) })
      }
      #expect(seen.0 == seen.1)
      let now = try await Reading.read(pool, org: acme) { connection in
        try connection.query(names).map { try $0.text(0) }
      }
      #expect(now == ["Bea"])
      pool.close()
    }
  }

  @Test func `a reader can change nothing`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.project()
      let reader = try PostgresConnection(desk.connectionString)
      try reader.execute("SET ROLE daybook_reader")
      for table in try desk.table(Self.tables) + ["daybook.projections"] {
        for statement in ["DELETE FROM \(table)", "TRUNCATE \(table)", "DROP TABLE \(table)"] {
          #expect(throws: PostgresError.self, "\(statement)") { try reader.execute(statement) }
        }
      }
      #expect(throws: PostgresError.self) {
        try reader.execute("SELECT * FROM daybook.parked")
      }
    }
  }

  private func count(
    _ table: String, org: Identifier?, _ reader: PostgresConnection
  ) throws -> Int {
    try reader.execute("RESET daybook.org")
    if let org { try reader.execute("SET daybook.org = '\(UUIDText.encode(org.value))'") }
    return Int(try reader.query("SELECT count(*) FROM \(table)").first?.int64(0) ?? -1)
  }

  private func strangers(
    _ table: String, than org: Identifier, _ reader: PostgresConnection
  ) throws -> Int {
    try reader.execute("SET daybook.org = '\(UUIDText.encode(org.value))'")
    let rows = try reader.query("SELECT count(*) FROM \(table) WHERE org <> $1", [.id(org)])
    return Int(try rows.first?.int64(0) ?? -1)
  }
}

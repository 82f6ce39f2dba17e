import Postgres
import TestSupport
import Testing

@Suite struct PostgresCopyTests {
  @Test func `every kind of column takes its values in binary`() async throws {
    try await withConnection { connection in
      try connection.execute(
        """
        CREATE SCHEMA side; CREATE TYPE side.mood AS ENUM ('calm');
        CREATE TABLE side.kinds (
          "select" text, flag bool, two int2, four int4, eight int8, ratio float8, doc jsonb, plain json,
          raw bytea, at timestamptz, day date, id uuid, tags text[], ids int8[], sum numeric,
          mood side.mood, hole text)
        """)
      let id = "0b4e7f2a-6f0d-4c69-9c0d-3f6f2f0a1b2c"
      let columns = [
        "select", "flag", "two", "four", "eight", "ratio", "doc", "plain", "raw", "at", "day", "id",
        "tags", "ids", "sum", "mood", "hole",
      ]
      let count = try connection.copyIn(table: "kinds", columns: columns, schema: "side") { rows in
        try rows.append([
          .text("tab\tand\nline ✓"), .bool(true), .int(-2), .int(4), .int(.max), .double(-0.5),
          .utf8(Array(#"{"a": 1}"#.utf8)), .text("[ ]"), .bytes([0, 1, 255]),
          .timestampMicros(951_827_696_700_000), .text("1999-12-31"), .text(id),
          .textArray(["a,b", "", "NULL"]), .intArray([1, -2]), .int(-1_234_567_890_123),
          .text("calm"), .null,
        ])
      }
      #expect(count == 1)
      let row = try connection.query(
        "SELECT *, ids::text AS ids_text, sum::text AS sum_text, day::text AS day_text FROM side.kinds"
      )[0]
      #expect(try row.text("select") == "tab\tand\nline ✓")
      #expect(try row.bool("flag"))
      #expect(try row.int64("two") == -2)
      #expect(try row.int64("four") == 4)
      #expect(try row.int64("eight") == .max)
      #expect(try row.double("ratio") == -0.5)
      #expect(try row.text("doc") == #"{"a": 1}"#)
      #expect(try row.text("plain") == "[ ]")
      #expect(try row.bytes("raw") == [0, 1, 255])
      #expect(try row.timestampMicros("at") == 951_827_696_700_000)
      #expect(try row.text("day_text") == "1999-12-31")
      #expect(try row.text("id") == id)
      #expect(try row.textArray("tags") == ["a,b", "", "NULL"])
      #expect(try row.text("ids_text") == "{1,-2}")
      #expect(try row.text("sum_text") == "-1234567890123")
      #expect(try row.text("mood") == "calm")
      #expect(try row.isNull("hole"))
    }
  }

  @Test(arguments: [0, 1, 9999, 10_000, 123_456_789, Int64.max, .min])
  func `a numeric column takes whole numbers of any size`(number: Int64) async throws {
    try await withConnection { connection in
      try connection.execute("CREATE TABLE sums (sum numeric)")
      try connection.copyIn(table: "sums", columns: ["sum"]) { try $0.append([.int(number)]) }
      #expect(try connection.query("SELECT sum FROM sums")[0].text("sum") == "\(number)")
    }
  }

  @Test func `many rows stream through, beyond the buffer, and an empty copy is one too`()
    async throws
  {
    try await withConnection { connection in
      try connection.execute("CREATE TABLE t (n int8, text text)")
      let count = try connection.copyIn(table: "t", columns: ["n", "text"]) { rows in
        for number in 0..<50_000 {
          try rows.beginRow()
          try rows.append(Int64(number))
          try rows.append("row \(number)")
        }
      }
      #expect(count == 50_000)
      let row = try connection.query("SELECT sum(n) AS sum, max(length(text)) AS longest FROM t")[0]
      #expect(try row.int64("sum") == 1_249_975_000)
      #expect(try row.int64("longest") == 9)
      #expect(try connection.copyIn(table: "t", columns: ["n"]) { _ in } == 0)
    }
  }

  @Test func `rows that cannot be made leave nothing behind, and the connection goes on`()
    async throws
  {
    struct Stop: Error {}
    try await withConnection { connection in
      try connection.execute("CREATE TABLE t (n int2 CHECK (n <> 3))")
      #expect(throws: Stop.self) {
        try connection.copyIn(table: "t", columns: ["n"]) { rows in
          try rows.append([.int(1)])
          throw Stop()
        }
      }
      let tooLarge = postgresError {
        try connection.copyIn(table: "t", columns: ["n"]) { try $0.append([.int(40_000)]) }
      }
      #expect(tooLarge == .invalidValue(column: "n", expected: "an integer of 16 bits (int2)"))
      let wrongKind = postgresError {
        try connection.copyIn(table: "t", columns: ["n"]) { try $0.append([.text("1")]) }
      }
      #expect(wrongKind == .invalidValue(column: "n", expected: "a text (int2)"))
      let refused = postgresError {
        try connection.copyIn(table: "t", columns: ["n"]) { try $0.append([.int(3)]) }
      }
      #expect(refused?.code == "postgres_constraint_violation")
      let missing = postgresError {
        try connection.copyIn(table: "t", columns: ["none"]) { _ in }
      }
      #expect(missing?.code == "postgres_invalid_value")
      #expect(try connection.query("SELECT count(*) AS count FROM t")[0].int64("count") == 0)
      #expect(!connection.isInTransaction)
    }
  }

  @Test func `a copy into a table of the same transaction may be frozen`() async throws {
    try await withConnection { connection in
      try connection.transaction {
        try connection.execute("CREATE TABLE t (n int8)")
        try connection.copyIn(table: "t", columns: ["n"], isFrozen: true) { rows in
          for number in 0..<10 { try rows.append([.int(Int64(number))]) }
        }
      }
      #expect(try connection.query("SELECT count(*) AS count FROM t")[0].int64("count") == 10)
    }
  }
}

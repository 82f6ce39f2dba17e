import Domain
import Postgres
import ProjectionRuntime
import ReadModels
import Testing

/// Rows that take each other's place.
@Suite struct GenerationTests {
  @Test func `a new version is built beside the old one and takes over`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a"), tagged("b")])
      try await desk.project()
      var next = desk
      next.projections = [TalliesByTen.self]
      // From the first moment on the new code's reads are answered, from the old rows.
      let connection = try PostgresConnection(desk.connectionString)
      try Catalog.migrate(connection, next.projections)
      #expect(try desk.table("SELECT count FROM tallies_v2.tallies") == ["2"])
      try await next.project()
      #expect(try desk.table("SELECT count FROM tallies_v2.tallies") == ["20"])
      // The old program may still run, and go on.
      try await desk.history.append(ann, [tagged("c")])
      try await desk.project()
      try await next.project()
      #expect(try desk.table(counts) == ["3"])
      #expect(try desk.table("SELECT count FROM tallies_v2.tallies") == ["30"])
      try await next.expectLiveEqualsRebuilt()
    }
  }

  @Test func `what a rebuild replaced can be put back and catches up`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      try desk.execute("UPDATE tallies_v1.tallies SET count = 100")
      try await desk.rebuilder.rebuild()
      try await desk.history.append(ann, [tagged("b")])
      try await desk.project()
      #expect(try desk.table(counts) == ["2"])
      try desk.rollBack(Tallies.self)
      try await desk.project()
      #expect(try desk.table(counts) == ["101"])
      try desk.rollBack(Tallies.self)
      try await desk.project()
      #expect(try desk.table(counts) == ["2"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a new version can be rolled back to the one before`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      var next = desk
      next.projections = [TalliesByTen.self]
      try await next.project()
      try next.rollBack(TalliesByTen.self)
      #expect(try desk.table("SELECT count FROM tallies_v2.tallies") == ["1"])
      // Until somebody asks for it, the new version is not built again.
      try await next.project()
      #expect(try desk.table("SELECT count FROM tallies_v2.tallies") == ["1"])
      try await next.rebuilder.rebuild()
      #expect(try desk.table("SELECT count FROM tallies_v2.tallies") == ["10"])
    }
  }

  @Test func `what this program does not project is not judged`() async throws {
    try await withDesk { desk in
      try await desk.project()
      try await desk.rebuilder.rebuild()
      try desk.execute(
        """
        INSERT INTO daybook.projections (name, version, position, root, state, checked_at,
          checked_position, checked_equal)
        SELECT name, 1, 0, root, 'live', now(), 0, false FROM daybook.projections
        WHERE name = 'segments' AND version > 0
        """)
      let all = try ProjectionAdmin.list(PostgresConnection(desk.connectionString))
      let present = ReadModels.present(all)
      #expect(all.count == 2 * ReadModels.all.count + 1)
      #expect(present.map(\.name) == ReadModels.all.map { $0.name }.sorted())
      #expect(present.allSatisfy { $0.version > 0 && $0.check?.isEqual != false })
    }
  }

  @Test func `without anything older there is nothing to roll back to`() async throws {
    try await withTallies { desk in
      try await desk.project()
      #expect(throws: ProjectionError.nothingToRollBack(projection: "tallies")) {
        try desk.rollBack(Tallies.self)
      }
    }
  }

  @Test func `another history is refused until a rebuild`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a"), tagged("b")])
      try await desk.project()
      // A log that was restored and written on: the same length, other events.
      var restored = Desk(connectionString: desk.connectionString)
      restored.projections = desk.projections
      try await restored.history.append(bob, [tagged("x"), tagged("y"), tagged("z")])
      try await restored.project()
      #expect(
        try desk.table("SELECT state, failed_code FROM daybook.projections")
          == ["stopped | projection_different_history"])
      #expect(try desk.table(counts) == ["2"])
      try await restored.rebuilder.rebuild()
      try await restored.project()
      #expect(try desk.table(counts) == ["3"])
      try await restored.expectLiveEqualsRebuilt()
    }
  }
}

import Domain
import Postgres
import ProjectionRuntime
import Testing

/// Projectors on several machines.
@Suite struct LeaseTests {
  private static let moved = "SELECT position FROM daybook.projections"

  @Test func `a projection that another process holds is left to it`() async throws {
    try await withTallies { desk in
      try await desk.project()
      try desk.execute(
        """
        UPDATE daybook.projections SET lease_holder = 'somebody',
          lease_until = now() + interval '1 hour'
        """)
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      #expect(try desk.table(Self.moved) == ["0"])
      // Its holder has given no sign of life for too long.
      try desk.execute("UPDATE daybook.projections SET lease_until = now() - interval '1 second'")
      try await desk.project()
      #expect(try desk.table(Self.moved) == ["1"])
    }
  }

  @Test func `a process that leaves hands over at once`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      #expect(
        try desk.table("SELECT lease_holder IS NULL FROM daybook.projections") == ["t"])
    }
  }

  @Test func `a checkpoint that somebody holds does not hold up the others`() async throws {
    try await withDesk { desk in
      var desk = desk
      desk.projections.append(Tallies.self)
      try await desk.project()
      try await desk.history.append(ann, [created("Ann"), tagged("a")])
      let other = try PostgresConnection(desk.connectionString)
      try await desk.projectWhileLocked(other, "tallies")
      #expect(
        try desk.table(
          "SELECT DISTINCT position FROM daybook.projections WHERE name <> 'tallies'") == ["2"])
      #expect(
        try desk.table("SELECT position FROM daybook.projections WHERE name = 'tallies'") == ["0"])
    }
  }
}

extension Desk {
  /// Projects while another session holds the lock of a projection's checkpoint.
  fileprivate func projectWhileLocked(
    _ connection: PostgresConnection, _ name: String
  ) async throws {
    try connection.execute("BEGIN")
    _ = try connection.query(
      "SELECT 1 FROM daybook.projections WHERE name = $1 FOR UPDATE", [.text(name)])
    try await project()
    try connection.execute("ROLLBACK")
  }
}

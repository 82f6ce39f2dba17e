import ContactsProjection
import Domain
import Foundation
import Postgres
import ProjectionRuntime
import Synchronization
import TestSupport
import Testing

/// Rebuilds: what they make, who asks for them, and what is left when they do not come to their end.
@Suite struct RebuildTests {
  /// Goal: incremental rows are rebuilt rows, in every table and every version of a row, whatever the
  /// batches were and however little memory there was. Method: random histories, projected in batches
  /// of one size and rebuilt with memory for a few rows; the rows that the rebuild replaced are kept
  /// beside the new ones.
  @Test(arguments: 0..<4 as Range<UInt64>)
  func `rows and versions are the same, kept up or rebuilt in little memory`(
    seed: UInt64
  ) async throws {
    try await withDesk { desk in
      try await RandomHistory(seed: seed, commitCount: 60).append(to: desk.history, commits: 60)
      try await desk.project(batchLimit: Int(seed) * 13 + 1)
      try await Rebuilder(
        reader: desk.history.log, connectionString: desk.connectionString,
        projections: desk.projections, rowLimit: Int(seed) * 5 + 1
      ).rebuild()
      let tables = try desk.table(
        """
        SELECT schemaname, tablename FROM pg_tables WHERE schemaname LIKE '%\\_old'
        ORDER BY schemaname, tablename
        """)
      try #require(tables.contains { $0.hasSuffix("_history") })
      for name in tables.map({ $0.split(separator: " | ").map { String($0) } }) {
        func rows(_ schema: String) throws -> [String] {
          try desk.table("SELECT * FROM \(schema).\(name[1]) t ORDER BY t::text")
        }
        let before = try rows(name[0])
        #expect(try rows(String(name[0].dropLast("_old".count))) == before, "\(name), seed \(seed)")
      }
    }
  }

  @Test func `a rebuild that somebody asks for is done by the projector`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      try desk.execute("UPDATE tallies_v1.tallies SET count = 100")
      try desk.ask()
      #expect(throws: ProjectionError.rebuildRunning(projection: "tallies")) { try desk.ask() }
      #expect(try desk.rebuildState() == .requested)
      try await desk.project()
      #expect(try desk.table(counts) == ["1"])
      #expect(try desk.rebuildState() == .done)
    }
  }

  @Test func `a read model whose rebuild is done goes on while another is still being rebuilt`()
    async throws
  {
    try await withTallies { desk in
      var desk = desk
      desk.projections.append(ContactsProjection.self)
      try await desk.history.append(ann, [created("Ann"), tagged("a")])
      try await desk.project()
      let connection = try PostgresConnection(desk.connectionString)
      for projection in desk.projections { try RebuildRecord.request(projection, connection) }
      let arrivals = Atomic(0)
      let mayEnd = Atomic(false)
      var options = LiveProjector.Options()
      options.faults = FaultPoints { point in
        guard point == .rebuildIndexed,
          arrivals.add(1, ordering: .relaxed).oldValue > 0
        else { return }
        while !mayEnd.load(ordering: .relaxed) { usleep(10_000) }
      }
      let projector = desk.projector(options)
      let running = Task { try await projector.run() }
      try await desk.wait(for: "SELECT count(*) FROM daybook.projections WHERE version < 0", "1")
      let head = try await desk.history.append(ann, [tagged("b")])
      let there =
        "SELECT count(*) FROM daybook.projections WHERE version > 0 AND position = \(head)"
      try await desk.wait(for: there, "1")
      mayEnd.store(true, ordering: .relaxed)
      try await desk.wait(for: there, "2")
      running.cancel()
      _ = await running.result
    }
  }

  @Test func `a rebuild that nobody wants any more leaves the rows as they were`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      try desk.execute("UPDATE tallies_v1.tallies SET count = 100")
      try desk.ask()
      #expect(try desk.cancel())
      #expect(try desk.cancel() == false)
      try await desk.project()
      #expect(try desk.table(counts) == ["100"])
      #expect(try desk.rebuildState() == .cancelled)
    }
  }

  @Test func `a rebuild under way stops when somebody says so`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      try desk.execute("UPDATE tallies_v1.tallies SET count = 100")
      let rebuilder = Rebuilder(
        reader: desk.history.log, connectionString: desk.connectionString,
        projections: desk.projections,
        faults: FaultPoints { point in
          guard point == .rebuildIndexed else { return }
          while (try? desk.cancel()) != true { usleep(10_000) }
          // The first line written after the wish brings it back; with the second it was heard.
          for _ in 0..<2 { desk.waitForNews() }
        })
      await #expect(throws: ProjectionError.cancelled) { try await rebuilder.rebuild() }
      #expect(try desk.table(counts) == ["100"])
      #expect(try desk.rebuildState() == .cancelled)
      #expect(try desk.table(leftovers) == [])
    }
  }

  @Test func `a killed rebuild leaves nothing behind and is begun anew by the projector`()
    async throws
  {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [url = desk.connectionString as String] in
        let child = Desk(connectionString: url, projections: [Tallies.self])
        try await child.history.append(ann, [tagged("a")])
        try await Rebuilder(
          reader: child.history.log, connectionString: url, projections: child.projections,
          faults: FaultPoints { point in
            guard point == .rebuildIndexed else { return }
            while (try? child.rebuildState()) != .running { usleep(10_000) }
            kill(getpid(), SIGKILL)
          }
        ).rebuild()
      }
      #expect(try desk.rebuildState() == .running)
      // As if nothing had been heard of it for long.
      try desk.execute("UPDATE daybook.rebuilds SET updated_at = now() - interval '1 minute'")
      try desk.execute("UPDATE tallies_v1.tallies SET count = 100")
      for _ in 0..<200 {
        guard try desk.rebuildState() != .done else { break }
        try await desk.project()
      }
      #expect(try desk.rebuildState() == .done)
      #expect(try desk.table(counts) == ["1"])
      #expect(try desk.table(leftovers) == [])
    }
  }

  private let leftovers = """
    SELECT nspname FROM pg_namespace WHERE nspname LIKE '%\\_build' OR nspname LIKE '%\\_sample'
    """
}

extension Desk {
  fileprivate func ask() throws {
    try RebuildRecord.request(Tallies.self, PostgresConnection(connectionString))
  }

  fileprivate func cancel() throws -> Bool {
    try RebuildRecord.cancel(Tallies.self, PostgresConnection(connectionString))
  }

  /// Returns when the answer is `wanted`; a minute is a hang.
  fileprivate func wait(for sql: String, _ wanted: String) async throws {
    for _ in 0..<6_000 {
      if try table(sql) == [wanted] { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(try table(sql) == [wanted])
  }

  /// Returns when whoever rebuilds has written once more how far it is.
  fileprivate func waitForNews() {
    let written = "SELECT updated_at FROM daybook.rebuilds"
    let before = try? table(written)
    while (try? table(written)) == before { usleep(10_000) }
  }

  fileprivate func rebuildState() throws -> RebuildRecord.State? {
    try ProjectionAdmin.list(PostgresConnection(connectionString))
      .first { $0.name == "tallies" && $0.version > 0 }?.rebuild?.state
  }
}

import Domain
import Postgres
import ProjectionRuntime
import Synchronization
import Testing

/// What finds a wrong row.
@Suite struct CheckTests {
  @Test func `a check names the table, the row and the event from which on it is wrong`()
    async throws
  {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a"), tagged("b"), tagged("c")])
      try await desk.history.append(bob, [tagged("a")])
      try await desk.project()
      // As if the third event had never been applied.
      try desk.execute(
        "UPDATE tallies_v1.tallies SET count = 2 WHERE count = 3")
      let reports = try await desk.rebuilder.check()
      let table = try #require(reports.first?.tables.first)
      #expect(!table.isEqual)
      #expect(
        table.firstDifference
          == [acme, ann].map { UUIDText.encode($0.value) }.joined(separator: " "))
      #expect(table.firstEvent == 3)
      #expect(table.differingOrgs == [acme])
      #expect(reports.first?.tables.last?.isEqual == true)
    }
  }

  @Test func `a line that is missing is found by its event`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a"), tagged("b"), tagged("c")])
      try await desk.project()
      try desk.execute("DELETE FROM tallies_v1.lines WHERE position = 2")
      let lines = try #require(try await desk.rebuilder.check().first?.tables.last)
      #expect(lines.firstEvent == 2)
    }
  }

  @Test func `a sample looks at one org alone`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.history.append(ann, [tagged("a"), tagged("b")], by: Who(org: other))
      try await desk.project()
      #expect(try desk.sample(Tallies.self, acme).isEqual)
      try desk.execute("UPDATE tallies_v1.tallies SET count = 1")
      #expect(try desk.sample(Tallies.self, acme).isEqual)
      let report = try desk.sample(Tallies.self, other)
      #expect(!report.isEqual)
      #expect(report.tables.first?.firstEvent == 3)
      #expect(
        try desk.table("SELECT checked_equal FROM daybook.projections") == ["f"])
      #expect(
        try desk.table("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%sample'") == ["0"])
    }
  }

  @Test func `a row that somebody changed is found without anybody asking`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a"), tagged("b")])
      try await desk.project()
      try desk.execute("UPDATE tallies_v1.tallies SET count = 7")
      let found = Mutex<[ProjectorNews]>([])
      var options = LiveProjector.Options()
      options.checkPause = .milliseconds(5)
      options.news = { news in
        if case .diverged = news { found.withLock { $0.append(news) } }
      }
      let projector = desk.projector(options)
      let running = Task { try await projector.run() }
      // A minute is a hang.
      for _ in 0..<6_000 where found.withLock({ $0.isEmpty }) {
        try await Task.sleep(for: .milliseconds(10))
      }
      running.cancel()
      _ = await running.result
      #expect(
        found.withLock { $0.first }
          == .diverged(projection: "tallies", table: "tallies", position: 1))
      // What the alarm metric is made of.
      let status = try ProjectionAdmin.list(PostgresConnection(desk.connectionString)).first
      #expect(status?.check?.isEqual == false)
    }
  }

  @Test func `a sample of an org with poison counts it as the live rows do`() async throws {
    try await withTallies { desk in
      let sick = Identifier(.contact, 0x51CC)
      try await desk.history.append(sick, [tagged("a"), tagged("poison"), tagged("b")])
      try await desk.project()
      #expect(try desk.sample(Tallies.self, acme).isEqual)
    }
  }
}

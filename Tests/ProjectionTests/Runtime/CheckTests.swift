import ContactsProjection
import Domain
import EventLog
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

  /// Keys go when the request is in the log, not when rows have come so far.
  @Test func `somebody who is erased between rows and log is no wrong row`() async throws {
    try await withDesk { desk in
      var desk = desk
      desk.projections = [ContactsProjection.self]
      let noted = "SELECT checked_equal FROM daybook.projections"
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(bob, [created("Bob")], by: Who(org: other))
      try await desk.project()
      let request = ErasureRequest(
        reason: .personAsked, by: "user:usr_1", atMicros: History.startMicros,
        addresses: .known([]))
      try await desk.history.append(ann, [.contact(.erasureRequested(request))])
      try await desk.history.log.erase([SubjectID(ann.value)], org: OrgID(acme.value))
      #expect(throws: ProjectionError.erasing(projection: "contacts")) {
        try desk.sample(ContactsProjection.self, acme)
      }
      #expect(try desk.table(noted) == ["-"])
      // The others' rows are judged, and found.
      try desk.execute("UPDATE \(ContactsProjection.schema).contacts SET first_name = 'x'")
      let report = try #require(try await desk.rebuilder.check().first)
      #expect(report.unjudgedOrgs == [acme])
      #expect(report.tables.flatMap(\.differingOrgs) == [other])
      try await desk.project()
      #expect(try desk.sample(ContactsProjection.self, acme).isEqual)
      #expect(try desk.table(noted) == ["f"])
    }
  }

  @Test func `that some accounts are right makes no others right that were found wrong`()
    async throws
  {
    try await withDesk { desk in
      var desk = desk
      desk.projections = [ContactsProjection.self]
      try await desk.history.append(ann, [created("Ann")])
      try await desk.project()
      try desk.execute("UPDATE daybook.projections SET checked_equal = false")
      let request = ErasureRequest(
        reason: .personAsked, by: "user:usr_1", atMicros: History.startMicros,
        addresses: .known([]))
      try await desk.history.append(ann, [.contact(.erasureRequested(request))])
      #expect(try await desk.rebuilder.check().first?.isEqual == true)
      #expect(try desk.table("SELECT checked_equal FROM daybook.projections") == ["f"])
      try await desk.project()
      try await desk.expectLiveEqualsRebuilt()
      #expect(try desk.table("SELECT checked_equal FROM daybook.projections") == ["t"])
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

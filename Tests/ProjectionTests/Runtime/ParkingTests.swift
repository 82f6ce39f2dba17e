import Domain
import EventLog
import Postgres
import ProjectionRuntime
import Synchronization
import Testing

/// Events that cannot be applied.
@Suite struct ParkingTests {
  @Test(arguments: [1, 4_000])
  func `poison waits with what is behind it, the rest goes on, and it is drained in order`(
    batchLimit: Int
  ) async throws {
    try await withTallies { desk in
      let sick = Identifier(.contact, UInt128(0x51C0 + batchLimit))
      try await desk.history.append(ann, [tagged("a")])
      try await desk.history.append(sick, [tagged("a"), tagged("poison")])
      try await desk.history.append(bob, [tagged("a")])
      try await desk.history.append(sick, [tagged("b")])
      try await desk.history.append(ann, [tagged("b")])
      try await desk.project(batchLimit: batchLimit)
      #expect(try desk.table(counts) == ["2", "1", "1"])
      #expect(
        try desk.table("SELECT position, type, code FROM daybook.parked ORDER BY position")
          == ["3 | contact.tagged | projection_poison", "5 | contact.tagged | -"])
      let status = try ProjectionAdmin.list(PostgresConnection(desk.connectionString))
      #expect(status.first?.parkedCount == 2)
      #expect(status.first?.position == 6)
      #expect(status.first?.state == .live)
      try await desk.expectLiveEqualsRebuilt()

      let stuck = try desk.drain(Tallies.self)
      #expect(stuck.appliedCount == 0)
      #expect(stuck.remainingCount == 2)
      TalliesFold.mend(sick)
      let drained = try desk.drain(Tallies.self)
      #expect(drained.appliedCount == 2)
      #expect(drained.remainingCount == 0)
      #expect(try desk.table(counts) == ["2", "1", "3"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a row that Postgres refuses is found among many events`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, (0..<40).map { tagged("t\($0)") })
      try await desk.history.append(bob, [tagged("a"), tagged("refused"), tagged("b")])
      try await desk.history.append(cid, (0..<40).map { tagged("t\($0)") })
      try await desk.project()
      #expect(try desk.table(counts) == ["40", "1", "40"])
      #expect(
        try desk.table("SELECT position, code IS NULL FROM daybook.parked ORDER BY position")
          == ["42 | f", "43 | t"])
    }
  }

  @Test func `a rebuild parks what the live projection parks`() async throws {
    try await withTallies { desk in
      let sick = Identifier(.contact, 0x51C9)
      try await desk.history.append(sick, [tagged("a"), tagged("poison"), tagged("b")])
      try await desk.history.append(bob, [tagged("a")])
      try await desk.project()
      let before = try desk.table("SELECT * FROM daybook.parked WHERE version = 1")
      let reports = try await desk.rebuilder.rebuild()
      #expect(reports.map(\.parkedCount) == [2])
      #expect(
        try desk.table("SELECT position FROM daybook.parked WHERE version = 1 ORDER BY 1")
          == ["2", "3"])
      #expect(before.count == 2)
      #expect(try desk.table(counts) == ["1", "1"])
    }
  }

  @Test func `a rebuild parks what Postgres refuses, and goes on`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, (0..<40).map { tagged("t\($0)") })
      try await desk.history.append(bob, [tagged("a"), tagged("refused"), tagged("b")])
      let sick = Identifier(.contact, 0x51CA)
      try await desk.history.append(sick, [tagged("a"), tagged("poison")])
      try await desk.history.append(cid, [tagged("t"), tagged("refused")])
      try await desk.project()
      let parked = "SELECT position, type, code FROM daybook.parked WHERE version = 1 ORDER BY 1"
      let before = try desk.table(parked)
      #expect(before.count == 4)
      try await desk.expectLiveEqualsRebuilt()
      let reports = try await desk.rebuilder.rebuild()
      #expect(reports.map(\.parkedCount) == [4])
      #expect(try desk.table(parked) == before)
      #expect(try desk.table(counts) == ["40", "1", "1", "1"])
      // The new rows go on as any.
      try await desk.history.append(ann, [tagged("more")])
      try await desk.project()
      #expect(try desk.table(counts) == ["41", "1", "1", "1"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a rebuild in which Postgres refuses too much changes nothing`() async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      for number in 0..<30 {
        desk.history.put(Identifier(.contact, UInt128(0x9A00 + number)), [tagged("refused")])
      }
      await #expect(throws: ProjectionError.self) { try await desk.rebuilder.rebuild() }
      #expect(try desk.table(counts) == ["1"])
    }
  }

  @Test func `a defect that hits everything stops the projection instead`() async throws {
    try await withTallies { desk in
      for number in 0..<80 {
        try await desk.history.append(
          Identifier(.contact, UInt128(0x9900 + number)), [tagged("poison")])
      }
      let stopped = Mutex<[String]>([])
      try await desk.project { news in
        if case .stopped(let name, _) = news { stopped.withLock { $0.append(name) } }
      }
      #expect(stopped.withLock { $0 } == ["tallies"])
      #expect(
        try desk.table("SELECT state, failed_code, position FROM daybook.projections")
          == ["stopped | projection_flooded | 0"])
    }
  }
}

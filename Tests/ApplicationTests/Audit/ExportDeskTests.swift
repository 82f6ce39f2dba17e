import Crypto
import Domain
import EventLog
import Foundation
import JSON
import Merkle
import Synchronization
import TestSupport
import Testing

@testable import Application

/// Exports that are kept on the server.
@Suite struct ExportDeskTests {
  private func order(
    _ fixture: ExportHouse, _ org: TestOrg, opensCredentials: Bool = true
  ) async throws -> AuditExportRecord {
    try await fixture.desk.begin(
      TestOrg.call, org: org.id, scope: .account, opensCredentials: opensCredentials
    ).record
  }

  private func finished(
    _ id: Identifier, _ fixture: ExportHouse, _ org: TestOrg
  ) async throws -> JSON {
    try await wait("the export is over") {
      fixture.desk.status(id, of: org.id)?["status"]?.string != "running"
    }
    return try #require(fixture.desk.status(id, of: org.id))
  }

  @Test func `what holds credentials says so for as long as it is kept`() async throws {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      for opens in [true, false] {
        let record = try await order(fixture, org, opensCredentials: opens)
        let begun = try await fixture.desk.start(record, org: org.id)
        let done = try await finished(record.id, fixture, org)
        for status in [begun, done] { #expect(status["opens_credentials"]?.bool == opens) }
        let archive = try #require(fixture.desk.archive(record.id, of: org.id))
        #expect(archive.opensCredentials == opens)
        let kept = try FileManager.default.subpathsOfDirectory(
          atPath: "\(fixture.directory)/exports/\(record.id)")
        #expect(kept.sorted() == ["bundle.tar", "export.json"])
      }
    }
  }

  /// Its process ended between the record and the writing, or its bundle went with an erasure.
  @Test func `a recorded order that nobody writes is begun when it is repeated, and once`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      let record = try await order(fixture, org)
      #expect(fixture.desk.status(record.id, of: org.id) == nil)
      async let first = fixture.desk.start(record, org: org.id)
      async let second = fixture.desk.start(record, org: org.id)
      let answers = try await [first, second]
      #expect(answers[0]["id"] == answers[1]["id"])
      let done = try await finished(record.id, fixture, org)
      #expect(done["status"] == "completed")
      #expect(try await fixture.desk.start(record, org: org.id) == done)
      try await fixture.desk.discardAll(of: org.id)
      #expect(fixture.desk.archive(record.id, of: org.id)?.path == nil)
      _ = try await fixture.desk.start(record, org: org.id)
      #expect(try await finished(record.id, fixture, org)["status"] == "completed")
    }
  }

  @Test func `an export goes after a day, whether or not another is ordered`() async throws {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      let record = try await order(fixture, org)
      _ = try await fixture.desk.start(record, org: org.id)
      _ = try await finished(record.id, fixture, org)
      let folder = "\(fixture.directory)/exports/\(record.id)"
      func age(hours: Double) throws {
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: -hours * 3_600)], ofItemAtPath: folder)
      }
      try age(hours: 23)
      #expect(fixture.desk.archive(record.id, of: org.id) != nil)
      try age(hours: 25)
      #expect(fixture.desk.archive(record.id, of: org.id)?.path == nil)
      #expect(try fixture.desk.statuses(of: org.id) == [])
      let next = try await order(fixture, org)
      _ = try await fixture.desk.start(next, org: org.id)
      #expect(!FileManager.default.fileExists(atPath: folder))
      _ = try await finished(next.id, fixture, org)
    }
  }

  @Test func `an erasure takes an export that is over a day old and not swept yet`() async throws {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      let record = try await order(fixture, org)
      _ = try await fixture.desk.start(record, org: org.id)
      _ = try await finished(record.id, fixture, org)
      let folder = "\(fixture.directory)/exports/\(record.id)"
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -25 * 3_600)], ofItemAtPath: folder)
      #expect(fixture.desk.status(record.id, of: org.id) == nil)
      try await fixture.desk.discardAll(of: org.id)
      #expect(!FileManager.default.fileExists(atPath: folder))
    }
  }

  @Test func `an account keeps twenty, and another account is not held up`() async throws {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      for _ in 0..<20 {
        try fixture.desk.requireRoom(org.id)
        _ = try await fixture.desk.start(try await order(fixture, org), org: org.id)
      }
      #expect(throws: CommandError.tooManyExports(limit: 20)) {
        try fixture.desk.requireRoom(org.id)
      }
      let other = try await fixture.house.org(number: "+12125550101")
      try fixture.desk.requireRoom(other.id)
      try await wait("all are written") {
        try fixture.desk.statuses(of: org.id).allSatisfy { $0["status"] == "completed" }
      }
    }
  }

  @Test func `of orders at the same moment, and of repeated ones, no more than twenty are kept`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      var records: [AuditExportRecord] = []
      for _ in 0..<25 { records.append(try await order(fixture, org)) }
      func begun() async throws -> Set<Identifier> {
        try await withThrowingTaskGroup(of: Identifier?.self) { group in
          for record in records {
            group.addTask {
              do {
                _ = try await fixture.desk.start(record, org: org.id)
                return record.id
              } catch CommandError.tooManyExports(limit: 20) {
                return nil
              }
            }
          }
          return try await group.reduce(into: []) { begun, id in
            if let id { begun.insert(id) }
          }
        }
      }
      let first = try await begun()
      #expect(first.count == 20)
      // Ordered again, those that are there are told of, and no other is begun.
      #expect(try await begun() == first)
      #expect(try fixture.desk.statuses(of: org.id).count == 20)
      try await wait("all are written") {
        try fixture.desk.statuses(of: org.id).allSatisfy { $0["status"] == "completed" }
      }
    }
  }

  @Test func `what failed takes no place of those that are kept`() async throws {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      for _ in 0..<20 {
        let record = try await order(fixture, org)
        _ = try await fixture.desk.start(record, org: org.id)
        _ = try await finished(record.id, fixture, org)
        let failed: JSON = ["status": "failed", "account": .string(org.id.text)]
        try Data(failed.bytes()).write(
          to: URL(filePath: "\(fixture.directory)/exports/\(record.id)/export.json"))
      }
      #expect(try fixture.desk.statuses(of: org.id).count { $0["status"] == "failed" } == 20)
      try fixture.desk.requireRoom(org.id)
      let record = try await order(fixture, org)
      _ = try await fixture.desk.start(record, org: org.id)
      #expect(try await finished(record.id, fixture, org)["status"] == "completed")
    }
  }

  /// Goal: nobody waits for all that another has ordered. Method: the first keeps the line until the others are in it.
  @Test func `accounts take turns`() async throws {
    let line = ExportLine()
    let (ann, bob, eve) = (Identifier(.org, 1), Identifier(.org, 2), Identifier(.org, 3))
    let written = Mutex<[UInt128]>([])
    let all = TestSupport.Gate()
    let isFull = DispatchSemaphore(value: 0)
    let orders = [(1, ann), (2, ann), (3, ann), (4, bob), (5, bob), (6, eve)]
    for (number, org) in orders {
      line.add(Identifier(.auditExport, UInt128(number)), of: org) {
        if number == 1 { isFull.wait() }
        written.withLock { $0.append(UInt128(number)) }
        if number == 3 { all.open() }
      }
    }
    #expect(line.contains(Identifier(.auditExport, 6)))
    isFull.signal()
    await all.wait()
    #expect(written.withLock { $0 } == [1, 4, 6, 2, 5, 3])
  }

  @Test func `what has not begun is called off without waiting for others'`() async throws {
    let line = ExportLine()
    let (ann, bob) = (Identifier(.org, 1), Identifier(.org, 2))
    let hasBegun = TestSupport.Gate()
    let mayEnd = DispatchSemaphore(value: 0)
    line.add(Identifier(.auditExport, 1), of: bob) {
      hasBegun.open()
      mayEnd.wait()
    }
    await hasBegun.wait()
    line.add(Identifier(.auditExport, 2), of: ann) { Issue.record("it was called off") }
    #expect(await line.callOff(ann) == nil)
    #expect(!line.contains(Identifier(.auditExport, 2)))
    mayEnd.signal()
    _ = await line.callOff(bob)
  }

  @Test func `a file of any size has its length in a tar file`() {
    for (byteCount, expected) in [(7, "00000000007"), (1 << 33 - 1, "77777777777")] {
      let field = TarFile.header("x", byteCount: byteCount)[124..<135]
      #expect(String(decoding: field, as: UTF8.self) == expected)
    }
    let large = TarFile.header("x", byteCount: 1 << 33 + 5)[124..<136]
    #expect(Array(large) == [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5])
  }
}

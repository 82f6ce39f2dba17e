import Application
import Domain
import EventCodec
import EventLog
import Testing

@Suite struct ImportIdempotencyTests {
  private let file = "name,phone\nAnn,305-555-0123\nBob,12\n"

  @Test func `the same key gives the first answer`() async throws {
    let fixture = try await ImportFixture()
    let first = try await fixture.run(file, key: "k")
    let count = try fixture.events().count
    let second = try await fixture.run(file, key: "k")
    #expect(first.counts == [1, 0, 0, 1])
    #expect(second.counts == first.counts)
    #expect(second.job == first.job)
    #expect(second.errors == first.errors)
    #expect(second.errorsCSV() == first.errorsCSV())
    #expect(second.lastPosition == first.lastPosition)
    #expect(!first.isReplay && second.isReplay)
    #expect(try fixture.events().count == count)
  }

  @Test func `an interrupted import goes on under its key and its job`() async throws {
    let before = try await ImportFixture()
    let rows = (0..<500).map { "c\($0)@example.com\n" }.joined()
    // The first commit of the import, as a crash behind it leaves it.
    let job = try await before.startedImport(rowCount: 500, key: "k")
    let fixture = try ImportFixture(restarting: before)
    _ = try await fixture.run("email\nc0@example.com\n")

    let report = try await fixture.run("email\n\(rows)", key: "k")
    #expect(report.job == job)
    #expect(report.counts == [499, 0, 1, 0])
    #expect(!report.isReplay)
    let state = try fixture.engine.importJob(job, of: fixture.executor.org).state
    #expect(state.outcome?.createdCount == 499)
    #expect(try await fixture.run("email\n\(rows)", key: "k").isReplay)
  }

  @Test func `the key of another file is refused`() async throws {
    let fixture = try await ImportFixture()
    _ = try await fixture.run(file, key: "k")
    let count = try fixture.events().count
    var call = ImportFixture.call()
    call.idempotencyKey = IdempotencyName("k", fingerprint: 2)
    let other = ContactImport(
      executor: fixture.executor, tools: fixture.engine.tools, options: ContactImport.Options(),
      call: call)
    await #expect(
      throws: ImportError.interrupted(afterRowCount: 0, .log(.idempotencyMismatch))
    ) { try await other.run(Array("email\nx@example.com\n".utf8)) }
    #expect(try fixture.events().count == count)
  }
}

extension ImportFixture {
  /// A job that started and never ended, under `key`.
  fileprivate func startedImport(rowCount: Int, key: String) async throws -> Identifier {
    let job = Identifier(.importJob, 7)
    let event = DomainEvent.importJob(
      .started(fingerprint: "f", rowCount: rowCount, mapping: []))
    let commit = Commit(
      org: OrgID(executor.org.value),
      events: [EventCodec.encode(event, stream: job, org: executor.org)],
      idempotencyKey: IdempotencyKey(name: key, fingerprint: 1),
      context: CommitContext(
        actor: "key:test", origin: "api", correlation: "req_test", occurredAtMicros: 0))
    _ = try await log.append(commit)
    return job
  }
}

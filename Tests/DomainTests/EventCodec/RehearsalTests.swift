import Domain
import EventCodec
import EventLog
import Testing

@Suite struct RehearsalTests {
  private func recorded(
    _ position: UInt64, _ type: String, version: UInt16 = 1, _ payload: String
  ) -> RecordedEvent {
    RecordedEvent(
      position: position, org: OrgID(1), orgSequence: position - 1, stream: StreamID(1),
      streamVersion: position, type: type, schemaVersion: version, recordedAtMicros: 1,
      context: CommitContext(
        actor: "user:usr_1", origin: "api", correlation: "req_1", occurredAtMicros: 1),
      commitPosition: position, commitCount: 1,
      parts: [.opened(subject: nil, payload: Array(payload.utf8))])
  }

  @Test func `what cannot be read is told by type, version, first position and reason`() {
    var rehearsal = Rehearsal()
    let good = #"{"by_micros":5}"#
    rehearsal.take(recorded(1, "org.clock_advanced", good))
    rehearsal.take(recorded(2, "org.clock_advanced", version: 9, good))
    rehearsal.take(recorded(3, "org.clock_advanced", version: 9, good))
    rehearsal.take(recorded(4, "org.clock_advanced", #"{"by_micros":"x"}"#))
    rehearsal.take(recorded(5, "thing.unheard_of", "{}"))
    #expect(rehearsal.eventCount == 5 && rehearsal.failedCount == 4)
    #expect(rehearsal.counts.count == 3)
    #expect(
      rehearsal.failures.map { "\($0.type) \($0.schemaVersion) \($0.position) \($0.count)" } == [
        "org.clock_advanced 9 2 2", "org.clock_advanced 1 4 1", "thing.unheard_of 1 5 1",
      ])
    #expect(
      rehearsal.failures.map(\.reason) == [
        "event_version_unsupported: org.clock_advanced version 9",
        "event_field_invalid: org.clock_advanced, field by_micros",
        "event_type_unknown: thing.unheard_of",
      ])
  }

  @Test func `this program reads every version of every type that it ever wrote`() {
    #expect(EventCodec.gap == nil)
  }
}

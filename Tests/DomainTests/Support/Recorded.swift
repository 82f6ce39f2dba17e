import EventLog

extension RecordedEvent {
  /// `event` as the log would give it back.
  static func storing(_ event: NewEvent, isErased: Bool = false) -> RecordedEvent {
    let parts = event.parts.map { part -> RecordedPart in
      if isErased, let subject = part.subject { return .erased(subject: subject) }
      return .opened(subject: part.subject, payload: part.payload)
    }
    return recorded(event.type, parts, stream: event.stream, version: event.schemaVersion)
  }

  /// An event with these payloads, the first of them not personal.
  static func storing(
    _ type: String, _ payloads: String..., version: UInt16 = 1, position: UInt64 = 1
  ) -> RecordedEvent {
    storing(type, payloads: payloads, version: version, position: position)
  }

  static func storing(
    _ type: String, payloads: [String], version: UInt16, position: UInt64 = 1
  ) -> RecordedEvent {
    let parts = payloads.enumerated().map { index, payload in
      RecordedPart.opened(
        subject: index == 0 ? nil : SubjectID(9), payload: Array(payload.utf8))
    }
    return recorded(type, parts, stream: StreamID(9), version: version, position: position)
  }

  private static func recorded(
    _ type: String, _ parts: [RecordedPart], stream: StreamID, version: UInt16,
    position: UInt64 = 1
  ) -> RecordedEvent {
    RecordedEvent(
      position: position, org: OrgID(7), orgSequence: 0, stream: stream, streamVersion: 1,
      type: type, schemaVersion: version, recordedAtMicros: 1_763_600_000_000_000,
      context: CommitContext(
        actor: "system:test", origin: "cli", correlation: "req_1",
        occurredAtMicros: 1_763_600_000_000_000),
      commitPosition: position, commitCount: 1, parts: parts)
  }
}

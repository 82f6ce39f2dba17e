// What goes into the log and what comes out of it. The log knows nothing of CRM: an event is a type
// name, a schema version and payload bytes, in parts that belong to the org or to one person.

/// 16 bytes without their alignment: an async closure that captures several values aligned to 16 bytes
/// calls through a null pointer (Swift 6.3.1).
private struct Halves: Hashable, Sendable {
  private let high: UInt64
  private let low: UInt64

  init(_ value: UInt128) {
    high = UInt64(truncatingIfNeeded: value >> 64)
    low = UInt64(truncatingIfNeeded: value)
  }

  var value: UInt128 { UInt128(high) << 64 | UInt128(low) }
}

/// A tenant: the boundary of isolation, of ordering and of proof. 16 random bytes.
package struct OrgID: Hashable, Sendable, Comparable {
  private let halves: Halves

  package var value: UInt128 { halves.value }

  package init(_ value: UInt128) { halves = Halves(value) }

  package static func < (left: OrgID, right: OrgID) -> Bool { left.value < right.value }
}

/// One aggregate's events inside its org. 16 bytes, never derived from personal data.
package struct StreamID: Hashable, Sendable, Comparable {
  private let halves: Halves

  package var value: UInt128 { halves.value }

  package init(_ value: UInt128) { halves = Halves(value) }

  package static func < (left: StreamID, right: StreamID) -> Bool { left.value < right.value }
}

/// A person whose data a part holds: the holder of a key in the vault.
package struct SubjectID: Hashable, Sendable, Comparable {
  private let halves: Halves

  package var value: UInt128 { halves.value }

  package init(_ value: UInt128) { halves = Halves(value) }

  package static func < (left: SubjectID, right: SubjectID) -> Bool { left.value < right.value }
}

/// Payload bytes that one key opens: exactly what the domain's encoder produced, never re-serialised.
package struct Part: Equatable, Sendable {
  /// Whose key seals the bytes; nil for the part that is not personal (the org's key).
  package let subject: SubjectID?
  package let payload: [UInt8]

  package init(subject: SubjectID?, payload: [UInt8]) {
    self.subject = subject
    self.payload = payload
  }
}

/// An event that is not in the log yet.
package struct NewEvent: Equatable, Sendable {
  package let stream: StreamID
  /// ASCII, 1 to 64 bytes, such as `contact.created`. Visible for ever, also after an erasure.
  package let type: String
  package let schemaVersion: UInt16
  /// At least one and at most 255. Part 0 is the one under the org's key (`subject == nil`).
  package let parts: [Part]

  package init(stream: StreamID, type: String, schemaVersion: UInt16, parts: [Part]) {
    self.stream = stream
    self.type = type
    self.schemaVersion = schemaVersion
    self.parts = parts
  }
}

/// What a stream has to look like for a commit to be accepted.
package enum ExpectedVersion: Equatable, Sendable {
  case noStream
  /// The version of the stream's last event; its first event has version 1.
  case exactly(UInt64)
  case any
}

/// Who did it, on whose behalf and because of what. Not personal: ids and names of parts of the
/// system, never people's names or addresses.
package struct CommitContext: Equatable, Sendable {
  /// `user:usr_…`, `key:key_…`, `system:dispatcher`, `provider:twilio`, …
  package var actor: String
  /// Where it entered: `api`, `console`, `cli`, `import`, `webhook`, `timer`, `reactor`.
  package var origin: String
  /// The request id (`req_…`) that all consequences share.
  package var correlation: String
  /// Position of the event that this commit reacts to; nil for what came from outside.
  package var causation: UInt64?
  /// How many reactions lie between this commit and the outside world.
  package var depth: UInt16
  /// The org's own clock, microseconds since 1970 (test orgs have one that can be advanced).
  package var occurredAtMicros: Int64

  package init(
    actor: String, origin: String, correlation: String, causation: UInt64? = nil,
    depth: UInt16 = 0, occurredAtMicros: Int64
  ) {
    self.actor = actor
    self.origin = origin
    self.correlation = correlation
    self.causation = causation
    self.depth = depth
    self.occurredAtMicros = occurredAtMicros
  }
}

/// A key under which a commit happens once, for ever, and the request that used it.
package struct IdempotencyKey: Equatable, Sendable {
  /// Scope and key in one, such as `POST /api/contacts|8f14e45f`; unique inside the org. Any length:
  /// the log stores a hash.
  package let name: String
  /// Hash of the request: the same name with another fingerprint is an error. It is in the log as it is, also when the
  /// request's parts are gone: by a key, so that nobody finds by guessing what was asked.
  package let fingerprint: UInt128
  /// What the same request would have had under an earlier way of making fingerprints; nil: there was none.
  package let formerFingerprint: UInt128?

  package init(name: String, fingerprint: UInt128, formerFingerprint: UInt128? = nil) {
    self.name = name
    self.fingerprint = fingerprint
    self.formerFingerprint = formerFingerprint
  }

  /// Whether what was recorded with `recorded` is the same request.
  func fits(_ recorded: UInt128) -> Bool {
    recorded == fingerprint || recorded == formerFingerprint
  }
}

/// The events of one accepted command: one org, one or more streams, all or nothing.
package struct Commit: Sendable {
  package var org: OrgID
  package var events: [NewEvent]
  /// Streams not named here are not checked.
  package var expected: [StreamID: ExpectedVersion]
  package var idempotencyKey: IdempotencyKey?
  package var context: CommitContext
  /// The org sequence that the first event must get; nil: any. Whoever decides on state that is not
  /// flushed yet sets it: after a failed append everything built on top of it is refused too, with
  /// `EventLogError.sequenceConflict`.
  package var expectedOrgSequence: UInt64?

  package init(
    org: OrgID, events: [NewEvent], expected: [StreamID: ExpectedVersion] = [:],
    idempotencyKey: IdempotencyKey? = nil, context: CommitContext,
    expectedOrgSequence: UInt64? = nil
  ) {
    self.org = org
    self.events = events
    self.expected = expected
    self.idempotencyKey = idempotencyKey
    self.context = context
    self.expectedOrgSequence = expectedOrgSequence
  }
}

/// Proof that a commit is on disk.
package struct Receipt: Equatable, Sendable {
  /// Position of the commit's first event; the others follow without a gap.
  package let firstPosition: UInt64
  package let eventCount: Int
  /// Org sequence (leaf index, from 0) of the commit's first event.
  package let firstOrgSequence: UInt64
  /// The commit's streams in the order of their first event, each with its version afterwards.
  package let versions: [StreamVersion]
  /// When the log took it, microseconds since 1970, never decreasing.
  package let recordedAtMicros: Int64
  /// True where the idempotency key was known: nothing was appended and this is the first answer.
  package let isReplay: Bool

  package var lastPosition: UInt64 { firstPosition + UInt64(eventCount) - 1 }

  package init(
    firstPosition: UInt64, eventCount: Int, firstOrgSequence: UInt64, versions: [StreamVersion],
    recordedAtMicros: Int64, isReplay: Bool
  ) {
    self.firstPosition = firstPosition
    self.eventCount = eventCount
    self.firstOrgSequence = firstOrgSequence
    self.versions = versions
    self.recordedAtMicros = recordedAtMicros
    self.isReplay = isReplay
  }
}

package struct StreamVersion: Equatable, Sendable {
  package let stream: StreamID
  package let version: UInt64

  package init(stream: StreamID, version: UInt64) {
    self.stream = stream
    self.version = version
  }
}

/// A part as read: its bytes, or the fact that its subject was erased.
package enum RecordedPart: Equatable, Sendable {
  case opened(subject: SubjectID?, payload: [UInt8])
  case erased(subject: SubjectID)
}

/// An event in the log.
package struct RecordedEvent: Equatable, Sendable {
  package let position: UInt64
  package let org: OrgID
  /// Place in the org's own book, from 0.
  package let orgSequence: UInt64
  package let stream: StreamID
  /// From 1, contiguous per stream.
  package let streamVersion: UInt64
  package let type: String
  package let schemaVersion: UInt16
  package let recordedAtMicros: Int64
  package let context: CommitContext
  /// Position of the first event of the same commit, and how many events it has.
  package let commitPosition: UInt64
  package let commitCount: Int
  package let parts: [RecordedPart]

  package init(
    position: UInt64, org: OrgID, orgSequence: UInt64, stream: StreamID, streamVersion: UInt64,
    type: String, schemaVersion: UInt16, recordedAtMicros: Int64, context: CommitContext,
    commitPosition: UInt64, commitCount: Int, parts: [RecordedPart]
  ) {
    self.position = position
    self.org = org
    self.orgSequence = orgSequence
    self.stream = stream
    self.streamVersion = streamVersion
    self.type = type
    self.schemaVersion = schemaVersion
    self.recordedAtMicros = recordedAtMicros
    self.context = context
    self.commitPosition = commitPosition
    self.commitCount = commitCount
    self.parts = parts
  }
}

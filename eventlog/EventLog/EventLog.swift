// The log's ports. `LMDBEventLog` (durable) and `MemoryEventLog` (tests) pass the same conformance
// suite. One process writes; any process reads by mapping the same environment (`LMDBLogReader`).

/// Which events a reader wants. Blocks without any of them are skipped undecompressed.
package struct EventFilter: Equatable, Sendable {
  package var org: OrgID?
  /// nil: all types.
  package var types: Set<String>?

  package static let all = EventFilter()

  package init(org: OrgID? = nil, types: Set<String>? = nil) {
    self.org = org
    self.types = types
  }

  package func matches(_ event: RecordedEvent) -> Bool {
    (org == nil || org == event.org) && (types?.contains(event.type) ?? true)
  }
}

/// A stretch of the log in order.
package struct Page: Sendable {
  package let events: [RecordedEvent]
  /// Every event up to this position that matches is in `events` or in an earlier page: pass it as
  /// `after` to go on. Equals the given `after` where the log has nothing more.
  package let scannedTo: UInt64

  package init(events: [RecordedEvent], scannedTo: UInt64) {
    self.events = events
    self.scannedTo = scannedTo
  }
}

package enum Direction: Sendable {
  case forwards
  case backwards
}

/// What any process may ask of the log. Calls block for as long as a read of mapped memory takes.
package protocol EventReader: AnyObject, Sendable {
  /// Position of the last durable event; 0 for an empty log.
  func head() throws(EventLogError) -> UInt64

  /// The events after `position` in order: at most about `limit` of them, whole commits always.
  /// Returns early with no events but a larger `scannedTo` after a long stretch without a match.
  func read(after position: UInt64, limit: Int, filter: EventFilter) throws(EventLogError) -> Page

  /// A stream's events: versions from `version` upwards, or, backwards, from `version` downwards.
  /// At most `limit`. Empty where the stream has none.
  func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent]

  /// An org's events from `orgSequence` on, in order, at most `limit`.
  func readOrg(_ org: OrgID, from orgSequence: UInt64, limit: Int) throws(EventLogError)
    -> [RecordedEvent]

  /// The orgs that have events, and how many each has.
  func orgs() throws(EventLogError) -> [OrgID: UInt64]

  /// The receipt of the commit that used this key (`isReplay` set), or nil.
  ///
  /// - Throws: `idempotencyMismatch` where the key was used with another fingerprint.
  func receipt(org: OrgID, idempotencyKey: IdempotencyKey) throws(EventLogError) -> Receipt?

  /// Returns as soon as the head is beyond `position`, at the latest after `timeoutMillis`, with the
  /// head. Waits without polling and without holding a thread of the cooperative pool.
  func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64
}

/// Whether the log takes commits.
package enum WriterHealth: Equatable, Sendable {
  case writable
  /// The disk is full or fails: commits are refused with `reason` until a flush succeeds again, which is tried all the
  /// time.
  case readOnly(reason: EventLogError, sinceMicros: Int64)
}

/// The one writer.
package protocol EventLogWriter: EventReader {
  /// As of the last flush that was tried.
  var health: WriterHealth { get }

  /// Queues a commit. Commits of one caller are taken in the order of its calls: enqueue never
  /// suspends. Nothing is promised until `PendingAppend.receipt()` returns.
  func enqueue(_ commit: Commit) -> PendingAppend

  /// Flushes what is queued and refuses the rest. Idempotent.
  func close() async
}

extension EventLogWriter {
  /// Appends and waits for the flush.
  package func append(_ commit: Commit) async throws(EventLogError) -> Receipt {
    try await enqueue(commit).receipt()
  }
}

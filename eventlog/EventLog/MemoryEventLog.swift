import Synchronization

/// The log in memory, for tests and as the model that `LMDBEventLog` is checked against: the same
/// answers, nothing on disk. An append is decided inside `enqueue`.
package final class MemoryEventLog: EventLogWriter, SubjectEraser {
  private struct StreamKey: Hashable {
    let org: OrgID
    let stream: StreamID
  }

  private struct RequestKey: Hashable {
    let org: OrgID
    let name: String
  }

  private struct Answer {
    let fingerprint: UInt128
    let receipt: Receipt
  }

  private struct SubjectKey: Hashable {
    let org: OrgID
    let subject: SubjectID
  }

  private struct State {
    var events: [RecordedEvent] = []
    /// Indexes into `events`, in order.
    var byOrg: [OrgID: [Int]] = [:]
    var byStream: [StreamKey: [Int]] = [:]
    var answers: [RequestKey: Answer] = [:]
    var erased: Set<SubjectKey> = []
    var recordedAtMicros = Int64.min
    var isClosed = false
  }

  /// How far one `read` looks without a match before it returns.
  static let maxScanCount = 65_536

  private let state = Mutex(State())
  private let waiters = HeadWaiters(head: 0)
  private let nowMicros: @Sendable () -> Int64

  package init(nowMicros: @escaping @Sendable () -> Int64 = { SystemClock.nowMicros() }) {
    self.nowMicros = nowMicros
  }
}

// MARK: - Writing

extension MemoryEventLog {
  /// Memory does not fill up in a test.
  package var health: WriterHealth { .writable }

  package func enqueue(_ commit: Commit) -> PendingAppend {
    let pending = PendingAppend()
    let now = nowMicros()
    let outcome = state.withLock { state in
      Result { () throws(EventLogError) in try Self.append(commit, to: &state, now: now) }
    }
    if case .success(let receipt) = outcome { waiters.advance(to: receipt.lastPosition) }
    pending.resolve(outcome)
    return pending
  }

  package func close() async {
    state.withLock { $0.isClosed = true }
    waiters.close()
  }

  package func destroyKeys(
    of subjects: Set<SubjectID>, org: OrgID
  ) async throws(EventLogError) { try await erase(subjects, org: org) }

  package func erase(_ subjects: Set<SubjectID>, org: OrgID) async throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      guard !state.isClosed else { throw .closed }
      for subject in subjects { state.erased.insert(SubjectKey(org: org, subject: subject)) }
      for index in state.byOrg[org] ?? [] {
        state.events[index] = state.events[index].erasing(subjects)
      }
    }
  }

  private static func append(
    _ commit: Commit, to state: inout State, now: Int64
  ) throws(EventLogError) -> Receipt {
    guard !state.isClosed else { throw .closed }
    try CommitRules.check(commit)
    if let known = try answer(to: commit, in: state) { return known }
    try checkSequence(of: commit, in: state)
    try checkVersions(of: commit, in: state)
    try checkSubjects(of: commit, in: state)
    state.recordedAtMicros = max(state.recordedAtMicros, now)
    let receipt = store(commit, in: &state)
    if let key = commit.idempotencyKey {
      state.answers[RequestKey(org: commit.org, name: key.name)] = Answer(
        fingerprint: key.fingerprint, receipt: receipt)
    }
    return receipt
  }

  private static func answer(
    to commit: Commit, in state: State
  ) throws(EventLogError) -> Receipt? {
    guard let key = commit.idempotencyKey else { return nil }
    return try answer(org: commit.org, key: key, in: state)
  }

  private static func answer(
    org: OrgID, key: IdempotencyKey, in state: State
  ) throws(EventLogError) -> Receipt? {
    guard let answer = state.answers[RequestKey(org: org, name: key.name)] else { return nil }
    guard key.fits(answer.fingerprint) else { throw .idempotencyMismatch }
    return answer.receipt.asReplay()
  }

  private static func checkSequence(of commit: Commit, in state: State) throws(EventLogError) {
    guard let expected = commit.expectedOrgSequence else { return }
    let actual = UInt64(state.byOrg[commit.org]?.count ?? 0)
    guard expected == actual else {
      throw .sequenceConflict(expected: expected, actual: actual)
    }
  }

  private static func checkVersions(of commit: Commit, in state: State) throws(EventLogError) {
    for (stream, expected) in commit.expected.sorted(by: { $0.key < $1.key }) {
      let key = StreamKey(org: commit.org, stream: stream)
      let actual = UInt64(state.byStream[key]?.count ?? 0)
      guard expected.accepts(actual) else {
        throw .versionConflict(stream: stream, expected: expected, actual: actual)
      }
    }
  }

  private static func checkSubjects(of commit: Commit, in state: State) throws(EventLogError) {
    guard !state.erased.isEmpty else { return }
    for event in commit.events {
      for case let subject? in event.parts.lazy.map(\.subject)
      where state.erased.contains(SubjectKey(org: commit.org, subject: subject)) {
        throw .invalidCommit(reason: "a part of an erased subject")
      }
    }
  }

  private static func store(_ commit: Commit, in state: inout State) -> Receipt {
    let firstPosition = UInt64(state.events.count) + 1
    let firstOrgSequence = UInt64(state.byOrg[commit.org]?.count ?? 0)
    var order: [StreamID] = []
    for (offset, event) in commit.events.enumerated() {
      if !order.contains(event.stream) { order.append(event.stream) }
      let index = state.events.count
      let key = StreamKey(org: commit.org, stream: event.stream)
      state.byStream[key, default: []].append(index)
      state.byOrg[commit.org, default: []].append(index)
      state.events.append(
        RecordedEvent(
          position: firstPosition + UInt64(offset), org: commit.org,
          orgSequence: firstOrgSequence + UInt64(offset), stream: event.stream,
          streamVersion: UInt64(state.byStream[key]?.count ?? 0), type: event.type,
          schemaVersion: event.schemaVersion, recordedAtMicros: state.recordedAtMicros,
          context: commit.context, commitPosition: firstPosition,
          commitCount: commit.events.count,
          parts: event.parts.map { .opened(subject: $0.subject, payload: $0.payload) }))
    }
    let versions = order.map { stream in
      let key = StreamKey(org: commit.org, stream: stream)
      return StreamVersion(stream: stream, version: UInt64(state.byStream[key]?.count ?? 0))
    }
    return Receipt(
      firstPosition: firstPosition, eventCount: commit.events.count,
      firstOrgSequence: firstOrgSequence, versions: versions,
      recordedAtMicros: state.recordedAtMicros, isReplay: false)
  }
}

// MARK: - Reading

extension MemoryEventLog {
  package func head() throws(EventLogError) -> UInt64 {
    state.withLock { UInt64($0.events.count) }
  }

  package func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    state.withLock { state in
      let start = Int(clamping: position)
      var found: [RecordedEvent] = []
      var index = start
      while index < state.events.count {
        let event = state.events[index]
        if event.position == event.commitPosition,
          found.count >= max(limit, 1) || index - start >= Self.maxScanCount
        {
          break
        }
        if filter.matches(event) { found.append(event) }
        index += 1
      }
      return Page(events: found, scannedTo: index > start ? UInt64(index) : position)
    }
  }

  package func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    state.withLock { state in
      let indexes = state.byStream[StreamKey(org: org, stream: stream)] ?? []
      switch direction {
      case .forwards:
        let start = Int(clamping: max(version, 1) - 1)
        return indexes.dropFirst(start).prefix(max(limit, 0)).map { state.events[$0] }
      case .backwards:
        let reachable = indexes.prefix(Int(clamping: version))
        return reachable.reversed().prefix(max(limit, 0)).map { state.events[$0] }
      }
    }
  }

  package func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    state.withLock { state in
      let indexes = state.byOrg[org] ?? []
      return indexes.dropFirst(Int(clamping: orgSequence)).prefix(max(limit, 0))
        .map { state.events[$0] }
    }
  }

  package func orgs() throws(EventLogError) -> [OrgID: UInt64] {
    state.withLock { $0.byOrg.mapValues { UInt64($0.count) } }
  }

  package func receipt(
    org: OrgID, idempotencyKey: IdempotencyKey
  ) throws(EventLogError) -> Receipt? {
    try state.withLock { state throws(EventLogError) in
      try Self.answer(org: org, key: idempotencyKey, in: state)
    }
  }

  package func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    try await waiters.wait(beyond: position, timeoutMillis: timeoutMillis)
  }
}

extension Receipt {
  /// The same answer, given again.
  func asReplay() -> Receipt {
    Receipt(
      firstPosition: firstPosition, eventCount: eventCount, firstOrgSequence: firstOrgSequence,
      versions: versions, recordedAtMicros: recordedAtMicros, isReplay: true)
  }
}

extension RecordedEvent {
  fileprivate func erasing(_ subjects: Set<SubjectID>) -> RecordedEvent {
    func erased(_ part: RecordedPart) -> RecordedPart {
      guard let subject = part.subject, subjects.contains(subject) else { return part }
      return .erased(subject: subject)
    }
    return RecordedEvent(
      position: position, org: org, orgSequence: orgSequence, stream: stream,
      streamVersion: streamVersion, type: type, schemaVersion: schemaVersion,
      recordedAtMicros: recordedAtMicros, context: context, commitPosition: commitPosition,
      commitCount: commitCount,
      parts: parts.map(erased))
  }
}

extension RecordedPart {
  /// Whose part it is; nil for the org's.
  package var subject: SubjectID? {
    switch self {
    case .opened(let subject, _): subject
    case .erased(let subject): subject
    }
  }
}

import EventLog
import Synchronization

/// A log whose appends fail when it is told to, before or after the bytes are on disk.
final class FaultyLog: EventLogWriter {
  enum Fault: Sendable {
    /// Nothing was stored.
    case refuse(EventLogError)
    /// Stored, and yet nobody knows.
    case storeAndFail
    /// Stored once `release` is called.
    case delay
  }

  private struct State {
    var faults: [Fault] = []
    var delayed: [(Commit, PendingAppend)] = []
    /// Commits that came while others were held back: they come after them.
    var isHolding = false
    var reactorRefusals: [EventLogError] = []
    /// The type of event whose first append is held back.
    var delayedType: String?
    /// Whether books can be read.
    var isReadable = true
    /// Events of streams that were read.
    var readCount = 0
  }

  private let inner: any EventLogWriter
  private let state = Mutex(State())

  init(_ inner: any EventLogWriter) { self.inner = inner }

  /// What becomes of the next appends, one each.
  func next(_ faults: Fault...) { state.withLock { $0.faults += faults } }

  /// Holds back the first append with an event of this type, and what comes after it.
  func next(delayingFirst type: String) { state.withLock { $0.delayedType = type } }

  /// Refuses the next appends of reactors, and lets everybody else's pass.
  func refuseReactors(_ count: Int, with error: EventLogError) {
    state.withLock { $0.reactorRefusals += Array(repeating: error, count: count) }
  }

  /// Whether an org's book can be read.
  func setReadable(_ isReadable: Bool) { state.withLock { $0.isReadable = isReadable } }

  /// How many events of streams were read so far.
  var readCount: Int { state.withLock { $0.readCount } }

  /// How many appends wait for `release`.
  var delayedCount: Int { state.withLock { $0.delayed.count } }

  /// Stores what was delayed, or refuses it with `error`; what came after follows in order.
  func release(failingFirstWith error: EventLogError? = nil) async {
    let delayed = state.withLock { state in
      state.isHolding = false
      defer { state.delayed = [] }
      return state.delayed
    }
    for (index, (commit, pending)) in delayed.enumerated() {
      if index == 0, let error {
        pending.resolve(.failure(error))
      } else {
        await forward(commit, to: pending)
      }
    }
  }

  private func forward(_ commit: Commit, to pending: PendingAppend) async {
    do throws(EventLogError) {
      pending.resolve(.success(try await inner.append(commit)))
    } catch {
      pending.resolve(.failure(error))
    }
  }

  var health: WriterHealth { inner.health }

  func enqueue(_ commit: Commit) -> PendingAppend {
    let pending = PendingAppend()
    let fault = state.withLock { state -> Fault? in
      if state.isHolding {
        state.delayed.append((commit, pending))
        return .delay
      }
      if commit.context.origin == "reactor", let error = state.reactorRefusals.popLast() {
        return .refuse(error)
      }
      if let type = state.delayedType, commit.events.contains(where: { $0.type == type }) {
        state.delayedType = nil
        state.faults.insert(.delay, at: 0)
      }
      guard !state.faults.isEmpty else { return nil }
      let fault = state.faults.removeFirst()
      if case .delay = fault {
        state.isHolding = true
        state.delayed.append((commit, pending))
      }
      return fault
    }
    switch fault {
    case nil: return inner.enqueue(commit)
    case .delay: return pending
    case .refuse(let error):
      pending.resolve(.failure(error))
      return pending
    case .storeAndFail:
      let stored = inner.enqueue(commit)
      Task {
        do throws(EventLogError) {
          _ = try await stored.receipt()
          pending.resolve(.failure(.outcomeUnknown(reason: "told to fail")))
        } catch {
          pending.resolve(.failure(error))
        }
      }
      return pending
    }
  }

  func close() async { await inner.close() }
  func head() throws(EventLogError) -> UInt64 { try inner.head() }
  func orgs() throws(EventLogError) -> [OrgID: UInt64] { try inner.orgs() }

  func read(
    after position: UInt64, limit: Int, filter: EventFilter
  ) throws(EventLogError) -> Page {
    try inner.read(after: position, limit: limit, filter: filter)
  }

  func readStream(
    org: OrgID, stream: StreamID, from version: UInt64, limit: Int, direction: Direction
  ) throws(EventLogError) -> [RecordedEvent] {
    let events = try inner.readStream(
      org: org, stream: stream, from: version, limit: limit, direction: direction)
    state.withLock { $0.readCount += events.count }
    return events
  }

  func readOrg(
    _ org: OrgID, from orgSequence: UInt64, limit: Int
  ) throws(EventLogError) -> [RecordedEvent] {
    guard state.withLock({ $0.isReadable }) else { throw .overloaded(waiting: 1) }
    return try inner.readOrg(org, from: orgSequence, limit: limit)
  }

  func receipt(
    org: OrgID, idempotencyKey: IdempotencyKey
  ) throws(EventLogError) -> Receipt? {
    try inner.receipt(org: org, idempotencyKey: idempotencyKey)
  }

  func waitForHead(beyond position: UInt64, timeoutMillis: Int) async throws -> UInt64 {
    try await inner.waitForHead(beyond: position, timeoutMillis: timeoutMillis)
  }
}

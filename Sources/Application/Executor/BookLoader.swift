import Dispatch
import Domain
import EventCodec
import EventLog
import Synchronization

/// What reading the books took at a start.
package struct LoadReport: Sendable, Equatable {
  package var orgCount = 0
  /// Orgs whose state came from a snapshot, at least for the most part.
  package var snapshotCount = 0
  /// Events that were folded because no snapshot held them.
  package var foldedCount: UInt64 = 0
  package var tookMillis: Int64 = 0
}

/// Reads orgs' states: from their snapshots, and the events after those from the log.
struct BookLoader: Sendable {
  let log: any EventReader
  let snapshots: SnapshotFolder?
  /// For the contacts of each org.
  var contacts = ContactMemory()

  private static let pageSize = 5_000

  /// One org's state as of the end of its book.
  func load(_ org: Identifier) throws(CommandError) -> OrgState {
    let start = snapshot(of: org, erasedCount: try erasedCounts()[OrgID(org.value)] ?? 0)
    let state = start ?? OrgState(org: org, contacts: contacts)
    try finish(state)
    return state
  }

  /// All orgs' states. Blocks for as long as that takes.
  func loadAll() throws(CommandError) -> (states: [Identifier: OrgState], report: LoadReport) {
    let began = EventLog.SystemClock.monotonicNanos()
    let counts = try reading { () throws(EventLogError) in try log.orgs() }
    var states = try snapshots(of: counts.keys.map { Identifier(.org, $0.value) })
    var report = LoadReport(orgCount: counts.count, snapshotCount: states.count)
    for org in counts.keys where states[Identifier(.org, org.value)] == nil {
      states[Identifier(.org, org.value)] = OrgState(
        org: Identifier(.org, org.value), contacts: contacts)
    }
    report.foldedCount = states.values.reduce(0) { sum, state in
      sum + (counts[OrgID(state.org.value)] ?? 0) - state.nextOrgSequence
    }
    try foldRest(of: states, counts)
    for state in states.values { try state.requireSound() }
    report.tookMillis = (EventLog.SystemClock.monotonicNanos() - began) / 1_000_000
    return (states, report)
  }

  private func reading<Value>(
    _ body: () throws(EventLogError) -> Value
  ) throws(CommandError) -> Value {
    do throws(EventLogError) {
      return try body()
    } catch {
      throw .log(error)
    }
  }
}

// MARK: - Snapshots

extension BookLoader {
  private func erasedCounts() throws(CommandError) -> [OrgID: UInt64] {
    guard snapshots != nil, let anchor = log as? any CacheAnchor else { return [:] }
    return try reading { () throws(EventLogError) in try anchor.erasedCounts() }
  }

  private func snapshot(of org: Identifier, erasedCount: UInt64) -> OrgState? {
    guard let snapshots, let anchor = log as? any CacheAnchor else { return nil }
    return snapshots.state(
      of: org, erasedCount: erasedCount, anchor: anchor, contacts: contacts)
  }

  /// On all cores.
  private func snapshots(
    of orgs: [Identifier]
  ) throws(CommandError) -> [Identifier: OrgState] {
    guard snapshots != nil else { return [:] }
    let erased = try erasedCounts()
    let states = Mutex<[Identifier: OrgState]>([:])
    DispatchQueue.concurrentPerform(iterations: orgs.count) { index in
      let org = orgs[index]
      let state = snapshot(of: org, erasedCount: erased[OrgID(org.value)] ?? 0)
      if let state { states.withLock { $0[org] = state } }
    }
    return states.withLock { $0 }
  }
}

// MARK: - What came after

extension BookLoader {
  /// Folds what is left: one scan for most orgs, and those that would make it long for a few events by themselves.
  private func foldRest(
    of states: [Identifier: OrgState], _ counts: [OrgID: UInt64]
  ) throws(CommandError) {
    let head = try reading { () throws(EventLogError) in try log.head() }
    let rests = states.values.map { state in
      Rest(
        position: state.lastPosition,
        eventCount: (counts[OrgID(state.org.value)] ?? 0) - state.nextOrgSequence)
    }
    let start = Rest.scanStart(rests, head: head)
    for state in states.values where state.lastPosition < start { try finish(state) }
    try scan(from: start, into: states)
  }

  /// Folds the rest of one org's book.
  func finish(_ state: OrgState) throws(CommandError) {
    let org = OrgID(state.org.value)
    var loader = OrgLoader(log: log)
    while true {
      let next = state.nextOrgSequence
      let page = try reading { () throws(EventLogError) in
        try log.readOrg(org, from: next, limit: 2_000)
      }
      guard !page.isEmpty else { return try state.requireSound() }
      for recorded in page { try loader.fold(recorded, into: state) }
      loader.forget(in: state)
    }
  }

  private func scan(
    from start: UInt64, into states: [Identifier: OrgState]
  ) throws(CommandError) {
    var position = start
    var loader = OrgLoader(log: log)
    while true {
      let from = position
      let page = try reading { () throws(EventLogError) in
        try log.read(after: from, limit: Self.pageSize, filter: .all)
      }
      var touched: Set<OrgID> = []
      for recorded in page.events {
        guard let state = states[Identifier(.org, recorded.org.value)] else {
          preconditionFailure("the only writer of the log is this process: no org is new")
        }
        if recorded.orgSequence >= state.nextOrgSequence {
          try loader.fold(recorded, into: state)
          touched.insert(recorded.org)
        }
      }
      for org in touched {
        if let state = states[Identifier(.org, org.value)] { loader.forget(in: state) }
      }
      guard page.scannedTo > position else { return }
      position = page.scannedTo
    }
  }
}

/// What is left of one org's book.
struct Rest {
  /// Of the last event that is folded; 0: none is.
  let position: UInt64
  let eventCount: UInt64

  /// An event of one org alone costs about as much as so many in a scan over all orgs: its blocks are shared.
  private static let singleCost: UInt64 = 4

  /// Where one scan should begin, so that it and reading by themselves the orgs that are further back cost least.
  static func scanStart(_ rests: [Rest], head: UInt64) -> UInt64 {
    let ordered = rests.filter { $0.eventCount > 0 }.sorted { $0.position < $1.position }
    var start = ordered.first?.position ?? head
    var least = head - min(head, start)
    var singles: UInt64 = 0
    for (index, rest) in ordered.enumerated() {
      singles += rest.eventCount * singleCost
      let next = index + 1 < ordered.count ? ordered[index + 1].position : head
      let cost = singles + (head - min(head, next))
      if cost < least { (start, least) = (next, cost) }
    }
    return start
  }
}

import Domain
import EventLog

/// Makes snapshots out of the log alone, beside whoever writes it: never out of the state of a running system, which
/// holds what is not on disk yet and misses what is being handed out at the moment.
package struct SnapshotMaker {
  package struct Made: Sendable, Equatable {
    package let org: Identifier
    /// Of the org's events so far, how many are in it.
    package let eventCount: UInt64
    /// How many of those no older snapshot held.
    package let foldedCount: UInt64
  }

  private let log: any CacheAnchor
  private let folder: SnapshotFolder
  private let contacts: ContactMemory

  package init(
    log: any CacheAnchor, folder: SnapshotFolder, contacts: ContactMemory = ContactMemory()
  ) {
    self.log = log
    self.folder = folder
    self.contacts = contacts
  }

  /// Less is folded in no time.
  package static let leastEventCount: UInt64 = 1_000

  /// A snapshot of every org with at least `leastEventCount` events that no usable one holds. One org after the other: memory for
  /// the largest is enough. Nil where another process does the same.
  package func run(
    leastEventCount: UInt64 = leastEventCount, onMade: (Made) -> Void = { _ in }
  ) throws -> [Made]? {
    try folder.whileMaking {
      var made: [Made] = []
      for (org, eventCount) in try log.orgs().sorted(by: { $0.key.value < $1.key.value }) {
        guard let one = try make(org, eventCount, leastEventCount) else { continue }
        made.append(one)
        onMade(one)
      }
      return made
    }
  }

  private func make(
    _ id: OrgID, _ eventCount: UInt64, _ leastEventCount: UInt64
  ) throws -> Made? {
    let org = Identifier(.org, id.value)
    // Before anything is read: whoever is erased from now on makes what is read here useless.
    let erasedCount = try log.erasedCounts()[id] ?? 0
    let heldCount = folder.heldCount(of: org, erasedCount: erasedCount, anchor: log)
    guard eventCount >= heldCount + leastEventCount else { return nil }
    let old = folder.state(of: org, erasedCount: erasedCount, anchor: log, contacts: contacts)
    let foldedFrom = old?.nextOrgSequence ?? 0
    let state = old ?? OrgState(org: org, contacts: contacts)
    try BookLoader(log: log, snapshots: nil).finish(state)
    guard try folder.keep(state, erasedCount: erasedCount, anchor: log) else { return nil }
    return Made(
      org: org, eventCount: state.nextOrgSequence,
      foldedCount: state.nextOrgSequence - foldedFrom)
  }
}

import LMDB
import Merkle

/// A block after the last index run that fails its checksum. What it held is unknown; what it cannot have held follows
/// from its neighbours: an org whose sequence goes on after it as it ended before it had nothing in it.
struct Damage {
  let position: UInt64
  let reason: String
  /// The next sequence of the orgs that the blocks before it, after the last run, have events of.
  let before: [OrgID: UInt64]
  /// The first sequence of each org after it.
  private(set) var after: [OrgID: UInt64] = [:]

  init(position: UInt64, reason: String, before: [OrgID: UInt64]) {
    self.position = position
    self.reason = reason
    self.before = before
  }

  mutating func add(_ directory: BlockDirectory) {
    for org in directory.orgs where after[org.id] == nil { after[org.id] = org.firstSequence }
  }

  var error: EventLogError { .corrupted(position: position, reason: reason) }
}

extension LogStore {
  /// - Throws: `.corrupted` with the position, where a damaged block may hold events of `org`: an answer about
  ///   it could leave them out.
  func requireSound(
    _ org: OrgID, _ tail: IndexTail, _ transaction: borrowing ReadTransaction
  ) throws {
    for damage in tail.damages {
      let before = try damage.before[org] ?? flushedTree(of: org, transaction).size
      guard damage.after[org] == before else { throw damage.error }
    }
  }

  func requireSound(_ tail: IndexTail) throws {
    if let damage = tail.damages.first { throw damage.error }
  }
}

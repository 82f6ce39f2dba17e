import LMDB
import Vault

// Keys that have to be there because events were sealed with them: a vault that lacks one is not this log's, or was put back
// from an earlier time. Another key in its place would hide that, so none is made.

extension LogStore {
  /// Asks the vault for the keys of the newest events: those after the last run of the index, of the last block at least. A vault
  /// that is older than the log lacks the newest keys.
  ///
  /// - Throws: `.keyMissing` with the position of the block.
  func requireNewestKeys() throws(EventLogError) {
    let asked = try mappingErrors {
      try reading { transaction throws in try newestKeyNames(transaction) }
    }
    for (name, position) in asked {
      let isLost = try mappingErrors { try lacks(name) }
      if isLost { throw .keyMissing(position: position) }
    }
  }

  private func lacks(_ name: KeyName) throws -> Bool {
    do {
      if case .missing = try vault.key(name) { return true }
      return false
    } catch VaultError.damagedRecord where name.subject != 0 {
      // One that was spoilt alone says nothing of the others.
      return false
    }
  }

  /// And the first block that names each. What damaged blocks name is unknown; others tell of the damage.
  private func newestKeyNames(
    _ transaction: borrowing ReadTransaction
  ) throws -> [KeyName: UInt64] {
    var names: [KeyName: UInt64] = [:]
    let last = try transaction.withLast(in: blocks) { key, _ in key }
    guard let last else { return [:] }
    let tail = try view(transaction).tail
    let damaged = Set(tail.damages.map(\.position))
    let first = min(tail.indexedThrough + 1, last)
    try transaction.scan(blocks, fromAtOrBelow: first) { key, _ in
      guard key >= first, !damaged.contains(key) else { return true }
      let directory = try directory(at: key, transaction)
      for org in directory.orgs {
        let name = KeyName.org(org.id.value)
        names[name] = names[name] ?? key
      }
      for subject in directory.subjects {
        let name = KeyName(
          org: directory.orgs[subject.orgIndex].id.value, subject: subject.id.value,
          generation: subject.keyGeneration)
        names[name] = names[name] ?? key
      }
      return true
    }
    return names
  }

  /// The last block that has a personal part of `subject`; nil where none has. Not a scan.
  func lastBlock(
    of subject: SubjectID, org: OrgID, _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws -> UInt64? {
    var found: UInt64?
    // A subject with a stream of its id in the block is found by that.
    for hash in [hash.subject(subject, org: org), hash.stream(StreamID(subject.value), org: org)] {
      try forEachEntryBackwards(hash, atOrBelow: .max, view, transaction) { entry in
        let directory = try directory(at: entry.position, transaction)
        let isThere = directory.subjects.contains {
          $0.id == subject && directory.orgs[$0.orgIndex].id == org
        }
        if isThere { found = entry.position }
        return !isThere
      }
      if found != nil { return found }
    }
    return nil
  }
}

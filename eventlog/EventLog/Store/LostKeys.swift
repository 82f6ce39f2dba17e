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

  /// The last block found that has a personal part of each of `subjects`; those without one are not in it. Not a scan, and each
  /// run of the index is opened once: new subjects come in groups, and the writer waits.
  func lastBlocks(
    of subjects: [KeyName], _ view: IndexView, _ transaction: borrowing ReadTransaction
  ) throws -> [KeyName: UInt64] {
    var found: [KeyName: UInt64] = [:]
    // A subject with a stream of its id in the block is found by that.
    var wanted = subjects.flatMap { name in
      let org = OrgID(name.org)
      return [
        (name, hash.subject(SubjectID(name.subject), org: org)),
        (name, hash.stream(StreamID(name.subject), org: org)),
      ]
    }
    func take(_ entry: IndexEntry, of name: KeyName) throws -> Bool {
      let directory = try directory(at: entry.position, transaction)
      let isThere = directory.subjects.contains {
        $0.id.value == name.subject && directory.orgs[$0.orgIndex].id.value == name.org
      }
      if isThere { found[name] = entry.position }
      return isThere
    }
    for (name, hash) in wanted {
      for entry in view.tail.entries.reversed() where entry.hash == hash && found[name] == nil {
        if try take(entry, of: name) { break }
      }
    }
    for info in view.runs.reversed() {
      wanted.removeAll { name, _ in found[name] != nil }
      guard !wanted.isEmpty else { break }
      try withRun(info, transaction) { run, bytes in
        for (name, hash) in wanted {
          for index in run.range(of: hash, in: bytes).reversed() where found[name] == nil {
            if try take(run.entry(index, in: bytes), of: name) { break }
          }
        }
      }
    }
    return found
  }
}

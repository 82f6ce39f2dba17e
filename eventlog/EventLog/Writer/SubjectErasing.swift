import LMDB
import Vault

/// Where an erasure, or another rewriting of what is stored, stands: tests end the process there.
package enum MaintenanceStep: String, CaseIterable, Sendable {
  case keysDestroyed
  case vaultRewritten
  case partsDropped
  case logRewritten
  case blockMerged
  case blockReplaced
  case rotationBegun
  case keysRewrapped
  case rotationEnded
  case rootRewrapped
  case rootInstalled

  /// Those of an erasure.
  package static let erasing: [MaintenanceStep] = [
    .keysDestroyed, .vaultRewritten, .partsDropped, .logRewritten,
  ]

  /// Those of a rotation of keys.
  package static let rotating: [MaintenanceStep] = [
    .rotationBegun, .keysRewrapped, .rotationEnded, .rootRewrapped, .rootInstalled,
  ]
}

// MARK: - Erasing

extension GroupWriter {
  /// On the writer thread, so that no group in the making uses the keys.
  func destroyKeys(of subjects: Set<SubjectID>, org: OrgID) throws {
    guard !subjects.isEmpty else { return }
    try store.vault.erase(
      Set(subjects.map(\.value)), org: org.value, atMicros: nowMicros())
    reached(.keysDestroyed)
  }

  /// Takes out the destroyed keys of `subjects` and what they sealed: from the blocks, and from the files' free pages.
  ///
  /// Every step can be done over: after a crash the whole is called again.
  func takeOut(_ subjects: Set<SubjectID>, org: OrgID) throws {
    guard !subjects.isEmpty else { return }
    let positions = try store.blocks(of: subjects, org: org)
    // Before anything is copied: whoever asks again every few seconds copies the keys of all each time otherwise.
    try store.requireRoomForCopies(withLog: !positions.isEmpty)
    try store.vault.compact()
    reached(.vaultRewritten)
    if !positions.isEmpty { try store.folder.readAhead() }
    _ = try store.drop(subjects, org: org, from: positions, &rewriter)
    reached(.partsDropped)
    // Also where nothing was left to drop: a crash may have come between dropping and rewriting.
    if !positions.isEmpty { try store.rewriteFile() }
    reached(.logRewritten)
  }
}

extension LogStore {
  private static let blocksPerTransaction = 64

  /// - Throws: `.storage` where the disk has no room for a copy of the keys, and with `withLog` one of the log beside it:
  ///   readers may keep the room of the files before for a while.
  func requireRoomForCopies(withLog: Bool) throws {
    let byteCount = try vault.copyByteCount() + (withLog ? try environment.copyByteCount() : 0)
    try environment.requireRoom(for: byteCount)
  }

  /// Gives what is free in the log's file back to the disk, deleted bytes with it. The copy visits every page, and so do readers
  /// of the new file before long.
  func rewriteFile() throws {
    try folder.readAhead()
    try environment.rewrite()
    try folder.readAhead()
  }

  /// The blocks that have parts of one of `subjects`, by the index: not a scan.
  func blocks(of subjects: Set<SubjectID>, org: OrgID) throws -> [UInt64] {
    try environment.read { transaction throws in
      let view = try view(transaction)
      var positions: Set<UInt64> = []
      for subject in subjects {
        // A subject with a stream of its id in the block is found by that.
        let stream = StreamID(subject.value)
        for hash in [hash.subject(subject, org: org), hash.stream(stream, org: org)] {
          try forEachEntry(hash, detail: 0, .everywhere, view, transaction) { entry in
            positions.insert(entry.position)
            return true
          }
        }
      }
      return positions.sorted()
    }
  }

  /// Takes the sealed bytes of `subjects` out of the blocks at `positions`. False where there were none left.
  func drop(
    _ subjects: Set<SubjectID>, org: OrgID, from positions: [UInt64], _ encoder: inout BlockEncoder
  ) throws -> Bool {
    var isChanged = false
    for start in stride(from: 0, to: positions.count, by: Self.blocksPerTransaction) {
      let some = positions[start..<min(start + Self.blocksPerTransaction, positions.count)]
      try rewriting { transaction throws in
        for position in some {
          let block = try block(at: position, transaction.reading)
          var content = try block.content(dictionaries)
          guard content.drop({ $1 == org && subjects.contains($0.id) }) else { continue }
          let bytes = try encoder.encode(content).bytes
          try transaction.put(bytes, forKey: content.firstPosition, in: blocks)
          isChanged = true
        }
      }
    }
    return isChanged
  }

  /// Runs `body` in a write transaction, in a larger map where this one is full.
  func rewriting(_ body: (inout WriteTransaction) throws -> Void) throws {
    while true {
      do {
        return try environment.write { transaction throws in try body(&transaction) }
      } catch let error as LMDBError where error.isMapFull {
        try environment.grow()
      }
    }
  }
}

extension LMDBLogReader {
  /// - Throws: `.storage` where the log's disk has no room for the copies that an erasure makes: none comes to its end then.
  package func requireRoomToErase() throws(EventLogError) {
    try mappingErrors { try store.requireRoomForCopies(withLog: true) }
  }

  /// The bytes that the key of `subject` sealed, as they are stored: nonce, ciphertext, tag. What must not be found in
  /// any file after an erasure.
  package func sealedParts(of subject: SubjectID, org: OrgID) throws(EventLogError) -> [[UInt8]] {
    try mappingErrors {
      try store.reading { transaction throws in
        var found: [[UInt8]] = []
        try transaction.scan(store.blocks, fromAtOrBelow: 0) { key, bytes in
          let block = try store.load(bytes, key: key)
          var offset = 0
          for part in block.directory.parts where part.storage == .sealed {
            let owner = block.directory.subjects[part.subjectIndex]
            let range = offset..<offset + part.byteCount
            offset += part.byteCount
            guard owner.id == subject, block.directory.orgs[owner.orgIndex].id == org else {
              continue
            }
            found.append(Array(block.sealed[range]))
          }
          return true
        }
        return found
      }
    }
  }
}

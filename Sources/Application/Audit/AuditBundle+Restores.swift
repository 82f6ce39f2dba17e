import JSON
import Merkle

// Where the book was restored from a backup: the first event of a history quotes the last checkpoint of the one before.

/// What an opened `org.history_restored` says.
struct BundleRestore {
  static let type = "org.history_restored"

  let sequence: UInt64
  let incarnation: Int64
  let reason: String
  /// nil: none is known.
  let lastHead: Checkpoint?

  init(_ payload: [UInt8], at sequence: UInt64) throws {
    let fields = try JSON(parsing: payload)
    guard let incarnation = fields["incarnation"]?.int, let reason = fields["reason"]?.string else {
      throw AuditError.unreadable(file: "event \(sequence)", reason: "a restore without its number")
    }
    self.sequence = sequence
    self.incarnation = incarnation
    self.reason = reason
    lastHead = try fields["last_checkpoint"]?.string.map { try Checkpoint(text: $0) }
  }

  /// Events of the history before that the book does not have.
  var lostEventCount: UInt64 { max(lastHead?.size ?? 0, sequence) - sequence }
}

extension AuditBundle {
  /// Histories follow each other up to the one that the head is of, and the book begins as the checkpoint says that each
  /// quotes: at least up to where the restore has cut it off.
  mutating func checkRestores(_ restores: [BundleRestore], _ head: Checkpoint) throws {
    var before: Int64 = 1
    for restore in restores {
      if restore.incarnation <= before || restore.incarnation > incarnation(of: head.origin) {
        note("event \(restore.sequence): begins a history that is not the next one")
      }
      before = restore.incarnation
      report.restores.append(Restore(restore))
      guard let last = restore.lastHead else { continue }
      let isOfBook = BookHistory(last.origin)?.book == BookHistory(head.origin)?.book
      if !isOfBook || incarnation(of: last.origin) >= restore.incarnation {
        note("event \(restore.sequence): quotes a checkpoint that is not of the history before")
      } else if last.size <= restore.sequence, try root(ofFirst: last.size) != last.root {
        note(
          "event \(restore.sequence): the book does not go on from the checkpoint that it quotes")
      }
    }
  }

  private func incarnation(of origin: String) -> Int64 {
    Int64(BookHistory(origin)?.incarnation ?? 0)
  }

  /// Of the leaves, once they have turned out to be those of the head.
  private func root(ofFirst size: UInt64) throws -> Digest {
    var frontier = Frontier()
    let width = UInt64(TilePath.leafCount)
    while frontier.size < size {
      let index = frontier.size / width
      let name = TilePath.entries(
        index: index, width: Int(min(width, report.size - index * width)))
      for entry in try Self.entries(try bytes(name), name) where frontier.size < size {
        frontier.append(MerkleTree.leafHash(entry))
      }
    }
    return frontier.root
  }
}

extension AuditBundle.Restore {
  fileprivate init(_ restore: BundleRestore) {
    self.init(
      incarnation: restore.incarnation, sequence: restore.sequence, reason: restore.reason,
      lostEventCount: restore.lostEventCount)
  }
}

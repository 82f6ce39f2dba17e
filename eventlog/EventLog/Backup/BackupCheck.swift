/// What is in a backup folder, all of it read and found sound.
package struct BackupContent: Sendable, Equatable {
  package let snapshotCount: Int
  /// The newest one's.
  package let newestSnapshot: String
  package let head: UInt64
  package let fileCount: Int
  package let byteCount: Int

  /// Reads every piece and every key of every snapshot in `directory` and compares it with its checksum. What the events
  /// say is checked by a restore with `verifies`.
  ///
  /// - Throws: `.storage` that names the file which is missing or damaged, or where there is no snapshot.
  package init(checking directory: String) throws(EventLogError) {
    let folder = BackupFolder(path: directory)
    self = try folder.inFolder { () throws(EventLogError) in
      guard try folder.names().last != nil else {
        throw .backupDamaged(reason: "there is no snapshot")
      }
      return try folder.locked { () throws(EventLogError) in try BackupContent(folder) }
    }
  }

  private init(_ folder: BackupFolder) throws(EventLogError) {
    let names = try folder.names()
    guard let newest = names.last else { throw .backupDamaged(reason: "there is no snapshot") }
    var pieces: Set<String> = []
    var bytes = 0
    var histories: Set<UInt32> = []
    for name in names {
      let snapshot = try folder.snapshot(name)
      for piece in snapshot.chunks where pieces.insert(piece).inserted {
        bytes += try folder.chunk(piece).count
      }
      if histories.insert(snapshot.incarnation).inserted {
        bytes += try folder.checkVault(for: snapshot)
      }
    }
    snapshotCount = names.count
    newestSnapshot = newest
    head = try folder.snapshot(newest).head
    fileCount = pieces.count + histories.count
    byteCount = bytes
  }
}

import Crypto
import Glibc
import LMDB
import Vault
import Zstd

/// What a restore did.
package struct RestoreReport: Sendable {
  package let snapshot: BackupSnapshot
  /// The small files of all snapshots of its history, its own first, then the newest. What of them is sealed under the root key is
  /// sealed under the one of each snapshot's time; the keys that were restored are the newest.
  package let files: [[String: [UInt8]]]
  package let head: UInt64
  package let incarnation: UInt32
  /// Other backup folders of the log, which could not be told that there is this history, or asked who was erased, and why.
  package let untoldFolders: [String]
  /// Those of them that the snapshot's own vault did not have.
  package let tombstoneCount: Int
  /// nil where it was not asked for.
  package let verification: VerificationReport?
  package let tookMillis: Int
}

/// Makes a log from a backup folder.
package struct LogRestore {
  private let folder: BackupFolder
  private let target: String
  private let rootKey: any RootKey
  private let mapBytes: Int
  private let isReadOnly: @Sendable (String) -> Bool

  /// From the backup folder `backup` into the log's directory `target`, which has no log yet.
  ///
  /// `mapBytes`: room to write; LMDB takes the file's own size where that is larger, and grows it then.
  package init(backup: String, target: String, rootKey: any RootKey, mapBytes: Int = 16 << 30) {
    self.init(
      backup: backup, target: target, rootKey: rootKey, mapBytes: mapBytes,
      isReadOnly: PlainFiles.isReadOnly)
  }

  init(
    backup: String, target: String, rootKey: any RootKey, mapBytes: Int = 16 << 30,
    isReadOnly: @escaping @Sendable (String) -> Bool
  ) {
    self.isReadOnly = isReadOnly
    folder = BackupFolder(path: backup)
    self.target = target
    self.rootKey = rootKey
    self.mapBytes = mapBytes
  }

  /// The names of the snapshots in the backup folder `backup`, the newest first: one at least.
  ///
  /// - Throws: `.backupDamaged` where there is none.
  package static func snapshots(in backup: String) throws(EventLogError) -> [String] {
    try snapshots(in: BackupFolder(path: backup))
  }

  private static func snapshots(in folder: BackupFolder) throws(EventLogError) -> [String] {
    let names = try folder.names()
    guard !names.isEmpty else {
      throw .backupDamaged(reason: "there is no snapshot in \(folder.path)")
    }
    return names.reversed()
  }

  /// Restores the snapshot `name` (nil: the newest), and, with `verifies`, checks every byte, proof and signature of it;
  /// the roots in the snapshot always are.
  ///
  /// The history gets a number after all that the folder, the log's other ones and the caller (`after`) know of. A folder that is
  /// read-only cannot be told of it, and another restore from it would take the same number: it is restored from only where
  /// somebody answers for the number (`isNumberGiven`).
  /// `beforeLast` puts what else belongs to the log in its place: whoever finds the log finds that too, however this ended.
  ///
  /// - Throws: `.backupDamaged`, `.corrupted` and others, and what `beforeLast` throws; the target has no log then.
  package func run(
    snapshot name: String? = nil, verifies: Bool = false, after known: UInt32 = 0,
    isNumberGiven: Bool = false,
    beforeLast: (RestoreReport) throws -> Void = { _ in }
  ) throws -> RestoreReport {
    let start = SystemClock.monotonicNanos()
    try PlainFiles.makeFolder(target)
    // Nobody writes there, or restores from another folder, meanwhile.
    let lock = try WriterLock(path: LogFolder(path: target).lockPath)
    defer { lock.release() }
    guard try !LogFolder(path: target).hasLog() else {
      throw EventLogError.storage(reason: "there is a log already where it would be restored to")
    }
    let newest = try Self.snapshots(in: folder)[0]
    let isReadOnly = isReadOnly(folder.path)
    guard !isReadOnly || isNumberGiven else { throw folder.cannotBeTold }
    // Nobody prunes meanwhile what is being read.
    let folderLock = isReadOnly ? nil : try folder.lock()
    defer { if let folderLock { Glibc.close(folderLock) } }
    let snapshot = try folder.snapshot(name ?? newest)
    let staging = LogFolder(path: target + "/restoring")
    try makeRoom(staging)
    try assemble(snapshot, in: staging)
    let others = snapshot.otherFolders.map(BackupFolder.init(path:))
    let (erased, unread) = try gatherTombstones(others)
    let tombstones = try apply(erased, in: staging)
    let (verification, head) = try check(snapshot, staging, verifies: verifies)
    let (incarnation, untold) = try folder.takeIncarnation(
      after: max(known, snapshot.incarnation), others, isReadOnly: isReadOnly)
    try renumber(staging, to: incarnation)
    let siblings = try folder.names().reversed().filter { $0 != snapshot.name }
      .map { name throws(EventLogError) in try folder.snapshot(name) }
      .filter { $0.incarnation == snapshot.incarnation }
    let report = RestoreReport(
      snapshot: snapshot, files: [snapshot.files] + siblings.map(\.files), head: head,
      incarnation: incarnation, untoldFolders: untold + unread.filter { !untold.contains($0) },
      tombstoneCount: tombstones,
      verification: verification,
      tookMillis: Int((SystemClock.monotonicNanos() - start) / 1_000_000))
    try beforeLast(report)
    try moveIntoPlace(staging, snapshot, head: head)
    return report
  }

  /// Takes away what a restore that was ended has left: its last steps put the keys in their place, and then the log.
  private func makeRoom(_ staging: LogFolder) throws(EventLogError) {
    let keys = LogFolder(path: target).vaultPath
    if PlainFiles.exists(staging.path) {
      try PlainFiles.removeTree(keys)
      try PlainFiles.removeTree(staging.path)
    }
    guard try PlainFiles.names(in: keys).isEmpty else {
      throw .storage(
        reason: "there are keys without a log in \(keys): move them away, they open no log here")
    }
  }

  private func assemble(
    _ snapshot: BackupSnapshot, in staging: LogFolder
  ) throws(EventLogError) {
    try staging.create()
    let path = staging.logPath + "/data.mdb"
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    for name in snapshot.chunks {
      let chunk = try folder.chunk(name)
      do throws(EventLogError) {
        try PlainFiles.append(chunk, to: descriptor)
      } catch .storage(let reason) {
        // Of the two folders the one whose disk is full.
        throw .storage(reason: "\(target): \(reason)")
      }
    }
    guard fsync(descriptor) == 0 else { throw .system("fsync") }
    try folder.copyVault(for: snapshot, to: staging.vaultPath + "/data.mdb")
  }

  /// Everybody of whom a folder says that they were erased: this one may have been away then, and is told now. `unread`:
  /// which could not be asked, or told, and why.
  private func gatherTombstones(
    _ others: [BackupFolder]
  ) throws(EventLogError) -> (Set<Tombstone>, unread: [String]) {
    let known = try folder.tombstones()
    var all = known
    var unread: [String] = []
    for other in others where other.path != folder.path {
      do throws(EventLogError) {
        try other.inFolder { () throws(EventLogError) in
          // What is no folder of this log is named where its history is asked for.
          guard try other.logID() == folder.logID() else { return }
          all.formUnion(try other.tombstones())
        }
      } catch {
        unread.append(error.description)
      }
    }
    guard all != known else { return (all, unread) }
    do throws(EventLogError) {
      try folder.inFolder { () throws(EventLogError) in
        try folder.add(all.subtracting(known))
        try folder.forget(all, rootKey: rootKey)
      }
    } catch {
      // The log that is made knows, and tells it once it is released: a full disk is no reason to be without a log.
      unread.append(error.description)
    }
    return (all, unread)
  }

  /// Erases whoever was erased after the vault was copied, and takes out of the log what was sealed for anybody who was
  /// erased since the snapshot.
  private func apply(
    _ erased: Set<Tombstone>, in staging: LogFolder
  ) throws(EventLogError) -> Int {
    let store = try LogStore.open(staging, mapBytes: mapBytes, rootKey: rootKey)
    defer { store.close() }
    return try mappingErrors {
      let missing = try store.vault.erase(erased)
      if missing > 0 { try store.vault.compact() }
      var encoder = BlockEncoder(.resting)
      var isChanged = false
      for (org, all) in Dictionary(grouping: try store.vault.tombstones(), by: \.org) {
        let subjects = Set(all.map { SubjectID($0.subject) })
        let positions = try store.blocks(of: subjects, org: OrgID(org))
        if try store.drop(subjects, org: OrgID(org), from: positions, &encoder) { isChanged = true }
      }
      if isChanged { try store.rewriteFile() }
      return missing
    }
  }

  private func check(
    _ snapshot: BackupSnapshot, _ staging: LogFolder, verifies: Bool
  ) throws(EventLogError) -> (VerificationReport?, head: UInt64) {
    let store = try LogStore.open(staging, mapBytes: mapBytes, rootKey: rootKey)
    defer { store.close() }
    let head = try store.head()
    guard head >= snapshot.head, store.format.incarnation == snapshot.incarnation else {
      throw .backupDamaged(reason: "the log is not the one that the snapshot describes")
    }
    for book in snapshot.books {
      guard Hex.encode(try store.root(of: book.org, size: book.size).bytes) == book.root else {
        throw .backupDamaged(reason: "the root of an org's tree is another one")
      }
    }
    guard verifies else { return (nil, head) }
    // Of a vault that is older than the log every record is sound.
    try store.requireNewestKeys()
    let options = VerificationOptions(firstPosition: 1, isDeep: false, jobCount: 2)
    let report = try LogVerifier(store: store, options).run { _ in }
    if let problem = report.problems.first {
      throw .corrupted(position: problem.position, reason: problem.reason)
    }
    return (report, head)
  }

  /// From here on it is another history: its checkpoints have another origin.
  private func renumber(_ staging: LogFolder, to incarnation: UInt32) throws(EventLogError) {
    let store = try LogStore.open(staging, mapBytes: mapBytes, rootKey: rootKey)
    defer { store.close() }
    let format = store.format
    let renewed = LogFormat(
      logID: format.logID, hashSeed: format.hashSeed, createdAtMicros: format.createdAtMicros,
      incarnation: incarnation)
    try mappingErrors {
      try store.rewriting { transaction throws in
        try transaction.put(renewed.bytes, forKey: LogStore.formatKey, in: store.meta)
      }
    }
  }

  /// The log's folder last: until then there is none.
  private func moveIntoPlace(
    _ staging: LogFolder, _ snapshot: BackupSnapshot, head: UInt64
  ) throws(EventLogError) {
    let final = LogFolder(path: target)
    for other in snapshot.otherFolders { _ = try final.addBackup(other) }
    // One of the first format cannot be told of erasures.
    if snapshot.vaultSum == nil { _ = try final.addBackup(folder.path) }
    try PlainFiles.remove(final.wakePath)
    // Whoever reads the log before a writer has opened it needs the file.
    try WakeWord(path: final.wakePath, isWriter: true).signal(head: head)
    for (from, to) in [(staging.vaultPath, final.vaultPath), (staging.logPath, final.logPath)] {
      // An empty folder may be there.
      guard unsafe rmdir(to) == 0 || errno == ENOENT, unsafe rename(from, to) == 0 else {
        throw .system("rename")
      }
    }
    try PlainFiles.removeTree(staging.path)
    try PlainFiles.flushFolder(target)
  }
}

extension BackupFolder {
  fileprivate var cannotBeTold: EventLogError {
    .storage(
      reason:
        "\(path) is read-only: a restore notes there which number its history has, so that no other one signs under it."
        + " Mount it so that it can be written to, or choose the number: --history N, higher than in any checkpoint (…/i2/…)"
    )
  }
}

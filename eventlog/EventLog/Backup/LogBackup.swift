import Crypto
import Dispatch
import Glibc
import LMDB
import Synchronization
import Vault

/// What a backup did.
package struct BackupReport: Sendable {
  package let snapshot: BackupSnapshot
  package let byteCount: Int
  /// Of those, what the folder did not have yet.
  package let newByteCount: Int
  package let tombstoneCount: Int
  package let tookMillis: Int
}

extension LMDBLogReader {
  /// Copies log and vault into the backup folder `directory` while the writer goes on. What the folder has already is
  /// not stored again.
  ///
  /// The copy is LMDB's own compacting one: consistent, without free pages, in the order of the keys, so that a log
  /// that has only grown begins with the same bytes. Keys are copied after the log: those of every event are in it.
  /// The root key is not.
  /// `files` are small ones that are restored with it; `keeping` says how many snapshots stay (nil: all).
  /// `tellsErasures` is false for a log that may be a rehearsal's, whose erasures are none of the real one's: the first
  /// backup with it tells what those before did not.
  package func backUp(
    to directory: String, files: [String: [UInt8]] = [:], keeping: Int? = nil,
    tellsErasures: Bool = true
  ) throws(EventLogError) -> BackupReport {
    // On threads that leave the cores to those who append and read.
    try BackgroundThread.run(.lowest) { () throws(EventLogError) in
      try makeBackup(in: directory, files: files, keeping: keeping, tellsErasures: tellsErasures)
    }
  }

  private func makeBackup(
    in directory: String, files: [String: [UInt8]], keeping: Int?, tellsErasures: Bool
  ) throws(EventLogError) -> BackupReport {
    let start = SystemClock.monotonicNanos()
    let folder = BackupFolder(path: directory)
    guard try !PlainFiles.isInside(directory, store.folder.path) else {
      throw .storage(reason: "\(directory) is in the log's own folder: what takes one takes both")
    }
    try folder.create(for: store.format.logID)
    let lock = try folder.inFolder { () throws(EventLogError) in try folder.lock() }
    defer { Glibc.close(lock) }
    // A damaged log must not push sound snapshots out of the folder.
    _ = try check(after: 0)
    // From here on every erasure is told to the folder, also one that happens during the copy.
    let isNew = try store.folder.addBackup(directory)
    do throws(EventLogError) {
      return try folder.inFolder { () throws(EventLogError) in
        try copy(
          to: folder, files: files, keeping: keeping, tellsErasures: tellsErasures, start: start)
      }
    } catch {
      // Nobody is in a folder that has no snapshot.
      if isNew, try folder.names().isEmpty { _ = try store.folder.removeBackup(directory) }
      throw error
    }
  }

  private func copy(
    to folder: BackupFolder, files: [String: [UInt8]], keeping: Int?, tellsErasures: Bool,
    start: Int64
  ) throws(EventLogError) -> BackupReport {
    let rootID = store.vault.rootKey.id
    try requireRoot(rootID)
    // Before the copy begins: what is recorded meanwhile is not in it.
    let now = try folder.momentOfNext(SystemClock.nowMicros())
    let books = try books()
    let head = try store.head()
    let recordedAtMicros = try lastRecordedAtMicros()
    let log = try copy(store.environment, to: folder)
    let vaultByteCount = try folder.replaceVault(of: store.format.incarnation, atMicros: now) {
      file throws(EventLogError) in try store.vault.copy(to: file)
    }
    try requireRoot(rootID)
    let tombstones = try mappingErrors { try store.vault.tombstones() }
    let untold = Set(tombstones).subtracting(try folder.tombstones())
    if tellsErasures, !untold.isEmpty {
      // Erased while the log did not know the folder: other histories' vaults have their keys. Written down once they have not.
      try folder.forget(Set(tombstones), rootKey: store.vault.rootKey)
      try folder.add(untold)
    }
    let snapshot = BackupSnapshot(
      createdAtMicros: now, incarnation: store.format.incarnation, head: head,
      recordedAtMicros: recordedAtMicros, chunks: log.chunks, files: files, books: books,
      otherFolders: try store.folder.backups().filter { $0 != folder.path })
    try folder.add(snapshot)
    try folder.prune(keeping: keeping ?? .max)
    // The vault is stored anew each time.
    return BackupReport(
      snapshot: snapshot, byteCount: log.byteCount + vaultByteCount,
      newByteCount: log.newByteCount + vaultByteCount, tombstoneCount: tombstones.count,
      tookMillis: Int((SystemClock.monotonicNanos() - start) / 1_000_000))
  }

  /// The keys and what `files` seals are of one root key, which somebody can have kept elsewhere.
  private func requireRoot(_ id: String) throws(EventLogError) {
    guard try mappingErrors({ try store.vault.isWrapped(byRoot: id) }) else {
      throw .storage(
        reason:
          "the root key is being replaced, or that was interrupted: nobody has kept the next one. Rotate the keys"
          + " with the root key again, keep a copy of the new one, and back up then")
    }
  }

  private func books() throws(EventLogError) -> [BackupSnapshot.Book] {
    var books: [BackupSnapshot.Book] = []
    for (org, size) in try orgs().sorted(by: { $0.key < $1.key }) {
      let root = try store.root(of: org, size: size)
      books.append(BackupSnapshot.Book(org: org, size: size, root: Hex.encode(root.bytes)))
    }
    return books
  }

  private func lastRecordedAtMicros() throws(EventLogError) -> Int64 {
    try mappingErrors {
      try store.reading { transaction throws in
        try transaction.withLast(in: store.blocks) { key, block in
          try BlockHeader(block, key: key).recordedAtMicros
        } ?? 0
      }
    }
  }

  private func copy(
    _ environment: Environment, to folder: BackupFolder
  ) throws(EventLogError) -> (chunks: [String], byteCount: Int, newByteCount: Int) {
    var chunks: [String] = []
    var byteCount = 0
    var newByteCount = 0
    try forEachChunk(of: { try environment.copyCompacting(to: $0) }) {
      chunk throws(EventLogError) in
      let (name, isNew) = try folder.addChunk(chunk)
      chunks.append(name)
      byteCount += chunk.count
      if isNew { newByteCount += chunk.count }
    }
    return (chunks, byteCount, newByteCount)
  }
}

extension Vault {
  /// LMDB's compacting copy.
  func copy(to file: GrowingFile) throws(EventLogError) {
    try forEachChunk(of: { try self.copyCompacting(to: $0) }) { chunk throws(EventLogError) in
      try file.append(chunk)
    }
  }
}

/// Runs `copy` on a thread of its own, writing into a pipe, and gives `body` what comes out of it.
private func forEachChunk(
  of copy: @escaping @Sendable (Int32) throws -> Void,
  _ body: ([UInt8]) throws(EventLogError) -> Void
) throws(EventLogError) {
  var ends: [Int32] = [0, 0]
  guard unsafe pipe(&ends) == 0 else { throw .system("pipe") }
  let (output, input) = (ends[0], ends[1])
  let outcome = Mutex<EventLogError?>(nil)
  let isDone = DispatchSemaphore(value: 0)
  BackgroundThread.start(.lowest) {
    do throws(EventLogError) {
      try mappingErrors { try copy(input) }
    } catch {
      outcome.withLock { $0 = error }
    }
    Glibc.close(input)
    isDone.signal()
  }
  var failure: EventLogError?
  do throws(EventLogError) {
    while let chunk = try PlainFiles.read(output, atMost: BackupFolder.chunkByteCount) {
      try body(chunk)
    }
  } catch {
    failure = error
  }
  Glibc.close(output)
  isDone.wait()
  if let failure = failure ?? outcome.withLock({ $0 }) { throw failure }
}

// MARK: - Who has to hear of erasures

extension LogFolder {
  func backups() throws(EventLogError) -> [String] {
    String(decoding: try PlainFiles.read(backupsPath) ?? [], as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  /// False where it was known already.
  func addBackup(_ directory: String) throws(EventLogError) -> Bool {
    try changeBackups { $0.contains(directory) ? nil : $0 + [directory] }
  }

  /// False where it was not known.
  func removeBackup(_ directory: String) throws(EventLogError) -> Bool {
    try changeBackups { known in
      known.contains(directory) ? known.filter { $0 != directory } : nil
    }
  }

  /// One at a time: of two backups into two folders that begin at once, the log has to know both.
  private func changeBackups(_ change: ([String]) -> [String]?) throws(EventLogError) -> Bool {
    let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw .system("open") }
    defer { Glibc.close(folder) }
    while flock(folder, LOCK_EX) != 0 {
      guard errno == EINTR else { throw .system("flock") }
    }
    guard let changed = change(try backups()) else { return false }
    try write(backups: changed)
    return true
  }

  private func write(backups: [String]) throws(EventLogError) {
    let lines = backups.map { $0 + "\n" }.joined()
    do throws(EventLogError) {
      try PlainFiles.write(Array(lines.utf8), to: backupsPath)
    } catch .storage(let reason) {
      throw .storage(
        reason: "the log's list of its backups, \(backupsPath), is not written: \(reason)")
    }
  }
}

/// A backup folder, and what is wrong with it.
package struct KnownBackup: Sendable, Equatable {
  package let directory: String
  /// nil: it is there.
  package let problem: String?
  /// False: it would give the number of this history to another one.
  package let knowsHistory: Bool
}

extension LMDBLogReader {
  /// The folders that hear of every erasure. Without one of them no erasure comes to its end.
  package func backups() throws(EventLogError) -> [KnownBackup] {
    try store.folder.backups().map { directory in
      do throws(EventLogError) {
        let folder = BackupFolder(path: directory)
        return try folder.inFolder { () throws(EventLogError) in
          try folder.requireLog(store.format.logID)
          return KnownBackup(
            directory: directory, problem: nil,
            knowsHistory: try folder.lastIncarnation() >= store.format.incarnation)
        }
      } catch {
        return KnownBackup(directory: directory, problem: error.description, knowsHistory: true)
      }
    }
  }

  /// Erasures do not wait for the folder `directory` any more: it is gone for good. False where none did.
  ///
  /// Whoever restores from it brings back the people who were erased since.
  package func forgetBackup(_ directory: String) throws(EventLogError) -> Bool {
    try store.folder.removeBackup(directory)
  }
}

extension LogStore {
  /// Tells every backup folder who was erased, and takes their keys out of it: an older backup must not bring anybody
  /// back.
  ///
  /// - Throws: `.storage` where a folder is not there or cannot be written, once all others know of it. The erasure itself
  ///   has happened: repeat it once the folder is there again, or let the log forget it.
  func announce(_ tombstones: [Tombstone]) throws(EventLogError) {
    var failures: [String] = []
    for directory in try folder.backups() {
      let backup = BackupFolder(path: directory)
      do throws(EventLogError) {
        try backup.inFolder { () throws(EventLogError) in
          try backup.requireLog(format.logID)
          try backup.add(Set(tombstones).subtracting(try backup.tombstones()))
          // A large backup takes long: whoever erases asks again.
          try backup.locked(waitMillis: 2_000) { () throws(EventLogError) in
            try backup.forget(try backup.tombstones(), rootKey: vault.rootKey)
          }
        }
      } catch {
        failures.append(error.description)
      }
    }
    guard failures.isEmpty else {
      throw .storage(
        reason: "erased, but a backup does not know of it: \(failures.joined(separator: "; "))")
    }
  }
}

extension BackupFolder {
  /// Rewrites the vaults without the keys of everybody in `erased`.
  func forget(_ erased: Set<Tombstone>, rootKey: any RootKey) throws(EventLogError) {
    try removeUnfinishedVaults()
    for incarnation in try vaultIncarnations() {
      let scratch = path + "/rewriting"
      try PlainFiles.removeTree(scratch)
      try PlainFiles.makeFolder(scratch)
      try copyVault(of: incarnation, to: scratch + "/data.mdb")
      let vault = try mappingErrors { try Vault(path: scratch, rootKey: rootKey, mayCreate: false) }
      defer { vault.close() }
      if try mappingErrors({ try vault.erase(erased) }) > 0 {
        let now = SystemClock.nowMicros()
        _ = try replaceVault(of: incarnation, atMicros: now) { file throws(EventLogError) in
          try vault.copy(to: file)
        }
      } else {
        try removeOlderVaults(of: incarnation)
      }
      try PlainFiles.removeTree(scratch)
    }
  }
}

extension Vault {
  /// Erases whoever of `tombstones` is not erased here. How many those were.
  func erase(_ tombstones: Set<Tombstone>) throws -> Int {
    let missing = tombstones.subtracting(try self.tombstones())
    for tombstone in missing {
      try erase([tombstone.subject], org: tombstone.org, atMicros: tombstone.atMicros)
    }
    return missing.count
  }
}

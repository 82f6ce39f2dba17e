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
  package func backUp(
    to directory: String, files: [String: [UInt8]] = [:], keeping: Int? = nil
  ) throws(EventLogError) -> BackupReport {
    // On threads that leave the cores to those who append and read.
    try BackgroundThread.run(.lowest) { () throws(EventLogError) in
      try makeBackup(in: directory, files: files, keeping: keeping)
    }
  }

  private func makeBackup(
    in directory: String, files: [String: [UInt8]], keeping: Int?
  ) throws(EventLogError) -> BackupReport {
    let start = SystemClock.monotonicNanos()
    let folder = BackupFolder(path: directory)
    try folder.create()
    // From here on every erasure is told to the folder, also one that happens during the copy.
    try store.folder.addBackup(directory)
    let books = try books()
    let head = try store.head()
    let recordedAtMicros = try lastRecordedAtMicros()
    let log = try copy(store.environment, to: folder)
    let vault = try copyOfVault()
    let vaultName = try folder.addVault(vault)
    let tombstones = try mappingErrors { try store.vault.tombstones() }
    try folder.add(Set(tombstones).subtracting(try folder.tombstones()))
    let snapshot = BackupSnapshot(
      createdAtMicros: SystemClock.nowMicros(), incarnation: store.format.incarnation, head: head,
      recordedAtMicros: recordedAtMicros, chunks: log.chunks, vault: vaultName, files: files,
      books: books)
    try folder.add(snapshot)
    try folder.prune(keeping: keeping ?? .max)
    return BackupReport(
      snapshot: snapshot, byteCount: log.byteCount + vault.count, newByteCount: log.newByteCount,
      tombstoneCount: tombstones.count,
      tookMillis: Int((SystemClock.monotonicNanos() - start) / 1_000_000))
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

  private func copyOfVault() throws(EventLogError) -> [UInt8] {
    var bytes: [UInt8] = []
    try forEachChunk(of: { [vault = store.vault] in try vault.copyCompacting(to: $0) }) {
      bytes += $0
    }
    return bytes
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
}

// MARK: - Who has to hear of erasures

extension LogFolder {
  func backups() throws(EventLogError) -> [String] {
    String(decoding: try PlainFiles.read(backupsPath) ?? [], as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  func addBackup(_ directory: String) throws(EventLogError) {
    let known = try backups()
    guard !known.contains(directory) else { return }
    let lines = (known + [directory]).joined(separator: "\n") + "\n"
    try PlainFiles.write(Array(lines.utf8), to: backupsPath)
  }
}

extension LogStore {
  /// Tells every backup folder who was erased: an older backup must not bring anybody back.
  ///
  /// - Throws: `.storage` where a folder cannot be written. The erasure itself has happened: repeat it once the folder
  ///   is there again, or take it out of the file `backups`.
  func announce(_ tombstones: [Tombstone]) throws(EventLogError) {
    for directory in try folder.backups() {
      do throws(EventLogError) {
        try BackupFolder(path: directory).add(tombstones)
      } catch {
        throw .storage(reason: "erased, but a backup does not know of it: \(error)")
      }
    }
  }
}

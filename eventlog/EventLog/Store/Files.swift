// The log's plain files: its folder, the writer's lock, the wake word. Besides this file only those of `Backup/` make
// system calls.

import CWake
import Glibc
import LMDB
import Synchronization
import Vault

/// Where the parts of a log lie inside its directory.
struct LogFolder {
  let path: String

  var logPath: String { path + "/log" }
  var vaultPath: String { path + "/vault" }
  var rootKeyPath: String { path + "/root.key" }
  var lockPath: String { path + "/writer.lock" }
  var wakePath: String { path + "/wake" }
  /// The folders of the backups that have to hear of every erasure, one a line.
  var backupsPath: String { path + "/backups" }

  var dataPath: String { logPath + "/data.mdb" }

  /// - Throws: `.storage` where it cannot be told, as where a folder may not be looked into: what is taken for missing
  ///   is made anew.
  func hasLog() throws(EventLogError) -> Bool {
    if unsafe access(dataPath, F_OK) == 0 { return true }
    guard errno == ENOENT || errno == ENOTDIR else { throw .system("access \(dataPath)") }
    return false
  }

  /// `given`, or else the key in the log's own file. A log that exists never gets a new one: what the
  /// old one wrapped would be lost without a word.
  func rootKey(_ given: (any RootKey)?, mayCreate: Bool) throws(EventLogError) -> any RootKey {
    if let given { return given }
    let isNew = mayCreate ? try !hasLog() : false
    return try mappingErrors { try FileRootKey(path: rootKeyPath, mayCreate: isNew) }
  }

  /// What the file system of the log has left for us.
  func freeBytes() throws(EventLogError) -> Int {
    var status = statvfs()
    guard unsafe statvfs(logPath, &status) == 0 else { throw .system("statvfs") }
    return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
  }

  /// Lets the kernel read the log's file front to back, unless it is larger than half of the machine's memory. Reads
  /// through LMDB's map take nothing along with the page that they ask for: where a rewriting has put a file in place, which
  /// the copy writes past the page cache, each page would be waited for alone.
  func readAhead() throws(EventLogError) {
    let descriptor = unsafe open(logPath + "/data.mdb", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .system("fstat") }
    let memoryBytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    guard status.st_size <= memoryBytes / 2 else { return }
    for offset in stride(from: 0, to: status.st_size, by: Self.readAheadBytes) {
      // Advice: where it is not taken, reading is slower.
      _ = posix_fadvise(descriptor, offset, Self.readAheadBytes, POSIX_FADV_WILLNEED)
    }
  }

  /// Of one call Linux reads as much as it reads ahead of anybody else, and forgets the rest: 128 KiB unless a device says
  /// otherwise (/sys/block/…/queue/read_ahead_kb).
  private static let readAheadBytes = 128 << 10

  /// Makes the folders that are missing. Only the owner may enter.
  func create() throws(EventLogError) {
    for path in [path, logPath, vaultPath] {
      let code = unsafe mkdir(path, 0o700)
      guard code == 0 || errno == EEXIST else { throw .system("mkdir") }
    }
  }
}

extension EventLogError {
  /// A system call that failed, with `errno`'s words.
  static func system(_ function: String) -> EventLogError {
    let code = errno
    return unsafe .storage(reason: "\(function): \(String(cString: strerror(code))) (\(code))")
  }
}

/// A file, as the disk sees it.
package enum StoredFile {
  /// What it takes on the disk: a data file's length also counts pages that were never written. nil where there is none.
  package static func allocatedBytes(_ path: String) throws(EventLogError) -> Int? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      guard errno == ENOENT else { throw .system("stat") }
      return nil
    }
    // "Number of 512 B blocks allocated" (stat(3type)), whatever the blocks of the file system are.
    return Int(status.st_blocks) * 512
  }
}

/// Held by the one writer. The kernel gives it back when the process ends, however it ends.
final class WriterLock: Sendable {
  /// Negative once given back.
  private let descriptor: Mutex<Int32>

  /// - Throws: `.writerPresent` where another writer, in this process or another one, holds it.
  init(path: String) throws(EventLogError) {
    let opened = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard opened >= 0 else { throw .system("open") }
    // flock(2), not fcntl(2): two descriptors of one process exclude each other too.
    guard Self.take(opened) else {
      let isHeld = errno == EWOULDBLOCK
      let failure = EventLogError.system("flock")
      Glibc.close(opened)
      throw isHeld ? .writerPresent : failure
    }
    descriptor = Mutex(opened)
  }

  /// A process that is just being started by a holder that was killed has its descriptors until it executes another program: for
  /// so long it is worth asking again.
  private static func take(_ descriptor: Int32) -> Bool {
    for _ in 0..<20 {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
      guard errno == EWOULDBLOCK else { return false }
      usleep(10_000)
    }
    errno = EWOULDBLOCK
    return false
  }

  deinit { release() }

  /// A second call does nothing.
  func release() {
    descriptor.withLock { descriptor in
      guard descriptor >= 0 else { return }
      // In words: a process that is just being started has a copy of the descriptor.
      flock(descriptor, LOCK_UN)
      Glibc.close(descriptor)
      descriptor = -1
    }
  }
}

/// A word that the writer changes after every flush, mapped by every process that follows the log.
/// Either side may be killed at any time: the word holds no state that matters, a waiter compares it
/// with what it saw before it looked at the log.
///
/// Beside it, the position of the last event that was acknowledged. Stored after the flush: it never runs ahead of what
/// is on the disk, and a log that ends before it has lost events.
///
/// `@unchecked Sendable`: word and number are only touched by atomic operations and futex(2).
@safe
final class WakeWord: @unchecked Sendable {
  private let word: UnsafeMutablePointer<UInt32>
  private let number: UnsafeMutablePointer<UInt64>
  private static let numberOffset = 64
  private static let byteCount = 4096

  /// Maps the file; the writer creates it where it is missing.
  init(path: String, isWriter: Bool) throws(EventLogError) {
    let flags = isWriter ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC
    let descriptor = unsafe open(path, flags, 0o600)
    if descriptor < 0, errno == ENOENT {
      throw .corrupted(position: 0, reason: "\(path) is missing; who writes makes it anew")
    }
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    if isWriter, ftruncate(descriptor, off_t(Self.byteCount)) != 0 { throw .system("ftruncate") }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .system("fstat") }
    // The first look at a page that is missing would end the process (SIGBUS).
    guard status.st_size >= Self.byteCount else {
      throw .corrupted(
        position: 0,
        reason: "\(path) is cut off: it has \(status.st_size) bytes and not \(Self.byteCount)")
    }
    let protection = isWriter ? PROT_READ | PROT_WRITE : PROT_READ
    let mapped = unsafe mmap(nil, Self.byteCount, protection, MAP_SHARED, descriptor, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw .system("mmap") }
    unsafe word = mapped.assumingMemoryBound(to: UInt32.self)
    unsafe number = (mapped + Self.numberOffset).assumingMemoryBound(to: UInt64.self)
  }

  /// 0 where nothing was acknowledged since the file was made.
  var acknowledgedHead: UInt64 { unsafe wake_load_number(number) }

  deinit { unsafe munmap(word, Self.byteCount) }

  var value: UInt32 { unsafe wake_load(word) }

  /// Tells everybody that the log has grown to `head`. The writer's.
  func signal(head: UInt64) {
    unsafe wake_store_number(number, head)
    unsafe wake_increment(word)
    unsafe wake_all(word)
  }

  /// Lets the waiters of all processes look again.
  func wakeAll() { unsafe wake_all(word) }

  /// Blocks the thread until the word is not `seen` any more, at the latest after `nanos`.
  func wait(whileEqualTo seen: UInt32, nanos: Int64) {
    unsafe wake_wait(word, seen, nanos)
  }
}

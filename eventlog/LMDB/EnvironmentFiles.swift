import Glibc

/// The files of an environment, apart from what LMDB itself does with them: `data.mdb`, `lock.mdb`, `exchange.lock`, and
/// the folder `rewrite` while `data.mdb` is rewritten.
struct EnvironmentFiles: Sendable {
  /// The folder.
  let path: String

  /// Asked for with every transaction.
  let dataPath: String
  private let lockPath: String
  var rewritePath: String { path + "/rewrite" }

  /// Those of the existing folder `path`, under the one name that it has.
  init(path: String) throws(LMDBError) {
    guard let resolved = unsafe realpath(path, nil) else {
      throw errno == ENOENT ? .cutOff("\(path) is missing") : .system("realpath")
    }
    defer { unsafe free(resolved) }
    self.path = unsafe String(cString: resolved)
    dataPath = self.path + "/data.mdb"
    lockPath = self.path + "/lock.mdb"
  }

  var isWritable: Bool {
    unsafe access(dataPath, W_OK) == 0 || access(path, W_OK) == 0
  }

  /// Which files are in place; open ones are held, so no others can have their numbers. 0 where there is none.
  struct Numbers: Equatable {
    var data: ino_t = 0
    var lock: ino_t = 0
  }

  func numbers() -> Numbers {
    Numbers(data: Self.number(dataPath), lock: Self.number(lockPath))
  }

  private static func number(_ path: String) -> ino_t {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? status.st_ino : 0
  }

  /// LMDB writes them when it makes the file.
  private static let firstPageBytes = 2 * 4096

  /// - Throws: `.cutOff` where the data file is missing, or shorter than any: LMDB would make a new one in its place.
  func requireFirstPages() throws(LMDBError) {
    guard let byteCount = try dataByteCount() else { throw .cutOff("\(dataPath) is missing") }
    guard byteCount < Self.firstPageBytes else { return }
    throw .cutOff(
      "\(dataPath) is cut off: it has \(byteCount) bytes, and its first pages take"
        + " \(Self.firstPageBytes)")
  }

  /// nil where there is none.
  private func dataByteCount() throws(LMDBError) -> Int? {
    var status = stat()
    guard unsafe stat(dataPath, &status) == 0 else {
      guard errno == ENOENT else { throw .system("stat") }
      return nil
    }
    return Int(status.st_size)
  }

  /// A file of two pages or less has never been committed to: a power cut has met its making and torn it (there is more
  /// only after those two are flushed). Removes it; false where there is more.
  func removeUnusedDataFile() throws(LMDBError) -> Bool {
    var status = stat()
    guard unsafe stat(dataPath, &status) == 0, status.st_size <= Self.firstPageBytes else {
      return false
    }
    try Self.require("unlink", unsafe unlink(dataPath))
    return true
  }

  /// - Throws: `.cutOff` where the data file is shorter than what its meta page counts: the first look at a page that is
  ///   missing would end the process (SIGBUS). `end` was read before: the file only grows, and pages come before the meta
  ///   page that counts them.
  func requireLength(_ end: Int, ofOpen descriptor: Int32) throws(LMDBError) {
    var status = stat()
    try Self.require("fstat", unsafe fstat(descriptor, &status))
    guard status.st_size < end else { return }
    throw .cutOff(
      "\(dataPath) is cut off: it has \(status.st_size) bytes, and its pages take \(end)")
  }

  /// Makes the data file longer where it does not reach `end`, durably. What fails here fails again, and is reported,
  /// where the next transaction writes.
  static func provideLength(_ end: Int, ofOpen descriptor: Int32) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_size < end,
      ftruncate(descriptor, off_t(end)) == 0
    else { return }
    _ = fdatasync(descriptor)
  }

  /// - Throws: An error that `isDiskFull` where the file system of `folder` has no room for `byteCount` more beside
  ///   `Environment.minFreeBytes`, which stay for those who write meanwhile.
  static func requireRoom(for byteCount: Int, in folder: String) throws(LMDBError) {
    var status = statvfs()
    try require("statvfs", unsafe statvfs(folder, &status))
    let freeBytes = Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    let stays = Environment.minFreeBytes
    guard freeBytes < byteCount + stays else { return }
    throw LMDBError(
      function: "copy", code: ENOSPC,
      message:
        "a copy into \(folder) takes \(byteCount) bytes, \(stays) stay free, and the disk has \(freeBytes) left"
    )
  }

  /// LMDB makes the copies that it writes into `folder` readable for everybody.
  static func makePrivate(copyIn folder: String) throws(LMDBError) {
    try require("chmod", unsafe chmod(folder + "/data.mdb", 0o600))
  }
}

// MARK: - Exchanging the data file

extension EnvironmentFiles {
  func beginRewrite() throws(LMDBError) {
    try removeLeftovers()
    try Self.require("mkdir", unsafe mkdir(rewritePath, 0o700))
  }

  func flushRewritten() throws(LMDBError) { try Self.flush(rewritePath + "/data.mdb") }

  /// A crash leaves the old file in use, or the new one; a power cut too, until `flushNames` has returned.
  func putRewrittenInPlace() throws(LMDBError) {
    // The lock file counts the transactions of the old file: the new one begins anew.
    try Self.require("unlink", unsafe unlink(lockPath))
    try Self.require("rename", unsafe rename(rewritePath + "/data.mdb", dataPath))
  }

  /// Makes durable which files are in place.
  func flushNames() throws(LMDBError) { try Self.flush(path) }

  /// Deletes what a rewriting that was killed has left.
  func removeLeftovers() throws(LMDBError) {
    for name in ["/data.mdb", "/lock.mdb"] {
      let code = unsafe unlink(rewritePath + name)
      if code != 0, errno != ENOENT { throw .system("unlink") }
    }
    let code = unsafe rmdir(rewritePath)
    if code != 0, errno != ENOENT { throw .system("rmdir") }
  }

  /// Opening and exchanging happen one at a time, whatever the process: who opens sees the data and the lock of one and the
  /// same file, and a lock file that is whole.
  func alone(_ body: () throws(LMDBError) -> Void) throws(LMDBError) {
    let name = path + "/exchange.lock"
    var descriptor = unsafe Glibc.open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    // Whoever may not write here reads beside a writer that made the file, or beside none.
    if descriptor < 0, [EACCES, EPERM, EROFS].contains(errno) {
      descriptor = unsafe Glibc.open(name, O_RDONLY | O_CLOEXEC)
    }
    // Not where there is merely no descriptor left: others might exchange the files meanwhile.
    guard descriptor >= 0 || [ENOENT, EACCES, EPERM, EROFS].contains(errno) else {
      throw .system("open")
    }
    defer {
      if descriptor >= 0 {
        // In words: a process that is just being started has a copy of the descriptor.
        flock(descriptor, LOCK_UN)
        Glibc.close(descriptor)
      }
    }
    if descriptor >= 0 { try Self.require("flock", flock(descriptor, LOCK_EX)) }
    try body()
  }

  /// Whoever opens first makes the lock file, and holds a lock on it until it is whole (fcntl(2); mdb.c, `mdb_env_setup_locks`,
  /// `mdb_env_share_locks`). Where it is killed before, whoever waits for that lock takes the file as it is: with the
  /// number 0 for the last commit, and so an empty log, over which the next writer writes. Nobody waits for it inside of `alone`, but the
  /// locks of a process that is ending go one after the other: this one a moment after that of `alone`.
  ///
  /// To be called while this process has no lock on the file itself: closing it here would give that up.
  func waitForKilledOpener() throws(LMDBError) {
    let descriptor = unsafe Glibc.open(lockPath, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      // Where it may not be read, LMDB says so.
      return
    }
    defer { Glibc.close(descriptor) }
    while true {
      var lock = flock()
      lock.l_type = Int16(F_RDLCK)
      lock.l_whence = Int16(SEEK_SET)
      lock.l_len = 1
      try Self.require("fcntl", unsafe fcntl(descriptor, F_GETLK, &lock))
      guard lock.l_type == Int16(F_WRLCK) else { return }
      usleep(1_000)
    }
  }

  private static func flush(_ path: String) throws(LMDBError) {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    try require("fsync", fsync(descriptor))
  }

  private static func require(_ function: String, _ code: Int32) throws(LMDBError) {
    guard code == 0 else { throw .system(function) }
  }
}

extension LMDBError {
  /// What `errno` says of a call of the system.
  fileprivate static func system(_ function: String) -> LMDBError {
    unsafe LMDBError(function: function, code: errno, message: String(cString: strerror(errno)))
  }
}

import Glibc

/// Whole files, written so that a crash leaves the old content or the new one.
enum PlainFiles {
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// Whether nobody may write there: a medium that was mounted so, or somebody else's folder.
  static func isReadOnly(_ path: String) -> Bool {
    unsafe access(path, W_OK) != 0 && [EROFS, EACCES, EPERM].contains(errno)
  }

  /// nil where there is none.
  static func byteCount(of path: String) throws(EventLogError) -> Int? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw .system("stat")
    }
    return Int(status.st_size)
  }

  /// nil where there is none.
  static func read(_ path: String) throws(EventLogError) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return nil }
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    var bytes: [UInt8] = []
    while let more = try read(descriptor, atMost: pieceByteCount) { bytes += more }
    return bytes
  }

  /// Gives `body` the file piece by piece. False where there is none.
  static func forEachPiece(
    of path: String, _ body: ([UInt8]) throws(EventLogError) -> Void
  ) throws(EventLogError) -> Bool {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return false }
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    while let piece = try read(descriptor, atMost: pieceByteCount) { try body(piece) }
    return true
  }

  private static let pieceByteCount = 1 << 20

  /// Up to `count` bytes, fewer only at the end; nil at the end.
  static func read(_ descriptor: Int32, atMost count: Int) throws(EventLogError) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var used = 0
    while used < count {
      let more = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(descriptor, buffer.baseAddress?.advanced(by: used), count - used)
      }
      if more < 0, errno == EINTR { continue }
      guard more >= 0 else { throw .system("read") }
      if more == 0 { break }
      used += more
    }
    return used == 0 ? nil : Array(bytes.prefix(used))
  }

  static func write(_ bytes: [UInt8], to path: String) throws(EventLogError) {
    try writeUnflushed(bytes, to: path)
    try flushFolder(folder(of: path))
  }

  /// The same, but that a crash may lose the whole file until its folder is flushed.
  static func writeUnflushed(_ bytes: [UInt8], to path: String) throws(EventLogError) {
    let file = try GrowingFile(path + ".new")
    try file.append(bytes)
    try file.move(to: path)
  }

  /// Adds to the end of the file, durably.
  static func append(_ bytes: [UInt8], toFile path: String) throws(EventLogError) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    try append(bytes, to: descriptor)
    guard fsync(descriptor) == 0 else { throw .system("fsync") }
  }

  static func append(
    _ bytes: some RandomAccessCollection<UInt8>, to descriptor: Int32
  ) throws(EventLogError) {
    let bytes = Array(bytes)
    var used = 0
    while used < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(
          descriptor, buffer.baseAddress?.advanced(by: used), bytes.count - used)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system("write") }
      used += count
    }
  }

  static func makeFolder(_ path: String) throws(EventLogError) {
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system("mkdir") }
  }

  /// The names in a folder, sorted; empty where there is none.
  static func names(in folder: String) throws(EventLogError) -> [String] {
    guard let stream = unsafe opendir(folder) else {
      if errno == ENOENT { return [] }
      throw .system("opendir")
    }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  static func remove(_ path: String) throws(EventLogError) {
    guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .system("unlink") }
  }

  /// A folder and everything in it; nothing where there is none.
  static func removeTree(_ path: String) throws(EventLogError) {
    for name in try names(in: path) {
      let entry = "\(path)/\(name)"
      if unsafe unlink(entry) == 0 { continue }
      guard errno == EISDIR || errno == EPERM else { throw .system("unlink") }
      try removeTree(entry)
    }
    guard unsafe rmdir(path) == 0 || errno == ENOENT else { throw .system("rmdir") }
  }

  /// Whether `path`, which need not be there, is `folder` or in it, whatever links lead to either.
  static func isInside(_ path: String, _ folder: String) throws(EventLogError) -> Bool {
    guard let folder = resolved(folder) else { throw .system("realpath") }
    var path = path
    while true {
      if let found = resolved(path) { return (found + "/").hasPrefix(folder + "/") }
      let parent = self.folder(of: path)
      guard parent != path else { return false }
      path = parent
    }
  }

  /// nil where there is nothing.
  private static func resolved(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  static func flushFolder(_ path: String) throws(EventLogError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open") }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .system("fsync") }
  }

  static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

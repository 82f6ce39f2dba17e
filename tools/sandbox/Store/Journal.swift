import Glibc

// `journal.jsonl` in the data directory: one record a line, as compact JSON (`Record`), appended in
// the order in which things happened. A line is written before what it says is answered for, so a
// killed sandbox knows all that it promised. It is not flushed to disk: the sandbox plays the world
// outside, and a power cut is not part of its play.

/// The only file of the sandbox that calls POSIX.
struct Journal: ~Copyable {
  private let descriptor: Int32

  /// Opens the journal in `directory`, creating both where they are missing, and locks it.
  init(directory: String) throws(SandboxError) {
    descriptor = try Self.openLocked(directory)
  }

  deinit { close(descriptor) }

  private static func openLocked(_ directory: String) throws(SandboxError) -> Int32 {
    try createDirectory(directory)
    let path = directory + "/journal.jsonl"
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0o600)
    if descriptor < 0 { throw .journal(operation: "open", errno: errno) }
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let code = errno
      close(descriptor)
      throw code == EWOULDBLOCK ? .directoryInUse : .journal(operation: "flock", errno: code)
    }
    return descriptor
  }

  private static func createDirectory(_ directory: String) throws(SandboxError) {
    let ends = directory.indices.filter { directory[$0] == "/" && $0 > directory.startIndex }
    for end in ends + [directory.endIndex] {
      if unsafe mkdir(String(directory[..<end]), 0o700) != 0, errno != EEXIST {
        throw .journal(operation: "mkdir", errno: errno)
      }
    }
  }

  /// The lines, in order. A last line without its end was being written when a sandbox was killed:
  /// nobody was told of it, so it is cut off.
  func readLines() throws(SandboxError) -> [ArraySlice<UInt8>] {
    let bytes = try readAll()
    let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    if end < bytes.count { try truncate(to: end) }
    return bytes[..<end].split(separator: UInt8(ascii: "\n"))
  }

  /// Writes `lines`, each with its end, in one call. Nothing of them stays where that fails.
  func append(_ lines: [UInt8]) throws(SandboxError) {
    let start = lseek(descriptor, 0, SEEK_END)
    if start < 0 { throw .journal(operation: "lseek", errno: errno) }
    var written = 0
    while written < lines.count {
      let count = unsafe lines.withUnsafeBytes { bytes in
        unsafe write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0 {
        let code = errno
        try truncate(to: Int(start))
        throw .journal(operation: "write", errno: code)
      }
      written += count
    }
  }

  func removeAll() throws(SandboxError) { try truncate(to: 0) }

  private func truncate(to size: Int) throws(SandboxError) {
    if ftruncate(descriptor, off_t(size)) != 0 {
      throw .journal(operation: "ftruncate", errno: errno)
    }
  }

  private func readAll() throws(SandboxError) -> [UInt8] {
    let size = lseek(descriptor, 0, SEEK_END)
    if size < 0 || lseek(descriptor, 0, SEEK_SET) < 0 {
      throw .journal(operation: "lseek", errno: errno)
    }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    var filled = 0
    while filled < bytes.count {
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe read(descriptor, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
      }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { throw .journal(operation: "read", errno: count < 0 ? errno : EIO) }
      filled += count
    }
    return bytes
  }
}

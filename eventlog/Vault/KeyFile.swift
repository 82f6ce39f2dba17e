import Crypto
import Glibc

/// 32 random bytes in a file that only its owner may read.
package enum KeyFile {
  package static let byteCount = 32

  /// Reads the file; makes it where it is missing and `mayCreate`.
  ///
  /// - Throws: `.rootKeyMissing`, or `.rootKeyUnusable` where it is not 32 bytes or readable by others.
  package static func read(_ path: String, mayCreate: Bool) throws(VaultError) -> [UInt8] {
    if mayCreate { try create(path) }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { throw .rootKeyMissing }
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    defer { Glibc.close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw .file(function: "fstat", code: errno)
    }
    guard status.st_mode & 0o077 == 0 else {
      throw .rootKeyUnusable(reason: "others may read \(path), which 'chmod 600' changes")
    }
    var bytes = [UInt8](repeating: 0, count: byteCount + 1)
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    guard count == byteCount else {
      throw .rootKeyUnusable(reason: "\(path) does not hold \(byteCount) bytes")
    }
    return Array(bytes.prefix(count))
  }

  private static func create(_ path: String) throws(VaultError) {
    if unsafe access(path, F_OK) == 0 { return }
    // Under another name until it is whole: half a key would keep the log closed for ever.
    let temporary = path + ".new"
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    let bytes = Random.bytes(byteCount)
    defer { Glibc.close(descriptor) }
    try write(bytes, flushedTo: descriptor)
    // link(2) rather than rename(2): whoever made the key first has made it.
    guard unsafe link(temporary, path) == 0 || errno == EEXIST else {
      throw .file(function: "link", code: errno)
    }
    guard unsafe unlink(temporary) == 0 else { throw .file(function: "unlink", code: errno) }
    try flushFolder(of: path)
  }

  /// Writes some bytes that are of use together alone.
  static func write(_ bytes: [UInt8], flushedTo descriptor: Int32) throws(VaultError) {
    let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
    guard count == bytes.count else {
      // Of so few the disk takes a part only where there is no room for the rest, and says nothing of it.
      throw .file(function: "write", code: count < 0 ? errno : ENOSPC)
    }
    guard fsync(descriptor) == 0 else { throw .file(function: "fsync", code: errno) }
  }

  /// Makes a name in the folder of `path` as durable as its content.
  static func flushFolder(of path: String) throws(VaultError) {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = end.map { String(path[..<$0]) } ?? "."
    let descriptor = unsafe open(folder.isEmpty ? "/" : folder, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .file(function: "fsync", code: errno) }
  }
}

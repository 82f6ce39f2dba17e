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
      throw .rootKeyUnusable(reason: "others may read its file")
    }
    var bytes = [UInt8](repeating: 0, count: byteCount + 1)
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    guard count == byteCount else {
      throw .rootKeyUnusable(reason: "its file does not hold \(byteCount) bytes")
    }
    return Array(bytes.prefix(count))
  }

  private static func create(_ path: String) throws(VaultError) {
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
    let descriptor = unsafe open(path, flags, 0o600)
    if descriptor < 0, errno == EEXIST { return }
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    defer { Glibc.close(descriptor) }
    let bytes = Random.bytes(byteCount)
    let count = unsafe write(descriptor, bytes, bytes.count)
    guard count == bytes.count, fsync(descriptor) == 0 else {
      throw .file(function: "write", code: errno)
    }
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

internal import Glibc

/// A secret in a file that only its owner may read, from its first byte on.
package enum SecretFile {
  /// Makes the file at `path` or replaces it as a whole, durably.
  package static func write(_ bytes: [UInt8], to path: String) throws(SecretFileError) {
    let unfinished = path + ".new"
    // What a crash has left may be for others.
    guard unsafe unlink(unfinished) == 0 || errno == ENOENT else {
      throw .last("unlink", unfinished)
    }
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
    let descriptor = unsafe open(unfinished, flags, 0o600)
    guard descriptor >= 0 else { throw .last("open", unfinished) }
    defer { close(descriptor) }
    let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
    guard count == bytes.count else {
      // Of so few the disk takes a part only where there is no room for the rest, and says nothing of it.
      throw SecretFileError(
        path: unfinished, function: "write", errno: count < 0 ? errno : ENOSPC)
    }
    guard fsync(descriptor) == 0 else { throw .last("fsync", unfinished) }
    guard unsafe rename(unfinished, path) == 0 else { throw .last("rename", path) }
    try flushFolder(of: path)
  }

  private static func flushFolder(of path: String) throws(SecretFileError) {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = end.map { String(path[..<$0]) } ?? "."
    let descriptor = unsafe open(folder.isEmpty ? "/" : folder, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .last("fsync", path) }
  }
}

/// A secret was not written: the file is as it was before.
package struct SecretFileError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let function: String
  package let errno: Int32

  fileprivate static func last(_ function: String, _ path: String) -> SecretFileError {
    SecretFileError(path: path, function: function, errno: Glibc.errno)
  }

  package var code: String { "secret_file_\(function)" }

  package var isRetryable: Bool { errno == ENOSPC || errno == EINTR }

  package var description: String {
    unsafe "\(code): \(path): \(String(cString: strerror(errno))) (\(errno))"
  }
}

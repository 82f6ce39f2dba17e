// Calls to the operating system about files and limits. (Sockets: Server/Sockets.swift.)

import Glibc

package enum System {
  static func message(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

  /// Raises this process's limit of open files to what its parent allows, and returns it. Each
  /// connection is an open file; the usual soft limit is 1024.
  @discardableResult
  package static func raiseOpenFileLimit() -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 0
    }
    let granted = limit.rlim_cur
    limit.rlim_cur = limit.rlim_max
    let raised = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
    return Int(clamping: raised ? limit.rlim_max : granted)
  }
}

// MARK: - Files

/// A regular file, open for reading; closed with the last reference, unless its descriptor was taken.
final class OpenFile: Sendable {
  let byteCount: UInt64
  private let descriptor: Int32

  init?(path: String) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    byteCount = UInt64(clamping: status.st_size)
  }

  deinit { close(descriptor) }

  /// Another descriptor of the file, which the caller closes; nil where there are too many.
  func duplicate() -> Int32? {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    return copy < 0 ? nil : copy
  }

  /// The bytes of a small file at `path`, followed by a zero.
  static func text(path: String) throws(HTTPError) -> [CChar] {
    guard let file = OpenFile(path: path), file.byteCount < 1 << 20 else {
      throw .tlsFileUnreadable(path: path, errno: errno == 0 ? EFBIG : errno)
    }
    var bytes = [CChar](repeating: 0, count: Int(file.byteCount) + 1)
    let count = unsafe read(file.descriptor, &bytes, Int(file.byteCount))
    guard count == Int(file.byteCount) else {
      throw .tlsFileUnreadable(path: path, errno: errno)
    }
    return bytes
  }
}

import Glibc

/// An LMDB call that failed: which one, the code it returned, and LMDB's words for that code.
package struct LMDBError: Error, Equatable, CustomStringConvertible {
  package let function: String
  /// A positive `errno`, or one of LMDB's own negative codes (`MDB_MAP_FULL`, -30792, ...).
  package let code: Int32
  package let message: String

  /// The map has no room left: grow it and try again. Nothing was stored.
  package var isMapFull: Bool { code == -30_792 }

  /// The file system has no room left. Nothing was stored.
  package var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

  /// The environment was closed, by this process itself.
  package var isClosed: Bool { code == EBADF }

  package var description: String { "\(function): \(message) (\(code))" }
}

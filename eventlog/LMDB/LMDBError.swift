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

  /// The data file is shorter than its pages take, or missing: somebody has cut it off or taken it away. Nothing was opened.
  package var isCutOff: Bool { code == Self.cutOffCode && function == Self.opening }

  /// A copy was begun, and has written no one knows how much.
  package var isOfCopy: Bool { function.hasPrefix("mdb_env_copy") }

  private static let opening = "mdb_env_open"
  /// LMDB's `MDB_CORRUPTED`, which its own opening never returns.
  private static let cutOffCode: Int32 = -30_796

  static func cutOff(_ message: String) -> LMDBError {
    LMDBError(function: opening, code: cutOffCode, message: message)
  }

  /// MDB_BAD_TXN.
  static func strangeLock(_ path: String) -> LMDBError {
    LMDBError(
      function: "mdb_txn_begin", code: -30_782,
      message:
        "\(path)/lock.mdb is of another state than data.mdb: end every process that uses the log, then start again"
    )
  }

  package var description: String { "\(function): \(message) (\(code))" }
}

// Copies of the vault without deleted bytes.

import LMDB

extension Vault {
  /// About how large one is.
  package func copyByteCount() throws(VaultError) -> Int {
    try withFile { file throws in try file.environment.copyByteCount() }
  }

  /// Into an open descriptor.
  package func copyCompacting(to descriptor: Int32) throws(VaultError) {
    try withFile { file throws in try file.environment.copyCompacting(to: descriptor) }
  }

  /// Into the empty directory `path`.
  package func copyCompacting(to path: String) throws(VaultError) {
    try withFile { file throws in try file.environment.copyCompacting(to: path) }
  }
}

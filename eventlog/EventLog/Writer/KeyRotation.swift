import Vault

extension LMDBEventLog {
  /// Puts new keys in the place of those that wrap the subjects' keys: every org's, and, `includingRoot`, the root key.
  /// Reading and writing go on between the steps. A rotation that was killed is completed by the next call.
  package func rotateKeys(includingRoot: Bool) async throws(EventLogError) {
    try await core.onWriterThread { writer throws in
      try writer.store.vault.beginRotation()
      writer.reached(.rotationBegun)
    }
    while try await core.onWriterThread({ writer throws in
      let isMoreLeft = try writer.store.vault.rewrapSome()
      writer.reached(.keysRewrapped)
      return isMoreLeft
    }) {}
    try await core.onWriterThread { writer throws in
      try writer.store.vault.endRotation()
      writer.reached(.rotationEnded)
    }
    guard includingRoot else { return }
    try await core.onWriterThread { writer throws in
      try writer.store.vault.rewrapUnderNextRoot()
      writer.reached(.rootRewrapped)
      try writer.store.vault.installRoot()
      writer.reached(.rootInstalled)
    }
  }
}

import Crypto
import LMDB
import Vault

extension LogStore {
  /// Opens the log of `folder` and its vault; the writer creates what is missing, and nobody else does.
  ///
  /// - Throws: `.corrupted` where a file is missing or cut off.
  static func open(
    _ folder: LogFolder, mapBytes: Int, rootKey: any RootKey, isWriter: Bool = false
  ) throws(EventLogError) -> LogStore {
    let isNew = isWriter ? try !folder.hasLog() : false
    let vault = try mappingErrors {
      // A log without a vault is not new: its keys are lost, and an empty vault would hide that.
      try Vault(path: folder.vaultPath, rootKey: rootKey, mayCreate: isNew)
    }
    do throws(EventLogError) {
      if isNew, try mappingErrors({ try !vault.isEmpty() }) {
        throw EventLogError.storage(
          reason: "there are keys without a log: put \(folder.dataPath) back, or restore a backup")
      }
      var options = Environment.Options(mapBytes: mapBytes, tables: LogStore.tables)
      options.mayCreate = isWriter
      let environment = try mappingErrors {
        try Environment.open(path: folder.logPath, options: options)
      }
      do throws(EventLogError) {
        if isWriter {
          try mappingErrors {
            try vault.prepareForWriting()
            try environment.takeOverFromKilledWriter()
          }
          try createFormat(in: environment)
        }
        return try LogStore(folder, environment, vault: vault)
      } catch {
        environment.close()
        throw error
      }
    } catch {
      vault.close()
      throw error
    }
  }

  private static func createFormat(in environment: Environment) throws(EventLogError) {
    let meta = environment.table(LogStore.metaTable)
    try mappingErrors {
      let isThere = try environment.read { transaction throws in
        try transaction.withValue(forKey: LogStore.formatKey, in: meta) { _ in true } ?? false
      }
      guard !isThere else { return }
      let logID = UInt128(Random.uint64()) << 64 | UInt128(Random.uint64())
      let format = LogFormat(
        logID: logID, hashSeed: Random.uint64(), createdAtMicros: SystemClock.nowMicros())
      try environment.write { transaction throws in
        try transaction.put(format.bytes, forKey: LogStore.formatKey, in: meta)
      }
    }
  }
}

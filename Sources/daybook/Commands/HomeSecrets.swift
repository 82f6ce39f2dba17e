import Application
import CLI
import Crypto
import EventLog
import Foundation
import Vault

/// The keys of a home beside the root key, and what it signed last: what signs checkpoints, links in letters and sessions, and seals the archive of
/// deliveries. Whoever lost them could not show that an older checkpoint is theirs, and links that were sent would end.
///
/// In a backup each is sealed under its own name, by a key of the backup that the root key wraps.
struct HomeSecrets {
  private static let prefix = "secret:"
  private static let keyName = "key"

  private let home: Home
  private let incarnation: UInt32
  private var paths: [String: String] {
    [
      "checkpoint.key": home.path + "/checkpoint.key", "link.secret": home.linkSecret,
      "session.secret": home.sessionSecret, "deliveries.key": home.reactors + "/deliveries.key",
      // No secret: the history that follows a restore quotes it.
      "instance.checkpoint": Notary.folder(home.path, incarnation) + "/checkpoint",
    ]
  }

  /// `incarnation`: which history of the log is backed up, or was.
  init(_ home: Home, incarnation: UInt32) {
    self.home = home
    self.incarnation = incarnation
  }

  /// Those that are there, by the name in the backup.
  func sealed() throws -> [String: [UInt8]] {
    let rootKey = try FileRootKey(path: home.log + "/root.key", mayCreate: false)
    let key = Random.bytes(AESGCM.keyByteCount)
    let id = Array(rootKey.id.utf8)
    var files = [
      Self.prefix + Self.keyName: [UInt8(id.count)] + id
        + (try rootKey.wrap(key, authenticating: Array(Self.keyName.utf8)))
    ]
    var cipher = AESGCM()
    for (name, path) in paths where FileManager.default.fileExists(atPath: path) {
      let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
      let nonce = Random.bytes(AESGCM.nonceByteCount)
      files[Self.prefix + name] =
        nonce
        + (try cipher.seal(bytes, key: key, nonce: nonce, authenticating: Array(name.utf8)))
    }
    return files
  }

  /// Whether `name` is one of what `sealed` gave.
  static func isSecret(_ name: String) -> Bool { name.hasPrefix(prefix) }

  /// Puts those of the first of `snapshots` in their place that `rootKey` opens, where the home has none.
  ///
  /// A root key that was exchanged since opens none of the snapshots from before, but the keys of them all: those of the last backup.
  /// False where it opens the secrets of no snapshot: the log is worth more than they are.
  func place(_ snapshots: [[String: [UInt8]]], rootKey: any RootKey) throws -> Bool {
    var isOther = false
    for files in snapshots {
      let found = Result { try key(of: files, rootKey: rootKey) }
      if case .failure(VaultError.wrongRootKey) = found {
        isOther = true
      } else if let key = try found.get() {
        try place(files, key: key)
        return true
      }
    }
    return !isOther
  }

  /// nil where there are no secrets.
  private func key(
    of files: [String: [UInt8]], rootKey: any RootKey
  ) throws -> [UInt8]? {
    guard let wrapped = files[Self.prefix + Self.keyName], let count = wrapped.first.map(Int.init),
      wrapped.count > 1 + count
    else { return nil }
    return try rootKey.unwrap(
      Array(wrapped[(1 + count)...]),
      wrappedBy: String(decoding: wrapped[1..<1 + count], as: UTF8.self),
      authenticating: Array(Self.keyName.utf8))
  }

  private func place(_ files: [String: [UInt8]], key: [UInt8]) throws {
    var cipher = AESGCM()
    for (name, path) in paths {
      guard let bytes = files[Self.prefix + name], bytes.count > AESGCM.nonceByteCount,
        !FileManager.default.fileExists(atPath: path)
      else { continue }
      let secret = try cipher.open(
        Array(bytes.dropFirst(AESGCM.nonceByteCount)), key: key,
        nonce: Array(bytes.prefix(AESGCM.nonceByteCount)), authenticating: Array(name.utf8))
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try SecretFile.write(secret, to: path)
    }
  }
}

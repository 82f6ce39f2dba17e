import Crypto
import Glibc
import Synchronization

/// The key above all keys. A port: the file below is for development and for machines whose disk is
/// protected otherwise; PKCS#11 and key services implement the same calls.
package protocol RootKey: Sendable {
  /// Which key it is, 1 to 64 ASCII bytes: stored beside what it wraps.
  var id: String { get }

  /// `key` sealed so that only `unwrap` with the same `associated` opens it.
  func wrap(_ key: [UInt8], authenticating associated: [UInt8]) throws(VaultError) -> [UInt8]

  /// Opens what this key wrapped, or the one before it or after it while one takes over.
  ///
  /// - Throws: `.wrongRootKey` where another key wrapped it, or other bytes are associated.
  func unwrap(
    _ wrapped: [UInt8], wrappedBy id: String, authenticating associated: [UInt8]
  ) throws(VaultError) -> [UInt8]

  /// The key that comes after this one: the same at every call until `installSuccessor`, also after a crash.
  func successor() throws(VaultError) -> any RootKey

  /// Puts the successor in this key's place, which is destroyed. Nothing may be wrapped by this one any more.
  func installSuccessor() throws(VaultError)
}

/// 32 random bytes in a file that only its owner may read. The successor lies beside it, as `<path>.next`.
package final class FileRootKey: RootKey {
  private struct Keys {
    var current: (id: String, bytes: [UInt8])
    var all: [String: [UInt8]]
  }

  private let path: String
  private let keys: Mutex<Keys>

  private var nextPath: String { path + ".next" }

  /// Reads the key; makes one where the file is missing and `mayCreate`.
  ///
  /// - Throws: `.rootKeyMissing`, or `.rootKeyUnusable` where the file is not 32 bytes or readable
  ///   by others.
  package init(path: String, mayCreate: Bool) throws(VaultError) {
    self.path = path
    let bytes = try KeyFile.read(path, mayCreate: mayCreate)
    let id = Self.id(of: bytes)
    keys = Mutex(Keys(current: (id, bytes), all: [id: bytes]))
  }

  package var id: String { keys.withLock { $0.current.id } }

  private static func id(of bytes: [UInt8]) -> String {
    let hash = SHA256.hash(Array("daybook/root-key-id/v1\0".utf8) + bytes)
    return "file-" + Hex.encode(Array(hash.prefix(4)))
  }

  package func wrap(
    _ key: [UInt8], authenticating associated: [UInt8]
  ) throws(VaultError) -> [UInt8] {
    try KeyWrap.wrap(key, under: keys.withLock { $0.current.bytes }, authenticating: associated)
  }

  package func unwrap(
    _ wrapped: [UInt8], wrappedBy id: String, authenticating associated: [UInt8]
  ) throws(VaultError) -> [UInt8] {
    var cipher = AESGCM()
    guard let wrapping = try key(id),
      let key = KeyWrap.unwrap(wrapped, under: wrapping, authenticating: associated, &cipher)
    else { throw .wrongRootKey }
    return key
  }

  /// Another process may have rotated since the files were read.
  private func key(_ id: String) throws(VaultError) -> [UInt8]? {
    if let known = keys.withLock({ $0.all[id] }) { return known }
    try readAgain()
    return keys.withLock { $0.all[id] }
  }

  private func readAgain() throws(VaultError) {
    let current = try KeyFile.read(path, mayCreate: false)
    let isNextThere = unsafe access(nextPath, F_OK) == 0
    let next = isNextThere ? try KeyFile.read(nextPath, mayCreate: false) : nil
    keys.withLock { keys in
      keys.current = (Self.id(of: current), current)
      for bytes in [current, next].compactMap(\.self) { keys.all[Self.id(of: bytes)] = bytes }
    }
  }

  package func successor() throws(VaultError) -> any RootKey {
    let next = try FileRootKey(path: nextPath, mayCreate: true)
    try readAgain()
    return next
  }

  package func installSuccessor() throws(VaultError) {
    guard unsafe rename(nextPath, path) == 0 else {
      throw .file(function: "rename", code: errno)
    }
    try KeyFile.flushFolder(of: path)
    let bytes = try KeyFile.read(path, mayCreate: false)
    let id = Self.id(of: bytes)
    keys.withLock { $0 = Keys(current: (id, bytes), all: [id: bytes]) }
  }
}

/// One key under another: nonce (12), sealed key (32), tag (16).
/// AES-256-GCM rather than RFC 5649: sixteen times faster in libcrypto 3.0, and it authenticates the key's name.
enum KeyWrap {
  static let byteCount = 60

  static func wrap(
    _ key: [UInt8], under wrapping: [UInt8], authenticating associated: [UInt8]
  ) throws(VaultError) -> [UInt8] {
    let nonce = Random.bytes(AESGCM.nonceByteCount)
    var cipher = AESGCM()
    do throws(CryptoError) {
      return nonce
        + (try cipher.seal(key, key: wrapping, nonce: nonce, authenticating: associated))
    } catch {
      throw .crypto(error)
    }
  }

  /// nil where it was wrapped by another key or as another one.
  static func unwrap(
    _ wrapped: [UInt8], under wrapping: [UInt8], authenticating associated: [UInt8],
    _ cipher: inout AESGCM
  ) -> [UInt8]? {
    guard wrapped.count == byteCount else { return nil }
    return try? cipher.open(
      Array(wrapped.dropFirst(AESGCM.nonceByteCount)), key: wrapping,
      nonce: Array(wrapped.prefix(AESGCM.nonceByteCount)), authenticating: associated)
  }
}

import Crypto
import Glibc

/// The key above all keys. A port: the file below is for development and for machines whose disk is
/// protected otherwise; PKCS#11 and key services implement the same two calls.
package protocol RootKey: Sendable {
  /// Which key it is, 1 to 64 ASCII bytes: stored beside what it wraps.
  var id: String { get }

  /// `key` sealed so that only `unwrap` with the same `associated` opens it.
  func wrap(_ key: [UInt8], authenticating associated: [UInt8]) throws(VaultError) -> [UInt8]

  /// - Throws: `.wrongRootKey` where another key wrapped it, or other bytes are associated.
  func unwrap(_ wrapped: [UInt8], authenticating associated: [UInt8]) throws(VaultError) -> [UInt8]
}

/// 32 random bytes in a file that only its owner may read.
package struct FileRootKey: RootKey {
  package let id: String
  private let key: [UInt8]

  /// Reads the key; makes one where the file is missing and `mayCreate`.
  ///
  /// - Throws: `.rootKeyMissing`, or `.rootKeyUnusable` where the file is not 32 bytes or readable
  ///   by others.
  package init(path: String, mayCreate: Bool) throws(VaultError) {
    if mayCreate { try Self.create(path) }
    let bytes = try Self.read(path)
    key = bytes
    id =
      "file-"
      + Hex.encode(Array(SHA256.hash(Array("daybook/root-key-id/v1\0".utf8) + bytes).prefix(4)))
  }

  package func wrap(
    _ key: [UInt8], authenticating associated: [UInt8]
  ) throws(VaultError) -> [UInt8] {
    try KeyWrap.wrap(key, under: self.key, authenticating: associated)
  }

  package func unwrap(
    _ wrapped: [UInt8], authenticating associated: [UInt8]
  ) throws(VaultError) -> [UInt8] {
    guard let key = KeyWrap.unwrap(wrapped, under: key, authenticating: associated) else {
      throw .wrongRootKey
    }
    return key
  }

  private static func create(_ path: String) throws(VaultError) {
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
    let descriptor = unsafe open(path, flags, 0o600)
    if descriptor < 0, errno == EEXIST { return }
    guard descriptor >= 0 else { throw .file(function: "open", code: errno) }
    defer { Glibc.close(descriptor) }
    let bytes = Random.bytes(AESGCM.keyByteCount)
    let count = unsafe write(descriptor, bytes, bytes.count)
    guard count == bytes.count, fsync(descriptor) == 0 else {
      throw .file(function: "write", code: errno)
    }
  }

  private static func read(_ path: String) throws(VaultError) -> [UInt8] {
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
    var bytes = [UInt8](repeating: 0, count: AESGCM.keyByteCount + 1)
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    guard count == AESGCM.keyByteCount else {
      throw .rootKeyUnusable(reason: "its file does not hold \(AESGCM.keyByteCount) bytes")
    }
    return Array(bytes.prefix(count))
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
    _ wrapped: [UInt8], under wrapping: [UInt8], authenticating associated: [UInt8]
  ) -> [UInt8]? {
    guard wrapped.count == byteCount else { return nil }
    var cipher = AESGCM()
    return try? cipher.open(
      Array(wrapped.dropFirst(AESGCM.nonceByteCount)), key: wrapping,
      nonce: Array(wrapped.prefix(AESGCM.nonceByteCount)), authenticating: associated)
  }
}

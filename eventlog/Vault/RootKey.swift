import Crypto

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
    let bytes = try KeyFile.read(path, mayCreate: mayCreate)
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

/// Ed25519 (RFC 8032).
package enum Ed25519 {
  package static let seedByteCount = 32
  package static let publicKeyByteCount = 32
  package static let signatureByteCount = 64

  /// A signing key. Safe to use from several threads at once.
  package struct PrivateKey: Sendable {
    private let handle: KeyHandle
    /// 32 bytes.
    package let publicKey: [UInt8]

    /// - Throws: `.invalidLength` unless `seed` has 32 bytes.
    package init(seed: [UInt8]) throws(CryptoError) {
      handle = try KeyHandle.ed25519(seed: seed)
      publicKey = try handle.rawPublicKey()
    }

    /// 64 bytes, the same each time.
    package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
      try handle.signEd25519(message)
    }
  }

  /// Whether `signature` is the one of `message` by `publicKey`; false for a signature or a key of
  /// the wrong length too.
  package static func isValid(
    _ signature: [UInt8], for message: [UInt8], publicKey: [UInt8]
  ) throws(CryptoError) -> Bool {
    guard signature.count == signatureByteCount, publicKey.count == publicKeyByteCount else {
      return false
    }
    return try KeyHandle.ed25519(publicKey: publicKey)
      .verify(signature, of: message, withSHA256: false)
  }
}

/// ECDSA over P-256 with SHA-256 (FIPS 186-4): SendGrid signs its event webhooks with it.
package enum P256 {
  /// For the simulator of a provider that signs. Safe to use from several threads at once.
  package struct PrivateKey: Sendable {
    private let handle: KeyHandle

    package init() throws(CryptoError) { handle = try KeyHandle.generateP256() }

    /// - Throws: `.malformedKey` for anything but a P-256 key as `der` gives it.
    package init(der: [UInt8]) throws(CryptoError) {
      handle = try KeyHandle.p256(privateKeyDER: der)
    }

    package var der: [UInt8] { get throws(CryptoError) { try handle.privateKeyDER() } }

    /// DER SubjectPublicKeyInfo.
    package var publicKeySPKI: [UInt8] {
      get throws(CryptoError) { try handle.publicKeyDER() }
    }

    /// DER: a sequence of r and s; another one each time.
    package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
      try handle.signECDSA(message)
    }
  }

  /// Safe to use from several threads at once.
  package struct PublicKey: Sendable {
    private let handle: KeyHandle

    /// - Parameter spki: The key as DER SubjectPublicKeyInfo, which is what SendGrid shows in
    ///   base64.
    /// - Throws: `.malformedKey` for anything but a P-256 key.
    package init(spki: [UInt8]) throws(CryptoError) {
      handle = try KeyHandle.p256(spki: spki)
    }

    /// Whether `signature` (DER: a sequence of r and s) is this key's over `message`.
    package func isValid(
      _ signature: [UInt8], for message: [UInt8]
    ) throws(CryptoError) -> Bool {
      try handle.verify(signature, of: message, withSHA256: true)
    }
  }
}

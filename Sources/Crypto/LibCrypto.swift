// The only file that calls libcrypto (OpenSSL 3.0). Pointers, return codes and contexts stay below
// this line; callers see bytes and `CryptoError`.
//
// In 3.0 the convenience functions look an algorithm up by name at every call, which costs more
// than hashing a tree node: algorithms are fetched once here and contexts are kept.

internal import COpenSSL

// MARK: - SHA-256

/// A SHA-256 computation in progress. A value: a copy goes on by itself, so a common prefix need be
/// hashed only once. FIPS 180-4.
package struct SHA256: Sendable {
  package static let digestByteCount = 32
  static let blockByteCount = 64

  /// Before the first byte.
  private static let start = SHA256()

  private var state = SHA256_CTX()

  package init() {
    let code = unsafe SHA256_Init(&state)
    precondition(code == 1, "SHA256_Init cannot fail on a state of our own")
  }

  /// The digest of `bytes`: 32 bytes.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }

  package mutating func update(_ bytes: [UInt8]) {
    unsafe update(bytes.span.bytes)
  }

  package mutating func update(_ bytes: RawSpan) {
    let code = unsafe bytes.withUnsafeBytes { bytes in
      unsafe SHA256_Update(&state, bytes.baseAddress, bytes.count)
    }
    precondition(code == 1, "SHA256_Update cannot fail on a state of our own")
  }

  package mutating func update(_ byte: UInt8) {
    let code = unsafe withUnsafeBytes(of: byte) { bytes in
      unsafe SHA256_Update(&state, bytes.baseAddress, 1)
    }
    precondition(code == 1, "SHA256_Update cannot fail on a state of our own")
  }

  /// The digest of what was hashed so far: 32 bytes. The computation may go on.
  package func finalize() -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: Self.digestByteCount) { buffer, count in
      var last = state
      let code = unsafe SHA256_Final(buffer.baseAddress, &last)
      precondition(code == 1, "SHA256_Final cannot fail on a state of our own")
      count = Self.digestByteCount
    }
  }

  /// The digest of what was hashed so far, without an array.
  package func digest() -> Digest {
    var digest = Digest()
    var last = state
    let code = unsafe withUnsafeMutableBytes(of: &digest) { bytes in
      unsafe SHA256_Final(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &last)
    }
    precondition(code == 1, "SHA256_Final cannot fail on a state of our own")
    return digest
  }

  /// The digest of what was hashed so far and `bytes`. The computation may go on from where it was.
  package func digest(with bytes: RawSpan) -> Digest {
    var next = self
    next.update(bytes)
    var digest = Digest()
    let code = unsafe withUnsafeMutableBytes(of: &digest) { bytes in
      unsafe SHA256_Final(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &next.state)
    }
    precondition(code == 1, "SHA256_Final cannot fail on a state of our own")
    return digest
  }

  /// The digest of what was hashed so far, which is whole blocks, and of `message`, which is padded already
  /// (`pad(_:after:)`): hashed where it lies, without a copy.
  package func digest(padded message: RawSpan) -> Digest {
    precondition(
      state.num == 0 && message.byteCount.isMultiple(of: Self.blockByteCount),
      "a padded message ends with a block")
    var last = self
    last.update(message)
    return last.words.digest
  }

  /// Where the computation stands, after whole blocks.
  package var chain: Chain {
    precondition(state.num == 0, "a chaining value is that of whole blocks")
    return words
  }

  /// Goes on from `chain` over `bytes`, which are whole blocks.
  static func chain(from chain: Chain, over bytes: RawSpan) -> Chain {
    var hash = start
    let words = chain.words
    hash.state.h = (
      words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]
    )
    hash.update(bytes)
    return hash.chain
  }

  /// The chaining value, which after a padded message is the digest.
  private var words: Chain {
    let words = state.h
    return Chain(
      SIMD8(words.0, words.1, words.2, words.3, words.4, words.5, words.6, words.7))
  }

  /// The digest of `tag`, `left` and `right`: 65 bytes, two blocks with a padding that is always the same
  /// (FIPS 180-4, 5.1.1), put together here. The general functions copy everything twice on the way.
  package static func digest(tag: UInt8, _ left: Digest, _ right: Digest) -> Digest {
    var hash = start
    unsafe withUnsafeTemporaryAllocation(byteCount: 2 * blockByteCount, alignment: 8) { blocks in
      unsafe blocks.initializeMemory(as: UInt8.self, repeating: 0)
      unsafe blocks[0] = tag
      unsafe blocks.storeBytes(of: left, toByteOffset: 1, as: Digest.self)
      unsafe blocks.storeBytes(of: right, toByteOffset: 1 + digestByteCount, as: Digest.self)
      let count = 1 + 2 * digestByteCount
      unsafe blocks[count] = 0x80
      unsafe blocks.storeBytes(
        of: UInt16(8 * count).bigEndian, toByteOffset: blocks.count - 2, as: UInt16.self)
      let start = unsafe blocks.baseAddress?.assumingMemoryBound(to: UInt8.self)
      unsafe SHA256_Transform(&hash.state, start)
      unsafe SHA256_Transform(&hash.state, start?.advanced(by: blockByteCount))
    }
    return hash.words.digest
  }

  /// Appends the digest of what was hashed so far to `output`, without an array of its own.
  package func finalize(appendingTo output: inout [UInt8]) {
    unsafe withUnsafeTemporaryAllocation(
      byteCount: Self.digestByteCount, alignment: 8
    ) { buffer in
      var last = state
      let code = unsafe SHA256_Final(
        buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &last)
      precondition(code == 1, "SHA256_Final cannot fail on a state of our own")
      unsafe output.append(contentsOf: buffer)
    }
  }
}

// MARK: - SHA-1

/// SHA-1, for HMAC-SHA1 alone: some providers still sign their webhooks with it, and HMAC does not
/// need the collision resistance that SHA-1 has lost.
struct SHA1: Sendable {
  static let digestByteCount = 20
  static let blockByteCount = 64

  private var state = SHA_CTX()

  init() {
    let code = unsafe SHA1_Init(&state)
    precondition(code == 1, "SHA1_Init cannot fail on a state of our own")
  }

  static func hash(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA1()
    unsafe hash.update(bytes.span.bytes)
    return hash.finalize()
  }

  mutating func update(_ bytes: RawSpan) {
    let code = unsafe bytes.withUnsafeBytes { bytes in
      unsafe SHA1_Update(&state, bytes.baseAddress, bytes.count)
    }
    precondition(code == 1, "SHA1_Update cannot fail on a state of our own")
  }

  func finalize() -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: Self.digestByteCount) { buffer, count in
      var last = state
      let code = unsafe SHA1_Final(buffer.baseAddress, &last)
      precondition(code == 1, "SHA1_Final cannot fail on a state of our own")
      count = Self.digestByteCount
    }
  }
}

// MARK: - AES-256-GCM

/// Seals and opens with AES-256-GCM (NIST SP 800-38D): 32-byte keys, 12-byte nonces, 16-byte tags.
///
/// Keep an instance where many messages are sealed, each with its own key: the context is made once
/// (its set-up costs as much as sealing 100 bytes). Not copyable and not shared: one thread at a
/// time.
@safe
package struct AESGCM: ~Copyable {
  package static let keyByteCount = 32
  package static let nonceByteCount = 12
  package static let tagByteCount = 16

  private let context: OpaquePointer

  package init() {
    guard let context = unsafe EVP_CIPHER_CTX_new() else {
      preconditionFailure("no memory for a cipher context")
    }
    let code = unsafe EVP_CipherInit_ex2(context, Algorithms.aes256GCM.pointer, nil, nil, 1, nil)
    precondition(code == 1, "AES-256-GCM is part of every libcrypto 3")
    unsafe self.context = unsafe context
  }

  deinit { unsafe EVP_CIPHER_CTX_free(context) }

  /// Ciphertext and tag: 16 bytes more than `plaintext`. Never use a nonce twice with one key.
  ///
  /// - Throws: `.invalidLength` for a key or nonce of the wrong length.
  package mutating func seal(
    _ plaintext: [UInt8], key: [UInt8], nonce: [UInt8], authenticating associated: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    var sealed: [UInt8] = []
    sealed.reserveCapacity(plaintext.count + Self.tagByteCount)
    try seal(
      plaintext, key: key, nonce: nonce, authenticating: associated, appendingTo: &sealed)
    return sealed
  }

  /// The same, appended to `output`, which stays as it was where this throws.
  package mutating func seal(
    _ plaintext: [UInt8], key: [UInt8], nonce: [UInt8], authenticating associated: [UInt8],
    appendingTo output: inout [UInt8]
  ) throws(CryptoError) {
    try unsafe start(
      key: key, nonce: nonce.span.bytes, associated: associated.span.bytes, encrypting: true)
    let start = output.count
    // Encrypted where it lies (EVP_EncryptInit(3): in and out may be the same).
    output.append(contentsOf: plaintext)
    output.append(contentsOf: Self.noTag)
    let code = unsafe output.withUnsafeMutableBufferPointer { output in
      unsafe encrypt(UnsafeMutableBufferPointer(rebasing: output[start...]))
    }
    guard code == 1 else {
      output.removeLast(output.count - start)
      throw .library(function: "EVP_CipherUpdate")
    }
  }

  private static let noTag = [UInt8](repeating: 0, count: tagByteCount)

  /// Encrypts all of `bytes` but the last 16, which become the tag.
  @unsafe
  private func encrypt(_ bytes: UnsafeMutableBufferPointer<UInt8>) -> Int32 {
    let count = bytes.count - Self.tagByteCount
    let tag = unsafe bytes.baseAddress?.advanced(by: count)
    var written: Int32 = 0
    var code = unsafe EVP_CipherUpdate(
      context, bytes.baseAddress, &written, bytes.baseAddress, Int32(count))
    var rest: Int32 = 0
    if code == 1 { code = unsafe EVP_CipherFinal_ex(context, tag, &rest) }
    if code == 1 {
      code = unsafe EVP_CIPHER_CTX_ctrl(
        context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagByteCount), tag)
    }
    return code
  }

  /// The plaintext of what `seal` returned.
  ///
  /// - Throws: `.authenticationFailed` where key, nonce, associated bytes or the sealed bytes are
  ///   not those of the sealing. Nothing of the plaintext is returned then.
  package mutating func open(
    _ sealed: [UInt8], key: [UInt8], nonce: [UInt8], authenticating associated: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    try unsafe open(
      sealed.span.bytes, key: key, nonce: nonce.span.bytes, authenticating: associated.span.bytes)
  }

  /// The same of bytes that lie in others' arrays.
  package mutating func open(
    _ sealed: RawSpan, key: [UInt8], nonce: RawSpan, authenticating associated: RawSpan
  ) throws(CryptoError) -> [UInt8] {
    let tagCount = Self.tagByteCount
    guard sealed.byteCount >= tagCount else { throw .authenticationFailed }
    try start(key: key, nonce: nonce, associated: associated, encrypting: false)
    let plainCount = sealed.byteCount - tagCount
    var isAuthentic = false
    let plaintext = unsafe [UInt8](unsafeUninitializedCapacity: plainCount + 1) { output, count in
      let code = unsafe sealed.withUnsafeBytes { bytes in
        unsafe decrypt(
          bytes.assumingMemoryBound(to: UInt8.self), plainCount: plainCount,
          into: output.baseAddress)
      }
      isAuthentic = code == 1
      if !isAuthentic { unsafe OPENSSL_cleanse(output.baseAddress, plainCount) }
      count = isAuthentic ? plainCount : 0
    }
    guard isAuthentic else { throw .authenticationFailed }
    return plaintext
  }

  @unsafe
  private func decrypt(
    _ sealed: UnsafeBufferPointer<UInt8>, plainCount: Int, into output: UnsafeMutablePointer<UInt8>?
  ) -> Int32 {
    // OpenSSL reads the tag; the parameter is not const because the control call also writes.
    let tag = unsafe UnsafeMutablePointer(mutating: sealed.baseAddress?.advanced(by: plainCount))
    var code = unsafe EVP_CIPHER_CTX_ctrl(
      context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagByteCount), tag)
    var written: Int32 = 0
    if code == 1 {
      code = unsafe EVP_CipherUpdate(
        context, output, &written, sealed.baseAddress, Int32(plainCount))
    }
    var rest: Int32 = 0
    if code == 1 {
      code = unsafe EVP_CipherFinal_ex(context, output?.advanced(by: plainCount), &rest)
    }
    return code
  }

  private func start(
    key: [UInt8], nonce: RawSpan, associated: RawSpan, encrypting: Bool
  ) throws(CryptoError) {
    try requireLength(key.count, Self.keyByteCount, of: "AES-256 key")
    try requireLength(nonce.byteCount, Self.nonceByteCount, of: "GCM nonce")
    var code = unsafe nonce.withUnsafeBytes { nonce in
      unsafe EVP_CipherInit_ex2(
        context, nil, key, nonce.baseAddress?.assumingMemoryBound(to: UInt8.self),
        encrypting ? 1 : 0, nil)
    }
    var written: Int32 = 0
    if code == 1 && !associated.isEmpty {
      code = unsafe associated.withUnsafeBytes { bytes in
        unsafe EVP_CipherUpdate(
          context, nil, &written, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
          Int32(bytes.count))
      }
    }
    guard code == 1 else { throw .library(function: "EVP_CipherInit_ex2") }
  }
}

/// Algorithms, fetched once for the life of the process and never freed. Immutable once fetched, so
/// every thread may read them (OpenSSL, crypto(7): fetched methods are reference-counted and const).
private enum Algorithms {
  static let aes256GCM = fetchCipher("AES-256-GCM")

  private static func fetchCipher(_ name: String) -> SharedPointer {
    guard let cipher = unsafe EVP_CIPHER_fetch(nil, name, nil) else {
      preconditionFailure("libcrypto lacks \(name)")
    }
    return unsafe SharedPointer(pointer: cipher)
  }
}

/// A pointer to something immutable that lives as long as the process.
@safe
private struct SharedPointer: @unchecked Sendable {
  // Sendable because nothing writes through it and nothing frees it.
  let pointer: OpaquePointer

  init(pointer: OpaquePointer) { unsafe self.pointer = unsafe pointer }
}

private func requireLength(
  _ actual: Int, _ expected: Int, of what: String
) throws(CryptoError) {
  guard actual == expected else {
    throw .invalidLength(of: what, expected: expected, actual: actual)
  }
}

// MARK: - Signatures

/// An asymmetric key. Frees it; signs and verifies.
@safe
final class KeyHandle: @unchecked Sendable {
  // Sendable because an EVP_PKEY is reference-counted and only read after it was made; each
  // operation below has a digest context of its own.
  private let key: OpaquePointer

  private init(owning key: OpaquePointer) { unsafe self.key = unsafe key }

  deinit { unsafe EVP_PKEY_free(key) }

  /// An Ed25519 private key (RFC 8032) from its 32-byte seed.
  static func ed25519(seed: [UInt8]) throws(CryptoError) -> KeyHandle {
    try requireLength(seed.count, 32, of: "Ed25519 seed")
    guard let key = unsafe EVP_PKEY_new_raw_private_key_ex(nil, "ED25519", nil, seed, seed.count)
    else { throw failure(of: "EVP_PKEY_new_raw_private_key_ex") }
    return unsafe KeyHandle(owning: key)
  }

  static func ed25519(publicKey: [UInt8]) throws(CryptoError) -> KeyHandle {
    try requireLength(publicKey.count, 32, of: "Ed25519 public key")
    guard
      let key = unsafe EVP_PKEY_new_raw_public_key_ex(
        nil, "ED25519", nil, publicKey, publicKey.count)
    else { throw failure(of: "EVP_PKEY_new_raw_public_key_ex") }
    return unsafe KeyHandle(owning: key)
  }

  /// A P-256 public key from its SubjectPublicKeyInfo (RFC 5480). Another curve is refused.
  static func p256(spki: [UInt8]) throws(CryptoError) -> KeyHandle {
    let parsed = unsafe spki.withUnsafeBufferPointer { bytes -> OpaquePointer? in
      var next = bytes.baseAddress
      guard let key = unsafe d2i_PUBKEY(nil, &next, bytes.count) else { return nil }
      guard unsafe next == bytes.baseAddress?.advanced(by: bytes.count) else {
        unsafe EVP_PKEY_free(key)
        return nil
      }
      return unsafe key
    }
    guard let parsed = unsafe parsed else {
      ERR_clear_error()
      throw .malformedKey
    }
    let handle = unsafe KeyHandle(owning: parsed)
    guard handle.isOnP256 else { throw .malformedKey }
    return handle
  }

  /// A new P-256 key.
  static func generateP256() throws(CryptoError) -> KeyHandle {
    guard let key = unsafe daybook_p256_generate() else { throw failure(of: "EVP_EC_gen") }
    return unsafe KeyHandle(owning: key)
  }

  /// A P-256 private key as `privateKeyDER` gave it.
  static func p256(privateKeyDER: [UInt8]) throws(CryptoError) -> KeyHandle {
    let parsed = unsafe privateKeyDER.withUnsafeBufferPointer { bytes -> OpaquePointer? in
      var next = bytes.baseAddress
      return unsafe d2i_AutoPrivateKey(nil, &next, bytes.count)
    }
    guard let parsed = unsafe parsed else {
      ERR_clear_error()
      throw .malformedKey
    }
    let handle = unsafe KeyHandle(owning: parsed)
    guard handle.isOnP256 else { throw .malformedKey }
    return handle
  }

  func privateKeyDER() throws(CryptoError) -> [UInt8] {
    try unsafe der("i2d_PrivateKey") { unsafe i2d_PrivateKey(key, $0) }
  }

  /// SubjectPublicKeyInfo.
  func publicKeyDER() throws(CryptoError) -> [UInt8] {
    try unsafe der("i2d_PUBKEY") { unsafe i2d_PUBKEY(key, $0) }
  }

  /// Asks for the length, then for the bytes, as the i2d functions want it.
  private func der(
    _ function: String, _ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
  ) throws(CryptoError) -> [UInt8] {
    let count = Int(encode(nil))
    guard count > 0 else { throw failure(of: function) }
    var bytes = [UInt8](repeating: 0, count: count)
    let written = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      var next = buffer.baseAddress
      return unsafe Int(encode(&next))
    }
    guard written == count else { throw failure(of: function) }
    return bytes
  }

  /// An ECDSA signature over the SHA-256 of `message`: DER, another one each time.
  func signECDSA(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
    let context = try DigestContext()
    // The longest for P-256 is 72 bytes.
    var signature = [UInt8](repeating: 0, count: 80)
    var count = signature.count
    guard
      unsafe EVP_DigestSignInit_ex(context.pointer, nil, "SHA2-256", nil, nil, key, nil) == 1,
      unsafe EVP_DigestSign(context.pointer, &signature, &count, message, message.count) == 1
    else { throw failure(of: "EVP_DigestSign") }
    return Array(signature.prefix(count))
  }

  private var isOnP256: Bool {
    var name = [CChar](repeating: 0, count: 32)
    var count = 0
    let code = unsafe EVP_PKEY_get_group_name(key, &name, name.count, &count)
    guard code == 1 else { return false }
    return name.prefix(count).elementsEqual("prime256v1".utf8.map { CChar($0) })
  }

  func rawPublicKey() throws(CryptoError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 32)
    var count = bytes.count
    guard unsafe EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1, count == bytes.count else {
      throw failure(of: "EVP_PKEY_get_raw_public_key")
    }
    return bytes
  }

  /// An Ed25519 signature: 64 bytes, the same each time.
  func signEd25519(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
    let context = try DigestContext()
    var signature = [UInt8](repeating: 0, count: 64)
    var count = signature.count
    guard
      unsafe EVP_DigestSignInit_ex(context.pointer, nil, nil, nil, nil, key, nil) == 1,
      unsafe EVP_DigestSign(context.pointer, &signature, &count, message, message.count) == 1,
      count == signature.count
    else { throw failure(of: "EVP_DigestSign") }
    return signature
  }

  /// Whether `signature` is this key's over `message`; `digest` is nil for Ed25519.
  func verify(
    _ signature: [UInt8], of message: [UInt8], withSHA256: Bool
  ) throws(CryptoError) -> Bool {
    let context = try DigestContext()
    let digest: String? = withSHA256 ? "SHA2-256" : nil
    guard unsafe EVP_DigestVerifyInit_ex(context.pointer, nil, digest, nil, nil, key, nil) == 1
    else { throw failure(of: "EVP_DigestVerifyInit_ex") }
    let code = unsafe EVP_DigestVerify(
      context.pointer, signature, signature.count, message, message.count)
    // 0 is a signature that does not match, negative one that does not parse: both are a no.
    if code != 1 { ERR_clear_error() }
    return code == 1
  }
}

@safe
private struct DigestContext: ~Copyable {
  let pointer: OpaquePointer

  init() throws(CryptoError) {
    guard let pointer = unsafe EVP_MD_CTX_new() else { throw failure(of: "EVP_MD_CTX_new") }
    unsafe self.pointer = unsafe pointer
  }

  deinit { unsafe EVP_MD_CTX_free(pointer) }
}

/// The error for a call that failed. Empties the thread's error queue, which would otherwise grow.
private func failure(of function: String) -> CryptoError {
  ERR_clear_error()
  return .library(function: function)
}

// MARK: - scrypt, random bytes, comparison

/// scrypt (RFC 7914). `n` is a power of two; needs about 128 * n * r bytes of memory.
func scrypt(
  password: [UInt8], salt: [UInt8], n: UInt64, r: UInt64, p: UInt64, byteCount: Int,
  memoryLimitBytes: UInt64
) throws(CryptoError) -> [UInt8] {
  var output = [UInt8](repeating: 0, count: byteCount)
  let code = unsafe password.withUnsafeBytes { password in
    // A null password means "check the parameters only": an empty one must not be null.
    let empty = [CChar](repeating: 0, count: 1)
    return unsafe empty.withUnsafeBufferPointer { empty in
      let start = unsafe password.baseAddress?.assumingMemoryBound(to: CChar.self)
      return unsafe EVP_PBE_scrypt(
        password.isEmpty ? empty.baseAddress : start, password.count, salt, salt.count,
        n, r, p, memoryLimitBytes, &output, byteCount)
    }
  }
  guard code == 1 else { throw failure(of: "EVP_PBE_scrypt") }
  return output
}

/// Fills `bytes` from libcrypto's generator, which the kernel seeds. Traps where there is none: a
/// process without randomness must not hand out keys.
func fillWithRandomness(_ bytes: inout [UInt8]) {
  let code = unsafe RAND_bytes(&bytes, Int32(bytes.count))
  precondition(code == 1, "the random generator has no entropy")
}

/// Whether both are equal, in a time that depends on their lengths alone.
package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  guard left.count == right.count else { return false }
  return unsafe CRYPTO_memcmp(left, right, left.count) == 0
}

/// Overwrites `bytes` with zeros, which no optimiser removes. Other copies of them stay.
package func cleanse(_ bytes: inout [UInt8]) {
  let count = bytes.count
  unsafe bytes.withUnsafeMutableBytes { unsafe OPENSSL_cleanse($0.baseAddress, count) }
}

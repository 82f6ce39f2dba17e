/// HMAC-SHA-256 (RFC 2104, RFC 4231). A value: prepare the key once, copy for each message.
///
///     let keyed = HMACSHA256(key: key)
///     let code = keyed.authenticate(message)
package struct HMACSHA256: Sendable {
  package static let codeByteCount = SHA256.digestByteCount

  private var inner = SHA256()
  private var outer = SHA256()

  package init(key: [UInt8]) {
    let key = key.count > SHA256.blockByteCount ? SHA256.hash(key) : key
    unsafe inner.update(hmacPad(key: key, mask: 0x36).span.bytes)
    unsafe outer.update(hmacPad(key: key, mask: 0x5c).span.bytes)
  }

  /// The same without arrays, for keys that are digests themselves.
  package init(key: SHA256.Digest) {
    inner.update(key.padded(with: 0x36))
    outer.update(key.padded(with: 0x5c))
  }

  package static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    HMACSHA256(key: key).authenticate(message)
  }

  /// Whether `code` is the code of `message`, in constant time.
  package static func isValid(_ code: [UInt8], for message: [UInt8], key: [UInt8]) -> Bool {
    constantTimeEqual(code, authenticate(message, key: key))
  }

  /// The code of `message` alone: 32 bytes. What was added by `update` comes before it.
  package func authenticate(_ message: [UInt8]) -> [UInt8] {
    var copy = self
    copy.update(message)
    return copy.finalize()
  }

  package mutating func update(_ bytes: [UInt8]) { inner.update(bytes) }

  package mutating func update(_ bytes: RawSpan) { inner.update(bytes) }

  /// The code of what was added so far. More may be added after it.
  package func finalize() -> [UInt8] {
    var last = outer
    last.update(inner.digest())
    return last.finalize()
  }

  /// The same without an array.
  package func digest() -> SHA256.Digest { outer.digest(then: inner.digest()) }

  /// The code of `message`, which was padded (`SHA256.pad`) as one that comes after the `keyByteCount` bytes of a key. Nothing
  /// was added before.
  package func digest(padded message: RawSpan) -> SHA256.Digest {
    outer.digest(then: inner.digest(padded: message))
  }

  /// After the key: where the inner and the outer hash go on.
  package var chains: (inner: SHA256.Chain, outer: SHA256.Chain) { (inner.chain, outer.chain) }

  /// What a key takes before a message.
  package static let keyByteCount = SHA256.blockByteCount
}

/// HMAC-SHA1 (RFC 2104, RFC 2202), for providers that sign their webhooks with it.
package enum HMACSHA1 {
  package static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    let key = key.count > SHA1.blockByteCount ? SHA1.hash(key) : key
    var inner = SHA1()
    unsafe inner.update(hmacPad(key: key, mask: 0x36).span.bytes)
    unsafe inner.update(message.span.bytes)
    var outer = SHA1()
    unsafe outer.update(hmacPad(key: key, mask: 0x5c).span.bytes)
    unsafe outer.update(inner.finalize().span.bytes)
    return outer.finalize()
  }

  /// Whether `code` is the code of `message`, in constant time.
  package static func isValid(_ code: [UInt8], for message: [UInt8], key: [UInt8]) -> Bool {
    constantTimeEqual(code, authenticate(message, key: key))
  }
}

/// The key, filled up with zeros to a block (64 bytes for both hashes), under one of RFC 2104's masks.
private func hmacPad(key: [UInt8], mask: UInt8) -> InlineArray<64, UInt8> {
  var pad = InlineArray<64, UInt8>(repeating: mask)
  for index in key.indices { pad[index] ^= key[index] }
  return pad
}

/// HKDF-Expand with SHA-256 (RFC 5869 section 2.3).
package enum HKDF {
  /// `byteCount` bytes derived from `key` for the purpose `info`. The key must already be uniformly
  /// random (32 random bytes), which is what makes the extract step unnecessary.
  package static func expand(_ key: [UInt8], info: [UInt8], byteCount: Int) -> [UInt8] {
    let blockCount = (byteCount + HMACSHA256.codeByteCount - 1) / HMACSHA256.codeByteCount
    precondition((1...255).contains(blockCount), "HKDF gives 1 to 8160 bytes")
    let keyed = HMACSHA256(key: key)
    var output: [UInt8] = []
    var block: [UInt8] = []
    for counter in 1...UInt8(blockCount) {
      var next = keyed
      next.update(block)
      next.update(info)
      next.update([counter])
      block = next.finalize()
      output += block
    }
    return Array(output.prefix(byteCount))
  }
}

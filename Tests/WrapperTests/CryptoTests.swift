import Crypto
import Foundation
import Testing

private func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct CryptoHashTests {
  // FIPS 180-4 examples, as published by NIST.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func `SHA-256 gives the published digests`(message: String, digest: String) {
    #expect(Hex.encode(SHA256.hash(utf8(message))) == digest)
  }

  @Test func `a hash taken in pieces equals the hash of the whole, at every cut`() {
    let message = (0..<200).map { UInt8($0) }
    for cut in 0...message.count {
      var hash = SHA256()
      hash.update(Array(message[..<cut]))
      for byte in message[cut...] { hash.update(byte) }
      #expect(hash.finalize() == SHA256.hash(message), "cut at \(cut)")
    }
  }

  /// Goal: what is hashed together is what is hashed alone. Method: messages of random sizes, in groups of all sizes up to
  /// twice what goes on in step and more, each after a block of its own, in each way that this processor has and in
  /// the one that is chosen; the seed is in the name of a failure.
  @Test(arguments: [UInt64.random(in: 0 ..< .max)])
  func `messages hashed together have the digests that they have alone`(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    // Laid out over and over: nothing of what was there before may be left.
    var messages = SHA256.Messages()
    for count in 0...80 {
      let prefixes = (0..<count).map { _ in random.bytes(64) }
      let contents = (0..<count).map { _ in random.bytes(Int(random.next() % 400)) }
      messages.layOut(contents.map(\.count), after: 64)
      var begun: [SHA256.Chain] = []
      for (index, prefix) in prefixes.enumerated() {
        var hash = SHA256()
        hash.update(prefix)
        begun.append(hash.chain)
        let (start, content) = (messages.offset(of: index), contents[index])
        messages.bytes.replaceSubrange(start..<start + content.count, with: content)
      }
      let expected = zip(prefixes, contents).map { SHA256.hash($0 + $1) }
      var chosen = begun
      SHA256.advance(&chosen, over: messages)
      try #require(chosen.map(\.digest.bytes) == expected, "seed \(seed), \(count) messages")
      // The first three alone, what comes after them together.
      let cut = min(count, 3)
      for way in SHA256.Way.allCases where way.isSupported {
        var chains = begun
        SHA256.advance(&chains, 0..<cut, over: messages, .alone)
        SHA256.advance(&chains, cut..<count, over: messages, way)
        try #require(
          chains.map(\.digest.bytes) == expected, "seed \(seed), \(count) messages, \(way)")
      }
    }
  }

  @Test func `finalising leaves the computation as it was, and appends where asked`() {
    var hash = SHA256()
    hash.update(utf8("ab"))
    let early = hash.finalize()
    hash.update(utf8("c"))
    var output: [UInt8] = [7]
    hash.finalize(appendingTo: &output)
    #expect(early == SHA256.hash(utf8("ab")))
    #expect(output == [7] + SHA256.hash(utf8("abc")))
  }

  // RFC 4231, test cases 1, 2, 4, 6 and 7.
  @Test(arguments: [
    (
      [UInt8](repeating: 0x0b, count: 20), utf8("Hi There"),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
      utf8("Jefe"), utf8("what do ya want for nothing?"),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      Array(1...25), [UInt8](repeating: 0xcd, count: 50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
    ),
    (
      [UInt8](repeating: 0xaa, count: 131),
      utf8("Test Using Larger Than Block-Size Key - Hash Key First"),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
    (
      [UInt8](repeating: 0xaa, count: 131),
      utf8(
        "This is a test using a larger than block-size key and a larger than block-size data. "
          + "The key needs to be hashed before being used by the HMAC algorithm."),
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
    ),
  ])
  func `HMAC-SHA-256 gives RFC 4231's codes`(key: [UInt8], message: [UInt8], code: String) {
    #expect(Hex.encode(HMACSHA256.authenticate(message, key: key)) == code)
  }

  // RFC 2202, test cases 1, 2 and 6.
  @Test(arguments: [
    (
      [UInt8](repeating: 0x0b, count: 20), utf8("Hi There"),
      "b617318655057264e28bc0b6fb378c8ef146be00"
    ),
    (
      utf8("Jefe"), utf8("what do ya want for nothing?"),
      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    ),
    (
      [UInt8](repeating: 0xaa, count: 80),
      utf8("Test Using Larger Than Block-Size Key - Hash Key First"),
      "aa4ae5e15272d00e95705637ce8a3b55ed402112"
    ),
  ])
  func `HMAC-SHA1 gives RFC 2202's codes`(key: [UInt8], message: [UInt8], code: String) {
    #expect(Hex.encode(HMACSHA1.authenticate(message, key: key)) == code)
  }

  @Test func `a prepared key gives the same codes each time`() {
    let keyed = HMACSHA256(key: utf8("key"))
    let first = keyed.authenticate(utf8("one"))
    let other = keyed.authenticate(utf8("two"))
    #expect(keyed.authenticate(utf8("one")) == first)
    #expect(first != other)
    #expect(HMACSHA256.isValid(first, for: utf8("one"), key: utf8("key")))
    #expect(!HMACSHA256.isValid(other, for: utf8("one"), key: utf8("key")))
  }

  // RFC 5869, appendix A.1 and A.3: the expand step from the published PRK.
  @Test(arguments: [
    (
      "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
      "f0f1f2f3f4f5f6f7f8f9",
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    ),
    (
      "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04", "",
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    ),
  ])
  func `HKDF-Expand gives RFC 5869's keys`(prk: String, info: String, okm: String) throws {
    let expected = try Hex.decode(okm)
    let expanded = HKDF.expand(
      try Hex.decode(prk), info: try Hex.decode(info), byteCount: expected.count)
    #expect(expanded == expected)
  }
}

@Suite struct CryptoSealingTests {
  // The GCM specification (McGrew and Viega), test cases 13, 14 and 16.
  @Test(arguments: [
    (
      String(repeating: "00", count: 32), String(repeating: "00", count: 12), "", "",
      "530f8afbc74536b9a963b4f1c4cb738b"
    ),
    (
      String(repeating: "00", count: 32), String(repeating: "00", count: 12), "",
      String(repeating: "00", count: 16),
      "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    ),
    (
      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        + "76fc6ece0f4e1768cddf8853bb2d551b"
    ),
  ])
  func `AES-256-GCM gives the published ciphertexts and tags`(
    key: String, nonce: String, associated: String, plaintext: String, sealed: String
  ) throws {
    var cipher = AESGCM()
    let result = try cipher.seal(
      try Hex.decode(plaintext), key: try Hex.decode(key), nonce: try Hex.decode(nonce),
      authenticating: try Hex.decode(associated))
    #expect(Hex.encode(result) == sealed)
  }

  @Test func `one context seals and opens under many keys`() throws {
    var cipher = AESGCM()
    let keys = (0..<20).map { _ in Random.bytes(AESGCM.keyByteCount) }
    let nonce = Random.bytes(AESGCM.nonceByteCount)
    for (length, key) in keys.enumerated() {
      let plaintext = Random.bytes(length * 37)
      let sealed = try cipher.seal(plaintext, key: key, nonce: nonce, authenticating: [1, 2])
      #expect(sealed.count == plaintext.count + AESGCM.tagByteCount)
      let opened = try cipher.open(sealed, key: key, nonce: nonce, authenticating: [1, 2])
      #expect(opened == plaintext)
    }
  }

  @Test func `every changed bit, and another key, nonce or context, is refused`() throws {
    var cipher = AESGCM()
    let key = Random.bytes(32)
    let nonce = Random.bytes(12)
    let sealed = try cipher.seal(utf8("hello"), key: key, nonce: nonce, authenticating: [9])
    for bit in 0..<sealed.count * 8 {
      var damaged = sealed
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(refuses(damaged, key: key, nonce: nonce, associated: [9]), "bit \(bit)")
    }
    #expect(refuses(sealed, key: Random.bytes(32), nonce: nonce, associated: [9]))
    #expect(refuses(sealed, key: key, nonce: Random.bytes(12), associated: [9]))
    #expect(refuses(sealed, key: key, nonce: nonce, associated: []))
    #expect(refuses(Array(sealed.prefix(15)), key: key, nonce: nonce, associated: [9]))
    #expect(!refuses(sealed, key: key, nonce: nonce, associated: [9]))
  }

  private func refuses(
    _ sealed: [UInt8], key: [UInt8], nonce: [UInt8], associated: [UInt8]
  ) -> Bool {
    var cipher = AESGCM()
    do {
      _ = try cipher.open(sealed, key: key, nonce: nonce, authenticating: associated)
      return false
    } catch {
      return error == .authenticationFailed
    }
  }

  @Test func `a key or nonce of the wrong length is an error that names it`() {
    var failure: CryptoError?
    do {
      var cipher = AESGCM()
      _ = try cipher.seal([], key: [1], nonce: Random.bytes(12), authenticating: [])
    } catch { failure = error }
    #expect(failure == .invalidLength(of: "AES-256 key", expected: 32, actual: 1))
  }
}

@Suite struct CryptoSignatureTests {
  // RFC 8032 section 7.1, tests 1 to 3.
  @Test(arguments: [
    (
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        + "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    ),
    (
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
        + "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ),
    (
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
        + "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ),
  ])
  func `Ed25519 gives RFC 8032's keys and signatures`(
    seed: String, publicKey: String, message: String, signature: String
  ) throws {
    let message = try Hex.decode(message)
    let key = try Ed25519.PrivateKey(seed: try Hex.decode(seed))
    #expect(Hex.encode(key.publicKey) == publicKey)
    #expect(Hex.encode(try key.sign(message)) == signature)
    let bytes = try Hex.decode(signature)
    #expect(try Ed25519.isValid(bytes, for: message, publicKey: key.publicKey))
    #expect(try !Ed25519.isValid(bytes, for: message + [0], publicKey: key.publicKey))
    #expect(try !Ed25519.isValid(Array(bytes.dropLast()), for: message, publicKey: key.publicKey))
  }

  @Test func `a key that is not on P-256 is refused`() throws {
    // The SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 10.1), and noise.
    let ed25519 = try Base64.decode("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")
    #expect(throws: CryptoError.malformedKey) { _ = try P256.PublicKey(spki: ed25519) }
    #expect(throws: CryptoError.malformedKey) { _ = try P256.PublicKey(spki: [1, 2, 3]) }
    #expect(throws: CryptoError.malformedKey) { _ = try P256.PublicKey(spki: []) }
  }
}

@Suite struct CryptoPasswordTests {
  @Test func `a password verifies against its own hash and no other does`() throws {
    let stored = try PasswordHash.make("correct horse", cost: .insecureForTests)
    #expect(stored.hasPrefix("scrypt$16$8$1$"))
    #expect(try PasswordHash.verify("correct horse", against: stored))
    #expect(try !PasswordHash.verify("correct hors", against: stored))
    #expect(try !PasswordHash.verify("", against: stored))
    #expect(try PasswordHash.make("correct horse", cost: .insecureForTests) != stored)
  }

  @Test func `the derivation is RFC 7914's scrypt`() throws {
    // RFC 7914 section 12, third vector ("pleaseletmein"): the first 32 of its 64 bytes, which
    // scrypt's last step (PBKDF2) gives for a length of 32 too.
    let salt = Base64.encodeURL(utf8("SodiumChloride"))
    let hash = Base64.encodeURL(
      try Hex.decode("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"))
    #expect(
      try PasswordHash.verify("pleaseletmein", against: "scrypt$16384$8$1$\(salt)$\(hash)"))
  }

  @Test(arguments: [
    "", "scrypt", "bcrypt$16$8$1$c2FsdHNhbHQ$aGFzaA", "scrypt$15$8$1$c2FsdHNhbHQ$aGFzaA",
    "scrypt$1048576$64$1$c2FsdHNhbHQ$aGFzaA", "scrypt$16$8$1$c2FsdHNhbHQ$aGFzaA",
  ])
  func `a stored text of another form, or too costly a one, is refused`(stored: String) {
    #expect(throws: CryptoError.malformedPasswordHash) {
      _ = try PasswordHash.verify("x", against: stored)
    }
  }
}

@Suite struct CryptoEncodingTests {
  // RFC 4648 section 10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func `base64 gives RFC 4648's texts`(plain: String, encoded: String) throws {
    #expect(Base64.encode(utf8(plain)) == encoded)
    #expect(try Base64.decode(encoded) == utf8(plain))
    let unpadded = String(encoded.prefix { $0 != "=" })
    #expect(Base64.encodeURL(utf8(plain)) == unpadded)
    #expect(try Base64.decodeURL(unpadded) == utf8(plain))
  }

  @Test func `both alphabets carry every byte`() throws {
    let bytes = (0...255).map { UInt8($0) }
    #expect(try Base64.decode(Base64.encode(bytes)) == bytes)
    #expect(try Base64.decodeURL(Base64.encodeURL(bytes)) == bytes)
    #expect(Base64.encode([0xfb, 0xff]) == "+/8=")
    #expect(Base64.encodeURL([0xfb, 0xff]) == "-_8")
    #expect(try Hex.decode(Hex.encode(bytes)) == bytes)
    #expect(try Hex.decode("DEADbeef") == [0xde, 0xad, 0xbe, 0xef])
  }

  @Test(arguments: ["Zg", "Zg=", "Zh==", "Zm9v\n", "Zm 9v", "Z===", "====", "-_8=", "Zg==Zg=="])
  func `base64 that is not the one encoding of its bytes is refused`(text: String) {
    #expect(throws: CryptoError.malformedEncoding) { _ = try Base64.decode(text) }
  }

  @Test(arguments: ["Zg==", "Zh", "+/8", "A"])
  func `url-safe base64 that is not the one encoding of its bytes is refused`(text: String) {
    #expect(throws: CryptoError.malformedEncoding) { _ = try Base64.decodeURL(text) }
  }

  @Test(arguments: ["a", "0g", "0x", " 0"])
  func `hexadecimal with a stray character or half a byte is refused`(text: String) {
    #expect(throws: CryptoError.malformedEncoding) { _ = try Hex.decode(text) }
  }
}

@Suite struct CryptoRandomTests {
  @Test func `random bytes have the asked length and do not repeat, also across the pool's end`() {
    let drawn = (0..<2000).map { _ in Random.bytes(12) }
    #expect(drawn.allSatisfy { $0.count == 12 })
    #expect(Set(drawn).count == drawn.count)
    #expect(Random.bytes(0) == [])
    #expect(Random.bytes(100_000).count == 100_000)
    #expect(Set((0..<1000).map { _ in Random.uint64() }).count == 1000)
  }

  @Test func `cleansed bytes are zeros and equality needs equal lengths`() {
    var secret = Random.bytes(40)
    cleanse(&secret)
    #expect(secret == [UInt8](repeating: 0, count: 40))
    #expect(constantTimeEqual([1, 2], [1, 2]))
    #expect(constantTimeEqual([], []))
    #expect(!constantTimeEqual([1, 2], [1, 3]))
    #expect(!constantTimeEqual([1, 2], [1, 2, 3]))
  }
}

/// SplitMix64: the same numbers for the same seed.
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}

@Suite struct SecretFileTests {
  @Test func `a secret is its owner's alone, whatever was there before`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.path(percentEncoded: false) + "/key"
    for open in [path, path + ".new"] {
      try Data(repeating: 7, count: 99).write(to: URL(filePath: open))
      try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: open)
    }
    try SecretFile.write([1, 2, 3], to: path)
    #expect(FileManager.default.contents(atPath: path) == Data([1, 2, 3]))
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false)) == [
        "key"
      ])
    #expect(throws: SecretFileError.self) { try SecretFile.write([1], to: path + "/below") }
  }
}

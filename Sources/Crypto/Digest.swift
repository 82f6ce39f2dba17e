extension SHA256 {
  /// 32 bytes as a value: what Merkle trees are made of, without an array each.
  package struct Digest: Hashable, Sendable, BitwiseCopyable {
    /// In the order of memory, whatever the machine's.
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    package init() {}

    /// In the order of memory.
    init(_ bytes: SIMD8<UInt32>) {
      let wide = unsafe unsafeBitCast(bytes, to: SIMD4<UInt64>.self)
      words = (wide[0], wide[1], wide[2], wide[3])
    }

    /// nil unless `bytes` are 32.
    package init?(_ bytes: some Collection<UInt8>) {
      guard bytes.count == SHA256.digestByteCount else { return nil }
      unsafe withUnsafeMutableBytes(of: &words) { unsafe $0.copyBytes(from: bytes) }
    }

    /// The 32 bytes of `bytes` from `offset` on; traps outside it.
    package init(_ bytes: RawSpan, at offset: Int) {
      let part = bytes.extracting(offset..<offset + SHA256.digestByteCount)
      unsafe withUnsafeMutableBytes(of: &words) { target in
        unsafe part.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
      }
    }

    package var bytes: [UInt8] { unsafe withUnsafeBytes(of: words) { unsafe Array($0) } }

    /// The first 16 bytes, in the order of memory.
    package var firstHalf: (UInt64, UInt64) { (words.0, words.1) }

    package func append(to bytes: inout [UInt8]) {
      unsafe withUnsafeBytes(of: words) { unsafe bytes.append(contentsOf: $0) }
    }

    package static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

    package func hash(into hasher: inout Hasher) {
      hasher.combine(words.0)
      hasher.combine(words.1)
    }

    fileprivate func withBytes(_ body: (RawSpan) -> Void) {
      unsafe withUnsafeBytes(of: words) { body(unsafe $0.bytes) }
    }

    /// One block of SHA-256: these bytes and zeros, under a mask of RFC 2104.
    func padded(with mask: UInt8) -> Block {
      let wide = UInt64(mask) &* 0x0101_0101_0101_0101
      return Block(
        first: (words.0 ^ wide, words.1 ^ wide, words.2 ^ wide, words.3 ^ wide),
        rest: (wide, wide, wide, wide))
    }

    /// These bytes as the last block of a message that began with one block before it (FIPS 180-4, 5.1.1).
    var afterOneBlock: Block {
      let bitCount = UInt64(8 * (SHA256.blockByteCount + SHA256.digestByteCount))
      return Block(first: words, rest: (UInt64(0x80).littleEndian, 0, 0, bitCount.bigEndian))
    }
  }

  /// 64 bytes.
  struct Block {
    var first: (UInt64, UInt64, UInt64, UInt64)
    var rest: (UInt64, UInt64, UInt64, UInt64)
  }

  /// Completes `message`, before which `precedingByteCount` bytes were hashed, to whole blocks (FIPS 180-4, 5.1.1).
  package static func pad(_ message: inout [UInt8], after precedingByteCount: Int = 0) {
    let bitCount = UInt64(8 * (precedingByteCount + message.count))
    let used = (message.count + 1 + 8) % blockByteCount
    message.append(0x80)
    if used > 0 { message.append(contentsOf: zeros[..<(blockByteCount - used)]) }
    unsafe withUnsafeBytes(of: bitCount.bigEndian) { unsafe message.append(contentsOf: $0) }
  }

  private static let zeros = [UInt8](repeating: 0, count: blockByteCount)

  package mutating func update(_ digest: Digest) {
    digest.withBytes { update($0) }
  }

  /// Hashes the bytes of `number`, the most significant first.
  package mutating func update(bigEndian number: some FixedWidthInteger) {
    unsafe withUnsafeBytes(of: number.bigEndian) { update(unsafe $0.bytes) }
  }

  /// The digest of one block that was hashed, and of `digest` after it.
  func digest(then digest: Digest) -> Digest {
    unsafe withUnsafeBytes(of: digest.afterOneBlock) { self.digest(padded: unsafe $0.bytes) }
  }

  mutating func update(_ block: Block) {
    unsafe withUnsafeBytes(of: block) { update(unsafe $0.bytes) }
  }
}

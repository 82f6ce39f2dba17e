// The only file that calls CSHA256. Why it is there: decisions/0002-sixteen-hashes-in-step.md.

internal import CSHA256

extension SHA256 {
  /// What a computation hands from block to block (FIPS 180-4, 6.2.2); after a padded message it is the digest.
  package struct Chain: Hashable, Sendable {
    var words: SIMD8<UInt32>

    init(_ words: SIMD8<UInt32>) { self.words = words }

    /// Before the first byte.
    package static let start = SHA256().chain

    package var digest: Digest {
      Digest(
        bigEndian: (words[0], words[1]), (words[2], words[3]), (words[4], words[5]),
        (words[6], words[7]))
    }

    /// The digest, as it lies in memory.
    fileprivate var bytes: SIMD8<UInt32> {
      let halves = words &<< 16 | words &>> 16
      let odd = SIMD8<UInt32>(repeating: 0x00ff_00ff)
      return (halves & odd) &<< 8 | halves &>> 8 & odd
    }
  }

  /// Messages that do not depend on each other, padded to whole blocks, one after the other in one array.
  package struct Messages: Sendable {
    /// What is at and after `byteCount` of a message is its padding; before it, what was written there.
    package var bytes: [UInt8] = []
    private var used = 0
    fileprivate var offsets: [UInt32] = []
    fileprivate var blockCounts: [UInt32] = []

    package init() {}

    /// With room for `count` messages of `byteCount` bytes.
    package init(count: Int, byteCount: Int) {
      bytes = [UInt8](repeating: 0, count: count * Self.blockCount(byteCount) * blockByteCount)
      offsets.reserveCapacity(count)
      blockCounts.reserveCapacity(count)
    }

    package var count: Int { offsets.count }

    /// What is hashed of them, padding included.
    package var byteCount: Int { used }

    package mutating func removeAll() {
      used = 0
      offsets.removeAll(keepingCapacity: true)
      blockCounts.removeAll(keepingCapacity: true)
    }

    /// Where in `bytes` the first message begins, and each next one where the one before ends.
    package func offset(of message: Int) -> Int { Int(offsets[message]) }

    /// Makes room for a message of `byteCount` bytes that comes after `precedingByteCount` bytes, whole blocks, and returns
    /// where in `bytes` it is to be written.
    package mutating func add(byteCount: Int, after precedingByteCount: Int = 0) -> Int {
      let blockCount = Self.blockCount(byteCount)
      let (start, end) = (used, used + blockCount * blockByteCount)
      if end > bytes.count {
        bytes.append(contentsOf: repeatElement(0, count: max(end, 2 * bytes.count) - bytes.count))
      }
      offsets.append(UInt32(start))
      blockCounts.append(UInt32(blockCount))
      used = end
      let bitCount = UInt64(8 * (precedingByteCount + byteCount))
      unsafe bytes.withUnsafeMutableBytes { bytes in
        let padding = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start + byteCount..<end])
        unsafe padding.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe padding[0] = 0x80
        unsafe padding.storeBytes(
          of: bitCount.bigEndian, toByteOffset: padding.count - 8, as: UInt64.self)
      }
      return start
    }

    /// One bit, then zeros, then how many bits there were (FIPS 180-4, 5.1.1).
    private static func blockCount(_ byteCount: Int) -> Int {
      (byteCount + 1 + 8 + blockByteCount - 1) / blockByteCount
    }

    /// A block without padding, full of `byte`.
    package mutating func addBlock(of byte: UInt8) {
      if used + blockByteCount > bytes.count {
        bytes.append(contentsOf: repeatElement(0, count: max(bytes.count, blockByteCount)))
      }
      for offset in used..<used + blockByteCount { bytes[offset] = byte }
      offsets.append(UInt32(used))
      blockCounts.append(1)
      used += blockByteCount
    }

    /// Messages that nodes of a tree can be written over: `tag` ‖ left ‖ right.
    package static func nodes(tag: UInt8, count: Int) -> Messages {
      var messages = Messages(count: count, byteCount: nodeByteCount)
      for _ in 0..<count { messages.bytes[messages.add(byteCount: nodeByteCount)] = tag }
      return messages
    }

    private static let nodeByteCount = 1 + 2 * digestByteCount

    /// Writes `children`, two each, over as many nodes.
    package mutating func writeNodes(_ children: [Digest]) {
      precondition(children.count <= 2 * count, "a node for each two children")
      let offsets = offsets
      var span = bytes.mutableSpan
      var target = unsafe span.mutableBytes
      for (index, child) in children.enumerated() {
        let start = Int(offsets[index / 2]) + 1 + index % 2 * digestByteCount
        target.storeBytes(of: child, toByteOffset: start, as: Digest.self)
      }
    }

    /// Writes the digests of `chains`, under each of `masks`, over the beginnings of as many messages.
    package mutating func write(_ chains: [Chain], masks: [UInt8] = [0]) {
      precondition(chains.count * masks.count <= count, "a message for each digest")
      let offsets = offsets
      var span = bytes.mutableSpan
      var target = unsafe span.mutableBytes
      var message = 0
      for chain in chains {
        let digest = chain.bytes
        for mask in masks {
          let wide = SIMD8(repeating: UInt32(mask) &* 0x0101_0101)
          target.storeBytes(
            of: digest ^ wide, toByteOffset: Int(offsets[message]), as: SIMD8<UInt32>.self)
          message += 1
        }
      }
    }
  }

  /// How hashes of several messages are made.
  package enum Way: CaseIterable, Sendable {
    /// Sixteen in step, with AVX-512.
    case lanes
    /// Two in turns, with the instructions for SHA-256.
    case pairs
    /// One by one, by libcrypto.
    case alone

    /// Whether this processor can.
    package var isSupported: Bool {
      switch self {
      case .lanes: sha256_lanes_are_supported() != 0
      case .pairs: sha256_pairs_are_supported() != 0
      case .alone: true
      }
    }

    /// What takes least here: of many messages, and of those that are too few for it.
    fileprivate static let many = allCases.first(where: \.isSupported) ?? alone
    fileprivate static let few = pairs.isSupported ? pairs : alone
  }

  /// Goes on from each of `chains` over the message of the same place; more messages than those are left alone.
  package static func advance(_ chains: inout [Chain], over messages: borrowing Messages) {
    let rest = chains.count % laneCount
    let isMany = Way.many == .lanes && chains.count >= minLaneCount
    let manyCount = !isMany ? 0 : rest < minLaneCount ? chains.count - rest : chains.count
    advance(&chains, 0..<manyCount, over: messages, .many)
    advance(&chains, manyCount..<chains.count, over: messages, .few)
  }

  /// The same of those in `range` alone, in a way that is supported.
  package static func advance(
    _ chains: inout [Chain], _ range: Range<Int>, over messages: borrowing Messages, _ way: Way
  ) {
    precondition(range.upperBound <= messages.count, "a message for each chaining value")
    guard way != .alone else { return advanceAlone(&chains, range, over: messages) }
    unsafe chains.withUnsafeMutableBytes { chains in
      let words = unsafe chains.baseAddress?.assumingMemoryBound(to: UInt32.self)
      unsafe messages.bytes.withUnsafeBufferPointer { bytes in
        unsafe messages.offsets.withUnsafeBufferPointer { offsets in
          unsafe messages.blockCounts.withUnsafeBufferPointer { blockCounts in
            guard let words = unsafe words, let offset = offsets.baseAddress,
              let blockCount = blockCounts.baseAddress
            else { return }
            let hash = unsafe way == .lanes ? sha256_lanes : sha256_pairs
            unsafe hash(
              words + 8 * range.lowerBound, bytes.baseAddress, offset + range.lowerBound,
              blockCount + range.lowerBound, range.count)
          }
        }
      }
    }
  }

  private static func advanceAlone(
    _ chains: inout [Chain], _ range: Range<Int>, over messages: borrowing Messages
  ) {
    for index in range {
      let start = Int(messages.offsets[index])
      let end = start + Int(messages.blockCounts[index]) * blockByteCount
      chains[index] = unsafe chain(
        from: chains[index], over: messages.bytes.span.bytes.extracting(start..<end))
    }
  }

  private static let laneCount = 16
  /// Sixteen lanes take as long as six messages one by one, however few of them are used.
  private static let minLaneCount = 6
}

// The only file that calls CSHA256. Why it is there: decisions/0002-sixteen-hashes-in-step.md.

internal import CSHA256

extension SHA256 {
  /// What a computation hands from block to block (FIPS 180-4, 6.2.2); after a padded message it is the digest.
  package struct Chain: Hashable, Sendable {
    var words: SIMD8<UInt32>

    init(_ words: SIMD8<UInt32>) { self.words = words }

    /// Before the first byte.
    package static let start = SHA256().chain

    /// Makes `chains` as many that are before the first byte.
    package static func restart(_ chains: inout [Chain], count: Int) {
      let start = start
      guard chains.count == count else {
        chains.removeAll(keepingCapacity: true)
        chains.append(contentsOf: repeatElement(start, count: count))
        return
      }
      var span = chains.mutableSpan
      for index in span.indices { span[index] = start }
    }

    package var digest: Digest { Digest(bytes) }

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
    package private(set) var count = 0
    private var used = 0
    /// Where in `bytes` the messages begin, each where the one before ends; more than those mean nothing.
    package private(set) var offsets: [UInt32] = []
    fileprivate var blockCounts: [UInt32] = []

    package init() {}

    /// `count` messages of `byteCount` bytes each.
    package init(count: Int, byteCount: Int, after precedingByteCount: Int = 0) {
      layOut([Int](repeating: byteCount, count: count), after: precedingByteCount)
    }

    /// What is hashed of them, padding included.
    package var byteCount: Int { used }

    /// Where in `bytes` a message begins.
    package func offset(of message: Int) -> Int {
      precondition(message < count, "one of the messages")
      return Int(offsets[message])
    }

    /// Makes room for messages of these sizes, each after `precedingByteCount` bytes, which are whole blocks, and none besides. What
    /// is written over them is written after it.
    package mutating func layOut(_ byteCounts: [Int], after precedingByteCount: Int = 0) {
      used = byteCounts.reduce(0) { $0 + Self.blockCount($1) } * blockByteCount
      precondition(used <= UInt32.max, "less than 4 GiB of messages")
      count = byteCounts.count
      if bytes.count < used {
        bytes.append(contentsOf: repeatElement(0, count: max(used, 2 * bytes.count) - bytes.count))
      }
      if offsets.count < count {
        offsets.append(contentsOf: repeatElement(0, count: count - offsets.count))
        blockCounts.append(contentsOf: repeatElement(0, count: count - blockCounts.count))
      }
      Self.layOut(byteCounts, after: precedingByteCount, &offsets, &blockCounts, &bytes)
    }

    private static func layOut(
      _ byteCounts: [Int], after precedingByteCount: Int, _ offsets: inout [UInt32],
      _ blockCounts: inout [UInt32], _ bytes: inout [UInt8]
    ) {
      var starts = offsets.mutableSpan
      var counts = blockCounts.mutableSpan
      var span = bytes.mutableSpan
      var target = unsafe span.mutableBytes
      var start = 0
      for (index, byteCount) in byteCounts.enumerated() {
        let blockCount = blockCount(byteCount)
        starts[index] = UInt32(truncatingIfNeeded: start)
        counts[index] = UInt32(truncatingIfNeeded: blockCount)
        let end = start + blockCount * blockByteCount
        let bitCount = UInt64(8 * (precedingByteCount + byteCount))
        // The message itself is written over what is too much of these zeros. Its padding begins in the last block or, where the
        // count of its bits has no room there, in at most eight bytes before it.
        target.storeBytes(
          of: SIMD64<UInt8>(), toByteOffset: end - blockByteCount, as: SIMD64<UInt8>.self)
        target.storeBytes(
          of: UInt64(0x80).littleEndian, toByteOffset: start + byteCount, as: UInt64.self)
        target.storeBytes(of: bitCount.bigEndian, toByteOffset: end - 8, as: UInt64.self)
        start = end
      }
    }

    /// One bit, then zeros, then how many bits there were (FIPS 180-4, 5.1.1).
    private static func blockCount(_ byteCount: Int) -> Int {
      (byteCount + 1 + 8 + blockByteCount - 1) / blockByteCount
    }

    /// Makes room for `keyCount` keys of RFC 2104, a block each without padding: each first under the inner mask, then under the
    /// outer one. `writeKeys` writes what they begin with.
    package mutating func layOutKeys(_ keyCount: Int) {
      count = 2 * keyCount
      used = count * blockByteCount
      bytes.removeAll(keepingCapacity: true)
      for _ in 0..<keyCount {
        for mask in keyMasks {
          bytes.append(contentsOf: repeatElement(mask, count: blockByteCount))
        }
      }
      offsets = (0..<count).map { UInt32($0 * blockByteCount) }
      blockCounts = [UInt32](repeating: 1, count: count)
    }

    /// Messages that nodes of a tree can be written over: `tag` ‖ left ‖ right.
    package static func nodes(tag: UInt8, count: Int) -> Messages {
      var messages = Messages(count: count, byteCount: nodeByteCount)
      for index in 0..<count { messages.bytes[messages.offset(of: index)] = tag }
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

    /// Writes the digests of `chains` over the beginnings of as many messages.
    package mutating func write(_ chains: [Chain]) {
      precondition(chains.count <= count, "a message for each digest")
      let offsets = offsets
      var span = bytes.mutableSpan
      var target = unsafe span.mutableBytes
      for (index, chain) in chains.enumerated() {
        target.storeBytes(
          of: chain.bytes, toByteOffset: Int(offsets[index]), as: SIMD8<UInt32>.self)
      }
    }

    /// Writes the digests of `chains` to `places` in `bytes`.
    package mutating func write(_ chains: [Chain], at places: [Int]) {
      precondition(chains.count == places.count, "a place for each digest")
      var span = bytes.mutableSpan
      var target = unsafe span.mutableBytes
      for (index, chain) in chains.enumerated() {
        target.storeBytes(of: chain.bytes, toByteOffset: places[index], as: SIMD8<UInt32>.self)
      }
    }

    /// Writes the digests of `chains`, under both masks, over the beginnings of as many keys.
    package mutating func writeKeys(_ chains: [Chain]) {
      precondition(2 * chains.count <= count, "two blocks for each key")
      var span = bytes.mutableSpan
      var target = unsafe span.mutableBytes
      for (index, chain) in chains.enumerated() {
        let (digest, start) = (chain.bytes, 2 * index * blockByteCount)
        target.storeBytes(
          of: digest ^ SIMD8(repeating: 0x3636_3636), toByteOffset: start, as: SIMD8<UInt32>.self)
        target.storeBytes(
          of: digest ^ SIMD8(repeating: 0x5c5c_5c5c), toByteOffset: start + blockByteCount,
          as: SIMD8<UInt32>.self)
      }
    }
  }

  /// RFC 2104: what the inner and the outer key are made with.
  private static let keyMasks: [UInt8] = [0x36, 0x5c]

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

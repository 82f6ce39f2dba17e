// Commitments and leaves of many events together: what `LeafHasher` makes one by one, in a third of its time. Byte layout:
// eventlog/README.md, "Leaf".

import Crypto
import Merkle
import Vault

/// Makes commitments of parts that do not depend on each other.
struct CommitmentBatch {
  /// What a salt is made with: where a key's hashes go on.
  typealias SaltKey = (inner: SHA256.Chain, outer: SHA256.Chain)

  /// What a commitment is made of, but for the payload.
  struct Part {
    let key: SaltKey
    let org: OrgID
    let orgSequence: UInt64
    /// In its event.
    let index: Int
    let payloadByteCount: Int
  }

  private static let labelByteCount = 16
  private static let headByteCount = labelByteCount + 16 + 8 + 1

  private let saltLabel = label("daybook/salt/v1\0")
  private let partLabel = label("daybook/part/v1\0")
  private var inner: [SHA256.Chain] = []
  fileprivate var outer: [SHA256.Chain] = []
  /// Label ‖ place: what the salts are codes of. A block each: written over again and again.
  private var salts = SHA256.Messages()
  /// Label ‖ place ‖ payload: what the commitments are codes of.
  private var parts = SHA256.Messages()
  private var partByteCounts: [Int] = []
  /// Each salt as a key of an inner and of an outer hash: two blocks.
  private var keys = SHA256.Messages()
  private var keyed: [SHA256.Chain] = []
  /// Digests of inner hashes, as messages of the outer ones.
  private var digests = SHA256.Messages()
  /// What SHA-256 went over in all, padding included.
  private(set) var hashedByteCount = 0

  /// In memory's order.
  private static func label(_ text: String) -> UInt128 {
    precondition(text.utf8.count == labelByteCount, "a label has sixteen bytes")
    return text.utf8.reversed().reduce(0 as UInt128) { $0 << 8 | UInt128($1) }.littleEndian
  }

  /// Takes `count` parts in the place of those before, each asked for twice. Then `write` gives each its payload, and `finish` makes
  /// the commitments.
  @inline(__always)
  mutating func begin(_ count: Int, _ part: (Int) -> Part) {
    provideRoom(for: count)
    Self.begin(&inner, &outer, &partByteCounts, &salts, label: saltLabel, part)
    parts.layOut(partByteCounts, after: HMACSHA256.keyByteCount)
    let (starts, label) = (parts.offsets, partLabel)
    var span = parts.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    for index in 0..<count {
      Self.write(part(index), after: label, at: Int(starts[index]), to: &target)
    }
  }

  @inline(__always)
  private static func begin(
    _ inner: inout [SHA256.Chain], _ outer: inout [SHA256.Chain], _ byteCounts: inout [Int],
    _ salts: inout SHA256.Messages, label: UInt128, _ part: (Int) -> Part
  ) {
    var inners = inner.mutableSpan
    var outers = outer.mutableSpan
    var counts = byteCounts.mutableSpan
    var span = salts.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    for index in inners.indices {
      let part = part(index)
      inners[index] = part.key.inner
      outers[index] = part.key.outer
      counts[index] = headByteCount + part.payloadByteCount
      write(part, after: label, at: index * HMACSHA256.keyByteCount, to: &target)
    }
  }

  /// Label ‖ org ‖ sequence ‖ part index.
  @inline(__always)
  private static func write(
    _ part: Part, after label: UInt128, at start: Int, to target: inout MutableRawSpan
  ) {
    target.storeBytes(of: label, toByteOffset: start, as: UInt128.self)
    target.storeBig(part.org.value, at: start + labelByteCount)
    target.storeBig(part.orgSequence, at: start + labelByteCount + 16)
    target.storeBytes(
      of: UInt8(truncatingIfNeeded: part.index), toByteOffset: start + labelByteCount + 24,
      as: UInt8.self)
  }

  /// `part`: by the order in which they were given.
  mutating func write(_ payload: RawSpan, of part: Int) {
    precondition(
      partByteCounts[part] == Self.headByteCount + payload.byteCount, "a payload as announced")
    let start = parts.offset(of: part) + Self.headByteCount
    var span = parts.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    target.store(payload, at: start)
  }

  /// The payloads of all parts, each of which lies in `frame` from `start` on.
  @inline(__always)
  mutating func write(from frame: RawSpan, at start: (_ part: Int) -> Int) {
    let (offsets, byteCounts) = (parts.offsets, partByteCounts)
    var span = parts.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    for part in byteCounts.indices {
      let start = start(part)
      let end = start + byteCounts[part] - Self.headByteCount
      target.store(frame.extracting(start..<end), at: Int(offsets[part]) + Self.headByteCount)
    }
  }

  /// Works out the commitments: a code under each salt, which is a code itself, and a code is an inner and an outer hash.
  mutating func finish() {
    // Besides the messages of the parts: those of the salts, two keys, and the digests of two inner hashes, a block each.
    hashedByteCount += parts.byteCount + 5 * HMACSHA256.keyByteCount * inner.count
    SHA256.advance(&inner, over: salts)
    digests.write(inner)
    SHA256.advance(&outer, over: digests)
    keys.writeKeys(outer)
    SHA256.Chain.restart(&keyed, count: 2 * outer.count)
    SHA256.advance(&keyed, over: keys)
    for index in inner.indices {
      inner[index] = keyed[2 * index]
      outer[index] = keyed[2 * index + 1]
    }
    SHA256.advance(&inner, over: parts)
    digests.write(inner)
    SHA256.advance(&outer, over: digests)
  }

  /// Of a part, by the order in which they were given; after `finish`.
  func commitment(of part: Int) -> Digest { outer[part].digest }

  private mutating func provideRoom(for count: Int) {
    if inner.count != count {
      SHA256.Chain.restart(&inner, count: count)
      SHA256.Chain.restart(&outer, count: count)
      partByteCounts.removeAll(keepingCapacity: true)
      partByteCounts.append(contentsOf: repeatElement(0, count: count))
    }
    guard digests.count < count else { return }
    let counts = [Int](repeating: Digest.byteCount, count: 2 * count)
    digests.layOut(counts, after: HMACSHA256.keyByteCount)
    salts.layOut(counts.map { _ in Self.headByteCount }, after: HMACSHA256.keyByteCount)
    keys.layOutKeys(counts.count)
  }
}

/// Makes leaf hashes.
struct LeafBatch {
  /// What comes before a leaf in its hash, "DAYB", and the version of the format; the first is the lowest byte.
  private static let magic: UInt64 = 0x01_4259_4144_00
  private static let magicByteCount = 6
  private static let commitmentKind: UInt8 = 1
  private static let partByteCount = 1 + 16 + Digest.byteCount
  private static let headByteCount = magicByteCount + 16 + 8 + 8 + 16 + 8 + 1 + 2 + 2 + 1

  private var leaves = SHA256.Messages()
  private var byteCounts: [Int] = []
  private var chains: [SHA256.Chain] = []
  /// What SHA-256 went over in all, padding included.
  private(set) var hashedByteCount = 0

  /// What a leaf says of an event, but for its type, which many share, and its parts.
  struct Header {
    let org: OrgID
    let orgSequence: UInt64
    let recordedAtMicros: Int64
    let stream: StreamID
    let streamVersion: UInt64
    let schemaVersion: UInt16
  }

  static func byteCount(type: [UInt8], partCount: Int) -> Int {
    headByteCount + type.count + partCount * partByteCount
  }

  /// Takes `count` leaves in the place of those before.
  @inline(__always)
  mutating func begin(_ count: Int, _ byteCount: (Int) -> Int) {
    if byteCounts.count != count {
      byteCounts.removeAll(keepingCapacity: true)
      byteCounts.append(contentsOf: repeatElement(0, count: count))
    }
    var span = byteCounts.mutableSpan
    for index in span.indices { span[index] = byteCount(index) }
    leaves.layOut(byteCounts)
  }

  /// Lets `body` write all of them: for each a header at its start, and its parts one behind the other.
  mutating func write(
    _ body: (_ starts: [UInt32], _ target: inout MutableRawSpan) -> Void
  ) {
    let starts = leaves.offsets
    var span = leaves.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    body(starts, &target)
  }

  /// Returns where the first part begins.
  @inline(__always)
  static func write(
    _ header: Header, type: [UInt8], partCount: Int, at start: Int,
    to target: inout MutableRawSpan
  ) -> Int {
    target.storeBytes(of: magic.littleEndian, toByteOffset: start, as: UInt64.self)
    let body = start + magicByteCount
    target.storeBig(header.org.value, at: body)
    target.storeBig(header.orgSequence, at: body + 16)
    target.storeBig(header.recordedAtMicros, at: body + 24)
    target.storeBig(header.stream.value, at: body + 32)
    target.storeBig(header.streamVersion, at: body + 48)
    target.storeBytes(
      of: UInt8(truncatingIfNeeded: type.count), toByteOffset: body + 56, as: UInt8.self)
    unsafe target.store(type.span.bytes, at: body + 57)
    let end = body + 57 + type.count
    target.storeBig(header.schemaVersion, at: end)
    target.storeBig(0 as UInt16, at: end + 2)
    target.storeBytes(
      of: UInt8(truncatingIfNeeded: partCount), toByteOffset: end + 4, as: UInt8.self)
    return end + 5
  }

  /// A part, but for its commitment: returns where that belongs. The next part begins behind it.
  @inline(__always)
  static func writePart(_ keyID: KeyID, at start: Int, to target: inout MutableRawSpan) -> Int {
    target.storeBytes(of: commitmentKind, toByteOffset: start, as: UInt8.self)
    target.storeBytes(of: keyID, toByteOffset: start + 1, as: KeyID.self)
    return start + 17
  }

  /// Writes the commitments, which are finished, each where it belongs.
  mutating func write(_ commitments: borrowing CommitmentBatch, at places: [Int]) {
    leaves.write(commitments.outer, at: places)
  }

  /// Gives the hashes of the leaves, in order.
  mutating func finish(_ body: (_ index: Int, _ leaf: Digest) -> Void) {
    SHA256.Chain.restart(&chains, count: leaves.count)
    SHA256.advance(&chains, over: leaves)
    hashedByteCount += leaves.byteCount
    for (index, chain) in chains.enumerated() { body(index, chain.digest) }
  }
}

/// The room that the leaves of a stretch of events are made in, used again and again.
package struct EventBatch {
  /// What is in the making fits a core's first cache.
  package static let maxCount = 32

  var commitments = CommitmentBatch()
  var leaves = LeafBatch()

  var hashedByteCount: Int { commitments.hashedByteCount + leaves.hashedByteCount }
}

// Commitments and leaves of many events together: what `LeafHasher` makes one by one, in a third of its time. Byte layout:
// eventlog/README.md, "Leaf".

import Crypto
import Merkle
import Vault

/// Makes commitments of parts that do not depend on each other.
struct CommitmentBatch {
  /// What a salt is made with: where a key's hashes go on.
  typealias SaltKey = (inner: SHA256.Chain, outer: SHA256.Chain)

  /// All that a commitment is made of, but for the payload.
  struct Part {
    let key: SaltKey
    let org: OrgID
    let orgSequence: UInt64
    let index: Int
    let payloadByteCount: Int
  }

  private static let labelByteCount = 16
  private static let headByteCount = labelByteCount + 16 + 8 + 1

  private let saltLabel = label("daybook/salt/v1\0")
  private let partLabel = label("daybook/part/v1\0")
  private var inner: [SHA256.Chain] = []
  private var outer: [SHA256.Chain] = []
  /// Label ‖ place: what the salts are codes of. All of one size: written over again and again.
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

  /// Takes `added` in the place of the parts before; `write` gives each its payload.
  mutating func begin(_ added: [Part]) {
    inner.removeAll(keepingCapacity: true)
    outer.removeAll(keepingCapacity: true)
    partByteCounts.removeAll(keepingCapacity: true)
    inner.append(contentsOf: added.lazy.map(\.key.inner))
    outer.append(contentsOf: added.lazy.map(\.key.outer))
    partByteCounts.append(contentsOf: added.lazy.map { Self.headByteCount + $0.payloadByteCount })
    provideRoom(for: added.count)
    parts.layOut(partByteCounts, after: HMACSHA256.keyByteCount)
    Self.writePlaces(of: added, after: saltLabel, to: &salts)
    Self.writePlaces(of: added, after: partLabel, to: &parts)
  }

  /// Label ‖ org ‖ sequence ‖ part index.
  private static func writePlaces(
    of added: [Part], after label: UInt128, to messages: inout SHA256.Messages
  ) {
    let starts = messages.offsets
    var span = messages.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    for (index, part) in added.enumerated() {
      let start = Int(starts[index])
      target.storeBytes(of: label, toByteOffset: start, as: UInt128.self)
      target.storeBig(part.org.value, at: start + labelByteCount)
      target.storeBig(part.orgSequence, at: start + labelByteCount + 16)
      target.storeBytes(
        of: UInt8(part.index), toByteOffset: start + labelByteCount + 24, as: UInt8.self)
    }
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

  /// Works out the commitments: a code under each salt, which is a code itself, and a code is an inner and an outer hash.
  mutating func finish() {
    // Besides the messages of the parts: those of the salts, two keys, and the digests of two inner hashes, a block each.
    hashedByteCount += parts.byteCount + 5 * HMACSHA256.keyByteCount * inner.count
    SHA256.advance(&inner, over: salts)
    digests.write(inner)
    SHA256.advance(&outer, over: digests)
    keys.writeKeys(outer)
    keyed.removeAll(keepingCapacity: true)
    keyed.append(contentsOf: repeatElement(.start, count: 2 * outer.count))
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
  private var chains: [SHA256.Chain] = []
  private var next = 0
  private var nextPart = 0
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

  /// Takes leaves of these sizes in the place of those before; `start` and `addPart` write one after the other.
  mutating func begin(_ byteCounts: [Int]) {
    leaves.layOut(byteCounts)
    next = 0
  }

  mutating func start(_ header: Header, type: [UInt8], partCount: Int) {
    let start = leaves.offset(of: next)
    next += 1
    var span = leaves.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    target.storeBytes(of: Self.magic.littleEndian, toByteOffset: start, as: UInt64.self)
    var end = start + Self.magicByteCount
    target.storeBig(header.org.value, at: end)
    target.storeBig(header.orgSequence, at: end + 16)
    target.storeBig(header.recordedAtMicros, at: end + 24)
    target.storeBig(header.stream.value, at: end + 32)
    target.storeBig(header.streamVersion, at: end + 48)
    target.storeBytes(of: UInt8(type.count), toByteOffset: end + 56, as: UInt8.self)
    unsafe target.store(type.span.bytes, at: end + 57)
    end += 57 + type.count
    target.storeBig(header.schemaVersion, at: end)
    target.storeBig(0 as UInt16, at: end + 2)
    target.storeBytes(of: UInt8(partCount), toByteOffset: end + 4, as: UInt8.self)
    nextPart = end + 5
  }

  /// The next part of the leaf that was started last.
  mutating func addPart(keyID: KeyID, commitment: Digest) {
    let start = nextPart
    nextPart += Self.partByteCount
    var span = leaves.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    target.storeBytes(of: Self.commitmentKind, toByteOffset: start, as: UInt8.self)
    target.storeBytes(of: keyID, toByteOffset: start + 1, as: KeyID.self)
    target.storeBytes(of: commitment, toByteOffset: start + 17, as: Digest.self)
  }

  /// Gives the hashes of the leaves, in order.
  mutating func finish(_ body: (_ index: Int, _ leaf: Digest) -> Void) {
    chains.removeAll(keepingCapacity: true)
    chains.append(contentsOf: repeatElement(.start, count: leaves.count))
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

// Commitments and leaves of many events together: what `LeafHasher` makes one by one, in a third of its time. Byte layout:
// eventlog/README.md, "Leaf".

import Crypto
import Merkle
import Vault

/// Makes commitments of parts that do not depend on each other.
struct CommitmentBatch {
  private static let saltLabel = Array("daybook/salt/v1\0".utf8)
  private static let partLabel = Array("daybook/part/v1\0".utf8)
  private static let labelByteCount = 16
  private static let headByteCount = labelByteCount + 16 + 8 + 1
  /// RFC 2104: what the inner and the outer key are made with.
  private static let masks: [UInt8] = [0x36, 0x5c]

  private var inner: [SHA256.Chain] = []
  private var outer: [SHA256.Chain] = []
  /// Label ‖ place: what the salts are codes of. All of one size: written over again and again.
  private var salts = SHA256.Messages()
  /// Label ‖ place ‖ payload: what the commitments are codes of.
  private var parts = SHA256.Messages()
  /// Each salt as a key of an inner and of an outer hash: two blocks.
  private var keys = SHA256.Messages()
  /// Digests of inner hashes, as messages of the outer ones.
  private var digests = SHA256.Messages()
  /// One for each part, in order, after `finish`.
  private(set) var commitments: [Digest] = []
  /// What SHA-256 went over in all, padding included.
  private(set) var hashedByteCount = 0

  mutating func removeAll() {
    inner.removeAll(keepingCapacity: true)
    outer.removeAll(keepingCapacity: true)
    parts.removeAll()
    commitments.removeAll(keepingCapacity: true)
  }

  /// What a salt is made with: where a key's hashes go on.
  typealias SaltKey = (inner: SHA256.Chain, outer: SHA256.Chain)

  mutating func add(
    _ key: SubjectKey, org: OrgID, orgSequence: UInt64, part: Int, payload: RawSpan
  ) {
    add(key.salt.chains, org: org, orgSequence: orgSequence, part: part, payload: payload)
  }

  mutating func add(
    _ key: SaltKey, org: OrgID, orgSequence: UInt64, part: Int, payload: RawSpan
  ) {
    if inner.count == salts.count {
      _ = salts.add(byteCount: Self.headByteCount, after: HMACSHA256.keyByteCount)
    }
    let salt = salts.offset(of: inner.count)
    inner.append(key.inner)
    outer.append(key.outer)
    Self.write(Self.saltLabel, org, orgSequence, part, to: &salts.bytes, at: salt)
    let message = parts.add(
      byteCount: Self.headByteCount + payload.byteCount, after: HMACSHA256.keyByteCount)
    Self.write(Self.partLabel, org, orgSequence, part, to: &parts.bytes, at: message)
    var span = parts.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    target.store(payload, at: message + Self.headByteCount)
  }

  /// Label ‖ org ‖ sequence ‖ part index.
  private static func write(
    _ label: [UInt8], _ org: OrgID, _ orgSequence: UInt64, _ part: Int, to bytes: inout [UInt8],
    at start: Int
  ) {
    var span = bytes.mutableSpan
    var target = unsafe span.mutableBytes
    unsafe target.store(label.span.bytes, at: start)
    target.storeBig(org.value, at: start + labelByteCount)
    target.storeBig(orgSequence, at: start + labelByteCount + 16)
    target.storeBytes(
      of: UInt8(part), toByteOffset: start + labelByteCount + 24, as: UInt8.self)
  }

  /// Works out `commitments`: a code under each salt, which is a code itself, and a code is an inner and an outer hash.
  mutating func finish() {
    provideRoom(for: inner.count)
    // Besides the messages of the parts: those of the salts, two keys, and the digests of two inner hashes, a block each.
    hashedByteCount += parts.byteCount + 5 * HMACSHA256.keyByteCount * inner.count
    var codes = inner
    SHA256.advance(&codes, over: salts)
    digests.write(codes)
    SHA256.advance(&outer, over: digests)
    keys.write(outer, masks: Self.masks)
    var keyed = [SHA256.Chain](repeating: .start, count: 2 * outer.count)
    SHA256.advance(&keyed, over: keys)
    for index in inner.indices {
      codes[index] = keyed[2 * index]
      outer[index] = keyed[2 * index + 1]
    }
    SHA256.advance(&codes, over: parts)
    digests.write(codes)
    SHA256.advance(&outer, over: digests)
    commitments.removeAll(keepingCapacity: true)
    for chain in outer { commitments.append(chain.digest) }
  }

  private mutating func provideRoom(for count: Int) {
    while digests.count < count {
      _ = digests.add(byteCount: Digest.byteCount, after: HMACSHA256.keyByteCount)
      for mask in Self.masks { keys.addBlock(of: mask) }
    }
  }
}

/// Makes leaf hashes.
struct LeafBatch {
  private static let magic: [UInt8] = [MerkleTree.leafPrefix] + Array("DAYB".utf8) + [1]
  private static let commitmentKind: UInt8 = 1
  private static let partByteCount = 1 + 16 + Digest.byteCount

  private var leaves = SHA256.Messages()
  private var nextPart = 0
  /// What SHA-256 went over in all, padding included.
  private(set) var hashedByteCount = 0

  /// Also what a failure in the middle has left.
  mutating func removeAll() { leaves.removeAll() }

  /// What a leaf says of an event, but for its type, which many share, and its parts.
  struct Header {
    let org: OrgID
    let orgSequence: UInt64
    let recordedAtMicros: Int64
    let stream: StreamID
    let streamVersion: UInt64
    let schemaVersion: UInt16
  }

  mutating func start(_ header: Header, type: [UInt8], partCount: Int) {
    let fixedByteCount = Self.magic.count + 16 + 8 + 8 + 16 + 8 + 1 + 2 + 2 + 1
    let start = leaves.add(
      byteCount: fixedByteCount + type.count + partCount * Self.partByteCount)
    var span = leaves.bytes.mutableSpan
    var target = unsafe span.mutableBytes
    unsafe target.store(Self.magic.span.bytes, at: start)
    var next = start + Self.magic.count
    target.storeBig(header.org.value, at: next)
    target.storeBig(header.orgSequence, at: next + 16)
    target.storeBig(header.recordedAtMicros, at: next + 24)
    target.storeBig(header.stream.value, at: next + 32)
    target.storeBig(header.streamVersion, at: next + 48)
    target.storeBytes(of: UInt8(type.count), toByteOffset: next + 56, as: UInt8.self)
    unsafe target.store(type.span.bytes, at: next + 57)
    next += 57 + type.count
    target.storeBig(header.schemaVersion, at: next)
    target.storeBig(0 as UInt16, at: next + 2)
    target.storeBytes(of: UInt8(partCount), toByteOffset: next + 4, as: UInt8.self)
    nextPart = next + 5
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

  /// The hashes of the leaves, in order; none is left.
  mutating func finish() -> [Digest] {
    var chains = [SHA256.Chain](repeating: .start, count: leaves.count)
    SHA256.advance(&chains, over: leaves)
    hashedByteCount += leaves.byteCount
    leaves.removeAll()
    return chains.map(\.digest)
  }
}

/// The room that the leaves of a stretch of events are made in, used again and again.
struct EventBatch {
  /// What is in the making fits a core's first cache.
  static let maxCount = 64

  var commitments = CommitmentBatch()
  var leaves = LeafBatch()

  var hashedByteCount: Int { commitments.hashedByteCount + leaves.hashedByteCount }
}

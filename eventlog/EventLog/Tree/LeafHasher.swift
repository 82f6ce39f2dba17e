// Leaves of an org's Merkle tree: canonical, made of the event's header and a commitment for each of its
// parts; never stored. Byte layout: eventlog/README.md, "Leaf".

import Crypto
import Merkle
import Vault

/// What a leaf says of an event, but for its parts.
struct LeafHeader {
  let org: OrgID
  let orgSequence: UInt64
  let recordedAtMicros: Int64
  let stream: StreamID
  let streamVersion: UInt64
  let type: String
  let schemaVersion: UInt16
}

/// Makes commitments and leaf hashes, one after the other, in buffers of its own.
struct LeafHasher {
  private static let magic: [UInt8] = Array("DAYB".utf8) + [1]
  private static let saltLabel = Array("daybook/salt/v1\0".utf8)
  private static let partLabel = Array("daybook/part/v1\0".utf8)
  private static let commitmentKind: UInt8 = 1
  private static let placeByteCount = 16 + 8 + 1

  /// The prefix of a leaf's hash, and the leaf.
  private var leaf: [UInt8] = []
  private var message: [UInt8] = []
  /// What a salt is the code of, padded: label ‖ place.
  private var saltMessage: [UInt8] = {
    var message = saltLabel + [UInt8](repeating: 0, count: placeByteCount)
    SHA256.pad(&message, after: HMACSHA256.keyByteCount)
    return message
  }()

  /// HMAC(salt, label ‖ place ‖ payload), where salt = HMAC(the key's salt key, label ‖ place) and
  /// place = org ‖ sequence ‖ part index: one opened part tells nothing about another one.
  mutating func commitment(
    _ key: SubjectKey, org: OrgID, orgSequence: UInt64, part: Int, payload: RawSpan
  ) -> Digest {
    let salt = salt(key, org: org, orgSequence: orgSequence, part: part)
    message.removeAll(keepingCapacity: true)
    message.append(contentsOf: Self.partLabel)
    message.append(contentsOf: saltMessage[Self.placeRange])
    unsafe payload.withUnsafeBytes { unsafe message.append(contentsOf: $0) }
    SHA256.pad(&message, after: HMACSHA256.keyByteCount)
    return unsafe HMACSHA256(key: salt).digest(padded: message.span.bytes)
  }

  private static let placeRange = saltLabel.count..<saltLabel.count + placeByteCount

  /// What opens one part's commitment, and no other's.
  mutating func salt(_ key: SubjectKey, org: OrgID, orgSequence: UInt64, part: Int) -> Digest {
    let start = Self.placeRange.lowerBound
    saltMessage.storeBig(org.value, at: start)
    saltMessage.storeBig(orgSequence, at: start + 16)
    saltMessage[start + 24] = UInt8(part)
    return unsafe key.salt.digest(padded: saltMessage.span.bytes)
  }

  mutating func start(_ header: LeafHeader, partCount: Int) {
    leaf.removeAll(keepingCapacity: true)
    leaf.append(MerkleTree.leafPrefix)
    leaf.append(contentsOf: Self.magic)
    leaf.appendBig(header.org.value)
    leaf.appendBig(header.orgSequence)
    leaf.appendBig(header.recordedAtMicros)
    leaf.appendBig(header.stream.value)
    leaf.appendBig(header.streamVersion)
    leaf.append(UInt8(header.type.utf8.count))
    leaf.append(contentsOf: header.type.utf8)
    leaf.appendBig(header.schemaVersion)
    leaf.appendBig(0 as UInt16)
    leaf.append(UInt8(partCount))
  }

  mutating func addPart(keyID: KeyID, commitment: Digest) {
    leaf.append(Self.commitmentKind)
    keyID.append(to: &leaf)
    commitment.append(to: &leaf)
  }

  var leafBytes: [UInt8] { Array(leaf.dropFirst()) }

  /// Hashed where it lies: padded for it, and no longer afterwards.
  var leafHash: Digest {
    mutating get {
      let count = leaf.count
      SHA256.pad(&leaf)
      defer { leaf.removeLast(leaf.count - count) }
      return unsafe SHA256().digest(padded: leaf.span.bytes)
    }
  }
}

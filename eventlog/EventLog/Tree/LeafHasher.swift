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

/// Makes commitments and leaf hashes, one after the other, in buffers of its own. For one thread.
final class LeafHasher {
  private static let magic: [UInt8] = Array("DAYB".utf8) + [1]
  private static let saltLabel = Array("daybook/salt/v1\0".utf8)
  private static let partLabel = Array("daybook/part/v1\0".utf8)
  private static let commitmentKind: UInt8 = 1
  /// Magic, org, sequence, time, stream, version.
  private static let typeOffset = 5 + 16 + 8 + 8 + 16 + 8

  private var leaf: [UInt8] = []
  private var place: [UInt8] = []

  /// HMAC(salt, label ‖ place ‖ payload), where salt = HMAC(the key's salt key, label ‖ place) and
  /// place = org ‖ sequence ‖ part index: one opened part tells nothing about another one.
  func commitment(
    _ key: SubjectKey, org: OrgID, orgSequence: UInt64, part: Int, payload: RawSpan
  ) -> Digest {
    var keyed = HMACSHA256(
      key: salt(key, org: org, orgSequence: orgSequence, part: part))
    keyed.update(Self.partLabel)
    keyed.update(place)
    keyed.update(payload)
    return keyed.digest()
  }

  /// What opens one part's commitment, and no other's.
  func salt(_ key: SubjectKey, org: OrgID, orgSequence: UInt64, part: Int) -> Digest {
    place.removeAll(keepingCapacity: true)
    place.appendBig(org.value)
    place.appendBig(orgSequence)
    place.append(UInt8(part))
    var keyed = key.salt
    keyed.update(Self.saltLabel)
    keyed.update(place)
    return keyed.digest()
  }

  func start(_ header: LeafHeader, partCount: Int) {
    leaf.removeAll(keepingCapacity: true)
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

  func addPart(keyID: KeyID, commitment: Digest) {
    leaf.append(Self.commitmentKind)
    keyID.append(to: &leaf)
    commitment.append(to: &leaf)
  }

  var leafBytes: [UInt8] { leaf }
  var leafHash: Digest { MerkleTree.leafHash(leaf) }
}

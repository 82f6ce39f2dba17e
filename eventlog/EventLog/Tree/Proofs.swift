import Crypto
import Merkle
import Vault

/// What any process can prove of an org's book, and what goes into an export.
package protocol LogProver: AnyObject, Sendable {
  /// How many leaves the org's tree has, and its root.
  func treeHead(of org: OrgID) throws(EventLogError) -> TreeHead

  /// The root as it was at `size`.
  func root(of org: OrgID, size: UInt64) throws(EventLogError) -> Digest

  /// That the event with `orgSequence` is in the tree of `size` leaves.
  func inclusionProof(
    of org: OrgID, orgSequence: UInt64, size: UInt64
  ) throws(EventLogError) -> [Digest]

  /// That the tree of `newSize` leaves goes on from the one of `oldSize`.
  func consistencyProof(
    of org: OrgID, from oldSize: UInt64, to newSize: UInt64
  ) throws(EventLogError) -> [Digest]

  /// The leaves from `first` on, at most `limit`, with what opens the parts that can be opened.
  func leaves(
    of org: OrgID, from first: UInt64, limit: Int
  ) throws(EventLogError) -> [OpenedLeaf]
}

package struct TreeHead: Equatable, Sendable {
  package let size: UInt64
  package let root: Digest
}

/// A leaf, byte for byte, and what its commitments stand for.
package struct OpenedLeaf: Equatable, Sendable {
  package struct Opening: Equatable, Sendable {
    package let part: Int
    package let salt: [UInt8]
    package let payload: [UInt8]
  }

  package let event: RecordedEvent
  package let leaf: [UInt8]
  /// One for each part whose subject was not erased.
  package let openings: [Opening]

  package var orgSequence: UInt64 { event.orgSequence }
}

extension LogStore {
  func treeHead(of org: OrgID) throws(EventLogError) -> TreeHead {
    try withTree(of: org) { size, source throws in
      TreeHead(size: size, root: try MerkleTree.root(size: size, source))
    }
  }

  func root(of org: OrgID, size: UInt64) throws(EventLogError) -> Digest {
    try withTree(of: org) { current, source throws in
      try Self.require(size <= current, "the tree is smaller than that")
      return try MerkleTree.root(size: size, source)
    }
  }

  func inclusionProof(
    of org: OrgID, orgSequence: UInt64, size: UInt64
  ) throws(EventLogError) -> [Digest] {
    try withTree(of: org) { current, source throws in
      try Self.require(orgSequence < size && size <= current, "the tree is smaller than that")
      return try MerkleTree.inclusionProof(index: orgSequence, size: size, source)
    }
  }

  func consistencyProof(
    of org: OrgID, from oldSize: UInt64, to newSize: UInt64
  ) throws(EventLogError) -> [Digest] {
    try withTree(of: org) { current, source throws in
      try Self.require(oldSize <= newSize && newSize <= current, "the tree is smaller than that")
      return try MerkleTree.consistencyProof(old: oldSize, new: newSize, source)
    }
  }

  private static func require(_ isFine: Bool, _ reason: String) throws(EventLogError) {
    guard isFine else { throw .invalidCommit(reason: reason) }
  }

  func leaves(
    of org: OrgID, from first: UInt64, limit: Int
  ) throws(EventLogError) -> [OpenedLeaf] {
    let events = try readOrg(org, from: first, limit: limit)
    return try mappingErrors {
      try reading { transaction throws in
        let tree = OrgTree(store: self, org: org, view: try view(transaction))
        var leaves: [OpenedLeaf] = []
        try tree.forEachLeaf(from: first, transaction) { hasher in
          guard leaves.count < events.count else { return false }
          let event = events[leaves.count]
          let leaf = hasher.leafBytes
          leaves.append(
            OpenedLeaf(event: event, leaf: leaf, openings: try openings(of: event)))
          return leaves.count < events.count
        }
        return leaves
      }
    }
  }

  private func openings(of event: RecordedEvent) throws -> [OpenedLeaf.Opening] {
    var hasher = LeafHasher()
    var openings: [OpenedLeaf.Opening] = []
    for (index, part) in event.parts.enumerated() {
      guard case .opened(let subject, let payload) = part else { continue }
      let name = KeyName(org: event.org.value, subject: subject?.value ?? 0)
      guard case .available(let key) = try vault.key(name) else { continue }
      let salt = hasher.salt(key, org: event.org, orgSequence: event.orgSequence, part: index)
      openings.append(OpenedLeaf.Opening(part: index, salt: salt.bytes, payload: payload))
    }
    return openings
  }
}

extension LMDBEventLog: LogProver {
  package func treeHead(of org: OrgID) throws(EventLogError) -> TreeHead {
    try store.treeHead(of: org)
  }

  package func root(of org: OrgID, size: UInt64) throws(EventLogError) -> Digest {
    try store.root(of: org, size: size)
  }

  package func inclusionProof(
    of org: OrgID, orgSequence: UInt64, size: UInt64
  ) throws(EventLogError) -> [Digest] {
    try store.inclusionProof(of: org, orgSequence: orgSequence, size: size)
  }

  package func consistencyProof(
    of org: OrgID, from oldSize: UInt64, to newSize: UInt64
  ) throws(EventLogError) -> [Digest] {
    try store.consistencyProof(of: org, from: oldSize, to: newSize)
  }

  package func leaves(
    of org: OrgID, from first: UInt64, limit: Int
  ) throws(EventLogError) -> [OpenedLeaf] {
    try store.leaves(of: org, from: first, limit: limit)
  }
}

extension LMDBLogReader: LogProver {
  package func treeHead(of org: OrgID) throws(EventLogError) -> TreeHead {
    try store.treeHead(of: org)
  }

  package func root(of org: OrgID, size: UInt64) throws(EventLogError) -> Digest {
    try store.root(of: org, size: size)
  }

  package func inclusionProof(
    of org: OrgID, orgSequence: UInt64, size: UInt64
  ) throws(EventLogError) -> [Digest] {
    try store.inclusionProof(of: org, orgSequence: orgSequence, size: size)
  }

  package func consistencyProof(
    of org: OrgID, from oldSize: UInt64, to newSize: UInt64
  ) throws(EventLogError) -> [Digest] {
    try store.consistencyProof(of: org, from: oldSize, to: newSize)
  }

  package func leaves(
    of org: OrgID, from first: UInt64, limit: Int
  ) throws(EventLogError) -> [OpenedLeaf] {
    try store.leaves(of: org, from: first, limit: limit)
  }
}

import Crypto

package typealias Digest = SHA256.Digest

/// RFC 6962 section 2.1 (RFC 9162 section 2.1): hashes of leaves and nodes, proofs and their checks.
package enum MerkleTree {
  /// What is hashed before a leaf.
  package static let leafPrefix: UInt8 = 0

  /// SHA-256(0x00 ‖ leaf).
  package static func leafHash(_ leaf: [UInt8]) -> Digest {
    unsafe leafHash(leaf.span.bytes)
  }

  package static func leafHash(_ leaf: RawSpan) -> Digest { leafStart.digest(with: leaf) }

  private static let leafStart: SHA256 = {
    var hash = SHA256()
    hash.update(leafPrefix)
    return hash
  }()

  /// SHA-256(0x01 ‖ left ‖ right).
  package static func nodeHash(_ left: Digest, _ right: Digest) -> Digest {
    SHA256.digest(tag: 1, left, right)
  }

  /// The root of the tree without leaves: SHA-256 of nothing.
  package static var emptyRoot: Digest { SHA256().digest() }
}

/// Gives the root of the complete subtree of 2^`level` leaves that begins at leaf `index << level`.
package typealias SubtreeSource = (_ level: Int, _ index: UInt64) throws -> Digest

// MARK: - Making proofs

extension MerkleTree {
  /// The root of the tree of the first `size` leaves.
  package static func root(size: UInt64, _ source: SubtreeSource) throws -> Digest {
    size == 0 ? emptyRoot : try hash(of: 0..<size, source)
  }

  /// The audit path of leaf `index` in the tree of `size` leaves (RFC 6962 section 2.1.1), from the
  /// leaf upwards.
  package static func inclusionProof(
    index: UInt64, size: UInt64, _ source: SubtreeSource
  ) throws -> [Digest] {
    precondition(index < size, "a proof is for a leaf of the tree")
    var proof: [Digest] = []
    var range = 0..<size
    while range.count > 1 {
      let middle = split(range)
      if index < middle {
        proof.append(try hash(of: middle..<range.upperBound, source))
        range = range.lowerBound..<middle
      } else {
        proof.append(try hash(of: range.lowerBound..<middle, source))
        range = middle..<range.upperBound
      }
    }
    return proof.reversed()
  }

  /// What leads from the root of `old` leaves to that of `new` (RFC 6962 section 2.1.2). Empty where
  /// they are equal or `old` is 0.
  package static func consistencyProof(
    old: UInt64, new: UInt64, _ source: SubtreeSource
  ) throws -> [Digest] {
    precondition(old <= new, "a tree does not shrink")
    guard old > 0, old < new else { return [] }
    var proof: [Digest] = []
    var range = 0..<new
    var isWhole = true
    while old != range.upperBound {
      let middle = split(range)
      if old <= middle {
        proof.append(try hash(of: middle..<range.upperBound, source))
        range = range.lowerBound..<middle
      } else {
        proof.append(try hash(of: range.lowerBound..<middle, source))
        range = middle..<range.upperBound
        isWhole = false
      }
    }
    if !isWhole { proof.append(try hash(of: range, source)) }
    return proof.reversed()
  }

  /// The hash of a range that the recursion of RFC 6962 meets: it begins at a multiple of the largest
  /// power of two in it.
  private static func hash(of range: Range<UInt64>, _ source: SubtreeSource) throws -> Digest {
    let count = range.upperBound - range.lowerBound
    if count.nonzeroBitCount == 1 {
      let level = count.trailingZeroBitCount
      return try source(level, range.lowerBound >> UInt64(level))
    }
    let middle = split(range)
    return nodeHash(
      try hash(of: range.lowerBound..<middle, source),
      try hash(of: middle..<range.upperBound, source))
  }

  /// Where RFC 6962 divides: after the largest power of two below the count.
  private static func split(_ range: Range<UInt64>) -> UInt64 {
    let count = range.upperBound - range.lowerBound
    return range.lowerBound + (1 << UInt64(63 - (count - 1).leadingZeroBitCount))
  }
}

// MARK: - Checking proofs

extension MerkleTree {
  /// Whether `proof` leads from the leaf hash at `index` to `root` of `size` leaves.
  /// Source: RFC 9162 section 2.1.3.2.
  package static func isIncluded(
    _ leafHash: Digest, index: UInt64, size: UInt64, proof: [Digest], root: Digest
  ) -> Bool {
    guard index < size else { return false }
    var first = index
    var last = size - 1
    var hash = leafHash
    for node in proof {
      if last == 0 { return false }
      if first & 1 == 1 || first == last {
        hash = nodeHash(node, hash)
        while first & 1 == 0, first != 0 {
          first >>= 1
          last >>= 1
        }
      } else {
        hash = nodeHash(hash, node)
      }
      first >>= 1
      last >>= 1
    }
    return last == 0 && hash == root
  }

  /// Whether the tree with `newRoot` goes on from the one with `oldRoot`.
  /// Source: RFC 9162 section 2.1.4.2.
  package static func isConsistent(
    old: UInt64, oldRoot: Digest, new: UInt64, newRoot: Digest, proof: [Digest]
  ) -> Bool {
    if old == 0 { return proof.isEmpty && oldRoot == emptyRoot && (new > 0 || newRoot == oldRoot) }
    if old == new { return proof.isEmpty && oldRoot == newRoot }
    guard old < new, !proof.isEmpty else { return false }
    let path = old.nonzeroBitCount == 1 ? [oldRoot] + proof : proof
    var first = old - 1
    var last = new - 1
    while first & 1 == 1 {
      first >>= 1
      last >>= 1
    }
    var oldHash = path[0]
    var newHash = path[0]
    for node in path.dropFirst() {
      if last == 0 { return false }
      if first & 1 == 1 || first == last {
        oldHash = nodeHash(node, oldHash)
        newHash = nodeHash(node, newHash)
        while first & 1 == 0, first != 0 {
          first >>= 1
          last >>= 1
        }
      } else {
        newHash = nodeHash(newHash, node)
      }
      first >>= 1
      last >>= 1
    }
    return last == 0 && oldHash == oldRoot && newHash == newRoot
  }
}

// MARK: - Growing

/// A tree that only grows: the roots of its perfect subtrees, largest first, which is all that an
/// append needs (at most 64 hashes). Two hashes an append on average.
package struct Frontier: Equatable, Sendable {
  package private(set) var size: UInt64 = 0
  private var roots: [Digest] = []

  package init() {}

  /// nil unless there is one root for each bit of `size`.
  package init?(size: UInt64, roots: [Digest]) {
    guard roots.count == size.nonzeroBitCount else { return nil }
    self.size = size
    self.roots = roots
  }

  /// One for each bit of `size`, the highest first.
  package var subtreeRoots: [Digest] { roots }

  /// Adds a leaf. Calls `completed` with each subtree that it completes, lowest first.
  package mutating func append(
    _ leafHash: Digest, completed: (_ level: Int, _ index: UInt64, _ hash: Digest) -> Void
  ) {
    add(leafHash, level: 0, completed)
  }

  /// Adds the root of a complete subtree. Calls `completed` with each above it that it completes, lowest first.
  package mutating func append(
    subtree root: Digest, level: Int,
    completed: (_ level: Int, _ index: UInt64, _ hash: Digest) -> Void
  ) {
    precondition(size.trailingZeroBitCount >= level, "a subtree begins at a multiple of its leaves")
    add(root, level: level, completed)
  }

  /// Adds a complete subtree, which begins where the tree ends.
  private mutating func add(
    _ root: Digest, level lowest: Int,
    _ completed: (_ level: Int, _ index: UInt64, _ hash: Digest) -> Void
  ) {
    var hash = root
    var level = lowest
    while size & (1 << UInt64(level)) != 0 {
      hash = MerkleTree.nodeHash(roots.removeLast(), hash)
      level += 1
      completed(level, size >> UInt64(level), hash)
    }
    roots.append(hash)
    size += 1 << UInt64(lowest)
  }

  package mutating func append(_ leafHash: Digest) {
    append(leafHash) { _, _, _ in }
  }

  /// Adds leaves. Calls `completed` with each subtree of level `batchLevel` or above that they complete; those below are
  /// hashed together where all of them are there.
  package mutating func append(
    contentsOf leaves: [Digest],
    completed: (_ level: Int, _ index: UInt64, _ hash: Digest) -> Void
  ) {
    let width = 1 << Self.batchLevel
    let aligned = min(leaves.count, -Int(truncatingIfNeeded: size) & (width - 1))
    let wholeCount = (leaves.count - aligned) / width * width
    appendEach(leaves[..<aligned], completed)
    if wholeCount > 0 {
      Self.forEachSubtree(of: leaves[aligned..<aligned + wholeCount]) { root in
        completed(Self.batchLevel, size >> UInt64(Self.batchLevel), root)
        add(root, level: Self.batchLevel, completed)
      }
    }
    appendEach(leaves[(aligned + wholeCount)...], completed)
  }

  /// The subtrees that are stored lowest have this level too.
  package static let batchLevel = 4

  private mutating func appendEach(
    _ leaves: ArraySlice<Digest>,
    _ completed: (_ level: Int, _ index: UInt64, _ hash: Digest) -> Void
  ) {
    for leaf in leaves {
      add(leaf, level: 0) { level, index, hash in
        if level >= Self.batchLevel { completed(level, index, hash) }
      }
    }
  }

  /// Gives the roots of the complete subtrees of `batchLevel` that `leaves` are all leaves of. Some at a time: what is in the
  /// making fits a core's first cache.
  private static func forEachSubtree(of leaves: ArraySlice<Digest>, _ body: (Digest) -> Void) {
    let leafCount = min(leaves.count, 8 << batchLevel)
    var messages = SHA256.Messages.nodes(tag: 1, count: leafCount / 2)
    var nodes: [Digest] = []
    nodes.reserveCapacity(leafCount)
    var chains: [SHA256.Chain] = []
    chains.reserveCapacity(leafCount / 2)
    for first in stride(from: leaves.startIndex, to: leaves.endIndex, by: leafCount) {
      nodes.removeAll(keepingCapacity: true)
      nodes.append(contentsOf: leaves[first..<min(first + leafCount, leaves.endIndex)])
      for _ in 0..<batchLevel {
        messages.writeNodes(nodes)
        chains.removeAll(keepingCapacity: true)
        chains.append(contentsOf: repeatElement(.start, count: nodes.count / 2))
        SHA256.advance(&chains, over: messages)
        nodes.removeAll(keepingCapacity: true)
        for chain in chains { nodes.append(chain.digest) }
      }
      for node in nodes { body(node) }
    }
  }

  package var root: Digest {
    guard var hash = roots.last else { return MerkleTree.emptyRoot }
    for left in roots.dropLast().reversed() { hash = MerkleTree.nodeHash(left, hash) }
    return hash
  }
}

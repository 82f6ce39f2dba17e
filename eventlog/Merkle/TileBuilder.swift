import Crypto

/// Makes the hash tiles of c2sp.org/tlog-tiles out of leaf hashes, in order: each tile once, when it is
/// full, and what is left at the end as partial tiles.
package struct TileBuilder {
  package typealias Emit = (_ path: String, _ bytes: [UInt8]) throws -> Void

  /// The hashes of each level that do not fill a tile yet.
  private var open: [[Digest]] = []
  private var fullCounts: [UInt64] = []

  package init() {}

  package mutating func append(_ leafHash: Digest, emit: Emit) throws {
    try append(leafHash, level: 0, emit)
  }

  private mutating func append(_ hash: Digest, level: Int, _ emit: Emit) throws {
    if open.count == level {
      open.append([])
      fullCounts.append(0)
    }
    open[level].append(hash)
    guard open[level].count == TilePath.leafCount else { return }
    let tile = open[level]
    try emit(
      TilePath.tile(level: level, index: fullCounts[level], width: tile.count),
      tile.flatMap(\.bytes))
    fullCounts[level] += 1
    open[level].removeAll(keepingCapacity: true)
    var frontier = Frontier()
    for hash in tile { frontier.append(hash) }
    try append(frontier.root, level: level + 1, emit)
  }

  /// The partial tiles: no leaf may follow.
  package func finish(emit: Emit) throws {
    for (level, hashes) in open.enumerated() where !hashes.isEmpty {
      try emit(
        TilePath.tile(level: level, index: fullCounts[level], width: hashes.count),
        hashes.flatMap(\.bytes))
    }
  }
}

/// A tree of which every complete subtree is kept: for small logs that live in memory.
package struct SubtreeTable: Sendable {
  private var levels: [[Digest]] = [[]]
  private var frontier = Frontier()

  package init() {}

  package var size: UInt64 { frontier.size }
  package var root: Digest { frontier.root }

  package mutating func append(_ leafHash: Digest) {
    levels[0].append(leafHash)
    var completed: [(level: Int, hash: Digest)] = []
    frontier.append(leafHash) { level, _, hash in completed.append((level, hash)) }
    for (level, hash) in completed {
      if levels.count <= level { levels.append([]) }
      levels[level].append(hash)
    }
  }

  /// Traps where that subtree is not complete.
  package func subtree(level: Int, index: UInt64) -> Digest { levels[level][Int(index)] }
}

import Crypto
import LMDB
import Merkle

/// The sixteen subtrees of level 4 of one tile, as far as they are complete: a row of the table `nodes`.
/// Two bytes an event; without them a proof makes 256 leaves again from as many blocks as hold them.
/// Why: decisions/0001-subtrees-of-sixteen-leaves.md.
/// Key: org (16), 0 (1), index of the tile (8), big-endian. Value: the hashes in order.
struct TileRow {
  static let level = Frontier.batchLevel
  static let slotCount = 16
  static let leavesPerSlot: UInt64 = 16
  static let leafCount = UInt64(slotCount) * leavesPerSlot

  static func key(org: OrgID, tile: UInt64) -> [UInt8] {
    var key = OrgRecord.key(org)
    key.append(0)
    key.appendBig(tile)
    return key
  }

  /// Adds subtrees that follow each other and lie in one tile; what the row has of them already stays. A tile that was begun
  /// before there were such rows stays without: readers then make its leaves.
  static func append(
    _ hashes: some Collection<Digest>, org: OrgID, from index: UInt64, to nodes: Table,
    _ transaction: inout WriteTransaction
  ) throws {
    let key = key(org: org, tile: index / UInt64(slotCount))
    var bytes =
      try transaction.reading.withValue(forKey: key, in: nodes) { LogStore.bytes($0) } ?? []
    let knownCount = bytes.count / Digest.byteCount - Int(index % UInt64(slotCount))
    guard knownCount >= 0, knownCount < hashes.count else { return }
    for hash in hashes.dropFirst(knownCount) { hash.append(to: &bytes) }
    try transaction.put(bytes, forKey: key, in: nodes)
  }
}

/// Complete subtrees of level 4 that came about lately: of each org a stretch without gaps.
struct TileSlots {
  private struct Stretch {
    let first: UInt64
    var hashes: [Digest] = []
  }

  private var stretches: [OrgID: Stretch] = [:]

  var isEmpty: Bool { stretches.isEmpty }

  mutating func add(_ hash: Digest, org: OrgID, index: UInt64) {
    stretches[org, default: Stretch(first: index)].hashes.append(hash)
  }

  /// Adds what came about after all that is here.
  mutating func add(_ later: TileSlots) {
    for (org, stretch) in later.stretches {
      stretches[org, default: Stretch(first: stretch.first)].hashes += stretch.hashes
    }
  }

  func hash(org: OrgID, index: UInt64) -> Digest? {
    guard let stretch = stretches[org], index >= stretch.first,
      index - stretch.first < stretch.hashes.count
    else { return nil }
    return stretch.hashes[Int(index - stretch.first)]
  }

  func write(to nodes: Table, _ transaction: inout WriteTransaction) throws {
    // In the order of the table, so that neighbours share pages.
    for (org, stretch) in stretches.sorted(by: { $0.key < $1.key }) {
      var index = stretch.first
      var left = stretch.hashes[...]
      while !left.isEmpty {
        let room = TileRow.slotCount - Int(index % UInt64(TileRow.slotCount))
        try TileRow.append(left.prefix(room), org: org, from: index, to: nodes, &transaction)
        left = left.dropFirst(room)
        index += UInt64(room)
      }
    }
  }
}

/// Finds ordinals by the hash of a key that is kept elsewhere: 8 bytes a slot, whatever the key is.
///
/// What is found is a candidate: two keys may share the 32 bits that are kept, so whoever asks looks at the key itself.
/// Hashes are of this process alone. In shards that grow one at a time: doubling all at once would need three times
/// the memory, and a pause.
struct OrdinalIndex {
  /// An open-addressing table. A slot: 32 bits of the hash, ordinal + 1; 0 is free.
  fileprivate struct Shard {
    var slots: [UInt64] = []
    var count = 0
  }

  private static let shardCount = 64
  private var shards = [Shard](repeating: Shard(), count: shardCount)

  /// Well mixed: `hashValue` of the standard library.
  private static func fingerprint(_ hash: Int) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 32) }

  /// The lower bits tell the shard, the upper ones the place within it: growing needs no key.
  private static func shard(_ fingerprint: UInt32) -> Int { Int(fingerprint) & (shardCount - 1) }

  mutating func insert(_ ordinal: UInt32, hash: Int) {
    let fingerprint = Self.fingerprint(hash)
    shards[Self.shard(fingerprint)].insert(UInt64(fingerprint) << 32 | UInt64(ordinal) + 1)
  }

  /// - Precondition: it was inserted with the same hash.
  mutating func remove(_ ordinal: UInt32, hash: Int) {
    let fingerprint = Self.fingerprint(hash)
    shards[Self.shard(fingerprint)].remove(UInt64(fingerprint) << 32 | UInt64(ordinal) + 1)
  }

  /// The first candidate that `isMeant` confirms.
  func first(hash: Int, where isMeant: (UInt32) -> Bool) -> UInt32? {
    let fingerprint = Self.fingerprint(hash)
    return shards[Self.shard(fingerprint)].first(fingerprint, where: isMeant)
  }

  /// All candidates, lowest first.
  func candidates(hash: Int) -> [UInt32] {
    var found: [UInt32] = []
    _ = first(hash: hash) {
      found.append($0)
      return false
    }
    return found.count > 1 ? found.sorted() : found
  }
}

extension OrdinalIndex.Shard {
  fileprivate static func home(_ slot: UInt64, _ capacity: Int) -> Int {
    Int(((slot >> 32) * UInt64(capacity)) >> 32)
  }

  fileprivate mutating func insert(_ slot: UInt64) {
    if (count + 1) * 4 > slots.count * 3 { grow() }
    place(slot)
    count += 1
  }

  private mutating func place(_ slot: UInt64) {
    var index = Self.home(slot, slots.count)
    while slots[index] != 0 { index = next(index) }
    slots[index] = slot
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: max(8, old.count * 2))
    for slot in old where slot != 0 { place(slot) }
  }

  private func next(_ index: Int) -> Int { index + 1 == slots.count ? 0 : index + 1 }

  fileprivate func first(_ fingerprint: UInt32, where isMeant: (UInt32) -> Bool) -> UInt32? {
    guard count > 0 else { return nil }
    var index = Self.home(UInt64(fingerprint) << 32, slots.count)
    while slots[index] != 0 {
      let slot = slots[index]
      if UInt32(truncatingIfNeeded: slot >> 32) == fingerprint {
        let ordinal = UInt32(truncatingIfNeeded: slot) - 1
        if isMeant(ordinal) { return ordinal }
      }
      index = next(index)
    }
    return nil
  }

  /// Moves up what had to step aside for it, so that no search ends at the hole.
  fileprivate mutating func remove(_ slot: UInt64) {
    var hole = Self.home(slot, slots.count)
    while slots[hole] != slot {
      precondition(slots[hole] != 0, "only what was inserted is removed")
      hole = next(hole)
    }
    var index = next(hole)
    while slots[index] != 0 {
      let steps = distance(from: Self.home(slots[index], slots.count), to: index)
      if steps >= distance(from: hole, to: index) {
        slots[hole] = slots[index]
        hole = index
      }
      index = next(index)
    }
    slots[hole] = 0
    count -= 1
  }

  private func distance(from start: Int, to end: Int) -> Int {
    end >= start ? end - start : end - start + slots.count
  }
}

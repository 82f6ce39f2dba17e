/// The last version of each stream that a verification has come by, in bounded memory: 16 bytes a slot.
///
/// Where there are more streams than fit, it keeps those of a slice of the hashes, and halves the slice as
/// often as it has to. The other slices are looked at in further passes.
struct VersionTable {
  /// Which hashes a pass looks at: those whose upper `bits` bits are `prefix`.
  struct Slice: Equatable {
    var bits: UInt64 = 0
    var prefix: UInt64 = 0

    func contains(_ hash: UInt64) -> Bool { bits == 0 || hash >> (64 - bits) == prefix }

    /// The half that is kept, and the one that another pass looks at.
    var halves: (Slice, Slice) {
      (
        Slice(bits: bits + 1, prefix: prefix << 1),
        Slice(bits: bits + 1, prefix: prefix << 1 | 1)
      )
    }
  }

  private struct Entry {
    var hash: UInt64
    var version: UInt64
  }

  /// At most half of the slots are taken.
  private let maxCount: Int
  private var entries: [Entry]
  private var count = 0
  private(set) var slice: Slice
  /// What other passes have to look at.
  private(set) var left: [Slice] = []
  /// Of what `touch` has read.
  private var touched: UInt64 = 0

  /// `maxCount`: how many streams are kept at most; 2^21 take 64 MiB.
  init(slice: Slice, maxCount: Int) {
    self.slice = slice
    self.maxCount = maxCount
    entries = Array(repeating: Entry(hash: 0, version: 0), count: 1024)
  }

  /// Takes the versions that streams of the slice have after a block, and returns those that did not have there, before it, what
  /// they were left with. `isWhole`: a stream that is new here has no version before.
  mutating func follow(
    _ streams: [BlockFindings.Stretch], isWhole: Bool
  ) -> [BlockFindings.Stretch] {
    touch(streams)
    var wrong: [BlockFindings.Stretch] = []
    for index in streams.indices
    where !streams[index].isEmpty && slice.contains(streams[index].hash) {
      let before = set(streams[index].versionAfter, of: streams[index].hash) ?? (isWhole ? 0 : nil)
      if let before, before != streams[index].versionBefore { wrong.append(streams[index]) }
    }
    return wrong
  }

  /// Brings what is known of some streams into the core's cache: the misses of many look-ups that do not wait for each
  /// other take hardly longer than one.
  private mutating func touch(_ streams: [BlockFindings.Stretch]) {
    let mask = entries.count - 1
    var sum: UInt64 = 0
    for stream in streams { sum &+= entries[Int(truncatingIfNeeded: stream.hash) & mask].version }
    touched = sum
  }

  /// Returns the version before; nil where the stream was not seen, or is not of the slice. `version` is at least 1.
  mutating func set(_ version: UInt64, of hash: UInt64) -> UInt64? {
    guard slice.contains(hash) else { return nil }
    let slot = slot(of: hash)
    let before = entries[slot].version
    entries[slot] = Entry(hash: hash, version: version)
    if before > 0 { return before }
    count += 1
    guard 2 * count > entries.count else { return nil }
    if count >= maxCount { narrow() } else { resize(to: entries.count * 2) }
    return nil
  }

  /// Where the hash is, or the free slot where it would be.
  private func slot(of hash: UInt64) -> Int {
    let mask = entries.count - 1
    // The upper bits choose the slice: the lower ones the slot.
    var slot = Int(truncatingIfNeeded: hash) & mask
    while entries[slot].version > 0, entries[slot].hash != hash { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func narrow() {
    let halves = slice.halves
    slice = halves.0
    left.append(halves.1)
    resize(to: entries.count)
  }

  private mutating func resize(to slotCount: Int) {
    let old = entries
    entries = Array(repeating: Entry(hash: 0, version: 0), count: slotCount)
    count = 0
    for entry in old where entry.version > 0 && slice.contains(entry.hash) {
      entries[slot(of: entry.hash)] = entry
      count += 1
    }
  }
}

/// The sum of a keyed hash of each entry of an index run: equal for equal sets of entries in any order. The
/// key is drawn for each verification, so no set can be made to fit another.
struct EntrySum: Equatable {
  private var first: UInt64 = 0
  private var second: UInt64 = 0
  private(set) var count = 0

  struct Key {
    let first: UInt64
    let second: UInt64
  }

  mutating func add(_ entry: IndexEntry, _ key: Key) {
    first &+= Self.mix(entry, key.first)
    second &+= Self.mix(entry, key.second)
    count += 1
  }

  mutating func add(_ other: EntrySum) {
    first &+= other.first
    second &+= other.second
    count += other.count
  }

  private static func mix(_ entry: IndexEntry, _ key: UInt64) -> UInt64 {
    var state = fold(entry.hash ^ key, 0x9E37_79B9_7F4A_7C15 ^ key)
    state = fold(state ^ entry.position, 0xA076_1D64_78BD_642F ^ key)
    return fold(state ^ entry.detail, 0xE703_7ED1_A0B4_28DB)
  }

  private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right | 1)
    return product.high ^ product.low
  }
}

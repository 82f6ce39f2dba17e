import LMDB
import Zstd

/// What a dictionary is made of.
///
/// A dictionary lies unsealed in the log and outlives every erasure, so nothing may come into it that is one person's: of
/// all samples only the stretches are learnt from in which every eight bytes in a row occur with many different owners.
/// What zstd chooses from is then what everybody's data has in common: field names, greetings, the words of a campaign.
struct DictionarySamples {
  /// So many owners must share eight bytes in a row.
  static let minOwnerCount = 16
  private static let windowBytes = 8
  static let maxSampleCount = 12_000
  static let maxSampleBytes = 2_000

  private var samples: [(owner: UInt128, bytes: [UInt8])] = []

  var count: Int { samples.count }
  var isFull: Bool { samples.count >= Self.maxSampleCount }

  mutating func add(_ bytes: [UInt8], owner: UInt128) {
    guard bytes.count <= Self.maxSampleBytes else { return }
    samples.append((owner, bytes))
  }

  /// All samples: for statistics of single bytes and lengths.
  var whole: [[UInt8]] { samples.map(\.bytes) }

  /// The stretches of them that many owners share: without any byte of a window that few have. zstd puts what it takes end to end, so
  /// that a number whose first and last digits many share would be whole again if only the cut went through it.
  func shared() -> [[UInt8]] {
    let owners = countOwners()
    var pieces: [[UInt8]] = []
    for (_, bytes) in samples where bytes.count >= Self.windowBytes {
      let span = unsafe bytes.span.bytes
      var start = 0
      func takePiece(to end: Int) {
        if end - start >= Self.windowBytes { pieces.append(Array(bytes[start..<end])) }
      }
      for offset in 0...bytes.count - Self.windowBytes
      where owners.count(of: span.load64(at: offset)) < Self.minOwnerCount {
        takePiece(to: offset)
        start = offset + Self.windowBytes
      }
      takePiece(to: bytes.count)
    }
    return pieces
  }

  private func countOwners() -> WindowOwners {
    // Owners come one after the other, so whoever was counted last tells whether one is counted twice.
    let sorted = samples.sorted(by: { $0.owner < $1.owner })
    var sketch = OwnerSketch()
    Self.forEachWindow(of: sorted) { sketch.add($0, owner: $1) }
    var owners = WindowOwners()
    Self.forEachWindow(of: sorted) { window, owner in
      if sketch.mayHaveOwners(Self.minOwnerCount, window) { owners.add(window, owner: owner) }
    }
    return owners
  }

  /// `body` gets each owner under a number of its own, from 1.
  @inline(__always)
  private static func forEachWindow(
    of sorted: [(owner: UInt128, bytes: [UInt8])],
    _ body: (_ window: UInt64, _ owner: UInt32) -> Void
  ) {
    var number: UInt32 = 0
    var last: UInt128?
    for (owner, bytes) in sorted where bytes.count >= windowBytes {
      if owner != last { number += 1 }
      last = owner
      let span = unsafe bytes.span.bytes
      for offset in 0...bytes.count - windowBytes { body(span.load64(at: offset), number) }
    }
  }
}

/// How many owners a window has, exactly.
private struct WindowOwners {
  private struct Entry {
    var window: UInt64 = 0
    /// 0: nobody has one here.
    var lastOwner: UInt32 = 0
    var count: UInt32 = 0
  }

  /// A power of two, half of them free at least.
  private var entries = [Entry](repeating: Entry(), count: 1 << 14)
  private var windowCount = 0

  func count(of window: UInt64) -> Int { Int(entries[slot(of: window)].count) }

  mutating func add(_ window: UInt64, owner: UInt32) {
    let slot = slot(of: window)
    guard entries[slot].lastOwner != owner else { return }
    if entries[slot].lastOwner == 0 { windowCount += 1 }
    entries[slot].window = window
    entries[slot].lastOwner = owner
    entries[slot].count += 1
    if 2 * windowCount > entries.count { grow() }
  }

  /// Where the window is, or would be.
  @inline(__always)
  private func slot(of window: UInt64) -> Int {
    let mask = entries.count - 1
    var slot = OwnerSketch.mixed(window) & mask
    while entries[slot].lastOwner != 0, entries[slot].window != window { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    let old = entries
    entries = Array(repeating: Entry(), count: 2 * old.count)
    for entry in old where entry.lastOwner != 0 { entries[slot(of: entry.window)] = entry }
  }
}

/// How many owners a window has at most: several windows share a count, so none is below the truth. Most windows are one
/// person's, and never come into the exact table.
private struct OwnerSketch {
  private static let slotCount = 1 << 20
  private var ownerCounts = [UInt8](repeating: 0, count: slotCount)
  private var lastOwners = [UInt32](repeating: 0, count: slotCount)

  @inline(__always)
  static func mixed(_ window: UInt64) -> Int {
    Int(truncatingIfNeeded: (window &* 0x9E37_79B9_7F4A_7C15) &>> 32)
  }

  @inline(__always)
  private static func slot(_ window: UInt64) -> Int { mixed(window) & (slotCount - 1) }

  mutating func add(_ window: UInt64, owner: UInt32) {
    let slot = Self.slot(window)
    guard lastOwners[slot] != owner, ownerCounts[slot] < .max else { return }
    lastOwners[slot] = owner
    ownerCounts[slot] += 1
  }

  func mayHaveOwners(_ count: Int, _ window: UInt64) -> Bool {
    ownerCounts[Self.slot(window)] >= count
  }
}

extension LogStore {
  /// Of parts of about a hundred bytes, larger ones gain nothing.
  private static let dictionaryBytes = 16 << 10
  private static let minPieceCount = 256

  /// A dictionary learnt from the newest events; nil where they have too little in common.
  func trainDictionary() throws -> [UInt8]? {
    var samples = DictionarySamples()
    let head: UInt64 = try self.head()
    var position = head - min(head, UInt64(DictionarySamples.maxSampleCount))
    while !samples.isFull {
      let page = try read(after: position, limit: 1024, filter: .all)
      for event in page.events {
        for part in event.parts {
          guard case .opened(let subject, let payload) = part else { continue }
          samples.add(payload, owner: subject?.value ?? event.stream.value)
        }
      }
      guard page.scannedTo > position else { break }
      position = page.scannedTo
    }
    let pieces = samples.shared()
    guard pieces.count >= Self.minPieceCount else { return nil }
    do throws(ZstdError) {
      return try Zstd.trainDictionary(
        on: pieces, statistics: samples.whole, byteCount: Self.dictionaryBytes,
        level: LogDictionary.level)
    } catch {
      // Too little to learn from; the log is as good without.
      return nil
    }
  }
}

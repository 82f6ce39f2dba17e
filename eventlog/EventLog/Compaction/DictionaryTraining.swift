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

  private struct Sharing {
    var lastOwner: UInt128
    var ownerCount: Int
  }

  private var samples: [(owner: UInt128, bytes: [UInt8])] = []

  var count: Int { samples.count }
  var isFull: Bool { samples.count >= Self.maxSampleCount }

  mutating func add(_ bytes: [UInt8], owner: UInt128) {
    guard bytes.count <= Self.maxSampleBytes else { return }
    samples.append((owner, bytes))
  }

  /// All samples: for statistics of single bytes and lengths.
  var whole: [[UInt8]] { samples.map(\.bytes) }

  /// The stretches of them that many owners share.
  func shared() -> [[UInt8]] {
    let sharing = countOwners()
    var pieces: [[UInt8]] = []
    for (_, bytes) in samples where bytes.count >= Self.windowBytes {
      var start: Int?
      for offset in 0...bytes.count - Self.windowBytes {
        let window = unsafe bytes.span.bytes.load64(at: offset)
        if (sharing[window]?.ownerCount ?? 0) >= Self.minOwnerCount {
          start = start ?? offset
        } else if let begun = start {
          pieces.append(Array(bytes[begun..<offset - 1 + Self.windowBytes]))
          start = nil
        }
      }
      if let begun = start { pieces.append(Array(bytes[begun...])) }
    }
    return pieces
  }

  private func countOwners() -> [UInt64: Sharing] {
    let sorted = samples.sorted(by: { $0.owner < $1.owner })
    var sketch = OwnerSketch()
    for (owner, bytes) in sorted {
      forEachWindow(of: bytes) { sketch.add($0, owner: owner) }
    }
    var sharing: [UInt64: Sharing] = [:]
    for (owner, bytes) in sorted {
      forEachWindow(of: bytes) { window in
        guard sketch.mayHaveOwners(Self.minOwnerCount, window) else { return }
        if var known = sharing[window] {
          guard known.lastOwner != owner else { return }
          known.lastOwner = owner
          known.ownerCount += 1
          sharing[window] = known
        } else {
          sharing[window] = Sharing(lastOwner: owner, ownerCount: 1)
        }
      }
    }
    return sharing
  }

  private func forEachWindow(of bytes: [UInt8], _ body: (UInt64) -> Void) {
    guard bytes.count >= Self.windowBytes else { return }
    let span = unsafe bytes.span.bytes
    for offset in 0...bytes.count - Self.windowBytes { body(span.load64(at: offset)) }
  }
}

/// How many owners a window has at most: several windows share a count, so none is below the truth. Most windows are one
/// person's, and never come into the exact table.
private struct OwnerSketch {
  private static let slotBits: UInt64 = 20
  private var ownerCounts = [UInt8](repeating: 0, count: 1 << Int(slotBits))
  /// Who was counted last. Owners come one after the other, so nobody is counted twice in a row.
  private var lastOwners = [UInt128](repeating: 0, count: 1 << Int(slotBits))

  private static func slot(_ window: UInt64) -> Int {
    Int(truncatingIfNeeded: (window &* 0x9E37_79B9_7F4A_7C15) &>> (64 &- slotBits))
  }

  mutating func add(_ window: UInt64, owner: UInt128) {
    let slot = Self.slot(window)
    guard ownerCounts[slot] == 0 || lastOwners[slot] != owner, ownerCounts[slot] < .max else {
      return
    }
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

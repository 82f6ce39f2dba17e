// Sorted runs: the index of a stretch of the log. Byte layout: eventlog/README.md, "Index run".

/// Where something is: the block that starts at `position`, and a number that depends on what it is
/// (stream: its last version there; org: its last sequence there; request: ordinal of the commit).
struct IndexEntry: Equatable, Comparable {
  var hash: UInt64
  var position: UInt64
  var detail: UInt64

  @inline(__always)
  static func < (left: IndexEntry, right: IndexEntry) -> Bool {
    if left.hash != right.hash { return left.hash < right.hash }
    if left.position != right.position { return left.position < right.position }
    return left.detail < right.detail
  }
}

/// What the key table says about a run.
struct RunInfo: Equatable {
  var firstPosition: UInt64
  var lastPosition: UInt64
  var level: UInt8
  var entryCount: Int
}

/// A run's header, and how to find its entries in the bytes.
struct IndexRun {
  static let formatVersion: UInt8 = 1
  static let headerBytes = 40
  private static let hashWidth = 6

  let info: RunInfo
  private let positionWidth: Int
  private let detailWidth: Int
  private var entryBytes: Int { Self.hashWidth + positionWidth + detailWidth }

  init(_ bytes: RawSpan, key: UInt64) throws(EventLogError) {
    func refuse(_ reason: String) -> EventLogError { .corrupted(position: key, reason: reason) }
    guard bytes.byteCount >= Self.headerBytes, bytes.load8(at: 0) == Self.formatVersion else {
      throw refuse("not an index run")
    }
    info = RunInfo(
      firstPosition: bytes.load64(at: 8), lastPosition: bytes.load64(at: 16),
      level: bytes.load8(at: 1), entryCount: Int(bytes.load32(at: 24)))
    positionWidth = Int(bytes.load8(at: 2))
    detailWidth = Int(bytes.load8(at: 3))
    guard (1...8).contains(positionWidth), (1...8).contains(detailWidth),
      info.firstPosition == key, info.lastPosition >= key, info.lastPosition < .max,
      bytes.byteCount == Self.headerBytes + info.entryCount * entryBytes
    else { throw refuse("the index run's header contradicts its size or place") }
  }

  static func checkSum(of bytes: RawSpan, key: UInt64) throws(EventLogError) {
    let sum = checksum(
      header: bytes.extracting(0..<headerBytes - 8),
      entries: bytes.extracting(headerBytes..<bytes.byteCount), key: key)
    guard sum == bytes.load64(at: headerBytes - 8) else {
      throw .corrupted(position: key, reason: "the index run fails its checksum")
    }
  }

  private static func checksum(header: RawSpan, entries: RawSpan, key: UInt64) -> UInt64 {
    XXH64.hash(entries, seed: XXH64.hash(header, seed: key))
  }

  /// The bytes of a run of `entries`, which are sorted.
  static func encode(_ entries: [IndexEntry], info: RunInfo) -> [UInt8] {
    let maxDetail = entries.reduce(0) { max($0, $1.detail) }
    let positionWidth = width(of: info.lastPosition - info.firstPosition)
    let detailWidth = width(of: maxDetail)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(
      headerBytes + entries.count * (hashWidth + positionWidth + detailWidth))
    bytes += [formatVersion, info.level, UInt8(positionWidth), UInt8(detailWidth), 0, 0, 0, 0]
    bytes.appendLittle(info.firstPosition)
    bytes.appendLittle(info.lastPosition)
    bytes.appendLittle(UInt32(entries.count))
    bytes.appendLittle(UInt32(0))
    bytes.appendLittle(UInt64(0))
    for entry in entries {
      bytes.appendLittle(entry.hash, width: hashWidth)
      bytes.appendLittle(entry.position - info.firstPosition, width: positionWidth)
      bytes.appendLittle(entry.detail, width: detailWidth)
    }
    let sum = unsafe checksum(
      header: bytes.span.bytes.extracting(0..<headerBytes - 8),
      entries: bytes.span.bytes.extracting(headerBytes..<bytes.count), key: info.firstPosition)
    for index in 0..<8 {
      bytes[headerBytes - 8 + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt64(index)))
    }
    return bytes
  }

  private static func width(of value: UInt64) -> Int {
    max(1, (71 - value.leadingZeroBitCount) / 8)
  }

  func entry(_ index: Int, in bytes: RawSpan) -> IndexEntry {
    let offset = Self.headerBytes + index * entryBytes
    return IndexEntry(
      hash: bytes.load(width: Self.hashWidth, at: offset),
      position: info.firstPosition
        &+ bytes.load(width: positionWidth, at: offset + Self.hashWidth),
      detail: bytes.load(width: detailWidth, at: offset + Self.hashWidth + positionWidth))
  }

  func entries(in bytes: RawSpan) -> [IndexEntry] {
    (0..<info.entryCount).map { entry($0, in: bytes) }
  }

  /// The indexes of the entries with `hash`, in the order of their positions.
  ///
  /// Hashes are uniform, so the first guess is off by about the root of the count; a few steps of interpolation
  /// touch two or three pages where a binary search of a large run touches twenty.
  func range(of hash: UInt64, in bytes: RawSpan) -> Range<Int> {
    let start = lowerBound(of: hash, from: 0, in: bytes)
    guard start < info.entryCount, hashOf(start, in: bytes) == hash else { return start..<start }
    return start..<lowerBound(of: hash + 1, from: start, in: bytes)
  }

  @inline(__always)
  private func hashOf(_ index: Int, in bytes: RawSpan) -> UInt64 {
    bytes.load(width: Self.hashWidth, at: Self.headerBytes + index * entryBytes)
  }

  private func lowerBound(of hash: UInt64, from start: Int, in bytes: RawSpan) -> Int {
    Self.lowerBound(
      of: hash, in: start..<info.entryCount, from: start == 0 ? 0 : hashOf(start, in: bytes),
      to: 1 << 48
    ) { hashOf($0, in: bytes) }
  }

  /// The first of the entries in `range`, which have one hash, whose detail is at least `detail`. Sequences of an org and
  /// versions of a stream grow evenly enough to guess where one is.
  func firstIndex(in range: Range<Int>, detail: UInt64, in bytes: RawSpan) -> Int {
    guard let last = range.last else { return range.lowerBound }
    let (lowest, highest) = (
      entry(range.lowerBound, in: bytes).detail, entry(last, in: bytes).detail
    )
    if detail <= lowest { return range.lowerBound }
    if detail > highest { return range.upperBound }
    return Self.lowerBound(
      of: detail, in: range.lowerBound..<last, from: lowest, to: highest
    ) { entry($0, in: bytes).detail }
  }

  /// The detail of the newest entry with `hash`; nil without one.
  func lastDetail(of hash: UInt64, in bytes: RawSpan) -> UInt64? {
    let end = lowerBound(of: hash + 1, from: 0, in: bytes)
    guard end > 0, hashOf(end - 1, in: bytes) == hash else { return nil }
    return entry(end - 1, in: bytes).detail
  }

  /// The first index in `range` whose value is at least `wanted`; its end where none is. `lowest` and `highest` bound the values.
  @inline(__always)
  private static func lowerBound(
    of wanted: UInt64, in range: Range<Int>, from lowest: UInt64, to highest: UInt64,
    _ value: (Int) -> UInt64
  ) -> Int {
    var (low, high) = (range.lowerBound, range.upperBound)
    var (lowValue, highValue) = (lowest, highest)
    var step = 0
    while low < high {
      var middle = (low + high) / 2
      // Many equal values (a hot stream's hash) make the guess useless: then halving takes over.
      if step < 6, highValue > lowValue, lowValue <= wanted, wanted < highValue, high - low > 8 {
        let share = Double(wanted - lowValue) / Double(highValue - lowValue)
        middle = min(max(low + Int(share * Double(high - low)), low), high - 1)
      }
      step += 1
      let found = value(middle)
      if found < wanted {
        low = middle + 1
        lowValue = found
      } else {
        high = middle
        highValue = found
      }
    }
    return low
  }
}

extension IndexRun {
  /// One sorted array out of several.
  static func merge(_ runs: [[IndexEntry]]) -> [IndexEntry] {
    var rest = runs
    while rest.count > 1 {
      var merged: [[IndexEntry]] = []
      for index in stride(from: 0, to: rest.count, by: 2) {
        merged.append(index + 1 < rest.count ? merge(rest[index], rest[index + 1]) : rest[index])
      }
      rest = merged
    }
    return rest.first ?? []
  }

  private static func merge(_ left: [IndexEntry], _ right: [IndexEntry]) -> [IndexEntry] {
    var merged: [IndexEntry] = []
    merged.reserveCapacity(left.count + right.count)
    var i = 0
    var j = 0
    while i < left.count, j < right.count {
      if right[j] < left[i] {
        merged.append(right[j])
        j += 1
      } else {
        merged.append(left[i])
        i += 1
      }
    }
    merged.append(contentsOf: left[i...])
    merged.append(contentsOf: right[j...])
    return merged
  }
}

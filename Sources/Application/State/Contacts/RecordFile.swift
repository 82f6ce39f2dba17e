// Records that memory has no room for, sealed. Bytes of a segment, one record after the other:
//
//   ordinal (4, little-endian) · count of what follows (4) · AES-256-GCM of the record, with its tag (16)
//
// Nonce: the record's offset (8, little-endian), four zeros. Associated data: the first eight bytes. Key: the segment's
// own, drawn when it begins, in this process's memory alone: a segment has no name, ends with the process, and nobody
// else can read what is left of it on the disk.

import Crypto
import ScratchFile

/// Encoded contacts in files without a name, found by the place that `append` tells.
///
/// In segments, each a file of its own. A record that was forgotten is dead. Where more is dead than alive, the segment with the
/// least alive is emptied piece by piece with later writes: what lives in it is appended anew, and the file is closed.
/// So there is never a long pause, and all segments are at most twice what lives, and `slackBytes`.
///
/// A segment that cannot be written stays in memory as it is, sealed, and is tried again: nothing is lost while there is memory.
final class RecordFile {
  /// Where a record is. 63 bits: 16 of the segment, 26 of the offset, 21 of the record's count.
  struct Place: Equatable {
    let packed: UInt64

    init(packed: UInt64) { self.packed = packed }

    fileprivate init(segment: Int, offset: UInt64, count: Int) {
      packed = UInt64(segment) << 47 | offset << 21 | UInt64(count)
    }

    fileprivate var segment: Int { Int(packed >> 47) }
    fileprivate var offset: UInt64 { packed >> 21 & (1 << 26 - 1) }
    /// Of everything between the header and the next record.
    fileprivate var count: Int { Int(packed & (1 << 21 - 1)) }
    fileprivate var byteCount: Int { headerCount + count }
  }

  private final class Segment {
    let file: ScratchFile
    private(set) var key = Random.bytes(AESGCM.keyByteCount)
    var livingCount: UInt64 = 0

    init(_ memory: ContactMemory) { file = ScratchFile(open: memory.makeFile) }

    deinit { cleanse(&key) }
  }

  fileprivate static let headerCount = 8
  private static let pieceCount = 1 << 20
  private static let segmentLimit = 1 << 16

  private let memory: ContactMemory
  private var cipher = AESGCM()
  /// nil: free.
  private var segments: [Segment?] = []
  private var current: Int?
  private var livingCount: UInt64 = 0
  private var byteCount: UInt64 = 0
  /// What is being emptied, and how far.
  private var emptying: (segment: Int, offset: UInt64)?
  /// Appended since the file was written or tried.
  private var unwrittenCount = 0
  private var isFailing = false

  init(_ memory: ContactMemory) { self.memory = memory }

  /// What is in files and what waits, dead or not.
  var totalCount: UInt64 { byteCount }

  /// What waits in memory.
  var waitingCount: Int { segments.reduce(0) { $0 + ($1?.file.waitingCount ?? 0) } }

  /// nil where the record is too long for a file.
  func append(_ record: [UInt8], of ordinal: UInt32) throws(ContactFault) -> Place? {
    let count = record.count + AESGCM.tagByteCount
    guard count < 1 << 21 else { return nil }
    let (number, segment) = open()
    let offset = segment.file.byteCount
    let header = Self.header(ordinal, count)
    do throws(CryptoError) {
      var bytes = header
      bytes.reserveCapacity(Self.headerCount + count)
      try cipher.seal(
        record, key: segment.key, nonce: Self.nonce(offset), authenticating: header,
        appendingTo: &bytes)
      segment.file.append(bytes)
    } catch {
      throw .damaged
    }
    let place = Place(segment: number, offset: offset, count: count)
    segment.livingCount += UInt64(place.byteCount)
    livingCount += UInt64(place.byteCount)
    byteCount += UInt64(place.byteCount)
    unwrittenCount += place.byteCount
    return place
  }

  /// The segment to append to.
  private func open() -> (Int, Segment) {
    if let current, let segment = segments[current],
      segment.file.byteCount < UInt64(memory.segmentBytes)
    {
      return (current, segment)
    }
    let last = current
    let segment = Segment(memory)
    let number = segments.firstIndex { $0 == nil } ?? segments.count
    precondition(number < Self.segmentLimit, "nobody has two tebibytes of contacts")
    if number == segments.count { segments.append(segment) } else { segments[number] = segment }
    current = number
    if let last { closeIfEmpty(last) }
    return (number, segment)
  }

  func record(at place: Place, of ordinal: UInt32) throws(ContactFault) -> [UInt8] {
    guard let segment = segments[place.segment] else {
      preconditionFailure("a segment with something living in it is there")
    }
    let bytes: [UInt8]
    do throws(ScratchFile.Failure) {
      bytes = try segment.file.read(at: place.offset, count: place.byteCount)
    } catch {
      throw .file(error)
    }
    guard bytes.starts(with: Self.header(ordinal, place.count)) else { throw .damaged }
    return try open(bytes[...], at: place.offset, segment)
  }

  private func open(
    _ bytes: ArraySlice<UInt8>, at offset: UInt64, _ segment: Segment
  ) throws(ContactFault) -> [UInt8] {
    let header = bytes.prefix(Self.headerCount)
    let sealed = bytes.dropFirst(Self.headerCount)
    let nonce = Self.nonce(offset)
    do throws(CryptoError) {
      return try unsafe cipher.open(
        sealed.span.bytes, key: segment.key, nonce: nonce.span.bytes,
        authenticating: header.span.bytes)
    } catch {
      throw .damaged
    }
  }

  /// What is at `place` lives no more.
  func forget(_ place: Place) {
    let count = UInt64(place.byteCount)
    segments[place.segment]?.livingCount -= count
    livingCount -= count
    closeIfEmpty(place.segment)
  }

  private func closeIfEmpty(_ number: Int) {
    guard number != current, number != emptying?.segment, let segment = segments[number],
      segment.livingCount == 0
    else { return }
    byteCount -= segment.file.byteCount
    segments[number] = nil
  }
}

// MARK: - Writing

extension RecordFile {
  /// Whether enough waits for `write`.
  var isDue: Bool { unwrittenCount >= memory.waitingBytes }

  /// Writes what waits, and makes room. `isLiving` tells whether a record is what counts for its ordinal, `moved` takes
  /// the place where it is now.
  func write(
    isLiving: (UInt32, Place) -> Bool, moved: (UInt32, Place) -> Void
  ) throws(ContactFault) {
    unwrittenCount = 0
    flush()
    guard emptying != nil || byteCount > 2 * livingCount + memory.slackBytes else { return }
    // Four times what came in: twice would be enough to keep up.
    try empty(4 * memory.waitingBytes, isLiving: isLiving, moved: moved)
    unwrittenCount = 0
    flush()
  }

  private func flush() {
    do throws(ScratchFile.Failure) {
      for case let segment? in segments where segment.file.waitingCount > 0 {
        try segment.file.flush()
      }
      guard isFailing else { return }
      isFailing = false
      memory.report("the file of contacts can be written again")
    } catch {
      guard !isFailing else { return }
      isFailing = true
      memory.report("contacts stay in memory: their file cannot be written: \(error.description)")
    }
  }

  private func empty(
    _ pieceCount: Int, isLiving: (UInt32, Place) -> Bool, moved: (UInt32, Place) -> Void
  ) throws(ContactFault) {
    guard let from = emptying ?? leastAlive.map({ ($0, 0) }), let segment = segments[from.segment]
    else { return }
    emptying = from
    var next = from.offset
    let end = min(segment.file.byteCount, from.offset + UInt64(pieceCount))
    try forEachRecord(of: from.segment, from: from.offset, beginningBefore: end) {
      ordinal, place, bytes throws(ContactFault) in
      next = place.offset + UInt64(place.byteCount)
      guard isLiving(ordinal, place) else { return }
      guard let new = try append(try open(bytes, at: place.offset, segment), of: ordinal) else {
        preconditionFailure("what was in a segment fits into one")
      }
      forget(place)
      moved(ordinal, new)
    }
    emptying = (from.segment, next)
    guard next == segment.file.byteCount else { return }
    precondition(segment.livingCount == 0, "everything that lived was moved")
    emptying = nil
    closeIfEmpty(from.segment)
  }

  /// Of the segments that are full, the one that is emptied most cheaply.
  private var leastAlive: Int? {
    segments.indices.filter { $0 != current && segments[$0] != nil }
      .min { (segments[$0]?.livingCount ?? 0) < (segments[$1]?.livingCount ?? 0) }
  }
}

// MARK: - Reading in one pass

extension RecordFile {
  /// Every record that lives, in the order of the files: one pass over them.
  func forEach(
    isLiving: (UInt32, Place) -> Bool, _ body: (UInt32, [UInt8]) throws(ContactFault) -> Void
  ) throws(ContactFault) {
    for number in segments.indices {
      guard let segment = segments[number] else { continue }
      try forEachRecord(of: number, from: 0, beginningBefore: segment.file.byteCount) {
        ordinal, place, bytes throws(ContactFault) in
        guard isLiving(ordinal, place) else { return }
        try body(ordinal, try open(bytes, at: place.offset, segment))
      }
    }
  }

  private func forEachRecord(
    of number: Int, from start: UInt64, beginningBefore end: UInt64,
    _ body: (UInt32, Place, ArraySlice<UInt8>) throws(ContactFault) -> Void
  ) throws(ContactFault) {
    guard let file = segments[number]?.file else { return }
    let limit = file.byteCount
    var window: ArraySlice<UInt8> = []
    var offset = start
    func need(_ count: Int) throws(ContactFault) {
      guard window.count < count else { return }
      let next = offset + UInt64(window.count)
      let size = min(max(Self.pieceCount, count), Int(limit - next))
      do throws(ScratchFile.Failure) {
        window = (Array(window) + (try file.read(at: next, count: size)))[...]
      } catch {
        throw .file(error)
      }
      guard window.count >= count else { throw .damaged }
    }
    while offset < end {
      try need(Self.headerCount)
      let ordinal = Self.number(window.prefix(4))
      let count = Int(Self.number(window.dropFirst(4).prefix(4)))
      guard count < 1 << 21 else { throw .damaged }
      try need(Self.headerCount + count)
      let place = Place(segment: number, offset: offset, count: count)
      try body(ordinal, place, window.prefix(place.byteCount))
      window = window.dropFirst(place.byteCount)
      offset += UInt64(place.byteCount)
    }
  }
}

// MARK: - Bytes

extension RecordFile {
  private static func header(_ ordinal: UInt32, _ count: Int) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: ordinal >> ($0 * 8)) }
      + (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
  }

  private static func nonce(_ offset: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: offset >> ($0 * 8)) } + [0, 0, 0, 0]
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}

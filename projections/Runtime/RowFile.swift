// Rows that memory has no room for. Bytes of the file, one record after the other:
//
//   hash of the key (8, little-endian) · length of the row (4, little-endian) · the row as COPY has it
//
// The hashes are of this process alone: the file has no name and ends with it.

internal import ScratchFile

/// Rows of one table in a file without a name, found by the hash of their key.
///
/// Appended to and never changed: a record that was forgotten or replaced is dead, and left out when the
/// rows are read out. Where more is dead than alive the living are written into a new file, so that the file
/// is at most twice what it holds, and `slackLimit`; for as long as that takes there are both.
final class RowFile {
  /// What could not be done with the file. Nothing of the read model is seen yet.
  typealias Failure = ScratchFile.Failure

  /// Where a record begins, and how long its row is.
  private struct Place: Equatable {
    private static let lengthBits: UInt64 = 24
    private let packed: UInt64

    init?(offset: UInt64, length: Int) {
      guard length < 1 << Self.lengthBits else { return nil }
      packed = offset << Self.lengthBits | UInt64(length)
    }

    var offset: UInt64 { packed >> Self.lengthBits }
    var length: Int { Int(packed & (1 << Self.lengthBits - 1)) }
  }

  private static let headerCount = 12
  private static let bufferLimit = 1 << 20
  /// Dead bytes that are no reason to write anything anew.
  static let slackLimit: UInt64 = 64 << 20

  private let slackLimit: UInt64
  private var file = ScratchFile()
  private var places: [UInt64: Place] = [:]
  /// Of the records in `places`.
  private var livingCount: UInt64 = 0

  init(slackLimit: UInt64 = RowFile.slackLimit) { self.slackLimit = slackLimit }

  /// Rows that are not dead.
  var count: Int { places.count }

  /// What was appended, dead or not.
  var byteCount: UInt64 { file.byteCount }

  func contains(_ hash: UInt64) -> Bool { places[hash] != nil }

  /// Appends a row whose hash is not known; false where the row is too long for a file.
  ///
  /// - Throws: `Failure`.
  func append(_ row: ArraySlice<UInt8>, hash: UInt64) throws -> Bool {
    precondition(places[hash] == nil, "one record a hash")
    try compactIfMostIsDead()
    guard let place = Place(offset: byteCount, length: row.count) else { return false }
    places[hash] = place
    livingCount += UInt64(Self.headerCount + row.count)
    try write(row, hash: hash)
    return true
  }

  /// The row under the hash; nil where there is none.
  func row(_ hash: UInt64) throws(Failure) -> [UInt8]? {
    guard let place = places[hash] else { return nil }
    return try file.read(at: place.offset + UInt64(Self.headerCount), count: place.length)
  }

  func forget(_ hash: UInt64) {
    guard let place = places.removeValue(forKey: hash) else { return }
    livingCount -= UInt64(Self.headerCount + place.length)
  }

  /// Writes the living into a new file, where more than they and the slack is dead.
  private func compactIfMostIsDead() throws {
    guard byteCount > 2 * livingCount + slackLimit else { return }
    let old = file
    file = ScratchFile()
    try Self.forEachRecord(of: old) { record in
      // Whatever is dead under the same hash came before the living one.
      guard places[record.hash] == record.place else { return }
      // Not further from the beginning than it was, and as long.
      places[record.hash] = Place(offset: byteCount, length: record.row.count)
      try write(record.row, hash: record.hash)
    }
  }

  /// Every row that is not dead, in the order of the file.
  func forEachRow(_ body: (ArraySlice<UInt8>) throws -> Void) throws {
    try Self.forEachRecord(of: file) { record in
      if places[record.hash] == record.place { try body(record.row) }
    }
  }

  private struct Record {
    let hash: UInt64
    let place: Place?
    let row: ArraySlice<UInt8>
  }

  private static func forEachRecord(
    of file: ScratchFile, _ body: (Record) throws -> Void
  ) throws {
    let end = file.byteCount
    var window: ArraySlice<UInt8> = []
    var position: UInt64 = 0
    func need(_ count: Int) throws(Failure) {
      guard window.count < count else { return }
      let next = position + UInt64(window.count)
      let size = min(max(bufferLimit, count), Int(end - next))
      window = (Array(window) + (try file.read(at: next, count: size)))[...]
    }
    while position < end {
      try need(headerCount)
      let hash = number(window.prefix(8))
      let length = Int(number(window.dropFirst(8).prefix(4)))
      try need(headerCount + length)
      try body(
        Record(
          hash: hash, place: Place(offset: position, length: length),
          row: window.dropFirst(headerCount).prefix(length)))
      window = window.dropFirst(headerCount + length)
      position += UInt64(headerCount + length)
    }
  }

  // MARK: Bytes

  private func write(_ row: ArraySlice<UInt8>, hash: UInt64) throws(Failure) {
    file.append(Self.bytes(of: hash, count: 8) + Self.bytes(of: UInt64(row.count), count: 4))
    file.append(row)
    if file.waitingCount >= Self.bufferLimit { try file.flush() }
  }

  private static func bytes(of value: UInt64, count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

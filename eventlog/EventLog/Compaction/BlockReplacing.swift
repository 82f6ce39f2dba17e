import LMDB

/// A block as it was when it was read.
struct BlockSource: Sendable {
  let key: UInt64
  let byteCount: Int
  /// Covers every byte before it.
  let checksum: UInt64

  init(key: UInt64, bytes: RawSpan) {
    self.key = key
    byteCount = bytes.byteCount
    checksum = Self.checksum(bytes)
  }

  func isStill(_ bytes: RawSpan) -> Bool {
    bytes.byteCount == byteCount && Self.checksum(bytes) == checksum
  }

  private static func checksum(_ bytes: RawSpan) -> UInt64 {
    bytes.load64(at: bytes.byteCount - BlockHeader.checksumByteCount)
  }
}

/// The record `compacted` of the table `meta`: how far the large blocks go.
struct CompactedRecord {
  static let key = Array("compacted".utf8)

  /// Of the last event of the last large block.
  var position: UInt64 = 0
  /// The head when a dictionary was looked for last, found or not.
  var dictionaryTriedAt: UInt64 = 0

  init() {}

  init(_ bytes: RawSpan) throws(EventLogError) {
    guard bytes.byteCount == 24,
      XXH64.hash(bytes.extracting(0..<16), seed: 0) == bytes.load64(at: 16)
    else {
      throw .corrupted(position: 0, reason: "the record of the compaction fails its checksum")
    }
    position = bytes.load64(at: 0)
    dictionaryTriedAt = bytes.load64(at: 8)
  }

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendLittle(position)
    bytes.appendLittle(dictionaryTriedAt)
    bytes.appendLittle(unsafe XXH64.hash(bytes.span.bytes, seed: 0))
    return bytes
  }
}

extension LogStore {
  func compacted(_ transaction: borrowing ReadTransaction) throws -> CompactedRecord {
    try transaction.withValue(forKey: CompactedRecord.key, in: meta) { try CompactedRecord($0) }
      ?? CompactedRecord()
  }

  func compacted() throws -> CompactedRecord { try reading { try compacted($0) } }
}

// MARK: - The writer's part

extension GroupWriter {
  /// Puts `block` in the place of `sources`; false, and nothing is changed, where one of them is not as it was: an
  /// erasure was there meanwhile.
  func replace(
    _ sources: [BlockSource], with block: [UInt8], through position: UInt64
  ) throws -> Bool {
    var isReplaced = false
    try store.rewriting { transaction throws in
      isReplaced = try sources.allSatisfy { source throws in
        try transaction.reading.withValue(forKey: source.key, in: store.blocks) { bytes in
          source.isStill(bytes)
        } ?? false
      }
      guard isReplaced, let first = sources.first else { return }
      for source in sources.dropFirst() {
        _ = try transaction.remove(source.key, from: store.blocks)
      }
      try transaction.put(block, forKey: first.key, in: store.blocks)
      var record = try store.compacted(transaction.reading)
      record.position = position
      try transaction.put(record.bytes, forKey: CompactedRecord.key, in: store.meta)
    }
    return isReplaced
  }

  /// Stores a dictionary (nil: none was found), and uses it from the next group on.
  func keep(_ dictionary: [UInt8]?, head: UInt64) throws {
    try store.rewriting { transaction throws in
      var record = try store.compacted(transaction.reading)
      record.dictionaryTriedAt = head
      try transaction.put(record.bytes, forKey: CompactedRecord.key, in: store.meta)
      guard let dictionary else { return }
      let last = try transaction.reading.withLast(in: store.dictionaryTable) { id, _ in id }
      let id = UInt32((last ?? 0) + 1)
      try transaction.put(
        DictionaryRecord(head: head, dictionary: dictionary).encoded(id: id), forKey: UInt64(id),
        in: store.dictionaryTable)
    }
    try useNewestDictionary()
  }
}

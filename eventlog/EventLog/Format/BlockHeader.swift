// The first bytes of a block: what a reader needs to skip it, and the checksum at its end.
// Byte layout: eventlog/README.md, "Block".

/// Which of `bits` a set holds: never wrong about what is in it, seldom about what is not.
struct SkipFilter: Equatable {
  /// A power of two, or none: then it excludes nothing.
  var words: [UInt64]

  /// About eight bits for each of `count` members, at most 512 in all.
  init(memberCount: Int) {
    var wordCount = 1
    while wordCount < 8, wordCount * 8 < memberCount { wordCount *= 2 }
    words = Array(repeating: 0, count: wordCount)
  }

  init(words: [UInt64]) { self.words = words }

  mutating func insert(_ hash: UInt64) {
    let bit = hash & UInt64(words.count * 64 - 1)
    words[Int(bit >> 6)] |= 1 << (bit & 63)
  }

  func mayContain(_ hash: UInt64) -> Bool {
    guard !words.isEmpty else { return true }
    let bit = hash & UInt64(words.count * 64 - 1)
    return words[Int(bit >> 6)] & (1 << (bit & 63)) != 0
  }

  /// Not seeded: a block can be moved to another log.
  static func hash(of org: OrgID) -> UInt64 {
    unsafe XXH64.hash([org.value.littleEndian].span.bytes, seed: 0)
  }

  static func hash(of type: String) -> UInt64 {
    unsafe XXH64.hash(Array(type.utf8).span.bytes, seed: 0)
  }
}

struct BlockHeader {
  /// What the writer makes. Version 1 is still read.
  static let formatVersion: UInt8 = 2
  /// Bit 0 of byte 1: both frames were compressed with the block's dictionary.
  static let framesUseDictionary: UInt8 = 1
  static let checksumByteCount = 8
  /// Above what `CommitRules` lets one commit grow to; damage cannot ask for more memory.
  static let maxFrameBytes = 64 << 20

  let version: UInt8
  var flags: UInt8
  var firstPosition: UInt64
  var eventCount: Int
  var commitCount: Int
  /// Of the last commit; the others count back from it.
  var recordedAtMicros: Int64
  /// The dictionary of the sealed parts made with the block; 0: none.
  var dictionaryID: UInt32
  var directoryRawBytes: Int
  var directoryStoredBytes: Int
  var payloadRawBytes: Int
  var payloadStoredBytes: Int
  var sealedBytes: Int
  /// 32 for each personal part, sealed or dropped.
  var commitmentBytes: Int
  /// Ids and other bytes that do not compress. Version 1 keeps them in the directory.
  var idBytes: Int
  var orgFilter: SkipFilter
  var typeFilter: SkipFilter

  var lastPosition: UInt64 { firstPosition + UInt64(eventCount) - 1 }

  static func fixedByteCount(version: UInt8) -> Int { version == 1 ? 56 : 64 }

  var headerBytes: Int {
    Self.fixedByteCount(version: version) + 8 * (orgFilter.words.count + typeFilter.words.count)
  }

  var directoryOffset: Int { headerBytes }
  var payloadOffset: Int { headerBytes + directoryStoredBytes }
  var idOffset: Int { payloadOffset + payloadStoredBytes }
  var commitmentOffset: Int { idOffset + idBytes }
  var sealedOffset: Int { commitmentOffset + commitmentBytes }
  var byteCount: Int { sealedOffset + sealedBytes + Self.checksumByteCount }

  /// Of all that the block holds, decompressed.
  var contentByteCount: Int {
    directoryRawBytes + payloadRawBytes + idBytes + commitmentBytes + sealedBytes
  }

  func append(to bytes: inout [UInt8]) {
    precondition(version == Self.formatVersion, "blocks of an old version are read, never made")
    bytes.append(version)
    bytes.append(flags)
    bytes.append(UInt8(orgFilter.words.count))
    bytes.append(UInt8(typeFilter.words.count))
    bytes.appendLittle(dictionaryID)
    bytes.appendLittle(firstPosition)
    bytes.appendLittle(recordedAtMicros)
    bytes.appendLittle(UInt32(eventCount))
    bytes.appendLittle(UInt32(commitCount))
    bytes.appendLittle(UInt32(directoryRawBytes))
    bytes.appendLittle(UInt32(directoryStoredBytes))
    bytes.appendLittle(UInt32(payloadRawBytes))
    bytes.appendLittle(UInt32(payloadStoredBytes))
    bytes.appendLittle(UInt32(sealedBytes))
    bytes.appendLittle(UInt32(commitmentBytes))
    bytes.appendLittle(UInt32(idBytes))
    bytes.appendLittle(UInt32(0))
    for word in orgFilter.words { bytes.appendLittle(word) }
    for word in typeFilter.words { bytes.appendLittle(word) }
  }

  /// Reads the header of the block stored under `key`, without looking at the checksum.
  ///
  /// - Throws: `.corrupted` where the bytes cannot be a block of that place.
  init(_ block: RawSpan, key: UInt64) throws(EventLogError) {
    func refuse(_ reason: String) -> EventLogError { .corrupted(position: key, reason: reason) }
    guard block.byteCount >= 1, (1...Self.formatVersion).contains(block.load8(at: 0)) else {
      throw refuse("the block's format version is not known")
    }
    version = block.load8(at: 0)
    let fixedByteCount = Self.fixedByteCount(version: version)
    guard block.byteCount >= fixedByteCount + Self.checksumByteCount else {
      throw refuse("the block is too short")
    }
    flags = block.load8(at: 1)
    let orgWords = Int(block.load8(at: 2))
    let typeWords = Int(block.load8(at: 3))
    dictionaryID = block.load32(at: 4)
    firstPosition = block.load64(at: 8)
    recordedAtMicros = Int64(bitPattern: block.load64(at: 16))
    eventCount = Int(block.load32(at: 24))
    commitCount = Int(block.load32(at: 28))
    directoryRawBytes = Int(block.load32(at: 32))
    directoryStoredBytes = Int(block.load32(at: 36))
    payloadRawBytes = Int(block.load32(at: 40))
    payloadStoredBytes = Int(block.load32(at: 44))
    sealedBytes = Int(block.load32(at: 48))
    commitmentBytes = Int(block.load32(at: 52))
    idBytes = version == 1 ? 0 : Int(block.load32(at: 56))
    orgFilter = SkipFilter(words: [])
    typeFilter = SkipFilter(words: [])
    let filterEnd = fixedByteCount + 8 * (orgWords + typeWords)
    guard Self.areFilters(orgWords, typeWords), filterEnd <= block.byteCount else {
      throw refuse("the block's filters do not fit")
    }
    orgFilter.words = (0..<orgWords).map { block.load64(at: fixedByteCount + 8 * $0) }
    typeFilter.words = (0..<typeWords).map {
      block.load64(at: fixedByteCount + 8 * (orgWords + $0))
    }
    guard firstPosition == key, key <= .max - UInt64(eventCount), eventCount > 0, commitCount > 0,
      commitCount <= eventCount,
      byteCount == block.byteCount, directoryRawBytes <= Self.maxFrameBytes,
      payloadRawBytes <= Self.maxFrameBytes
    else { throw refuse("the block's header contradicts its size or place") }
  }

  init(
    firstPosition: UInt64, eventCount: Int, commitCount: Int, recordedAtMicros: Int64,
    orgFilter: SkipFilter, typeFilter: SkipFilter
  ) {
    version = Self.formatVersion
    flags = 0
    self.firstPosition = firstPosition
    self.eventCount = eventCount
    self.commitCount = commitCount
    self.recordedAtMicros = recordedAtMicros
    self.orgFilter = orgFilter
    self.typeFilter = typeFilter
    dictionaryID = 0
    directoryRawBytes = 0
    directoryStoredBytes = 0
    payloadRawBytes = 0
    payloadStoredBytes = 0
    sealedBytes = 0
    commitmentBytes = 0
    idBytes = 0
  }

  private static func areFilters(_ orgWords: Int, _ typeWords: Int) -> Bool {
    let allowed = [0, 1, 2, 4, 8]
    return allowed.contains(orgWords) && allowed.contains(typeWords)
  }

  /// Compares the block's last eight bytes with what they vouch for. The key is the seed: a sound
  /// block in another's place does not pass.
  static func checkSum(of block: RawSpan, key: UInt64) throws(EventLogError) {
    let end = block.byteCount - checksumByteCount
    guard XXH64.hash(block.extracting(0..<end), seed: key) == block.load64(at: end) else {
      throw .corrupted(position: key, reason: "the block fails its checksum")
    }
  }
}

import LMDB
import Zstd

/// What a block holds, checked and decompressed.
struct DecodedBlock {
  let directory: BlockDirectory
  let payload: [UInt8]
  let commitments: [UInt8]
  /// nil: not asked for.
  let sealed: [UInt8]?

  /// About what it takes in memory.
  var byteCount: Int {
    payload.count + commitments.count + (sealed?.count ?? 0) + 160 * directory.events.count
  }
}

/// A block taken out of the store, and what opens its personal parts.
struct LoadedBlock {
  let directory: BlockDirectory
  let payload: [UInt8]
  let commitments: [UInt8]
  /// Empty where it was not asked for.
  let sealed: [UInt8]
  let opener: PartOpener

  init(_ content: DecodedBlock, _ store: LogStore) {
    // Taken apart once: whoever visits events asks for each of them every time.
    directory = content.directory
    payload = content.payload
    commitments = content.commitments
    sealed = content.sealed ?? []
    opener = PartOpener(store, content.directory)
  }
}

extension LogStore {
  func checkedHeader(_ block: RawSpan, key: UInt64) throws(EventLogError) -> BlockHeader {
    let header = try BlockHeader(block, key: key)
    block.prefetch()
    try BlockHeader.checkSum(of: block, key: key)
    return header
  }

  func directory(_ block: RawSpan, header: BlockHeader) throws -> BlockDirectory {
    let bytes = try content(
      block, offset: header.directoryOffset, stored: header.directoryStoredBytes,
      raw: header.directoryRawBytes, header: header)
    let ids = Self.bytes(block.extracting(header.idOffset..<header.idOffset + header.idBytes))
    do throws(MalformedBytes) {
      return try BlockDirectory(bytes, ids: ids, header: header)
    } catch {
      throw EventLogError.corrupted(position: header.firstPosition, reason: error.reason)
    }
  }

  /// `includingSealed`: whether personal parts can be opened from it; leaves do without.
  func load(
    _ block: RawSpan, key: UInt64, includingSealed: Bool = true
  ) throws -> LoadedBlock {
    try load(
      block, checked: try checkedHeader(block, key: key), includingSealed: includingSealed)
  }

  /// The same where the checksum was compared already.
  func load(
    _ block: RawSpan, checked header: BlockHeader, includingSealed: Bool
  ) throws -> LoadedBlock {
    LoadedBlock(try decode(block, header: header, includingSealed: includingSealed), self)
  }

  /// The same, unless it is among those decoded last.
  func loadRecent(
    _ block: RawSpan, header: BlockHeader, includingSealed: Bool = true
  ) throws -> LoadedBlock {
    let name = CheckedBlock(block, header)
    if let known = recent.content(of: name, includingSealed: includingSealed) {
      return LoadedBlock(known, self)
    }
    block.prefetch()
    try BlockHeader.checkSum(of: block, key: header.firstPosition)
    let content = try decode(block, header: header, includingSealed: includingSealed)
    recent.remember(content, as: name)
    return LoadedBlock(content, self)
  }

  private func decode(
    _ block: RawSpan, header: BlockHeader, includingSealed: Bool
  ) throws -> DecodedBlock {
    let payload = try content(
      block, offset: header.payloadOffset, stored: header.payloadStoredBytes,
      raw: header.payloadRawBytes, header: header)
    let commitments = Self.bytes(
      block.extracting(
        header.commitmentOffset..<header.commitmentOffset + header.commitmentBytes))
    let sealed =
      includingSealed
      ? Self.bytes(
        block.extracting(header.sealedOffset..<header.sealedOffset + header.sealedBytes)) : nil
    return DecodedBlock(
      directory: try directory(block, header: header), payload: payload,
      commitments: commitments, sealed: sealed)
  }

  private func content(
    _ block: RawSpan, offset: Int, stored: Int, raw: Int, header: BlockHeader
  ) throws -> [UInt8] {
    let frame = block.extracting(offset..<offset + stored)
    if stored == raw { return Self.bytes(frame) }
    let isPrimed = header.flags & BlockHeader.framesUseDictionary != 0
    let dictionary = isPrimed ? try dictionaries.dictionary(header.dictionaryID) : nil
    do {
      return try partTools.withTools { tools throws in
        try tools.decompressor.use(dictionary?.decompression)
        return try tools.decompressor.decompress(frame, byteCount: raw)
      }
    } catch let error as ZstdError {
      throw EventLogError.corrupted(position: header.firstPosition, reason: error.description)
    }
  }

  static func bytes(_ span: RawSpan) -> [UInt8] {
    unsafe span.withUnsafeBytes { unsafe Array($0) }
  }

  /// Calls `body` with the block that holds the event at `position`. The index may name any of its events: those that
  /// began a block of their own before blocks were made into one.
  private func withBlock<Result>(
    holding position: UInt64, _ transaction: borrowing ReadTransaction,
    _ body: (RawSpan, BlockHeader) throws -> Result
  ) throws -> Result {
    var found: Result?
    try transaction.scan(blocks, fromAtOrBelow: position) { key, block in
      // Not believed before `body` has compared the checksum.
      let header = try BlockHeader(block, key: key)
      if key <= position, position <= header.lastPosition {
        found = try body(block, header)
      } else {
        try BlockHeader.checkSum(of: block, key: key)
      }
      return false
    }
    guard let found else {
      throw EventLogError.corrupted(position: position, reason: "the index names a missing block")
    }
    return found
  }

  func directory(
    at position: UInt64, _ transaction: borrowing ReadTransaction
  ) throws -> BlockDirectory {
    try withBlock(holding: position, transaction) { block, header in
      let name = CheckedBlock(block, header)
      if let known = recent.content(of: name, includingSealed: false) { return known.directory }
      block.prefetch()
      try BlockHeader.checkSum(of: block, key: header.firstPosition)
      return try directory(block, header: header)
    }
  }

  func block(
    at position: UInt64, includingSealed: Bool = true, _ transaction: borrowing ReadTransaction
  ) throws -> LoadedBlock {
    try withBlock(holding: position, transaction) { block, header in
      try loadRecent(block, header: header, includingSealed: includingSealed)
    }
  }
}

// MARK: - Events

/// Where an event of a block stands.
struct EventPlace {
  let ordinal: Int
  let commitOrdinal: Int
  let orgSequence: UInt64
  let streamVersion: UInt64
  let payloadOffset: Int
  let sealedOffset: Int
  /// Of its first personal part, among the block's.
  let personalIndex: Int
}

extension LoadedBlock {
  /// Visits the events in order until `body` returns false, counting along what is not stored.
  func forEachPlace(_ body: (EventPlace) throws -> Bool) throws {
    var versions = directory.streams.map(\.versionBefore)
    var sequences = directory.orgs.map(\.firstSequence)
    let (commits, events, parts) = (directory.commits, directory.events, directory.parts)
    var sealedOffset = 0
    var personalIndex = 0
    for commitOrdinal in commits.indices {
      // Field by field: a whole commit is half a dozen references.
      let orgIndex = commits[commitOrdinal].orgIndex
      for ordinal in commits[commitOrdinal].events {
        let event = events[ordinal]
        // Whatever the bytes say, they are looked at without a trap.
        versions[event.streamIndex] &+= 1
        let place = EventPlace(
          ordinal: ordinal, commitOrdinal: commitOrdinal,
          orgSequence: sequences[orgIndex], streamVersion: versions[event.streamIndex],
          payloadOffset: event.payloadOffset, sealedOffset: sealedOffset,
          personalIndex: personalIndex)
        sequences[orgIndex] &+= 1
        guard try body(place) else { return }
        personalIndex += event.partCount - 1
        for part in event.firstPart + 1..<event.firstPart + event.partCount {
          sealedOffset += parts[part].byteCount
        }
      }
    }
  }

  func event(at place: EventPlace) throws(EventLogError) -> RecordedEvent {
    let firstPosition = directory.header.firstPosition
    let record = directory.events[place.ordinal]
    let commit = directory.commits[place.commitOrdinal]
    let position = firstPosition + UInt64(place.ordinal)
    return RecordedEvent(
      position: position, org: directory.orgs[commit.orgIndex].id,
      orgSequence: place.orgSequence, stream: directory.streams[record.streamIndex].id,
      streamVersion: place.streamVersion, type: directory.types[record.typeIndex],
      schemaVersion: record.schemaVersion, recordedAtMicros: commit.recordedAtMicros,
      context: directory.tables.context(of: commit),
      commitPosition: firstPosition + UInt64(commit.firstEvent),
      commitCount: commit.eventCount,
      parts: try parts(of: record, at: place, position: position))
  }

  private func parts(
    of record: BlockDirectory.EventRecord, at place: EventPlace, position: UInt64
  ) throws(EventLogError) -> [RecordedPart] {
    let firstCount = directory.parts[record.firstPart].byteCount
    let payloadEnd = place.payloadOffset + firstCount
    var parts: [RecordedPart] = []
    parts.reserveCapacity(record.partCount)
    parts.append(.opened(subject: nil, payload: Array(payload[place.payloadOffset..<payloadEnd])))
    guard record.partCount > 1 else { return parts }
    let org = directory.orgs[directory.commits[place.commitOrdinal].orgIndex].id
    let sealed = sealed
    var offset = place.sealedOffset
    for index in 1..<record.partCount {
      let part = directory.parts[record.firstPart + index]
      let partPlace = PartPlace(
        org: org, orgSequence: place.orgSequence, index: index, schemaVersion: record.schemaVersion)
      parts.append(
        try unsafe opener.open(
          part, sealed.span.bytes.extracting(offset..<offset + part.byteCount), at: partPlace,
          position: position))
      offset += part.byteCount
    }
    return parts
  }
}

import LMDB
import Zstd

/// A block taken out of the store: checked, and as much of it decompressed as was asked for.
struct LoadedBlock {
  let directory: BlockDirectory
  let payload: [UInt8]
  let commitments: [UInt8]
  let sealed: [UInt8]
  let opener: PartOpener
}

extension LogStore {
  func checkedHeader(_ block: RawSpan, key: UInt64) throws(EventLogError) -> BlockHeader {
    let header = try BlockHeader(block, key: key)
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
      block, header: try checkedHeader(block, key: key), includingSealed: includingSealed)
  }

  private func load(
    _ block: RawSpan, header: BlockHeader, includingSealed: Bool
  ) throws -> LoadedBlock {
    let payload = try content(
      block, offset: header.payloadOffset, stored: header.payloadStoredBytes,
      raw: header.payloadRawBytes, header: header)
    let commitments = Self.bytes(
      block.extracting(
        header.commitmentOffset..<header.commitmentOffset + header.commitmentBytes))
    let sealed =
      includingSealed
      ? Self.bytes(
        block.extracting(header.sealedOffset..<header.sealedOffset + header.sealedBytes)) : []
    let directory = try directory(block, header: header)
    return LoadedBlock(
      directory: directory, payload: payload, commitments: commitments, sealed: sealed,
      opener: PartOpener(directory: directory, vault: vault, dictionaries: dictionaries))
  }

  private func content(
    _ block: RawSpan, offset: Int, stored: Int, raw: Int, header: BlockHeader
  ) throws -> [UInt8] {
    let frame = block.extracting(offset..<offset + stored)
    if stored == raw { return Self.bytes(frame) }
    let isPrimed = header.flags & BlockHeader.framesUseDictionary != 0
    let dictionary = isPrimed ? try dictionaries.dictionary(header.dictionaryID) : nil
    do {
      return try decompressors.withDecompressor { decompressor throws in
        try decompressor.use(dictionary?.decompression)
        return try decompressor.decompress(frame, byteCount: raw)
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
      let header = try checkedHeader(block, key: key)
      if key <= position, position <= header.lastPosition { found = try body(block, header) }
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
      try directory(block, header: header)
    }
  }

  func block(
    at position: UInt64, includingSealed: Bool = true, _ transaction: borrowing ReadTransaction
  ) throws -> LoadedBlock {
    try withBlock(holding: position, transaction) { block, header in
      try load(block, header: header, includingSealed: includingSealed)
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
    var sealedOffset = 0
    var personalIndex = 0
    for commitOrdinal in directory.commits.indices {
      let commit = directory.commits[commitOrdinal]
      for ordinal in commit.firstEvent..<commit.firstEvent + commit.eventCount {
        let event = directory.events[ordinal]
        versions[event.streamIndex] += 1
        let place = EventPlace(
          ordinal: ordinal, commitOrdinal: commitOrdinal,
          orgSequence: sequences[commit.orgIndex], streamVersion: versions[event.streamIndex],
          payloadOffset: event.payloadOffset, sealedOffset: sealedOffset,
          personalIndex: personalIndex)
        sequences[commit.orgIndex] += 1
        guard try body(place) else { return }
        personalIndex += event.partCount - 1
        for part in event.firstPart + 1..<event.firstPart + event.partCount {
          sealedOffset += directory.parts[part].byteCount
        }
      }
    }
  }

  func event(at place: EventPlace) throws(EventLogError) -> RecordedEvent {
    let header = directory.header
    let record = directory.events[place.ordinal]
    let commit = directory.commits[place.commitOrdinal]
    let position = header.firstPosition + UInt64(place.ordinal)
    return RecordedEvent(
      position: position, org: directory.orgs[commit.orgIndex].id,
      orgSequence: place.orgSequence, stream: directory.streams[record.streamIndex].id,
      streamVersion: place.streamVersion, type: directory.types[record.typeIndex],
      schemaVersion: record.schemaVersion, recordedAtMicros: commit.recordedAtMicros,
      context: commit.context,
      commitPosition: header.firstPosition + UInt64(commit.firstEvent),
      commitCount: commit.eventCount,
      parts: try parts(of: record, at: place, position: position))
  }

  private func parts(
    of record: BlockDirectory.EventRecord, at place: EventPlace, position: UInt64
  ) throws(EventLogError) -> [RecordedPart] {
    let firstCount = directory.parts[record.firstPart].byteCount
    let payloadEnd = place.payloadOffset + firstCount
    let first = RecordedPart.opened(
      subject: nil, payload: Array(payload[place.payloadOffset..<payloadEnd]))
    guard record.partCount > 1 else { return [first] }
    var parts = [first]
    parts.reserveCapacity(record.partCount)
    var offset = place.sealedOffset
    for index in 1..<record.partCount {
      let part = directory.parts[record.firstPart + index]
      let partPlace = PartPlace(
        org: directory.orgs[directory.commits[place.commitOrdinal].orgIndex].id,
        orgSequence: place.orgSequence, index: index, schemaVersion: record.schemaVersion)
      parts.append(
        try opener.open(
          part, sealed[offset..<offset + part.byteCount], at: partPlace, position: position))
      offset += part.byteCount
    }
    return parts
  }
}

import LMDB

/// What the log holds and what it takes: counted from the blocks' directories, without opening a part.
package struct LogStatistics: Sendable {
  package struct Count: Sendable, Equatable {
    package var eventCount: UInt64 = 0
    /// Of the org's own part and of the sealed parts, before blocks are compressed.
    package var payloadBytes: UInt64 = 0
    package var sealedBytes: UInt64 = 0
  }

  package var byOrg: [OrgID: Count] = [:]
  package var byType: [String: Count] = [:]
  package var blockCount: UInt64 = 0
  /// Of the blocks' parts as they are stored. The header's include the filters and the checksum.
  package var headerBytes: UInt64 = 0
  package var directoryBytes: UInt64 = 0
  package var payloadBytes: UInt64 = 0
  package var idBytes: UInt64 = 0
  package var commitmentBytes: UInt64 = 0
  package var sealedBytes: UInt64 = 0

  package init() {}

  /// Of the blocks as they are stored.
  package var blockBytes: UInt64 {
    headerBytes + directoryBytes + payloadBytes + idBytes + commitmentBytes + sealedBytes
  }
}

extension LogStatistics.Count {
  fileprivate mutating func add(payload: Int, sealed: Int) {
    eventCount += 1
    payloadBytes += UInt64(payload)
    sealedBytes += UInt64(sealed)
  }
}

extension LMDBLogReader {
  /// Looks at every block's directory: some seconds for ten million events.
  package func statistics() throws(EventLogError) -> LogStatistics {
    var statistics = LogStatistics()
    var next: UInt64 = 1
    // A transaction of its own every so often: a long one keeps the writer from reusing pages.
    while let last = try add(from: next, to: &statistics) { next = last + 1 }
    return statistics
  }

  private func add(
    from first: UInt64, to statistics: inout LogStatistics
  ) throws(EventLogError) -> UInt64? {
    var last: UInt64?
    var count = 0
    try mappingErrors {
      try store.reading { transaction throws in
        try transaction.scan(store.blocks, fromAtOrBelow: first) { key, block in
          guard key >= first else { return true }
          let header = try store.checkedHeader(block, key: key)
          statistics.add(try store.directory(block, header: header))
          last = header.lastPosition
          count += 1
          return count < 1024
        }
      }
    }
    return last
  }
}

extension LogStatistics {
  fileprivate mutating func add(_ directory: BlockDirectory) {
    let header = directory.header
    blockCount += 1
    headerBytes += UInt64(header.headerBytes + BlockHeader.checksumByteCount)
    directoryBytes += UInt64(header.directoryStoredBytes)
    payloadBytes += UInt64(header.payloadStoredBytes)
    idBytes += UInt64(header.idBytes)
    commitmentBytes += UInt64(header.commitmentBytes)
    sealedBytes += UInt64(header.sealedBytes)
    for commit in directory.commits {
      let org = directory.orgs[commit.orgIndex].id
      for ordinal in commit.firstEvent..<commit.firstEvent + commit.eventCount {
        let event = directory.events[ordinal]
        let parts = directory.parts[event.firstPart..<event.firstPart + event.partCount]
        let payload = parts.first?.byteCount ?? 0
        let sealed = parts.dropFirst().reduce(0) { $0 + $1.byteCount }
        byOrg[org, default: Count()].add(payload: payload, sealed: sealed)
        byType[directory.types[event.typeIndex], default: Count()].add(
          payload: payload, sealed: sealed)
      }
    }
  }
}

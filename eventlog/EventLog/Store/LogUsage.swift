import LMDB

/// What a check of the stored bytes alone went through.
package struct CheckedStretch: Sendable {
  package let eventCount: UInt64
  package let lastPosition: UInt64
}

/// What the log's file takes on the disk, and for what.
package struct FileUsage: Sendable {
  /// Bytes of the pages of each table.
  package let tables: [String: Int]
  /// Free pages, which commits take before the file grows, and LMDB's own.
  package let freeBytes: Int
  /// Room behind the last page, for those to come.
  package let aheadBytes: Int

  package var byteCount: Int { tables.values.reduce(0, +) + freeBytes + aheadBytes }
}

extension LogStore {
  func fileUsage() throws(EventLogError) -> FileUsage {
    let end = try mappingErrors { try reading { transaction throws in try transaction.pageEnd() } }
    let allocated = try StoredFile.allocatedBytes(folder.dataPath) ?? 0
    let tables = try usage()
    // Pages that nobody has written yet take nothing.
    let pageBytes = min(end, allocated)
    return FileUsage(
      tables: tables, freeBytes: pageBytes - tables.values.reduce(0, +),
      aheadBytes: allocated - pageBytes)
  }

  /// Bytes of the pages of each table.
  func usage() throws(EventLogError) -> [String: Int] {
    try mappingErrors {
      try reading { transaction throws in
        var usage: [String: Int] = [:]
        for name in Self.tables.keys {
          usage[name] = try transaction.byteCount(in: environment.table(name))
        }
        return usage
      }
    }
  }

  /// Reads every block after `position`: order, checksum, decompression and directory, without making
  /// events of it or opening sealed parts.
  func check(after position: UInt64) throws(EventLogError) -> CheckedStretch {
    try mappingErrors {
      try reading { transaction throws in
        var eventCount: UInt64 = 0
        var last = position
        try transaction.scan(blocks, fromAtOrBelow: position + 1) { key, bytes in
          let block = try load(bytes, key: key)
          guard block.directory.header.lastPosition > position else { return true }
          guard key <= last + 1 else {
            throw EventLogError.corrupted(position: last + 1, reason: "no such block")
          }
          eventCount += UInt64(block.directory.header.eventCount)
          last = block.directory.header.lastPosition
          return true
        }
        return CheckedStretch(eventCount: eventCount, lastPosition: last)
      }
    }
  }
}

extension LMDBEventLog {
  /// Bytes on disk by table: `blocks`, `runs` (the index), `orgs`, `nodes` (the trees), ….
  package func usage() throws(EventLogError) -> [String: Int] { try store.usage() }
}

extension LMDBLogReader {
  /// What the log's file takes. Beside a writer the numbers are of moments that lie close together.
  package func fileUsage() throws(EventLogError) -> FileUsage { try store.fileUsage() }

  /// Bytes on disk by table: `blocks`, `runs` (the index), `orgs`, `nodes` (the trees), ….
  package func usage() throws(EventLogError) -> [String: Int] { try store.usage() }

  /// Checks the bytes of all blocks after `position`: order, checksums, structure.
  package func check(after position: UInt64) throws(EventLogError) -> CheckedStretch {
    try store.check(after: position)
  }
}

/// The directory's bytes, column by column. Byte layout: eventlog/README.md, "Block".
struct DirectoryEncoder {
  /// What compresses.
  private(set) var columns: [UInt8] = []
  /// What does not: ids and hashes.
  private(set) var ids: [UInt8] = []

  init(_ tables: BlockTables, header: BlockHeader) {
    columns.reserveCapacity(12 * tables.events.count + 16 * tables.commits.count + 512)
    ids.reserveCapacity(16 * (tables.orgs.count + tables.streams.count + tables.commits.count))
    addOrgs(tables)
    columns.appendVarint(tables.texts.count)
    for text in tables.texts { columns.appendLengthAndBytes(of: text) }
    addCommits(tables.commits, header: header)
    addStreams(tables)
    addSubjects(tables)
    addEvents(tables)
    addParts(tables)
  }

  private mutating func addOrgs(_ tables: BlockTables) {
    columns.appendVarint(tables.orgs.count)
    for org in tables.orgs { columns.appendVarint(org.firstSequence) }
    for org in tables.orgs { ids.appendLittle(org.id.value) }
    columns.appendVarint(tables.types.count)
    for type in tables.types { columns.appendLengthAndBytes(of: type) }
  }

  private mutating func addStreams(_ tables: BlockTables) {
    columns.appendVarint(tables.streams.count)
    for stream in tables.streams { columns.appendVarint(stream.orgIndex) }
    for stream in tables.streams { columns.appendVarint(stream.versionBefore) }
    for stream in tables.streams { ids.appendLittle(stream.id.value) }
  }

  private mutating func addSubjects(_ tables: BlockTables) {
    columns.appendVarint(tables.subjects.count)
    var last = 0
    for subject in tables.subjects {
      guard let stream = subject.streamIndex else {
        columns.appendVarint(0)
        columns.appendVarint(subject.orgIndex)
        ids.appendLittle(subject.id.value)
        continue
      }
      // A person's data is mostly in events of the person's own stream.
      columns.appendVarint(1 + Self.zigzag(Int64(stream - last)))
      last = stream
    }
    for subject in tables.subjects { columns.appendVarint(UInt64(subject.keyGeneration)) }
  }

  private mutating func addCommits(
    _ commits: [BlockDirectory.CommitRecord], header: BlockHeader
  ) {
    for commit in commits { columns.appendVarint(commit.orgIndex) }
    for commit in commits { columns.appendVarint(commit.eventCount) }
    // The first one counts back from the header's time, the others on from the one before.
    var earlier = header.recordedAtMicros
    for commit in commits {
      columns.appendZigzag(commit.recordedAtMicros &- earlier)
      earlier = commit.recordedAtMicros
    }
    var offset: Int64 = 0
    for commit in commits {
      let own = commit.context.occurredAtMicros &- commit.recordedAtMicros
      columns.appendZigzag(own &- offset)
      offset = own
    }
    for commit in commits { columns.appendVarint(commit.context.actor) }
    for commit in commits { columns.appendVarint(commit.context.origin) }
    for commit in commits {
      let text = commit.context.correlation
      columns.appendVarint(text.prefix << 2 | text.form.rawValue)
      if text.form != .whole { ids.appendLittle(text.value) }
    }
    addReferences(commits, header: header)
  }

  private mutating func addReferences(
    _ commits: [BlockDirectory.CommitRecord], header: BlockHeader
  ) {
    for commit in commits {
      let hasCausation = commit.context.causation != nil
      columns.append((hasCausation ? 1 : 0) | (commit.request == nil ? 0 : 2))
    }
    for commit in commits { columns.appendVarint(UInt64(commit.context.depth)) }
    for commit in commits {
      guard let causation = commit.context.causation else { continue }
      let position = header.firstPosition + UInt64(commit.firstEvent)
      columns.appendZigzag(Int64(bitPattern: position &- causation))
    }
    for commit in commits {
      guard let request = commit.request else { continue }
      ids.appendLittle(request.name)
      ids.appendLittle(request.fingerprint)
    }
  }

  private mutating func addEvents(_ tables: BlockTables) {
    var known = 0
    for event in tables.events { columns.appendNext(event.streamIndex, known: &known) }
    for event in tables.events { columns.appendVarint(event.typeIndex) }
    for event in tables.events { columns.appendVarint(UInt64(event.schemaVersion)) }
    for event in tables.events { columns.appendVarint(event.partCount) }
    var sizes = [Int](repeating: 0, count: tables.types.count)
    for event in tables.events {
      let size = tables.parts[event.firstPart].byteCount
      columns.appendZigzag(Int64(size - sizes[event.typeIndex]))
      sizes[event.typeIndex] = size
    }
  }

  private mutating func addParts(_ tables: BlockTables) {
    var known = 0
    let personal = tables.parts.lazy.filter { $0.storage != .clear }
    for part in personal { columns.appendNext(part.subjectIndex, known: &known) }
    for part in personal { columns.appendVarint(part.storage.rawValue) }
    for part in personal where part.storage == .sealed { columns.appendVarint(part.byteCount) }
  }

  private static func zigzag(_ value: Int64) -> UInt64 {
    UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
  }
}

extension Array where Element == UInt8 {
  /// An index into a table that is in the order of first use: 0 for the next new one, else how far back
  /// from there.
  fileprivate mutating func appendNext(_ index: Int, known: inout Int) {
    precondition(index <= known, "the table is in the order of first use")
    appendVarint(index == known ? 0 : known - index)
    if index == known { known += 1 }
  }
}

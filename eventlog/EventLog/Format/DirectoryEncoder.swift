/// The directory's bytes, column by column. Byte layout: eventlog/README.md, "Block".
struct DirectoryEncoder {
  /// What compresses.
  private(set) var columns: [UInt8] = []
  /// What does not: ids and hashes.
  private(set) var ids: [UInt8] = []
  private var strings: [String] = []
  private var stringIndexes: [String: Int] = [:]

  init(_ tables: BlockTables, header: BlockHeader) {
    columns.reserveCapacity(12 * tables.events.count + 16 * tables.commits.count + 512)
    ids.reserveCapacity(16 * (tables.orgs.count + tables.streams.count + tables.commits.count))
    addOrgs(tables)
    let commits = commitColumns(tables.commits, header: header)
    columns.appendVarint(strings.count)
    for string in strings { columns.appendLengthAndBytes(of: string) }
    columns.append(contentsOf: commits)
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

  private mutating func commitColumns(
    _ commits: [BlockDirectory.CommitRecord], header: BlockHeader
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16 * commits.count)
    // By index, here and below: a whole commit is half a dozen references.
    for index in commits.indices { bytes.appendVarint(commits[index].orgIndex) }
    for index in commits.indices { bytes.appendVarint(commits[index].eventCount) }
    // The first one counts back from the header's time, the others on from the one before.
    var earlier = header.recordedAtMicros
    for index in commits.indices {
      bytes.appendZigzag(commits[index].recordedAtMicros &- earlier)
      earlier = commits[index].recordedAtMicros
    }
    var offset: Int64 = 0
    for index in commits.indices {
      let own = commits[index].context.occurredAtMicros &- commits[index].recordedAtMicros
      bytes.appendZigzag(own &- offset)
      offset = own
    }
    addTexts(commits, to: &bytes)
    addReferences(commits, header: header, to: &bytes)
    return bytes
  }

  private mutating func addTexts(
    _ commits: [BlockDirectory.CommitRecord], to bytes: inout [UInt8]
  ) {
    var last = 0
    for index in commits.indices {
      bytes.appendVarint(self.index(of: commits[index].context.actor, after: &last))
    }
    for index in commits.indices {
      bytes.appendVarint(self.index(of: commits[index].context.origin, after: &last))
    }
    for index in commits.indices {
      addText(commits[index].context.correlation, after: &last, to: &bytes)
    }
  }

  private mutating func addReferences(
    _ commits: [BlockDirectory.CommitRecord], header: BlockHeader, to bytes: inout [UInt8]
  ) {
    for index in commits.indices {
      let hasCausation = commits[index].context.causation != nil
      bytes.append((hasCausation ? 1 : 0) | (commits[index].request == nil ? 0 : 2))
    }
    for index in commits.indices { bytes.appendVarint(UInt64(commits[index].context.depth)) }
    for index in commits.indices {
      guard let causation = commits[index].context.causation else { continue }
      let position = header.firstPosition + UInt64(commits[index].firstEvent)
      bytes.appendZigzag(Int64(bitPattern: position &- causation))
    }
    for index in commits.indices {
      guard let request = commits[index].request else { continue }
      ids.appendLittle(request.name)
      ids.appendLittle(request.fingerprint)
    }
  }

  private mutating func addText(
    _ text: StoredText, after last: inout Int, to bytes: inout [UInt8]
  ) {
    let packed = text.packed
    bytes.appendVarint(index(of: packed.prefix, after: &last) << 2 | packed.form.rawValue)
    if packed.form != .whole { ids.appendLittle(packed.value) }
  }

  /// `last`: the index before it in the column, which mostly is the same.
  private mutating func index(of string: String, after last: inout Int) -> Int {
    if last < strings.count, strings[last] == string { return last }
    if let known = stringIndexes[string] {
      last = known
    } else {
      last = strings.count
      strings.append(string)
      stringIndexes[string] = last
    }
    return last
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

import Crypto

/// Reads what `DirectoryEncoder` wrote: each column over the rows that the one before it has begun. Every function reads with
/// copies of the readers: those stay in registers.
struct DirectoryDecoder {
  private let header: BlockHeader
  private var columns: ByteReader
  private var ids: ByteReader
  private let limit: Int
  private var tables = BlockTables()

  init(_ bytes: [UInt8], ids: [UInt8], header: BlockHeader) {
    self.header = header
    columns = ByteReader(bytes)
    self.ids = ByteReader(ids)
    limit = bytes.count
  }

  mutating func decode() throws(MalformedBytes) -> BlockTables {
    try readOrgs()
    try readCommits()
    try readStreams()
    try readSubjects()
    try readEvents()
    try readParts()
    try tables.readSealedCounts(&columns, header: header)
    tables.findPayloads()
    guard columns.isAtEnd, ids.isAtEnd else {
      throw MalformedBytes(reason: "bytes after the directory")
    }
    return tables
  }

  private mutating func readOrgs() throws(MalformedBytes) {
    for _ in 0..<(try columns.count(upTo: limit)) {
      let firstSequence = try columns.varint()
      tables.orgs.append(
        BlockDirectory.Org(id: OrgID(try ids.uint128()), firstSequence: firstSequence))
    }
    for _ in 0..<(try columns.count(upTo: limit)) {
      let type = try columns.string()
      guard type.utf8.count <= CommitRules.maxTypeBytes else {
        throw MalformedBytes(reason: "a type's name over \(CommitRules.maxTypeBytes) bytes")
      }
      tables.types.append(type)
    }
    for _ in 0..<(try columns.count(upTo: limit)) { tables.texts.append(try columns.string()) }
  }

  private mutating func readStreams() throws(MalformedBytes) {
    var (reader, idReader) = (columns, ids)
    let orgCount = tables.orgs.count
    var streams = [BlockDirectory.Stream](
      repeating: BlockDirectory.Stream(orgIndex: 0, id: StreamID(0), versionBefore: 0),
      count: try reader.count(upTo: limit))
    var rows = streams.mutableSpan
    for row in rows.indices { rows[row].orgIndex = try reader.index(below: orgCount) }
    for row in rows.indices { rows[row].versionBefore = try reader.varint() }
    for row in rows.indices { rows[row].id = StreamID(try idReader.uint128()) }
    tables.streams = streams
    (columns, ids) = (reader, idReader)
  }

  private mutating func readSubjects() throws(MalformedBytes) {
    var (reader, idReader) = (columns, ids)
    let count = try reader.count(upTo: limit)
    var subjects: [BlockDirectory.Subject] = []
    subjects.reserveCapacity(count)
    var last = 0
    for _ in 0..<count {
      let code = try reader.varint()
      guard code > 0 else {
        let org = try reader.index(below: tables.orgs.count)
        subjects.append(
          BlockDirectory.Subject(
            orgIndex: org, id: SubjectID(try idReader.uint128()), keyGeneration: 0))
        continue
      }
      let step = Int64(bitPattern: ((code - 1) &>> 1) ^ (0 &- ((code - 1) & 1)))
      let stream = Int64(last) &+ step
      guard stream >= 0, stream < Int64(tables.streams.count) else {
        throw MalformedBytes(reason: "a subject names no stream")
      }
      last = Int(stream)
      let named = tables.streams[last]
      subjects.append(
        BlockDirectory.Subject(
          orgIndex: named.orgIndex, id: SubjectID(named.id.value), keyGeneration: 0,
          streamIndex: last))
    }
    var rows = subjects.mutableSpan
    for row in rows.indices {
      rows[row].keyGeneration = UInt32(try reader.count(upTo: Int(UInt32.max)))
    }
    tables.subjects = subjects
    (columns, ids) = (reader, idReader)
  }
}

// MARK: - Commits

extension DirectoryDecoder {
  private mutating func readCommits() throws(MalformedBytes) {
    // Each takes several bytes: damage cannot ask for more memory than the block has.
    guard header.commitCount <= limit else {
      throw MalformedBytes(reason: "more commits than bytes")
    }
    var reader = columns
    let orgCount = tables.orgs.count
    var commits = [BlockDirectory.CommitRecord](
      repeating: BlockDirectory.CommitRecord(
        orgIndex: 0, firstEvent: 0, eventCount: 0, recordedAtMicros: 0, context: StoredContext(),
        request: nil),
      count: header.commitCount)
    var rows = commits.mutableSpan
    for row in rows.indices { rows[row].orgIndex = try reader.index(below: orgCount) }
    var eventCount = 0
    for row in rows.indices {
      rows[row].firstEvent = eventCount
      rows[row].eventCount = try reader.count(upTo: header.eventCount)
      eventCount += rows[row].eventCount
    }
    guard eventCount == header.eventCount else {
      throw MalformedBytes(reason: "the commits do not add up to the events")
    }
    var time = header.recordedAtMicros
    for row in rows.indices {
      time = time &+ (try reader.zigzag())
      rows[row].recordedAtMicros = time
    }
    var offset: Int64 = 0
    for row in rows.indices {
      offset = offset &+ (try reader.zigzag())
      rows[row].context.occurredAtMicros = rows[row].recordedAtMicros &+ offset
    }
    columns = reader
    try readContexts(&rows)
    tables.commits = commits
  }

  private mutating func readContexts(
    _ rows: inout MutableSpan<BlockDirectory.CommitRecord>
  ) throws(MalformedBytes) {
    var (reader, idReader) = (columns, ids)
    let textCount = tables.texts.count
    for row in rows.indices { rows[row].context.actor = try reader.index(below: textCount) }
    for row in rows.indices { rows[row].context.origin = try reader.index(below: textCount) }
    for row in rows.indices {
      let code = try reader.index(below: textCount << 2)
      guard let form = PackedText.Form(rawValue: code & 3) else {
        throw MalformedBytes(reason: "a text in an unknown form")
      }
      rows[row].context.correlation = StoredText(
        form: form, prefix: code >> 2, value: form == .whole ? 0 : try idReader.uint128())
    }
    for row in rows.indices {
      let flags = try reader.count(upTo: 3)
      rows[row].context.causation = flags & 1 == 0 ? nil : 0
      rows[row].request = flags & 2 == 0 ? nil : (0, 0)
    }
    for row in rows.indices {
      rows[row].context.depth = UInt16(try reader.count(upTo: Int(UInt16.max)))
    }
    for row in rows.indices where rows[row].context.causation != nil {
      let position = header.firstPosition &+ UInt64(rows[row].firstEvent)
      rows[row].context.causation = position &- UInt64(bitPattern: try reader.zigzag())
    }
    for row in rows.indices where rows[row].request != nil {
      rows[row].request = (try idReader.uint128(), try idReader.uint128())
    }
    (columns, ids) = (reader, idReader)
  }
}

// MARK: - Events

extension ByteReader {
  /// The next index into a table of `bound` elements that is in the order of first use.
  @inline(__always)
  fileprivate mutating func next(
    known: inout Int, below bound: Int
  ) throws(MalformedBytes) -> Int {
    let code = try count(upTo: known)
    guard code == 0 else { return known - code }
    guard known < bound else { throw MalformedBytes(reason: "an index out of range") }
    known += 1
    return known - 1
  }
}

extension DirectoryDecoder {
  private mutating func readEvents() throws(MalformedBytes) {
    guard header.eventCount <= limit else {
      throw MalformedBytes(reason: "more events than bytes")
    }
    var reader = columns
    let (streamCount, typeCount) = (tables.streams.count, tables.types.count)
    var events = [BlockDirectory.EventRecord](
      repeating: BlockDirectory.EventRecord(
        streamIndex: 0, typeIndex: 0, schemaVersion: 0, firstPart: 0, partCount: 0),
      count: header.eventCount)
    var rows = events.mutableSpan
    var known = 0
    for row in rows.indices {
      rows[row].streamIndex = try reader.next(known: &known, below: streamCount)
    }
    for row in rows.indices { rows[row].typeIndex = try reader.index(below: typeCount) }
    for row in rows.indices {
      rows[row].schemaVersion = UInt16(try reader.count(upTo: Int(UInt16.max)))
    }
    var partCount = 0
    for row in rows.indices {
      let count = try reader.count(upTo: CommitRules.maxPartCount)
      guard count > 0 else { throw MalformedBytes(reason: "an event without parts") }
      rows[row].firstPart = partCount
      rows[row].partCount = count
      partCount += count
    }
    columns = reader
    tables.events = events
    try readPayloadCounts(partCount: partCount)
  }

  /// Each event's first part is the org's; what the others are is said by columns of their own.
  private mutating func readPayloadCounts(partCount: Int) throws(MalformedBytes) {
    var reader = columns
    let limit = Int64(header.payloadRawBytes)
    var parts = [BlockDirectory.PartRecord](
      repeating: BlockDirectory.PartRecord(storage: .sealed, subjectIndex: 0, byteCount: 0),
      count: partCount)
    var rows = parts.mutableSpan
    var sizes = [Int64](repeating: 0, count: tables.types.count)
    for event in tables.events {
      let size = sizes[event.typeIndex] &+ (try reader.zigzag())
      guard size >= 0, size <= limit else {
        throw MalformedBytes(reason: "a part of an impossible size")
      }
      sizes[event.typeIndex] = size
      rows[event.firstPart] = BlockDirectory.PartRecord(
        storage: .clear, subjectIndex: 0, byteCount: Int(size))
    }
    columns = reader
    tables.parts = parts
  }

  private mutating func readParts() throws(MalformedBytes) {
    var reader = columns
    let subjectCount = tables.subjects.count
    var known = 0
    var rows = tables.parts.mutableSpan
    for row in rows.indices where rows[row].storage != .clear {
      rows[row].subjectIndex = try reader.next(known: &known, below: subjectCount)
    }
    for row in rows.indices where rows[row].storage != .clear {
      guard let storage = PartStorage(rawValue: try reader.count(upTo: 2)), storage != .clear
      else { throw MalformedBytes(reason: "a personal part that is stored in no known way") }
      rows[row].storage = storage
    }
    columns = reader
  }
}

extension BlockTables {
  /// The last column: the sizes of the sealed parts. Compares all sizes with those in the header.
  mutating func readSealedCounts(
    _ columns: inout ByteReader, header: BlockHeader
  ) throws(MalformedBytes) {
    var reader = columns
    var rest = header.sealedBytes
    var payloadCount = 0
    var rows = parts.mutableSpan
    for row in rows.indices {
      switch rows[row].storage {
      case .clear: payloadCount += rows[row].byteCount
      case .sealed:
        rows[row].byteCount = try reader.count(upTo: rest)
        rest -= rows[row].byteCount
      case .dropped: break
      }
    }
    columns = reader
    guard rest == 0 else { throw MalformedBytes(reason: "the sealed area has another size") }
    guard payloadCount == header.payloadRawBytes,
      (parts.count - events.count) * SHA256.digestByteCount == header.commitmentBytes
    else { throw MalformedBytes(reason: "the payload frame or the commitments have another size") }
  }
}

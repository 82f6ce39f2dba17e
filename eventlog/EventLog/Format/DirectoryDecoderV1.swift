/// The directory of format version 1: row by row, ids among the rest.
struct DirectoryDecoderV1 {
  private let header: BlockHeader
  private let bytes: [UInt8]
  private var tables = BlockTables()

  init(_ bytes: [UInt8], header: BlockHeader) {
    self.bytes = bytes
    self.header = header
  }

  mutating func decode() throws(MalformedBytes) -> BlockTables {
    var reader = ByteReader(bytes)
    let limit = bytes.count
    for _ in 0..<(try reader.count(upTo: limit)) {
      tables.orgs.append(
        BlockDirectory.Org(id: OrgID(try reader.uint128()), firstSequence: try reader.varint()))
    }
    for _ in 0..<(try reader.count(upTo: limit)) {
      let type = try reader.string()
      guard type.utf8.count <= CommitRules.maxTypeBytes else {
        throw MalformedBytes(reason: "a type's name over \(CommitRules.maxTypeBytes) bytes")
      }
      tables.types.append(type)
    }
    try readStreams(&reader, limit)
    for _ in 0..<(try reader.count(upTo: limit)) {
      tables.subjects.append(
        BlockDirectory.Subject(
          orgIndex: try reader.index(below: tables.orgs.count),
          id: SubjectID(try reader.uint128()),
          keyGeneration: UInt32(try reader.count(upTo: Int(UInt32.max)))))
    }
    for _ in 0..<(try reader.count(upTo: limit)) { tables.texts.append(try reader.string()) }
    try readCommits(&reader, textCount: tables.texts.count)
    try readEvents(&reader)
    guard reader.isAtEnd else { throw MalformedBytes(reason: "bytes after the directory") }
    return tables
  }

  private mutating func readStreams(
    _ reader: inout ByteReader, _ limit: Int
  ) throws(MalformedBytes) {
    let count = try reader.count(upTo: limit)
    tables.streams.reserveCapacity(count)
    for _ in 0..<count {
      tables.streams.append(
        BlockDirectory.Stream(
          orgIndex: try reader.index(below: tables.orgs.count), id: StreamID(try reader.uint128()),
          versionBefore: try reader.varint()))
    }
  }

  private mutating func readCommits(
    _ reader: inout ByteReader, textCount: Int
  ) throws(MalformedBytes) {
    tables.commits.reserveCapacity(header.commitCount)
    var firstEvent = 0
    for _ in 0..<header.commitCount {
      let orgIndex = try reader.index(below: tables.orgs.count)
      let eventCount = try reader.count(upTo: header.eventCount - firstEvent)
      let recordedAt = header.recordedAtMicros &- Int64(bitPattern: try reader.varint())
      let occurredAt = recordedAt &+ (try reader.zigzag())
      let actor = try reader.index(below: textCount)
      let origin = try reader.index(below: textCount)
      let correlation = try reader.index(below: textCount)
      let flags = try reader.varint()
      let depth = UInt16(try reader.count(upTo: Int(UInt16.max)))
      let causation = flags & 1 == 0 ? nil : try reader.varint()
      var request: (name: UInt128, fingerprint: UInt128)?
      if flags & 2 != 0 { request = (try reader.uint128(), try reader.uint128()) }
      tables.commits.append(
        BlockDirectory.CommitRecord(
          orgIndex: orgIndex, firstEvent: firstEvent, eventCount: eventCount,
          recordedAtMicros: recordedAt,
          context: StoredContext(
            actor: actor, origin: origin,
            correlation: StoredText(form: .whole, prefix: correlation, value: 0),
            causation: causation, depth: depth, occurredAtMicros: occurredAt),
          request: request))
      firstEvent += eventCount
    }
    guard firstEvent == header.eventCount else {
      throw MalformedBytes(reason: "the commits do not add up to the events")
    }
  }

  private mutating func readEvents(_ reader: inout ByteReader) throws(MalformedBytes) {
    tables.events.reserveCapacity(header.eventCount)
    tables.parts.reserveCapacity(header.eventCount)
    var payloadOffset = 0
    for _ in 0..<header.eventCount {
      let streamIndex = try reader.index(below: tables.streams.count)
      let typeIndex = try reader.index(below: tables.types.count)
      let schemaVersion = UInt16(try reader.count(upTo: Int(UInt16.max)))
      let partCount = try reader.count(upTo: CommitRules.maxPartCount)
      guard partCount > 0 else { throw MalformedBytes(reason: "an event without parts") }
      tables.events.append(
        BlockDirectory.EventRecord(
          streamIndex: streamIndex, typeIndex: typeIndex, schemaVersion: schemaVersion,
          firstPart: tables.parts.count, partCount: partCount, payloadOffset: payloadOffset))
      let byteCount = try reader.count(upTo: header.payloadRawBytes)
      tables.parts.append(
        BlockDirectory.PartRecord(storage: .clear, subjectIndex: 0, byteCount: byteCount))
      payloadOffset += byteCount
      for _ in 1..<partCount {
        let code = try reader.index(below: tables.subjects.count << 2)
        guard let storage = PartStorage(rawValue: code & 3), storage != .clear else {
          throw MalformedBytes(reason: "a personal part that is stored in no known way")
        }
        tables.parts.append(
          BlockDirectory.PartRecord(storage: storage, subjectIndex: code >> 2, byteCount: 0))
      }
    }
    try tables.readSealedCounts(&reader, header: header)
  }
}

import Crypto

/// Reads what `DirectoryEncoder` wrote.
struct DirectoryDecoder {
  private let header: BlockHeader
  private var reader: ByteReader
  private var ids: ByteReader
  private let limit: Int
  private var tables = BlockTables()

  init(_ bytes: [UInt8], ids: [UInt8], header: BlockHeader) {
    self.header = header
    reader = ByteReader(bytes)
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
    try tables.readSealedCounts(&reader, header: header)
    tables.findPayloads()
    guard reader.isAtEnd, ids.isAtEnd else {
      throw MalformedBytes(reason: "bytes after the directory")
    }
    return tables
  }

  /// A column of `count` indexes into something with `bound` elements.
  private mutating func indexes(
    _ count: Int, below bound: Int
  ) throws(MalformedBytes) -> [Int] {
    var column: [Int] = []
    column.reserveCapacity(count)
    for _ in 0..<count { column.append(try reader.index(below: bound)) }
    return column
  }

  private mutating func counts(_ count: Int, upTo bound: Int) throws(MalformedBytes) -> [Int] {
    try indexes(count, below: bound + 1)
  }

  private mutating func readOrgs() throws(MalformedBytes) {
    for _ in 0..<(try reader.count(upTo: limit)) {
      let firstSequence = try reader.varint()
      tables.orgs.append(
        BlockDirectory.Org(id: OrgID(try ids.uint128()), firstSequence: firstSequence))
    }
    for _ in 0..<(try reader.count(upTo: limit)) { tables.types.append(try reader.string()) }
  }

  private mutating func readStreams() throws(MalformedBytes) {
    let count = try reader.count(upTo: limit)
    let orgs = try indexes(count, below: tables.orgs.count)
    tables.streams.reserveCapacity(count)
    for index in 0..<count {
      let version = try reader.varint()
      tables.streams.append(
        BlockDirectory.Stream(
          orgIndex: orgs[index], id: StreamID(try ids.uint128()), versionBefore: version))
    }
  }

  private mutating func readSubjects() throws(MalformedBytes) {
    let count = try reader.count(upTo: limit)
    var owners: [(org: Int, id: SubjectID, stream: Int?)] = []
    owners.reserveCapacity(count)
    var last = 0
    for _ in 0..<count {
      let code = try reader.varint()
      guard code > 0 else {
        let org = try reader.index(below: tables.orgs.count)
        owners.append((org, SubjectID(try ids.uint128()), nil))
        continue
      }
      let step = Int64(bitPattern: ((code - 1) &>> 1) ^ (0 &- ((code - 1) & 1)))
      let stream = Int64(last) &+ step
      guard stream >= 0, stream < Int64(tables.streams.count) else {
        throw MalformedBytes(reason: "a subject names no stream")
      }
      last = Int(stream)
      owners.append(
        (tables.streams[last].orgIndex, SubjectID(tables.streams[last].id.value), last))
    }
    tables.subjects.reserveCapacity(count)
    for owner in owners {
      let generation = UInt32(try reader.count(upTo: Int(UInt32.max)))
      tables.subjects.append(
        BlockDirectory.Subject(
          orgIndex: owner.org, id: owner.id, keyGeneration: generation,
          streamIndex: owner.stream))
    }
  }
}

// MARK: - Commits

extension DirectoryDecoder {
  private mutating func readCommits() throws(MalformedBytes) {
    var strings: [String] = []
    for _ in 0..<(try reader.count(upTo: limit)) { strings.append(try reader.string()) }
    let count = header.commitCount
    // Each takes several bytes: damage cannot ask for more memory than the block has.
    guard count <= limit else { throw MalformedBytes(reason: "more commits than bytes") }
    let orgs = try indexes(count, below: tables.orgs.count)
    let eventCounts = try counts(count, upTo: header.eventCount)
    let (recorded, occurred) = try readTimes(count)
    let actors = try indexes(count, below: strings.count)
    let origins = try indexes(count, below: strings.count)
    let correlations = try readTexts(count, strings)
    let flags = try counts(count, upTo: 3)
    let depths = try counts(count, upTo: Int(UInt16.max))
    tables.commits.reserveCapacity(count)
    var firstEvent = 0
    for index in 0..<count {
      let position = header.firstPosition &+ UInt64(firstEvent)
      let causation =
        flags[index] & 1 == 0 ? nil : position &- UInt64(bitPattern: try reader.zigzag())
      var request: (name: UInt128, fingerprint: UInt128)?
      if flags[index] & 2 != 0 { request = (try ids.uint128(), try ids.uint128()) }
      tables.commits.append(
        BlockDirectory.CommitRecord(
          orgIndex: orgs[index], firstEvent: firstEvent, eventCount: eventCounts[index],
          recordedAtMicros: recorded[index],
          context: StoredContext(
            actor: strings[actors[index]], origin: strings[origins[index]],
            correlation: correlations[index], causation: causation,
            depth: UInt16(depths[index]), occurredAtMicros: occurred[index]),
          request: request))
      firstEvent += eventCounts[index]
    }
    guard firstEvent == header.eventCount else {
      throw MalformedBytes(reason: "the commits do not add up to the events")
    }
  }

  private mutating func readTimes(
    _ count: Int
  ) throws(MalformedBytes) -> (recorded: [Int64], occurred: [Int64]) {
    var recorded: [Int64] = []
    recorded.reserveCapacity(count)
    var time = header.recordedAtMicros
    for _ in 0..<count {
      time = time &+ (try reader.zigzag())
      recorded.append(time)
    }
    var occurred: [Int64] = []
    occurred.reserveCapacity(count)
    var offset: Int64 = 0
    for index in 0..<count {
      offset = offset &+ (try reader.zigzag())
      occurred.append(recorded[index] &+ offset)
    }
    return (recorded, occurred)
  }

  private mutating func readTexts(
    _ count: Int, _ strings: [String]
  ) throws(MalformedBytes) -> [StoredText] {
    var texts: [StoredText] = []
    texts.reserveCapacity(count)
    for _ in 0..<count {
      let code = try reader.index(below: strings.count << 2)
      guard let form = PackedText.Form(rawValue: code & 3) else {
        throw MalformedBytes(reason: "a text in an unknown form")
      }
      texts.append(
        StoredText(
          form: form, prefix: strings[code >> 2], value: form == .whole ? 0 : try ids.uint128()))
    }
    return texts
  }
}

// MARK: - Events

extension DirectoryDecoder {
  /// The next index into a table of `bound` elements that is in the order of first use.
  private mutating func next(
    known: inout Int, below bound: Int
  ) throws(MalformedBytes) -> Int {
    let code = try reader.count(upTo: known)
    guard code == 0 else { return known - code }
    guard known < bound else { throw MalformedBytes(reason: "an index out of range") }
    known += 1
    return known - 1
  }

  private mutating func readEvents() throws(MalformedBytes) {
    let count = header.eventCount
    guard count <= limit else { throw MalformedBytes(reason: "more events than bytes") }
    var streams: [Int] = []
    streams.reserveCapacity(count)
    var known = 0
    for _ in 0..<count {
      streams.append(try next(known: &known, below: tables.streams.count))
    }
    let types = try indexes(count, below: tables.types.count)
    let schemaVersions = try counts(count, upTo: Int(UInt16.max))
    let partCounts = try counts(count, upTo: CommitRules.maxPartCount)
    tables.events.reserveCapacity(count)
    tables.parts.reserveCapacity(partCounts.reduce(0, +))
    var sizes = [Int64](repeating: 0, count: tables.types.count)
    for index in 0..<count {
      guard partCounts[index] > 0 else { throw MalformedBytes(reason: "an event without parts") }
      tables.events.append(
        BlockDirectory.EventRecord(
          streamIndex: streams[index], typeIndex: types[index],
          schemaVersion: UInt16(schemaVersions[index]), firstPart: tables.parts.count,
          partCount: partCounts[index]))
      let size = sizes[types[index]] &+ (try reader.zigzag())
      guard size >= 0, size <= Int64(header.payloadRawBytes) else {
        throw MalformedBytes(reason: "a part of an impossible size")
      }
      sizes[types[index]] = size
      tables.parts.append(
        BlockDirectory.PartRecord(storage: .clear, subjectIndex: 0, byteCount: Int(size)))
      for _ in 1..<partCounts[index] {
        tables.parts.append(
          BlockDirectory.PartRecord(storage: .sealed, subjectIndex: 0, byteCount: 0))
      }
    }
  }

  private mutating func readParts() throws(MalformedBytes) {
    var known = 0
    for index in tables.parts.indices where tables.parts[index].storage != .clear {
      tables.parts[index].subjectIndex = try next(known: &known, below: tables.subjects.count)
    }
    for index in tables.parts.indices where tables.parts[index].storage != .clear {
      guard let storage = PartStorage(rawValue: try reader.count(upTo: 2)), storage != .clear
      else { throw MalformedBytes(reason: "a personal part that is stored in no known way") }
      tables.parts[index].storage = storage
    }
  }
}

extension BlockTables {
  /// The last column: the sizes of the sealed parts. Compares all sizes with those in the header.
  mutating func readSealedCounts(
    _ reader: inout ByteReader, header: BlockHeader
  ) throws(MalformedBytes) {
    var rest = header.sealedBytes
    for index in parts.indices where parts[index].storage == .sealed {
      parts[index].byteCount = try reader.count(upTo: rest)
      rest -= parts[index].byteCount
    }
    guard rest == 0 else { throw MalformedBytes(reason: "the sealed area has another size") }
    let payloadCount = parts.reduce(0) { $1.storage == .clear ? $0 + $1.byteCount : $0 }
    guard payloadCount == header.payloadRawBytes,
      (parts.count - events.count) * SHA256.digestByteCount == header.commitmentBytes
    else { throw MalformedBytes(reason: "the payload frame or the commitments have another size") }
  }
}

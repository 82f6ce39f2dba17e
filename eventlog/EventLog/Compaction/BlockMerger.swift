import Crypto
import Vault
import Zstd

/// Makes one block out of several that follow each other: the same events in the same order. Sealed parts are taken over
/// as they are, or sealed anew with the dictionary of today; a leaf says nothing of either.
struct BlockMerger: ~Copyable {
  private struct SubjectKeyName: Hashable {
    let org: Int
    let subject: SubjectID
    let generation: UInt32
  }

  private struct StreamName: Hashable {
    let org: Int
    let stream: StreamID
  }

  private let vault: Vault
  private let dictionary: LogDictionary?
  private var compressors = PartCompressors()
  private var cipher = AESGCM()
  private var decompressor = Decompressor()
  private var tables = BlockTables()
  private var orgIndexes: [OrgID: Int] = [:]
  private var typeIndexes: [String: Int] = [:]
  private var texts = TextTable()
  private var streamIndexes: [StreamName: Int] = [:]
  private var subjectIndexes: [SubjectKeyName: Int] = [:]
  private var payload: [UInt8] = []
  private var commitments: [UInt8] = []
  private var sealed: [UInt8] = []
  private var firstPosition: UInt64 = 0
  private var recordedAtMicros: Int64 = 0

  init(vault: Vault, dictionary: LogDictionary?) throws(ZstdError) {
    self.vault = vault
    self.dictionary = dictionary
    try compressors.primed.use(dictionary?.compression)
  }

  /// What was added, as one block; begins anew.
  mutating func finish() -> BlockContent {
    tables.texts = texts.texts
    for index in tables.subjects.indices {
      let subject = tables.subjects[index]
      tables.subjects[index].streamIndex =
        streamIndexes[
          StreamName(org: subject.orgIndex, stream: StreamID(subject.id.value))]
    }
    return BlockContent(
      firstPosition: firstPosition, recordedAtMicros: recordedAtMicros, dictionary: dictionary,
      tables: tables, payload: payload, commitments: commitments, sealed: sealed)
  }

  /// Adds the block that follows.
  mutating func add(_ block: LoadedBlock, dictionaries: LogDictionaries) throws {
    let source = block.directory
    if tables.events.isEmpty { firstPosition = source.header.firstPosition }
    recordedAtMicros = source.header.recordedAtMicros
    let content = try block.content(dictionaries)
    payload += content.payload
    commitments += block.commitments
    let orgs = source.orgs.map { org(of: $0) }
    let types = source.types.map { type($0) }
    let firstEvent = tables.events.count
    for commit in source.commits {
      // Taken apart anew: version 1 has its texts whole.
      let context = texts.stored(
        source.tables.context(of: commit), before: tables.commits.last?.context)
      tables.commits.append(
        BlockDirectory.CommitRecord(
          orgIndex: orgs[commit.orgIndex], firstEvent: firstEvent + commit.firstEvent,
          eventCount: commit.eventCount, recordedAtMicros: commit.recordedAtMicros,
          context: context, request: commit.request))
    }
    for event in source.events {
      tables.events.append(
        BlockDirectory.EventRecord(
          streamIndex: stream(source.streams[event.streamIndex], orgs),
          typeIndex: types[event.typeIndex], schemaVersion: event.schemaVersion,
          firstPart: tables.parts.count, partCount: event.partCount))
      for part in event.firstPart..<event.firstPart + event.partCount {
        var record = source.parts[part]
        if record.storage != .clear {
          record.subjectIndex = subject(source.subjects[record.subjectIndex], orgs)
        }
        tables.parts.append(record)
      }
    }
    try addSealed(block, dictionaries)
  }

  private mutating func org(of org: BlockDirectory.Org) -> Int {
    if let known = orgIndexes[org.id] { return known }
    tables.orgs.append(org)
    orgIndexes[org.id] = tables.orgs.count - 1
    return tables.orgs.count - 1
  }

  private mutating func type(_ type: String) -> Int {
    if let known = typeIndexes[type] { return known }
    tables.types.append(type)
    typeIndexes[type] = tables.types.count - 1
    return tables.types.count - 1
  }

  private mutating func stream(_ stream: BlockDirectory.Stream, _ orgs: [Int]) -> Int {
    let name = StreamName(org: orgs[stream.orgIndex], stream: stream.id)
    if let known = streamIndexes[name] { return known }
    tables.streams.append(
      BlockDirectory.Stream(
        orgIndex: name.org, id: stream.id, versionBefore: stream.versionBefore))
    streamIndexes[name] = tables.streams.count - 1
    return tables.streams.count - 1
  }

  private mutating func subject(_ subject: BlockDirectory.Subject, _ orgs: [Int]) -> Int {
    let name = SubjectKeyName(
      org: orgs[subject.orgIndex], subject: subject.id, generation: subject.keyGeneration)
    if let known = subjectIndexes[name] { return known }
    tables.subjects.append(
      BlockDirectory.Subject(
        orgIndex: name.org, id: subject.id, keyGeneration: subject.keyGeneration))
    subjectIndexes[name] = tables.subjects.count - 1
    return tables.subjects.count - 1
  }
}

// MARK: - Sealed parts

extension BlockMerger {
  private mutating func addSealed(_ block: LoadedBlock, _ dictionaries: LogDictionaries) throws {
    guard block.directory.header.dictionaryID != dictionary?.id ?? 0 else {
      sealed += block.sealed
      return
    }
    let source = block.directory
    let firstPart = tables.parts.count - source.parts.count
    var places: [EventPlace] = []
    try block.forEachPlace { place in
      places.append(place)
      return true
    }
    for place in places {
      let event = source.events[place.ordinal]
      var offset = place.sealedOffset
      for index in 1..<event.partCount {
        let part = source.parts[event.firstPart + index]
        guard part.storage == .sealed else { continue }
        let range = offset..<offset + part.byteCount
        offset += part.byteCount
        let resealed = try reseal(
          block.sealed[range], source.subjects[part.subjectIndex],
          at: PartPlace(
            org: source.identity(of: place).org, orgSequence: place.orgSequence, index: index,
            schemaVersion: event.schemaVersion),
          position: source.header.firstPosition + UInt64(place.ordinal), dictionaries)
        let target = firstPart + event.firstPart + index
        tables.parts[target].byteCount = resealed?.count ?? 0
        if resealed == nil { tables.parts[target].storage = .dropped }
        sealed += resealed ?? []
      }
    }
  }

  /// The same content under the same key with a nonce of its own; nil where the subject was erased meanwhile.
  private mutating func reseal(
    _ bytes: ArraySlice<UInt8>, _ subject: BlockDirectory.Subject, at place: PartPlace,
    position: UInt64, _ dictionaries: LogDictionaries
  ) throws -> [UInt8]? {
    let name = KeyName(
      org: place.org.value, subject: subject.id.value, generation: subject.keyGeneration)
    switch try vault.key(name) {
    case .erased: return nil
    case .missing: throw EventLogError.keyMissing(position: position)
    case .available(let key):
      let associated = place.associated(keyID: key.keyID)
      let content = try cipher.open(
        Array(bytes.dropFirst(AESGCM.nonceByteCount)), key: key.encryption,
        nonce: Array(bytes.prefix(AESGCM.nonceByteCount)), authenticating: associated)
      let payload = try SealedPart.decode(content, &decompressor) {
        try dictionaries.dictionary($0)
      }
      let packed = try SealedPart.encode(
        payload, dictionaryID: dictionary?.id ?? 0, &compressors)
      let nonce = Random.bytes(AESGCM.nonceByteCount)
      return nonce
        + (try cipher.seal(
          packed, key: key.encryption, nonce: nonce, authenticating: associated))
    }
  }
}

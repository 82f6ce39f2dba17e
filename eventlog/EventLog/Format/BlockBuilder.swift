import Merkle

/// A stream, with the org that it belongs to.
struct StreamKey: Hashable {
  let org: OrgID
  let stream: StreamID

  /// Ids of streams are random: the org's would make every look-up of the writer dearer, and tell nothing apart.
  func hash(into hasher: inout Hasher) { hasher.combine(stream) }
}

/// A block ready to be stored, and what the index has to know of it.
struct EncodedBlock: Sendable {
  let firstPosition: UInt64
  let lastPosition: UInt64
  let bytes: [UInt8]
  let entries: [IndexEntry]
  let orgs: [OrgID]
  /// One for each event: its org, and the hash of its leaf.
  let leaves: [(org: OrgID, hash: Digest)]
}

/// Puts commits into a block. Byte layout: eventlog/README.md, "Block".
///
/// A class, because it is filled in place on the writer's hottest path and then used again.
///
/// `@unchecked Sendable`: the writer's, and meanwhile the one thread's that makes its block.
final class BlockBuilder: @unchecked Sendable {
  struct Org {
    let id: OrgID
    let firstSequence: UInt64
    var nextSequence: UInt64
  }

  struct Stream {
    let key: StreamKey
    let orgIndex: Int
    let versionBefore: UInt64
    var version: UInt64
    /// Which commit touched it last, to list each stream of a commit once.
    var lastCommit = -1
  }

  /// An event as the sealing and the tree need it.
  struct Event {
    let streamIndex: Int
    let orgIndex: Int
    let orgSequence: UInt64
    let streamVersion: UInt64
    let typeIndex: Int
    let schemaVersion: UInt16
    let payload: Range<Int>
    /// Into `personalParts`.
    let personal: Range<Int>
  }

  /// A commit's own bytes. What does not fit goes to the next block, but a commit is never split.
  static let targetBytes = 128 << 10

  private(set) var firstPosition: UInt64 = 0
  private(set) var added: [Event] = []
  private(set) var personalParts: [PartToSeal] = []
  var eventCount: Int { added.count }
  var commitCount: Int { tables.commits.count }
  private(set) var streams: [Stream] = []
  private var streamIndexes: [StreamKey: Int] = [:]
  private(set) var orgs: [Org] = []
  private var orgIndexes: [OrgID: Int] = [:]
  private(set) var types: [String] = []
  private var typeIndexes: [String: Int] = [:]
  private var texts = TextTable()
  private(set) var subjects: [(orgIndex: Int, subject: SubjectID)] = []
  private var subjectIndexes: [StreamKey: Int] = [:]
  private var requests: [(name: UInt128, commit: Int)] = []
  private var tables = BlockTables()
  private(set) var payload: [UInt8] = []
  private var sealingBytes = 0
  private var lastType = ("", -1)

  var isEmpty: Bool { commitCount == 0 }
  /// About what it is before compression.
  var byteCount: Int { payload.count + sealingBytes + 24 * added.count + 48 * commitCount }

  func start(at position: UInt64) {
    precondition(isEmpty, "a block is finished before the next one starts")
    firstPosition = position
  }

  // MARK: Filling

  /// The index of `org` in this block; `nextSequence` is asked for where it is new to it.
  func index(of org: OrgID, nextSequence: UInt64) -> Int {
    if let known = orgIndexes[org] { return known }
    orgs.append(Org(id: org, firstSequence: nextSequence, nextSequence: nextSequence))
    orgIndexes[org] = orgs.count - 1
    return orgs.count - 1
  }

  /// The version of `key` after what is in this block; nil where the block does not have it.
  func version(of key: StreamKey) -> UInt64? {
    streamIndexes[key].map { streams[$0].version }
  }

  func nextSequence(of org: OrgID) -> UInt64? {
    orgIndexes[org].map { orgs[$0].nextSequence }
  }

  func streamIndex(of key: StreamKey) -> Int? { streamIndexes[key] }

  /// The index of the stream, which has `version` where it is new to this block.
  func openStream(_ key: StreamKey, orgIndex: Int, version: UInt64) -> Int {
    let next = streams.count
    if let known = streamIndexes.updateValue(next, forKey: key) {
      // Rare: an earlier event of the same commit.
      streamIndexes[key] = known
      return known
    }
    streams.append(Stream(key: key, orgIndex: orgIndex, versionBefore: version, version: version))
    return next
  }

  /// Adds an event of the commit in progress; true where it is the commit's first of that stream.
  func add(_ event: NewEvent, streamIndex: Int, orgIndex: Int) -> Bool {
    let isFirst = streams[streamIndex].lastCommit != commitCount
    streams[streamIndex].lastCommit = commitCount
    streams[streamIndex].version += 1
    let orgSequence = orgs[orgIndex].nextSequence
    orgs[orgIndex].nextSequence += 1
    let typeIndex = typeIndex(of: event.type)
    tables.events.append(
      BlockDirectory.EventRecord(
        streamIndex: streamIndex, typeIndex: typeIndex, schemaVersion: event.schemaVersion,
        firstPart: tables.parts.count, partCount: event.parts.count))
    let start = payload.count
    let first = event.parts[0].payload
    tables.parts.append(
      BlockDirectory.PartRecord(storage: .clear, subjectIndex: 0, byteCount: first.count))
    payload.append(contentsOf: first)
    let firstPersonal = personalParts.count
    for index in 1..<event.parts.count { add(event.parts[index], orgIndex: orgIndex) }
    added.append(
      Event(
        streamIndex: streamIndex, orgIndex: orgIndex, orgSequence: orgSequence,
        streamVersion: streams[streamIndex].version, typeIndex: typeIndex,
        schemaVersion: event.schemaVersion, payload: start..<payload.count,
        personal: firstPersonal..<personalParts.count))
    return isFirst
  }

  private func add(_ part: Part, orgIndex: Int) {
    guard let subject = part.subject else { preconditionFailure("only part 0 is the org's") }
    let key = StreamKey(org: orgs[orgIndex].id, stream: StreamID(subject.value))
    let index: Int
    if let known = subjectIndexes[key] {
      index = known
    } else {
      index = subjects.count
      subjects.append((orgIndex, subject))
      subjectIndexes[key] = index
    }
    tables.parts.append(
      BlockDirectory.PartRecord(storage: .sealed, subjectIndex: index, byteCount: 0))
    sealingBytes += part.payload.count + SealedPart.overheadBytes
    personalParts.append(PartToSeal(payload: part.payload, subjectIndex: index))
  }

  private func typeIndex(of type: String) -> Int {
    if lastType.0 == type { return lastType.1 }
    let index: Int
    if let known = typeIndexes[type] {
      index = known
    } else {
      index = types.count
      types.append(type)
      typeIndexes[type] = index
    }
    lastType = (type, index)
    return index
  }

  /// Ends the commit in progress.
  func endCommit(
    _ commit: Commit, orgIndex: Int, recordedAtMicros: Int64, request: UInt128?
  ) {
    var stored: (name: UInt128, fingerprint: UInt128)?
    if let request, let key = commit.idempotencyKey {
      stored = (request, key.fingerprint)
      requests.append((request, commitCount))
    }
    tables.commits.append(
      BlockDirectory.CommitRecord(
        orgIndex: orgIndex, firstEvent: added.count - commit.events.count,
        eventCount: commit.events.count, recordedAtMicros: recordedAtMicros,
        context: texts.stored(commit.context, before: tables.commits.last?.context),
        request: stored))
  }

  // MARK: Finishing

  /// The block's bytes and index entries, with what `sealed` adds to it; empties the builder.
  func finish(
    _ sealed: SealedArea, dictionary: LogDictionary?, recordedAtMicros: Int64, hash: IndexHash,
    encoder: inout BlockEncoder
  ) throws -> EncodedBlock {
    completeTables(sealedCounts: sealed.byteCounts)
    let (header, bytes) = try encoder.encode(
      BlockContent(
        firstPosition: firstPosition, recordedAtMicros: recordedAtMicros,
        dictionary: dictionary, tables: tables, payload: payload,
        commitments: sealed.commitments, sealed: sealed.bytes))
    let block = EncodedBlock(
      firstPosition: firstPosition, lastPosition: header.lastPosition, bytes: bytes,
      entries: entries(hash), orgs: orgs.map(\.id),
      leaves: zip(added, sealed.leaves).map { (orgs[$0.orgIndex].id, $1) })
    reset()
    return block
  }

  /// Fills in what was not known before the last commit.
  private func completeTables(sealedCounts: [Int]) {
    tables.orgs = orgs.map { BlockDirectory.Org(id: $0.id, firstSequence: $0.firstSequence) }
    tables.types = types
    tables.texts = texts.texts
    tables.streams = streams.map {
      BlockDirectory.Stream(
        orgIndex: $0.orgIndex, id: $0.key.stream, versionBefore: $0.versionBefore)
    }
    tables.subjects = subjects.map {
      BlockDirectory.Subject(
        orgIndex: $0.orgIndex, id: $0.subject, keyGeneration: 0,
        streamIndex: streamIndex(of: $0.subject, orgIndex: $0.orgIndex))
    }
    var next = 0
    for index in tables.parts.indices where tables.parts[index].storage == .sealed {
      tables.parts[index].byteCount = sealedCounts[next]
      next += 1
    }
  }

  private func streamIndex(of subject: SubjectID, orgIndex: Int) -> Int? {
    streamIndexes[StreamKey(org: orgs[orgIndex].id, stream: StreamID(subject.value))]
  }

  private func entries(_ hash: IndexHash) -> [IndexEntry] {
    var entries: [IndexEntry] = []
    entries.reserveCapacity(streams.count + orgs.count + requests.count + subjects.count)
    func add(_ hash: UInt64, _ detail: UInt64) {
      entries.append(IndexEntry(hash: hash, position: firstPosition, detail: detail))
    }
    for stream in streams {
      add(hash.stream(stream.key.stream, org: stream.key.org), stream.version)
    }
    for org in orgs { add(hash.org(org.id), org.nextSequence - 1) }
    for request in requests { add(hash.request(request.name), UInt64(request.commit)) }
    // Who has a stream of the same id here is found by that.
    for subject in tables.subjects where subject.streamIndex == nil {
      add(hash.subject(subject.id, org: orgs[subject.orgIndex].id), 0)
    }
    return entries
  }

  /// Throws away what was added; the memory is kept for the next block.
  func reset() {
    added.removeAll(keepingCapacity: true)
    personalParts.removeAll(keepingCapacity: true)
    streams.removeAll(keepingCapacity: true)
    streamIndexes.removeAll(keepingCapacity: true)
    orgs.removeAll(keepingCapacity: true)
    orgIndexes.removeAll(keepingCapacity: true)
    types.removeAll(keepingCapacity: true)
    typeIndexes.removeAll(keepingCapacity: true)
    texts.removeAll()
    subjects.removeAll(keepingCapacity: true)
    subjectIndexes.removeAll(keepingCapacity: true)
    requests.removeAll(keepingCapacity: true)
    tables.removeAll()
    payload.removeAll(keepingCapacity: true)
    sealingBytes = 0
    lastType = ("", -1)
  }
}

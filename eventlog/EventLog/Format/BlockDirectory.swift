// The first frame of a block, decoded: everything but the payload bytes.

import Crypto

/// Who and what a block's events are, in the order of the log.
struct BlockDirectory {
  struct Org {
    let id: OrgID
    let firstSequence: UInt64
  }

  struct Stream {
    let orgIndex: Int
    let id: StreamID
    let versionBefore: UInt64
  }

  struct Subject {
    let orgIndex: Int
    let id: SubjectID
    let keyGeneration: UInt32
  }

  struct CommitRecord {
    let orgIndex: Int
    let firstEvent: Int
    let eventCount: Int
    let recordedAtMicros: Int64
    let context: CommitContext
    let request: (name: UInt128, fingerprint: UInt128)?
  }

  struct EventRecord {
    let streamIndex: Int
    let typeIndex: Int
    let schemaVersion: UInt16
    let firstPart: Int
    let partCount: Int
  }

  struct PartRecord {
    let storage: PartStorage
    /// Of the org's part: none.
    let subjectIndex: Int
    /// As stored.
    var byteCount: Int
  }

  let header: BlockHeader
  private(set) var orgs: [Org] = []
  private(set) var types: [String] = []
  private(set) var streams: [Stream] = []
  private(set) var subjects: [Subject] = []
  private(set) var commits: [CommitRecord] = []
  private(set) var events: [EventRecord] = []
  private(set) var parts: [PartRecord] = []

  /// - Throws: `MalformedBytes` where `bytes` is not a directory that fits `header`.
  init(_ bytes: [UInt8], header: BlockHeader) throws(MalformedBytes) {
    self.header = header
    var reader = ByteReader(bytes)
    let limit = bytes.count
    for _ in 0..<(try reader.count(upTo: limit)) {
      orgs.append(Org(id: OrgID(try reader.uint128()), firstSequence: try reader.varint()))
    }
    for _ in 0..<(try reader.count(upTo: limit)) { types.append(try reader.string()) }
    try readStreams(&reader, limit)
    for _ in 0..<(try reader.count(upTo: limit)) {
      subjects.append(
        Subject(
          orgIndex: try reader.index(below: orgs.count), id: SubjectID(try reader.uint128()),
          keyGeneration: UInt32(try reader.count(upTo: Int(UInt32.max)))))
    }
    var strings: [String] = []
    for _ in 0..<(try reader.count(upTo: limit)) { strings.append(try reader.string()) }
    try readCommits(&reader, strings)
    try readEvents(&reader)
    guard reader.isAtEnd else { throw MalformedBytes(reason: "bytes after the directory") }
  }

  private mutating func readStreams(
    _ reader: inout ByteReader, _ limit: Int
  ) throws(MalformedBytes) {
    let count = try reader.count(upTo: limit)
    streams.reserveCapacity(count)
    for _ in 0..<count {
      streams.append(
        Stream(
          orgIndex: try reader.index(below: orgs.count), id: StreamID(try reader.uint128()),
          versionBefore: try reader.varint()))
    }
  }

  private mutating func readCommits(
    _ reader: inout ByteReader, _ strings: [String]
  ) throws(MalformedBytes) {
    commits.reserveCapacity(header.commitCount)
    var firstEvent = 0
    for _ in 0..<header.commitCount {
      let orgIndex = try reader.index(below: orgs.count)
      let eventCount = try reader.count(upTo: header.eventCount - firstEvent)
      let recordedAt = header.recordedAtMicros &- Int64(bitPattern: try reader.varint())
      let occurredAt = recordedAt &+ (try reader.zigzag())
      let actor = strings[try reader.index(below: strings.count)]
      let origin = strings[try reader.index(below: strings.count)]
      let correlation = strings[try reader.index(below: strings.count)]
      let flags = try reader.varint()
      let depth = UInt16(try reader.count(upTo: Int(UInt16.max)))
      let causation = flags & 1 == 0 ? nil : try reader.varint()
      var request: (name: UInt128, fingerprint: UInt128)?
      if flags & 2 != 0 { request = (try reader.uint128(), try reader.uint128()) }
      commits.append(
        CommitRecord(
          orgIndex: orgIndex, firstEvent: firstEvent, eventCount: eventCount,
          recordedAtMicros: recordedAt,
          context: CommitContext(
            actor: actor, origin: origin, correlation: correlation, causation: causation,
            depth: depth, occurredAtMicros: occurredAt),
          request: request))
      firstEvent += eventCount
    }
    guard firstEvent == header.eventCount else {
      throw MalformedBytes(reason: "the commits do not add up to the events")
    }
  }

  private mutating func readEvents(_ reader: inout ByteReader) throws(MalformedBytes) {
    events.reserveCapacity(header.eventCount)
    parts.reserveCapacity(header.eventCount)
    for _ in 0..<header.eventCount {
      let streamIndex = try reader.index(below: streams.count)
      let typeIndex = try reader.index(below: types.count)
      let schemaVersion = UInt16(try reader.count(upTo: Int(UInt16.max)))
      let partCount = try reader.count(upTo: CommitRules.maxPartCount)
      guard partCount > 0 else { throw MalformedBytes(reason: "an event without parts") }
      events.append(
        EventRecord(
          streamIndex: streamIndex, typeIndex: typeIndex, schemaVersion: schemaVersion,
          firstPart: parts.count, partCount: partCount))
      parts.append(
        PartRecord(
          storage: .clear, subjectIndex: 0,
          byteCount: try reader.count(upTo: header.payloadRawBytes)))
      for _ in 1..<partCount {
        let code = try reader.index(below: subjects.count << 2)
        guard let storage = PartStorage(rawValue: code & 3), storage != .clear else {
          throw MalformedBytes(reason: "a personal part that is stored in no known way")
        }
        parts.append(PartRecord(storage: storage, subjectIndex: code >> 2, byteCount: 0))
      }
    }
    try readSealedCounts(&reader)
  }

  private mutating func readSealedCounts(_ reader: inout ByteReader) throws(MalformedBytes) {
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

// MARK: - What follows from it

extension BlockDirectory {
  /// The receipt of the commit with this ordinal, as its caller got it.
  func receipt(of ordinal: Int) -> Receipt {
    let commit = commits[ordinal]
    var versions = streams.map(\.versionBefore)
    var sequence = orgs[commit.orgIndex].firstSequence
    for earlier in commits[..<ordinal] {
      if earlier.orgIndex == commit.orgIndex { sequence += UInt64(earlier.eventCount) }
      for event in events[earlier.firstEvent..<earlier.firstEvent + earlier.eventCount] {
        versions[event.streamIndex] += 1
      }
    }
    var order: [Int] = []
    for event in events[commit.firstEvent..<commit.firstEvent + commit.eventCount] {
      versions[event.streamIndex] += 1
      if !order.contains(event.streamIndex) { order.append(event.streamIndex) }
    }
    return Receipt(
      firstPosition: header.firstPosition + UInt64(commit.firstEvent),
      eventCount: commit.eventCount, firstOrgSequence: sequence,
      versions: order.map { StreamVersion(stream: streams[$0].id, version: versions[$0]) },
      recordedAtMicros: commit.recordedAtMicros, isReplay: true)
  }

  /// What the index holds of this block, as `BlockBuilder` made it.
  func entries(_ hash: IndexHash) -> [IndexEntry] {
    var versions = streams.map(\.versionBefore)
    var sequences = orgs.map(\.firstSequence)
    for event in events { versions[event.streamIndex] += 1 }
    for commit in commits { sequences[commit.orgIndex] += UInt64(commit.eventCount) }
    var entries: [IndexEntry] = []
    func add(_ hash: UInt64, _ detail: UInt64) {
      entries.append(IndexEntry(hash: hash, position: header.firstPosition, detail: detail))
    }
    for (index, stream) in streams.enumerated() {
      add(hash.stream(stream.id, org: orgs[stream.orgIndex].id), versions[index])
    }
    for (index, org) in orgs.enumerated() { add(hash.org(org.id), sequences[index] - 1) }
    for (ordinal, commit) in commits.enumerated() {
      if let request = commit.request { add(hash.request(request.name), UInt64(ordinal)) }
    }
    for subject in subjects {
      add(hash.subject(subject.id, org: orgs[subject.orgIndex].id), 0)
    }
    return entries
  }

  /// Each org of the block and its next sequence after it.
  func nextSequences() -> [(OrgID, UInt64)] {
    var sequences = orgs.map(\.firstSequence)
    for commit in commits { sequences[commit.orgIndex] += UInt64(commit.eventCount) }
    return orgs.indices.map { (orgs[$0].id, sequences[$0]) }
  }
}

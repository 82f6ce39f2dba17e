// The first frame of a block, decoded: everything but the payload bytes.

/// Who and what a block's events are, in the order of the log.
struct BlockDirectory {
  struct Org {
    let id: OrgID
    let firstSequence: UInt64
  }

  struct Stream {
    var orgIndex: Int
    var id: StreamID
    var versionBefore: UInt64
  }

  struct Subject {
    let orgIndex: Int
    let id: SubjectID
    var keyGeneration: UInt32
    /// The stream of this block, of the same org, that has the subject's id; nil: none, or not looked for
    /// (version 1). The index finds such a subject by the stream.
    var streamIndex: Int?
  }

  struct CommitRecord {
    var orgIndex: Int
    var firstEvent: Int
    var eventCount: Int
    var recordedAtMicros: Int64
    var context: StoredContext
    var request: (name: UInt128, fingerprint: UInt128)?

    /// The ordinals of its events.
    var events: Range<Int> { firstEvent..<firstEvent + eventCount }
  }

  struct EventRecord {
    var streamIndex: Int
    var typeIndex: Int
    var schemaVersion: UInt16
    var firstPart: Int
    var partCount: Int
    /// Of its org part, in the payload frame.
    var payloadOffset = 0
  }

  struct PartRecord {
    var storage: PartStorage
    /// Of the org's part: none.
    var subjectIndex: Int
    /// As stored.
    var byteCount: Int
  }

  let header: BlockHeader
  let tables: BlockTables
  var orgs: [Org] { tables.orgs }
  var types: [String] { tables.types }
  var streams: [Stream] { tables.streams }
  var subjects: [Subject] { tables.subjects }
  var commits: [CommitRecord] { tables.commits }
  var events: [EventRecord] { tables.events }
  var parts: [PartRecord] { tables.parts }

  /// Reads the frame's content and the block's ids, of which version 1 has none.
  ///
  /// - Throws: `MalformedBytes` where they are not a directory that fits `header`.
  init(_ bytes: [UInt8], ids: [UInt8], header: BlockHeader) throws(MalformedBytes) {
    self.header = header
    if header.version == 1 {
      var decoder = DirectoryDecoderV1(bytes, header: header)
      tables = try decoder.decode()
    } else {
      var decoder = DirectoryDecoder(bytes, ids: ids, header: header)
      tables = try decoder.decode()
    }
  }
}

// MARK: - What follows from it

extension BlockDirectory {
  /// The commit that used the idempotency key, and its ordinal: `ordinal`, unless the block was made of several.
  func request(
    _ name: UInt128, near ordinal: UInt64
  ) -> (Int, (name: UInt128, fingerprint: UInt128))? {
    if ordinal < UInt64(commits.count), let request = commits[Int(ordinal)].request,
      request.name == name
    {
      return (Int(ordinal), request)
    }
    for (ordinal, commit) in commits.enumerated() {
      if let request = commit.request, request.name == name { return (ordinal, request) }
    }
    return nil
  }

  /// The receipt of the commit with this ordinal, as its caller got it.
  func receipt(of ordinal: Int) -> Receipt {
    let commit = commits[ordinal]
    var versions = streams.map(\.versionBefore)
    var sequence = orgs[commit.orgIndex].firstSequence
    for earlier in commits[..<ordinal] {
      if earlier.orgIndex == commit.orgIndex { sequence &+= UInt64(earlier.eventCount) }
      for event in events[earlier.firstEvent..<earlier.firstEvent + earlier.eventCount] {
        versions[event.streamIndex] &+= 1
      }
    }
    var order: [Int] = []
    for event in events[commit.firstEvent..<commit.firstEvent + commit.eventCount] {
      versions[event.streamIndex] &+= 1
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
    for event in events { versions[event.streamIndex] &+= 1 }
    return entries(
      hash, streamHashes: streams.map { hash.stream($0.id, org: orgs[$0.orgIndex].id) },
      versions: versions, sequences: nextSequences().map(\.1))
  }

  /// The same for who knows the hashes of its streams already, and their versions and its orgs' sequences after it.
  func entries(
    _ hash: IndexHash, streamHashes: [UInt64], versions: [UInt64], sequences: [UInt64]
  ) -> [IndexEntry] {
    var entries: [IndexEntry] = []
    entries.reserveCapacity(streams.count + orgs.count + commits.count)
    func add(_ hash: UInt64, _ detail: UInt64) {
      entries.append(IndexEntry(hash: hash, position: header.firstPosition, detail: detail))
    }
    for (hash, version) in zip(streamHashes, versions) { add(hash, version) }
    for (index, org) in orgs.enumerated() { add(hash.org(org.id), sequences[index] &- 1) }
    for ordinal in commits.indices {
      if let request = commits[ordinal].request { add(hash.request(request.name), UInt64(ordinal)) }
    }
    for subject in subjects where subject.streamIndex == nil {
      add(hash.subject(subject.id, org: orgs[subject.orgIndex].id), 0)
    }
    return entries
  }

  /// Each org of the block and its next sequence after it.
  func nextSequences() -> [(OrgID, UInt64)] {
    var sequences = orgs.map(\.firstSequence)
    for index in commits.indices {
      sequences[commits[index].orgIndex] &+= UInt64(commits[index].eventCount)
    }
    return orgs.indices.map { (orgs[$0].id, sequences[$0]) }
  }
}

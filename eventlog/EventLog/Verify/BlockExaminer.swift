import Crypto
import Merkle

/// What one block says, taken apart from all others: found by any thread, put together in order.
struct BlockFindings {
  struct Stretch {
    /// The stream, hashed with 64 bits.
    let hash: UInt64
    let stream: StreamKey
    let versionBefore: UInt64
    let versionAfter: UInt64

    var isEmpty: Bool { versionBefore == versionAfter }
  }

  struct OrgStretch {
    let org: OrgID
    var firstSequence: UInt64
    let nextSequence: UInt64
    /// Of its events here, in order: which of the findings' leaves. Empty where the trees are not looked at.
    var leaves = 0..<0
    /// Why they could not be made: the org's key does not open.
    var leafFailure: String?
  }

  /// Of the first event that it tells of.
  let key: UInt64
  let byteCount: Int
  /// The first events of the block were seen before, in blocks that it took the place of.
  var isPartial = false
  var lastPosition: UInt64
  var eventCount = 0
  var contentByteCount = 0
  var hashedByteCount = 0
  var recordedAtMicros = Int64.min
  var streams: [Stretch] = []
  var orgs: [OrgStretch] = []
  /// Org by org. nil where they could not be made, or nobody asked for them.
  var leaves: [Digest]?
  var entries: [IndexEntry] = []
  /// Hashes of the idempotency keys' names.
  var requests: [UInt64] = []
  /// Hashes of subjects that have a stream of their id here: the index may name the block for them, and need not.
  var implied: [UInt64] = []
  var openedPartCount: UInt64 = 0
  var erasedPartCount: UInt64 = 0
  var problems: [VerificationProblem] = []
}

/// What a pass looks at.
struct Examination: Sendable {
  /// Whether leaves are made.
  var makesLeaves = true
  /// Whether every sealed part is opened.
  var isDeep = false
  /// A further pass that is about the streams of another slice alone.
  var isAboutStreamsAlone = false
}

/// Examines blocks, one after the other. One for each thread.
final class BlockExaminer {
  private let store: LogStore
  private let examination: Examination
  private var batch = EventBatch()

  init(store: LogStore, _ examination: Examination) {
    self.store = store
    self.examination = examination
  }

  func examine(_ block: LogVerifier.RawBlock) -> BlockFindings {
    let (key, bytes, first) = block
    var findings = BlockFindings(key: first, byteCount: bytes.count, lastPosition: first)
    findings.isPartial = first > key
    do {
      let span = unsafe bytes.span.bytes
      let header = try BlockHeader(span, key: key)
      try BlockHeader.checkSum(of: span, key: key)
      findings.lastPosition = header.lastPosition
      findings.eventCount = header.eventCount - Int(first - key)
      findings.recordedAtMicros = header.recordedAtMicros
      findings.contentByteCount = header.contentByteCount
      if examination.isAboutStreamsAlone {
        takeStreams(
          try store.directory(span, header: header), skipping: Int(first - key), &findings)
      } else {
        try take(
          try store.load(span, checked: header, includingSealed: examination.isDeep),
          skipping: Int(first - key), &findings)
      }
    } catch {
      findings.problems.append(
        VerificationProblem(position: key, reason: LogVerifier.reason(error)))
    }
    return findings
  }

  private func take(
    _ block: LoadedBlock, skipping skipCount: Int, _ findings: inout BlockFindings
  ) throws {
    let directory = block.directory
    let (versions, sequences) = takeStreams(directory, skipping: skipCount, &findings)
    if !findings.isPartial { takeEntries(directory, versions, sequences, &findings) }
    findings.orgs = zip(directory.orgs, sequences).map { org, next in
      BlockFindings.OrgStretch(org: org.id, firstSequence: org.firstSequence, nextSequence: next)
    }
    if skipCount > 0 {
      for commit in directory.commits where commit.firstEvent < skipCount {
        let seenCount = min(commit.eventCount, skipCount - commit.firstEvent)
        findings.orgs[commit.orgIndex].firstSequence &+= UInt64(seenCount)
      }
    }
    if examination.makesLeaves { takeLeaves(block, skipping: skipCount, &findings) }
    guard examination.isDeep else { return }
    try block.forEachPlace { place in
      if place.ordinal >= skipCount { try open(block, place, &findings) }
      return true
    }
  }

  private func takeLeaves(
    _ block: LoadedBlock, skipping skipCount: Int, _ findings: inout BlockFindings
  ) {
    var ends: [Int] = []
    var count = 0
    for index in findings.orgs.indices {
      let org = findings.orgs[index]
      ends.append(count)
      count += Int(org.nextSequence - org.firstSequence)
      findings.orgs[index].leaves = ends[index]..<count
    }
    var leaves = [Digest](repeating: Digest(), count: count)
    var keys = LeafKeys(vault: store.vault, leavesOutClosed: true)
    let before = batch.hashedByteCount
    do {
      try keys.forEachLeaf(of: block, from: skipCount, &batch) { orgIndex, leaf in
        leaves[ends[orgIndex]] = leaf
        ends[orgIndex] += 1
      }
      findings.leaves = leaves
      for (index, failure) in keys.failures {
        findings.orgs[index].leafFailure = LogVerifier.reason(failure)
      }
    } catch {
      for index in findings.orgs.indices {
        findings.orgs[index].leafFailure = LogVerifier.reason(error)
      }
    }
    findings.hashedByteCount = batch.hashedByteCount - before
  }

  /// `versions` and `sequences`: after the block, of its streams and of its orgs.
  private func takeEntries(
    _ directory: BlockDirectory, _ versions: [UInt64], _ sequences: [UInt64],
    _ findings: inout BlockFindings
  ) {
    findings.entries = directory.entries(
      store.hash, streamHashes: findings.streams.map { IndexHash.narrow($0.hash) },
      versions: versions, sequences: sequences)
    for index in directory.commits.indices {
      guard let request = directory.commits[index].request else { continue }
      findings.requests.append(store.hash.request(request.name))
    }
    for subject in directory.subjects where subject.streamIndex != nil {
      let org = directory.orgs[subject.orgIndex].id
      findings.implied.append(store.hash.subject(subject.id, org: org))
    }
  }

  /// Takes a stretch of each stream, in the order of the directory, an empty one too. Returns what comes after the block: the
  /// versions of its streams and the sequences of its orgs.
  @discardableResult
  private func takeStreams(
    _ directory: BlockDirectory, skipping skipCount: Int, _ findings: inout BlockFindings
  ) -> (versions: [UInt64], sequences: [UInt64]) {
    let tables = directory.tables
    var versions = tables.streams.map(\.versionBefore)
    var sequences = tables.orgs.map(\.firstSequence)
    var before = versions
    for index in tables.commits.indices {
      let (orgIndex, events) = (tables.commits[index].orgIndex, tables.commits[index].events)
      sequences[orgIndex] &+= UInt64(events.count)
      for ordinal in events {
        let stream = tables.events[ordinal].streamIndex
        if ordinal == skipCount, skipCount > 0 { before = versions }
        versions[stream] &+= 1
        if tables.streams[stream].orgIndex != orgIndex, ordinal >= skipCount {
          findings.problems.append(
            VerificationProblem(
              position: directory.header.firstPosition + UInt64(ordinal),
              reason: "an event's stream belongs to another org"))
        }
      }
    }
    findings.streams.reserveCapacity(versions.count)
    for (index, stream) in tables.streams.enumerated() {
      let name = StreamKey(org: tables.orgs[stream.orgIndex].id, stream: stream.id)
      findings.streams.append(
        BlockFindings.Stretch(
          hash: store.hash.wide(name), stream: name, versionBefore: before[index],
          versionAfter: versions[index]))
    }
    return (versions, sequences)
  }

  private func open(
    _ block: LoadedBlock, _ place: EventPlace, _ findings: inout BlockFindings
  ) throws {
    for part in try block.event(at: place).parts {
      switch part {
      case .opened(nil, _): continue
      case .opened: findings.openedPartCount += 1
      case .erased: findings.erasedPartCount += 1
      }
    }
  }
}

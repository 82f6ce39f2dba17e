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
  }

  struct OrgStretch {
    let org: OrgID
    let firstSequence: UInt64
    let nextSequence: UInt64
    /// Of its events here, in order. Empty where the trees are not looked at.
    var leaves: [Digest] = []
  }

  let key: UInt64
  let byteCount: Int
  var lastPosition: UInt64
  var eventCount = 0
  var contentByteCount = 0
  var recordedAtMicros = Int64.min
  var streams: [Stretch] = []
  var orgs: [OrgStretch] = []
  var entries: [IndexEntry] = []
  /// Hashes of the idempotency keys' names.
  var requests: [UInt64] = []
  var openedPartCount: UInt64 = 0
  var erasedPartCount: UInt64 = 0
  var problems: [VerificationProblem] = []
}

/// What a pass looks at.
struct Examination {
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
  private let hasher = LeafHasher()
  private let keys: LeafKeys

  init(store: LogStore, _ examination: Examination) {
    self.store = store
    self.examination = examination
    keys = LeafKeys(vault: store.vault)
  }

  func examine(_ bytes: [UInt8], key: UInt64) -> BlockFindings {
    var findings = BlockFindings(key: key, byteCount: bytes.count, lastPosition: key)
    do {
      let span = unsafe bytes.span.bytes
      let header = try store.checkedHeader(span, key: key)
      findings.lastPosition = header.lastPosition
      findings.eventCount = header.eventCount
      findings.recordedAtMicros = header.recordedAtMicros
      findings.contentByteCount =
        header.directoryRawBytes + header.payloadRawBytes + header.sealedBytes
      if examination.isAboutStreamsAlone {
        takeStreams(try store.directory(span, header: header), &findings)
      } else {
        try take(
          try store.load(span, key: key, includingSealed: examination.isDeep), &findings)
      }
    } catch {
      findings.problems.append(
        VerificationProblem(position: key, reason: LogVerifier.reason(error)))
    }
    return findings
  }

  private func take(_ block: LoadedBlock, _ findings: inout BlockFindings) throws {
    let directory = block.directory
    takeStreams(directory, &findings)
    findings.entries = directory.entries(store.hash)
    for case let request? in directory.commits.lazy.map(\.request) {
      findings.requests.append(store.hash.request(request.name))
    }
    findings.orgs = zip(directory.orgs, directory.nextSequences()).map { org, next in
      BlockFindings.OrgStretch(
        org: org.id, firstSequence: org.firstSequence, nextSequence: next.1)
    }
    guard examination.makesLeaves || examination.isDeep else { return }
    try block.forEachPlace { place in
      if examination.makesLeaves {
        try keys.makeLeaf(of: block, at: place, hasher)
        findings.orgs[directory.commits[place.commitOrdinal].orgIndex].leaves
          .append(hasher.leafHash)
      }
      if examination.isDeep { try open(block, place, &findings) }
      return true
    }
  }

  private func takeStreams(_ directory: BlockDirectory, _ findings: inout BlockFindings) {
    var counts = [UInt64](repeating: 0, count: directory.streams.count)
    for commit in directory.commits {
      for ordinal in commit.firstEvent..<commit.firstEvent + commit.eventCount {
        let stream = directory.events[ordinal].streamIndex
        counts[stream] += 1
        if directory.streams[stream].orgIndex != commit.orgIndex {
          findings.problems.append(
            VerificationProblem(
              position: directory.header.firstPosition + UInt64(ordinal),
              reason: "an event's stream belongs to another org"))
        }
      }
    }
    findings.streams.reserveCapacity(counts.count)
    for (index, stream) in directory.streams.enumerated() {
      let name = StreamKey(org: directory.orgs[stream.orgIndex].id, stream: stream.id)
      findings.streams.append(
        BlockFindings.Stretch(
          hash: store.hash.wide(name), stream: name, versionBefore: stream.versionBefore,
          versionAfter: stream.versionBefore + counts[index]))
    }
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

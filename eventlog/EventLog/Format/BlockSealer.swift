import Crypto
import Dispatch
import Merkle
import Synchronization
import Vault
import Zstd

/// What sealing adds to a block.
struct SealedArea {
  /// 32 bytes for each personal part.
  var commitments: [UInt8] = []
  /// The sealed parts, one after the other, and the size of each.
  var bytes: [UInt8] = []
  var byteCounts: [Int] = []
  /// One leaf hash for each event.
  var leaves: [Digest] = []

  mutating func append(_ other: SealedArea) {
    commitments += other.commitments
    bytes += other.bytes
    byteCounts += other.byteCounts
    leaves += other.leaves
  }
}

/// Seals the personal parts of a block and hashes its leaves: on all cores where that pays, since it costs
/// more than anything else that the writer does.
final class BlockSealer {
  /// `@unchecked Sendable`: each chunk has its own.
  private final class Context: @unchecked Sendable {
    var cipher = AESGCM()
    var compressors = PartCompressors()
    /// Whose `primed` is ready for.
    var dictionaryID: UInt32 = 0
    let hasher = LeafHasher()

    func prime(_ dictionary: LogDictionary?) throws(ZstdError) {
      guard dictionaryID != dictionary?.id ?? 0 else { return }
      try compressors.primed.use(dictionary?.compression)
      dictionaryID = dictionary?.id ?? 0
    }
  }

  /// About 50 microseconds of work: what waking another thread is worth.
  private static let minEventsPerChunk = 48
  private static let maxChunkCount = 4

  private let vault: Vault
  private var contexts: [Context] = [Context()]
  /// What parts are compressed with; nil until there is one.
  var dictionary: LogDictionary?

  init(vault: Vault) { self.vault = vault }

  func seal(_ block: BlockBuilder, recordedAtMicros: Int64) throws -> SealedArea {
    let input = SealingInput(
      events: block.added, parts: block.personalParts, payload: block.payload,
      streams: block.streams, orgs: block.orgs.map(\.id), types: block.types,
      subjectKeys: try subjectKeys(of: block),
      orgKeys: try block.orgs.map { try available(KeyName.org($0.id.value)) },
      recordedAtMicros: recordedAtMicros, dictionary: dictionary)
    let count = input.events.count
    let chunkCount = max(1, min(Self.maxChunkCount, count / Self.minEventsPerChunk))
    while contexts.count < chunkCount { contexts.append(Context()) }
    if chunkCount == 1 { return try Self.seal(input, 0..<count, contexts[0]) }
    let results = ChunkResults(count: chunkCount)
    let contexts = contexts
    DispatchQueue.concurrentPerform(iterations: chunkCount) { chunk in
      let range = count * chunk / chunkCount..<count * (chunk + 1) / chunkCount
      results.set(chunk, Result { try Self.seal(input, range, contexts[chunk]) })
    }
    return try results.joined()
  }

  private func subjectKeys(of block: BlockBuilder) throws -> [SubjectKey] {
    try block.subjects.map { orgIndex, subject in
      try available(KeyName(org: block.orgs[orgIndex].id.value, subject: subject.value))
    }
  }

  private func available(_ name: KeyName) throws -> SubjectKey {
    switch try vault.key(name) {
    case .available(let key): return key
    case .erased, .missing:
      throw EventLogError.storage(reason: "the vault lost a key that it had just provided")
    }
  }

  private static func seal(
    _ input: SealingInput, _ range: Range<Int>, _ context: Context
  ) throws -> SealedArea {
    var area = SealedArea()
    try context.prime(input.dictionary)
    area.leaves.reserveCapacity(range.count)
    for index in range {
      let event = input.events[index]
      let org = input.orgs[event.orgIndex]
      let orgKey = input.orgKeys[event.orgIndex]
      context.hasher.start(input.header(of: event), partCount: 1 + event.personal.count)
      context.hasher.addPart(
        keyID: orgKey.keyID,
        commitment: unsafe context.hasher.commitment(
          orgKey, org: org, orgSequence: event.orgSequence, part: 0,
          payload: input.payload.span.bytes.extracting(event.payload)))
      for part in event.personal {
        let place = PartPlace(
          org: org, orgSequence: event.orgSequence, index: 1 + part - event.personal.lowerBound,
          schemaVersion: event.schemaVersion)
        let key = input.subjectKeys[input.parts[part].subjectIndex]
        try seal(input.parts[part].payload, key, place, context, &area)
      }
      area.leaves.append(context.hasher.leafHash)
    }
    return area
  }

  private static func seal(
    _ payload: [UInt8], _ key: SubjectKey, _ place: PartPlace, _ context: Context,
    _ area: inout SealedArea
  ) throws {
    let commitment = unsafe context.hasher.commitment(
      key, org: place.org, orgSequence: place.orgSequence, part: place.index,
      payload: payload.span.bytes)
    context.hasher.addPart(keyID: key.keyID, commitment: commitment)
    commitment.append(to: &area.commitments)
    let nonce = Random.bytes(AESGCM.nonceByteCount)
    let content = try SealedPart.encode(
      payload, dictionaryID: context.dictionaryID, &context.compressors)
    let sealed = try context.cipher.seal(
      content, key: key.encryption, nonce: nonce,
      authenticating: place.associated(keyID: key.id))
    area.bytes += nonce
    area.bytes += sealed
    area.byteCounts.append(nonce.count + sealed.count)
  }
}

/// A block's content, as all threads that seal it see it.
private struct SealingInput: Sendable {
  let events: [BlockBuilder.Event]
  let parts: [PartToSeal]
  let payload: [UInt8]
  let streams: [BlockBuilder.Stream]
  let orgs: [OrgID]
  let types: [String]
  let subjectKeys: [SubjectKey]
  let orgKeys: [SubjectKey]
  let recordedAtMicros: Int64
  let dictionary: LogDictionary?

  func header(of event: BlockBuilder.Event) -> LeafHeader {
    LeafHeader(
      org: orgs[event.orgIndex], orgSequence: event.orgSequence,
      recordedAtMicros: recordedAtMicros, stream: streams[event.streamIndex].key.stream,
      streamVersion: event.streamVersion, type: types[event.typeIndex],
      schemaVersion: event.schemaVersion)
  }
}

/// One slot a thread.
private final class ChunkResults: Sendable {
  private let results: Mutex<[Result<SealedArea, any Error>?]>

  init(count: Int) { results = Mutex(Array(repeating: nil, count: count)) }

  func set(_ index: Int, _ result: Result<SealedArea, any Error>) {
    results.withLock { $0[index] = result }
  }

  func joined() throws -> SealedArea {
    var joined = SealedArea()
    for result in results.withLock({ $0 }) {
      guard let result else { preconditionFailure("every chunk was worked on") }
      joined.append(try result.get())
    }
    return joined
  }
}

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

/// Makes blocks of what builders hold: seals the personal parts, hashes the leaves, compresses. On all cores where that
/// pays, since it costs more than anything else that the writer does.
final class BlockFinisher {
  /// `@unchecked Sendable`: each thread has its own.
  private final class Context: @unchecked Sendable {
    var encoder = BlockEncoder(.level(1))
    var cipher = AESGCM()
    var compressors = PartCompressors()
    var batch = EventBatch()
    /// Of the events in the batch.
    var parts: [CommitmentBatch.Part] = []
    /// Whose `primed` is ready for.
    var dictionaryID: UInt32 = 0

    func prime(_ dictionary: LogDictionary?) throws(ZstdError) {
      guard dictionaryID != dictionary?.id ?? 0 else { return }
      try compressors.primed.use(dictionary?.compression)
      dictionaryID = dictionary?.id ?? 0
    }
  }

  /// About 50 microseconds of work: what waking another thread is worth.
  private static let minEventsPerChunk = 48
  private static let maxThreadCount = 4

  private let vault: Vault
  private var contexts: [Context] = [Context()]
  /// What parts are compressed with; nil until there is one.
  var dictionary: LogDictionary?

  init(vault: Vault) { self.vault = vault }

  /// Empties `builders`. The blocks come in the same order, one of each.
  func finish(
    _ builders: [BlockBuilder], recordedAtMicros: Int64, hash: IndexHash
  ) throws -> [EncodedBlock] {
    let group = Group(
      vault: vault, dictionary: dictionary, recordedAtMicros: recordedAtMicros, hash: hash)
    let threadCount = min(Self.maxThreadCount, builders.count)
    provideContexts(max(threadCount, 1))
    guard threadCount > 1 else {
      return try builders.map { builder in
        let sealed = try sealInChunks(try group.input(of: builder))
        return try group.finish(builder, sealed, &self.contexts[0].encoder)
      }
    }
    let results = OrderedResults<EncodedBlock>(count: builders.count)
    let contexts = contexts
    DispatchQueue.concurrentPerform(iterations: threadCount) { thread in
      while let index = results.take() {
        results.set(
          index,
          Result {
            let input = try group.input(of: builders[index])
            let sealed = try Self.seal(input, input.events.indices, contexts[thread])
            return try group.finish(builders[index], sealed, &contexts[thread].encoder)
          })
      }
    }
    return try results.all()
  }

  private func provideContexts(_ count: Int) {
    while contexts.count < count { contexts.append(Context()) }
  }

  /// Of a block that is alone: several threads take a stretch of its events each.
  private func sealInChunks(_ input: SealingInput) throws -> SealedArea {
    let count = input.events.count
    let chunkCount = max(1, min(Self.maxThreadCount, count / Self.minEventsPerChunk))
    provideContexts(chunkCount)
    if chunkCount == 1 { return try Self.seal(input, 0..<count, contexts[0]) }
    let results = OrderedResults<SealedArea>(count: chunkCount)
    let contexts = contexts
    DispatchQueue.concurrentPerform(iterations: chunkCount) { chunk in
      let range = count * chunk / chunkCount..<count * (chunk + 1) / chunkCount
      results.set(chunk, Result { try Self.seal(input, range, contexts[chunk]) })
    }
    return try results.all().reduce(into: SealedArea()) { $0.append($1) }
  }

  private static func seal(
    _ input: SealingInput, _ range: Range<Int>, _ context: Context
  ) throws -> SealedArea {
    var area = SealedArea()
    try context.prime(input.dictionary)
    area.leaves.reserveCapacity(range.count)
    for first in stride(from: range.lowerBound, to: range.upperBound, by: EventBatch.maxCount) {
      let events = input.events[first..<min(first + EventBatch.maxCount, range.upperBound)]
      commit(events, input, context)
      context.batch.leaves.begin(events.count) { index in
        let event = events.startIndex + index
        return LeafBatch.byteCount(
          type: input.types[events[event].typeIndex], partCount: 1 + events[event].personal.count)
      }
      writeLeaves(events, input, context)
      var next = 0
      for event in events { try seal(event, input, context, &next, &area) }
      context.batch.leaves.finish { _, leaf in area.leaves.append(leaf) }
    }
    return area
  }

  /// Makes the commitments of all parts, in order.
  private static func commit(
    _ events: ArraySlice<BlockBuilder.Event>, _ input: SealingInput, _ context: Context
  ) {
    context.parts.removeAll(keepingCapacity: true)
    for event in events { input.addParts(of: event, to: &context.parts) }
    let parts = context.parts
    context.batch.commitments.begin(parts.count) { parts[$0] }
    writePayloads(events, input, &context.batch.commitments)
    context.batch.commitments.finish()
  }

  private static func writePayloads(
    _ events: ArraySlice<BlockBuilder.Event>, _ input: SealingInput,
    _ commitments: inout CommitmentBatch
  ) {
    var next = 0
    for event in events {
      commitments.write(
        unsafe input.payload.span.bytes.extracting(event.payload), of: next)
      next += 1
      for part in event.personal {
        let payload = input.parts[part].payload
        commitments.write(unsafe payload.span.bytes, of: next)
        next += 1
      }
    }
  }

  /// With the commitments of all parts, which are finished.
  private static func writeLeaves(
    _ events: ArraySlice<BlockBuilder.Event>, _ input: SealingInput, _ context: Context
  ) {
    var places: [Int] = []
    places.reserveCapacity(2 * events.count)
    context.batch.leaves.write { starts, target in
      for (index, event) in events.enumerated() {
        let first = LeafBatch.write(
          input.header(of: event), type: input.types[event.typeIndex],
          partCount: 1 + event.personal.count, at: Int(starts[index]), to: &target)
        var place = LeafBatch.writePart(
          input.orgKeys[event.orgIndex].keyID, at: first, to: &target)
        places.append(place)
        for part in event.personal {
          place = LeafBatch.writePart(
            input.subjectKeys[input.parts[part].subjectIndex].keyID,
            at: place + Digest.byteCount, to: &target)
          places.append(place)
        }
      }
    }
    context.batch.leaves.write(context.batch.commitments, at: places)
  }

  /// Seals the personal parts of an event. `next`: which commitment is its first.
  private static func seal(
    _ event: BlockBuilder.Event, _ input: SealingInput, _ context: Context, _ next: inout Int,
    _ area: inout SealedArea
  ) throws {
    let first = next
    next += 1 + event.personal.count
    for (ordinal, part) in event.personal.enumerated() {
      let key = input.subjectKeys[input.parts[part].subjectIndex]
      context.batch.commitments.commitment(of: first + 1 + ordinal)
        .append(to: &area.commitments)
      let place = PartPlace(
        org: input.orgs[event.orgIndex], orgSequence: event.orgSequence, index: 1 + ordinal,
        schemaVersion: event.schemaVersion)
      try seal(input.parts[part].payload, key, place, context, &area)
    }
  }

  private static func seal(
    _ payload: [UInt8], _ key: SubjectKey, _ place: PartPlace, _ context: Context,
    _ area: inout SealedArea
  ) throws {
    let nonce = Random.bytes(AESGCM.nonceByteCount)
    let content = try SealedPart.encode(
      payload, dictionaryID: context.dictionaryID, &context.compressors)
    let start = area.bytes.count
    area.bytes += nonce
    try context.cipher.seal(
      content, key: key.encryption, nonce: nonce,
      authenticating: place.associated(keyID: key.keyID), appendingTo: &area.bytes)
    area.byteCounts.append(area.bytes.count - start)
  }
}

/// What the blocks of one group have in common.
private struct Group: Sendable {
  let vault: Vault
  let dictionary: LogDictionary?
  let recordedAtMicros: Int64
  let hash: IndexHash

  func input(of block: BlockBuilder) throws -> SealingInput {
    SealingInput(
      events: block.added, parts: block.personalParts, payload: block.payload,
      streams: block.streams, orgs: block.orgs.map(\.id), types: block.types.map { Array($0.utf8) },
      subjectKeys: try subjectKeys(of: block),
      orgKeys: try block.orgs.map { try available(KeyName.org($0.id.value)) },
      recordedAtMicros: recordedAtMicros, dictionary: dictionary)
  }

  func finish(
    _ builder: BlockBuilder, _ sealed: SealedArea, _ encoder: inout BlockEncoder
  ) throws -> EncodedBlock {
    try builder.finish(
      sealed, dictionary: dictionary, recordedAtMicros: recordedAtMicros, hash: hash,
      encoder: &encoder)
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
}

/// A block's content, as all threads that seal it see it.
private struct SealingInput: Sendable {
  let events: [BlockBuilder.Event]
  let parts: [PartToSeal]
  let payload: [UInt8]
  let streams: [BlockBuilder.Stream]
  let orgs: [OrgID]
  let types: [[UInt8]]
  let subjectKeys: [SubjectKey]
  let orgKeys: [SubjectKey]
  let recordedAtMicros: Int64
  let dictionary: LogDictionary?

  /// What the commitments of an event are made of.
  func addParts(of event: BlockBuilder.Event, to added: inout [CommitmentBatch.Part]) {
    func add(_ key: SubjectKey, _ index: Int, _ byteCount: Int) {
      added.append(
        CommitmentBatch.Part(
          key: key.salt.chains, org: orgs[event.orgIndex], orgSequence: event.orgSequence,
          index: index, payloadByteCount: byteCount))
    }
    add(orgKeys[event.orgIndex], 0, event.payload.count)
    for index in event.personal {
      add(
        subjectKeys[parts[index].subjectIndex], 1 + index - event.personal.lowerBound,
        parts[index].payload.count)
    }
  }

  func header(of event: BlockBuilder.Event) -> LeafBatch.Header {
    LeafBatch.Header(
      org: orgs[event.orgIndex], orgSequence: event.orgSequence,
      recordedAtMicros: recordedAtMicros, stream: streams[event.streamIndex].key.stream,
      streamVersion: event.streamVersion, schemaVersion: event.schemaVersion)
  }
}

/// What several threads work out, in the order of what was asked.
private final class OrderedResults<Value: Sendable>: Sendable {
  private struct State {
    var next = 0
    var results: [Result<Value, any Error>?]
  }

  private let state: Mutex<State>

  init(count: Int) { state = Mutex(State(results: Array(repeating: nil, count: count))) }

  /// What nobody has begun; nil where everything was begun.
  func take() -> Int? {
    state.withLock { state in
      guard state.next < state.results.count else { return nil }
      defer { state.next += 1 }
      return state.next
    }
  }

  func set(_ index: Int, _ result: Result<Value, any Error>) {
    state.withLock { $0.results[index] = result }
  }

  func all() throws -> [Value] {
    try state.withLock { $0.results }.map { result in
      guard let result else { preconditionFailure("everything was worked on") }
      return try result.get()
    }
  }
}

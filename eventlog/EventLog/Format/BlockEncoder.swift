import Zstd

/// All that a block holds.
struct BlockContent {
  let firstPosition: UInt64
  /// Of the last commit.
  let recordedAtMicros: Int64
  /// Which dictionary the sealed parts were made with; nil: none.
  let dictionary: LogDictionary?
  var tables: BlockTables
  /// The org's parts, in the order of the events.
  var payload: [UInt8]
  var commitments: [UInt8]
  var sealed: [UInt8]
}

/// Puts blocks together, one after the other. Byte layout: eventlog/README.md, "Block".
struct BlockEncoder: ~Copyable {
  /// Larger frames hold enough to learn from themselves.
  private static let maxPrimedBytes = 16 << 10

  private var plain: Compressor
  private var primed: Compressor
  private var primedID: UInt32 = 0

  init(_ effort: CompressionEffort) {
    plain = Compressor(effort)
    primed = Compressor(.level(LogDictionary.level))
  }

  mutating func encode(_ content: BlockContent) throws -> (header: BlockHeader, bytes: [UInt8]) {
    let tables = content.tables
    var header = BlockHeader(
      firstPosition: content.firstPosition, eventCount: tables.events.count,
      commitCount: tables.commits.count, recordedAtMicros: content.recordedAtMicros,
      orgFilter: Self.filter(tables.orgs.map { SkipFilter.hash(of: $0.id) }),
      typeFilter: Self.filter(tables.types.map { SkipFilter.hash(of: $0) }))
    let directory = DirectoryEncoder(tables, header: header)
    let payload = tables.groupedByType(content.payload)
    let frameBytes = directory.columns.count + payload.count
    let dictionary = frameBytes <= Self.maxPrimedBytes ? content.dictionary : nil
    header.dictionaryID = content.dictionary?.id ?? 0
    header.flags = dictionary == nil ? 0 : BlockHeader.framesUseDictionary
    var frames: [UInt8] = []
    header.directoryRawBytes = directory.columns.count
    header.directoryStoredBytes = try store(directory.columns, into: &frames, dictionary)
    header.payloadRawBytes = payload.count
    header.payloadStoredBytes = try store(payload, into: &frames, dictionary)
    header.idBytes = directory.ids.count
    header.commitmentBytes = content.commitments.count
    header.sealedBytes = content.sealed.count
    var bytes: [UInt8] = []
    bytes.reserveCapacity(header.byteCount)
    header.append(to: &bytes)
    bytes.append(contentsOf: frames)
    bytes.append(contentsOf: directory.ids)
    bytes.append(contentsOf: content.commitments)
    bytes.append(contentsOf: content.sealed)
    bytes.appendLittle(unsafe XXH64.hash(bytes.span.bytes, seed: content.firstPosition))
    return (header, bytes)
  }

  /// Compressed where that is smaller; a frame as large as its content is the content.
  private mutating func store(
    _ content: [UInt8], into frames: inout [UInt8], _ dictionary: LogDictionary?
  ) throws -> Int {
    let start = frames.count
    let size: Int
    if let dictionary {
      if primedID != dictionary.id { try primed.use(dictionary.compression) }
      primedID = dictionary.id
      size = try unsafe primed.compress(content.span.bytes, appendingTo: &frames)
    } else {
      size = try unsafe plain.compress(content.span.bytes, appendingTo: &frames)
    }
    if size < content.count { return size }
    frames.removeLast(frames.count - start)
    frames.append(contentsOf: content)
    return content.count
  }

  private static func filter(_ hashes: [UInt64]) -> SkipFilter {
    var filter = SkipFilter(memberCount: hashes.count)
    for hash in hashes { filter.insert(hash) }
    return filter
  }
}

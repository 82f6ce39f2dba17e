import LMDB
import Merkle
import Synchronization
import Vault
import Zstd

/// The log's tables, as the writer and every reader see them. Byte layout: eventlog/README.md.
final class LogStore: Sendable {
  static let metaTable = "meta"
  static let formatKey = Array("format".utf8)

  static let tables: [String: KeyKind] = [
    metaTable: .bytes, "blocks": .number, "runs": .number, "orgs": .bytes, "nodes": .bytes,
    "heads": .bytes, "dictionaries": .number,
  ]

  let folder: LogFolder
  let environment: Environment
  let vault: Vault
  let meta: Table
  let blocks: Table
  let runs: Table
  let orgs: Table
  /// Roots of the trees' complete subtrees at every eighth level.
  let nodes: Table
  /// The checkpoints signed last.
  let heads: Table
  let dictionaryTable: Table
  let dictionaries: LogDictionaries
  let format: LogFormat
  let partTools = PartToolPool()
  let recent = RecentBlocks()
  let tail = Mutex<IndexTail?>(nil)
  /// The last block, once its checksum was compared.
  let checkedLast = Mutex<CheckedBlock?>(nil)
  let knownRuns = Mutex<KnownRuns?>(nil)
  /// Runs whose checksum this process has compared.
  let checkedRuns = Mutex<Set<CheckedRun>>([])
  /// What the writer of this process has stored events of since it wrote rows of subtrees last. Other processes make those
  /// few subtrees of leaves.
  let newestSlots = Mutex(TileSlots())
  /// The trees of full tiles whose stored rows this process has compared with each other: of each org that it has signed for.
  let checkedTrees = Mutex<[OrgID: Frontier]>([:])

  private let isClosed = Atomic<Bool>(false)

  var hash: IndexHash { IndexHash(seed: format.hashSeed) }

  /// - Throws: `.storage` where `environment` holds no log, or one of another format.
  init(
    _ folder: LogFolder, _ environment: Environment, vault: Vault
  ) throws(EventLogError) {
    self.folder = folder
    self.environment = environment
    self.vault = vault
    let meta = environment.table(Self.metaTable)
    self.meta = meta
    blocks = environment.table("blocks")
    runs = environment.table("runs")
    orgs = environment.table("orgs")
    nodes = environment.table("nodes")
    heads = environment.table("heads")
    dictionaryTable = environment.table("dictionaries")
    dictionaries = LogDictionaries(environment, table: dictionaryTable)
    let bytes = try mappingErrors {
      try environment.read { transaction throws in
        try transaction.withValue(forKey: Self.formatKey, in: meta) { span in
          (0..<span.byteCount).map { span.load8(at: $0) }
        }
      }
    }
    guard let bytes else { throw .storage(reason: "there is no event log in this directory") }
    format = try LogFormat(bytes)
  }
}

extension LogStore {
  /// Runs `body` on a snapshot.
  ///
  /// - Throws: `.closed` after `close()`, although the environment may be open for others.
  func reading<Result>(_ body: (borrowing ReadTransaction) throws -> Result) throws -> Result {
    try requireOpen()
    try vault.refresh()
    return try environment.read(body)
  }

  func requireOpen() throws(EventLogError) {
    guard !isClosed.load(ordering: .acquiring) else { throw .closed }
  }

  /// Gives up the environment. A second call does nothing.
  func close() {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    vault.close()
    environment.close()
  }
}

/// Which block of the log, and with which bytes.
struct CheckedBlock: Equatable {
  let firstPosition: UInt64
  let lastPosition: UInt64
  let checksum: UInt64

  init(_ block: RawSpan, _ header: BlockHeader) {
    firstPosition = header.firstPosition
    lastPosition = header.lastPosition
    checksum = block.load64(at: block.byteCount - 8)
  }
}

struct CheckedRun: Hashable {
  let firstPosition: UInt64
  let lastPosition: UInt64
}

/// The record `format` of the table `meta`: written once, when the log is created.
struct LogFormat {
  static let version: UInt8 = 1

  /// Random; another log has another one.
  let logID: UInt128
  let hashSeed: UInt64
  let createdAtMicros: Int64
  /// How many histories this log has had: 1, and one more after each restore to an earlier state, so
  /// that checkpoints of both never contradict each other under one name.
  let incarnation: UInt32

  init(logID: UInt128, hashSeed: UInt64, createdAtMicros: Int64, incarnation: UInt32 = 1) {
    self.incarnation = incarnation
    self.logID = logID
    self.hashSeed = hashSeed
    self.createdAtMicros = createdAtMicros
  }

  init(_ bytes: [UInt8]) throws(EventLogError) {
    guard bytes.count == 48 else { throw .corrupted(position: 0, reason: "no format record") }
    let span = unsafe bytes.span.bytes
    guard span.load64(at: 40) == XXH64.hash(span.extracting(0..<40), seed: 0) else {
      throw .corrupted(position: 0, reason: "the format record fails its checksum")
    }
    guard bytes[0] == Self.version else {
      throw .storage(reason: "the log has format version \(bytes[0]), not \(Self.version)")
    }
    incarnation = span.load32(at: 4)
    hashSeed = span.load64(at: 8)
    createdAtMicros = Int64(bitPattern: span.load64(at: 16))
    logID = UInt128(span.load64(at: 32)) << 64 | UInt128(span.load64(at: 24))
  }

  var bytes: [UInt8] {
    var bytes: [UInt8] = [Self.version, 0, 0, 0]
    bytes.appendLittle(incarnation)
    bytes.appendLittle(hashSeed)
    bytes.appendLittle(createdAtMicros)
    bytes.appendLittle(logID)
    bytes.appendLittle(unsafe XXH64.hash(bytes.span.bytes, seed: 0))
    return bytes
  }
}

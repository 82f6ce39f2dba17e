import LMDB
import Synchronization
import Zstd

/// What sealed parts and small frames are compressed with: trained on the log itself.
final class LogDictionary: Sendable {
  /// Higher ones cost more than they save on parts of a hundred bytes.
  static let level: Int32 = 3

  let id: UInt32
  /// The position of the last event that it was learnt from.
  let headWhenLearnt: UInt64
  let compression: CompressionDictionary
  let decompression: DecompressionDictionary

  init(id: UInt32, record: DictionaryRecord) {
    self.id = id
    headWhenLearnt = record.head
    let bytes = record.dictionary
    compression = CompressionDictionary(bytes, level: Self.level)
    decompression = DecompressionDictionary(bytes)
  }
}

/// A row of the table `dictionaries`. Key: the id, from 1. Byte layout: eventlog/README.md.
struct DictionaryRecord {
  private static let formatVersion: UInt8 = 1
  private static let headerBytes = 16

  /// The log's last position when it was learnt.
  let head: UInt64
  let dictionary: [UInt8]

  init(head: UInt64, dictionary: [UInt8]) {
    self.head = head
    self.dictionary = dictionary
  }

  /// - Throws: `.corrupted` where the bytes fail their checksum.
  init(_ value: RawSpan, id: UInt32) throws(EventLogError) {
    let end = value.byteCount - 8
    guard end >= Self.headerBytes, value.load8(at: 0) == Self.formatVersion,
      XXH64.hash(value.extracting(0..<end), seed: UInt64(id)) == value.load64(at: end)
    else { throw .corrupted(position: 0, reason: "dictionary \(id) fails its checksum") }
    head = value.load64(at: 8)
    dictionary = LogStore.bytes(value.extracting(Self.headerBytes..<end))
  }

  func encoded(id: UInt32) -> [UInt8] {
    var bytes: [UInt8] = [Self.formatVersion] + [UInt8](repeating: 0, count: 7)
    bytes.appendLittle(head)
    bytes.append(contentsOf: dictionary)
    bytes.appendLittle(unsafe XXH64.hash(bytes.span.bytes, seed: UInt64(id)))
    return bytes
  }
}

/// The log's dictionaries, each made ready once. They are only ever added: what is known stays true.
final class LogDictionaries: Sendable {
  private let environment: Environment
  private let table: Table
  private let known = Mutex<[UInt32: LogDictionary]>([:])

  init(_ environment: Environment, table: Table) {
    self.environment = environment
    self.table = table
  }

  func dictionary(_ id: UInt32) throws -> LogDictionary {
    if let known = known.withLock({ $0[id] }) { return known }
    let record = try environment.read { transaction throws in
      try transaction.withValue(forKey: UInt64(id), in: table) { value in
        try DictionaryRecord(value, id: id)
      }
    }
    guard let record else {
      throw EventLogError.corrupted(position: 0, reason: "dictionary \(id) is missing")
    }
    let made = LogDictionary(id: id, record: record)
    known.withLock { $0[id] = made }
    return made
  }

  /// The newest one; nil where there is none yet.
  func newest() throws -> LogDictionary? {
    let id = try environment.read { transaction throws in
      try transaction.withLast(in: table) { key, _ in UInt32(truncatingIfNeeded: key) }
    }
    return try id.map { try dictionary($0) }
  }
}

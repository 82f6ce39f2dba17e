import LMDB
import Synchronization
import Zstd

/// What sealed parts and small frames are compressed with: trained on the log itself.
final class LogDictionary: Sendable {
  /// Higher ones cost more than they save on parts of a hundred bytes.
  static let level: Int32 = 3

  let id: UInt32
  let compression: CompressionDictionary
  let decompression: DecompressionDictionary

  init(id: UInt32, bytes: [UInt8]) {
    self.id = id
    compression = CompressionDictionary(bytes, level: Self.level)
    decompression = DecompressionDictionary(bytes)
  }
}

/// A row of the table `dictionaries`. Key: the id, from 1. Byte layout: eventlog/README.md.
enum DictionaryRecord {
  static let formatVersion: UInt8 = 1
  private static let headerBytes = 8

  static func encode(_ dictionary: [UInt8], id: UInt32) -> [UInt8] {
    var bytes: [UInt8] = [formatVersion] + [UInt8](repeating: 0, count: headerBytes - 1)
    bytes.append(contentsOf: dictionary)
    bytes.appendLittle(unsafe XXH64.hash(bytes.span.bytes, seed: UInt64(id)))
    return bytes
  }

  /// - Throws: `.corrupted` where the bytes fail their checksum.
  static func decode(_ value: RawSpan, id: UInt32) throws(EventLogError) -> [UInt8] {
    let end = value.byteCount - 8
    guard end >= headerBytes, value.load8(at: 0) == formatVersion,
      XXH64.hash(value.extracting(0..<end), seed: UInt64(id)) == value.load64(at: end)
    else { throw .corrupted(position: 0, reason: "dictionary \(id) fails its checksum") }
    return LogStore.bytes(value.extracting(headerBytes..<end))
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
    let bytes = try environment.read { transaction throws in
      try transaction.withValue(forKey: UInt64(id), in: table) { value in
        try DictionaryRecord.decode(value, id: id)
      }
    }
    guard let bytes else {
      throw EventLogError.corrupted(position: 0, reason: "dictionary \(id) is missing")
    }
    let made = LogDictionary(id: id, bytes: bytes)
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

// Sealed parts: what the block's last area holds. Byte layout: eventlog/README.md, "Sealed part".

import Crypto
import Synchronization
import Vault
import Zstd

/// How a part is stored: the low two bits of its code in the directory.
enum PartStorage: Int {
  /// In the payload frame. The org's part only.
  case clear = 0
  case sealed = 1
  /// Its subject was erased and its bytes were taken out.
  case dropped = 2
}

/// Where a part belongs. Everything of it goes into the associated data, so that a sealed part opens
/// nowhere else.
struct PartPlace {
  let org: OrgID
  let orgSequence: UInt64
  let index: Int
  let schemaVersion: UInt16

  /// Org (16) ‖ org sequence (8) ‖ part index (1) ‖ key id (16) ‖ schema version (2), big-endian.
  func associated(keyID: KeyID) -> [UInt8] {
    var bytes: [UInt8] = []
    write(associatedWith: keyID, to: &bytes)
    return bytes
  }

  /// The same in place of what `bytes` held, whose memory is used again.
  func write(associatedWith keyID: KeyID, to bytes: inout [UInt8]) {
    bytes.removeAll(keepingCapacity: true)
    bytes.reserveCapacity(43)
    bytes.appendBig(org.value)
    bytes.appendBig(orgSequence)
    bytes.append(UInt8(index))
    keyID.append(to: &bytes)
    bytes.appendBig(schemaVersion)
  }
}

/// Nonce (12), ciphertext, tag (16). What is sealed begins with a varint that says how:
/// 0 the content itself; 1 its size and a zstd frame; n its size and a bare block made with dictionary n - 1.
enum SealedPart {
  static let overheadBytes = AESGCM.nonceByteCount + AESGCM.tagByteCount + 1
  static let verbatim: UInt64 = 0
  static let compressed: UInt64 = 1
  /// Below this a frame's own header eats what it saves.
  private static let minBytesToCompress = 128

  static func encode(
    _ payload: [UInt8], dictionaryID: UInt32, _ compressors: inout PartCompressors
  ) throws(ZstdError) -> [UInt8] {
    var bytes: [UInt8] = []
    if dictionaryID != 0 {
      bytes.appendVarint(UInt64(dictionaryID) + 1)
      bytes.appendVarint(payload.count)
      let isBare = try unsafe compressors.primed.compressBare(
        payload.span.bytes, appendingTo: &bytes)
      if isBare, bytes.count <= payload.count { return bytes }
      bytes.removeAll(keepingCapacity: true)
    }
    if payload.count >= minBytesToCompress {
      bytes.appendVarint(compressed)
      bytes.appendVarint(payload.count)
      _ = try unsafe compressors.plain.compress(payload.span.bytes, appendingTo: &bytes)
      if bytes.count <= payload.count { return bytes }
      bytes.removeAll(keepingCapacity: true)
    }
    bytes.appendVarint(verbatim)
    bytes.append(contentsOf: payload)
    return bytes
  }

  static func decode(
    _ content: [UInt8], _ decompressor: inout Decompressor,
    dictionary: (UInt32) throws -> LogDictionary
  ) throws -> [UInt8] {
    var reader = ByteReader(content)
    let form = try reader.varint()
    if form == verbatim { return Array(content[reader.offset...]) }
    let count = try reader.count(upTo: CommitRules.maxPartBytes)
    let rest = unsafe content.span.bytes.extracting(reader.offset..<content.count)
    if form == compressed {
      try decompressor.use(nil)
      return try decompressor.decompress(rest, byteCount: count)
    }
    guard form - 1 <= UInt64(UInt32.max) else {
      throw MalformedBytes(reason: "a sealed part in an unknown encoding")
    }
    try decompressor.use(try dictionary(UInt32(form - 1)).decompression)
    return try decompressor.decompressBare(rest, byteCount: count)
  }
}

/// For one thread.
struct PartCompressors: ~Copyable {
  var plain = Compressor(.level(1))
  /// With the dictionary that was given last.
  var primed = Compressor(.level(LogDictionary.level))
}

struct PartToSeal {
  let payload: [UInt8]
  let subjectIndex: Int
}

/// What decompressing blocks and opening parts takes: contexts and buffers that cost more to make than a part to open.
struct PartTools: ~Copyable {
  var decompressor = Decompressor()
  private var cipher = AESGCM()
  private var associated: [UInt8] = []

  /// What was sealed at `place`.
  ///
  /// - Throws: `CryptoError`, `ZstdError` or `MalformedBytes` where the bytes are something else.
  mutating func open(
    _ sealed: RawSpan, _ key: SubjectKey, _ place: PartPlace,
    dictionary: (UInt32) throws -> LogDictionary
  ) throws -> [UInt8] {
    place.write(associatedWith: key.keyID, to: &associated)
    let associated = associated
    let nonceCount = min(AESGCM.nonceByteCount, sealed.byteCount)
    let content = try unsafe cipher.open(
      sealed.extracting(nonceCount..<sealed.byteCount), key: key.encryption,
      nonce: sealed.extracting(0..<nonceCount), authenticating: associated.span.bytes)
    return try SealedPart.decode(content, &decompressor, dictionary: dictionary)
  }
}

/// Tools that are lent to one caller after another.
final class PartToolPool: Sendable {
  /// `@unchecked Sendable`: in the pool or lent to one caller, never both.
  final class Box: @unchecked Sendable {
    var tools = PartTools()
  }

  private let idle = Mutex<[Box]>([])

  /// To be given back.
  func take() -> Box { idle.withLock { $0.popLast() } ?? Box() }

  func giveBack(_ box: Box) { idle.withLock { $0.append(box) } }

  func withTools<Result>(_ body: (inout PartTools) throws -> Result) rethrows -> Result {
    let box = take()
    defer { giveBack(box) }
    return try body(&box.tools)
  }
}

/// Opens the parts of one block. Asks the vault once for each subject.
final class PartOpener {
  private let directory: BlockDirectory
  private let vault: Vault
  private let dictionaries: LogDictionaries
  /// By the subjects' indexes; empty until the first one is asked for.
  private var states: [KeyState?] = []
  /// The one that was used last: mostly all parts of a block have the same.
  private var dictionary: LogDictionary?
  private let pool: PartToolPool
  /// Taken with the first part.
  private var box: PartToolPool.Box?

  init(_ store: LogStore, _ directory: BlockDirectory) {
    self.directory = directory
    vault = store.vault
    dictionaries = store.dictionaries
    pool = store.partTools
  }

  deinit {
    if let box { pool.giveBack(box) }
  }

  /// Looks up the keys of all subjects of `org`, or of all orgs, at once: what who reads the whole block does first.
  func prepare(_ org: OrgID?) throws(EventLogError) {
    makeStates()
    let indexes = directory.subjects.indices.filter { index in
      let owner = directory.orgs[directory.subjects[index].orgIndex].id
      return states[index] == nil && (org == nil || org == owner)
    }
    let names = indexes.map { index in
      let subject = directory.subjects[index]
      return name(of: subject, org: directory.orgs[subject.orgIndex].id)
    }
    let found = try mappingErrors { () throws -> [KeyState] in
      // Where one does not open, `open` asks for each, and says where it is needed.
      do { return try vault.keys(names) } catch VaultError.damagedRecord { return [] }
    }
    for (index, state) in zip(indexes, found) { states[index] = state }
  }

  /// - Throws: `.keyMissing` without key and tombstone, `.corrupted` where the bytes are not what was
  ///   sealed at `place`.
  func open(
    _ part: BlockDirectory.PartRecord, _ sealed: RawSpan, at place: PartPlace,
    position: UInt64
  ) throws(EventLogError) -> RecordedPart {
    let subject = directory.subjects[part.subjectIndex]
    switch try state(of: part.subjectIndex, subject, org: place.org, position) {
    case .erased: return .erased(subject: subject.id)
    case .missing:
      if part.storage == .dropped { return .erased(subject: subject.id) }
      throw .keyMissing(position: position)
    case .available(let key):
      guard part.storage == .sealed else {
        // Another process may have erased the subject since the vault was looked at last.
        try mappingErrors { try vault.refresh() }
        states[part.subjectIndex] = nil
        if case .erased = try state(of: part.subjectIndex, subject, org: place.org, position) {
          return .erased(subject: subject.id)
        }
        throw .corrupted(position: position, reason: "a part was dropped, but not its key")
      }
      return .opened(subject: subject.id, payload: try open(sealed, key, place, position))
    }
  }

  private func makeStates() {
    if states.isEmpty { states = Array(repeating: nil, count: directory.subjects.count) }
  }

  private func name(of subject: BlockDirectory.Subject, org: OrgID) -> KeyName {
    KeyName(org: org.value, subject: subject.id.value, generation: subject.keyGeneration)
  }

  private func state(
    of index: Int, _ subject: BlockDirectory.Subject, org: OrgID, _ position: UInt64
  ) throws(EventLogError) -> KeyState {
    makeStates()
    if let known = states[index] { return known }
    let name = name(of: subject, org: org)
    let state = try mappingErrors {
      do {
        return try vault.key(name)
      } catch let error as VaultError where error == .damagedRecord {
        throw EventLogError.corrupted(
          position: position, reason: "the key of a part does not open: \(error)")
      }
    }
    states[index] = state
    return state
  }

  private func open(
    _ sealed: RawSpan, _ key: SubjectKey, _ place: PartPlace, _ position: UInt64
  ) throws(EventLogError) -> [UInt8] {
    let box = box ?? pool.take()
    self.box = box
    return try mappingErrors {
      do {
        return try box.tools.open(sealed, key, place) { id throws in
          if let dictionary, dictionary.id == id { return dictionary }
          let other = try dictionaries.dictionary(id)
          dictionary = other
          return other
        }
      } catch let error as CryptoError {
        throw EventLogError.corrupted(
          position: position, reason: "a sealed part does not open: \(error)")
      } catch let error as ZstdError {
        throw EventLogError.corrupted(position: position, reason: error.description)
      } catch let error as MalformedBytes {
        throw EventLogError.corrupted(position: position, reason: error.reason)
      }
    }
  }
}

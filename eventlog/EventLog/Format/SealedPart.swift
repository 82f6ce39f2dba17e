// Sealed parts: what the block's last area holds. Byte layout: eventlog/README.md, "Sealed part".

import Crypto
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

/// Opens the parts of one block. Asks the vault once for each subject.
final class PartOpener {
  private let directory: BlockDirectory
  private let vault: Vault
  private let dictionaries: LogDictionaries
  /// By the subjects' indexes; empty until the first one is asked for.
  private var states: [KeyState?] = []
  private var cipher: AESGCM?
  private var associated: [UInt8] = []
  private let decompressors: DecompressorPool

  init(
    directory: BlockDirectory, vault: Vault, dictionaries: LogDictionaries,
    decompressors: DecompressorPool
  ) {
    self.directory = directory
    self.vault = vault
    self.dictionaries = dictionaries
    self.decompressors = decompressors
  }

  /// - Throws: `.keyMissing` without key and tombstone, `.corrupted` where the bytes are not what was
  ///   sealed at `place`.
  func open(
    _ part: BlockDirectory.PartRecord, _ sealed: ArraySlice<UInt8>, at place: PartPlace,
    position: UInt64
  ) throws(EventLogError) -> RecordedPart {
    let subject = directory.subjects[part.subjectIndex]
    switch try state(of: part.subjectIndex, subject, org: place.org) {
    case .erased: return .erased(subject: subject.id)
    case .missing:
      if part.storage == .dropped { return .erased(subject: subject.id) }
      throw .keyMissing(position: position)
    case .available(let key):
      guard part.storage == .sealed else {
        throw .corrupted(position: position, reason: "a part was dropped, but not its key")
      }
      let content = try decrypt(sealed, key, place, position)
      return .opened(subject: subject.id, payload: try expand(content, position))
    }
  }

  private func state(
    of index: Int, _ subject: BlockDirectory.Subject, org: OrgID
  ) throws(EventLogError) -> KeyState {
    if states.isEmpty { states = Array(repeating: nil, count: directory.subjects.count) }
    if let known = states[index] { return known }
    let name = KeyName(
      org: org.value, subject: subject.id.value, generation: subject.keyGeneration)
    let state = try mappingErrors { try vault.key(name) }
    states[index] = state
    return state
  }

  private func decrypt(
    _ sealed: ArraySlice<UInt8>, _ key: SubjectKey, _ place: PartPlace, _ position: UInt64
  ) throws(EventLogError) -> [UInt8] {
    if cipher == nil { cipher = AESGCM() }
    let opened: [UInt8]?
    do throws(CryptoError) {
      place.write(associatedWith: key.keyID, to: &associated)
      let associated = associated
      let bytes = unsafe sealed.span.bytes
      let nonceCount = min(AESGCM.nonceByteCount, bytes.byteCount)
      opened = try unsafe cipher?.open(
        bytes.extracting(nonceCount..<bytes.byteCount), key: key.encryption,
        nonce: bytes.extracting(0..<nonceCount), authenticating: associated.span.bytes)
    } catch {
      throw .corrupted(position: position, reason: "a sealed part does not open: \(error)")
    }
    guard let opened, !opened.isEmpty else {
      throw .corrupted(position: position, reason: "a sealed part is empty")
    }
    return opened
  }

  private func expand(
    _ content: [UInt8], _ position: UInt64
  ) throws(EventLogError) -> [UInt8] {
    let expanded = try mappingErrors {
      do {
        return try decompressors.withDecompressor { decompressor throws in
          try SealedPart.decode(content, &decompressor) { try dictionaries.dictionary($0) }
        }
      } catch let error as ZstdError {
        throw EventLogError.corrupted(position: position, reason: error.description)
      } catch let error as MalformedBytes {
        throw EventLogError.corrupted(position: position, reason: error.reason)
      }
    }
    return expanded
  }
}

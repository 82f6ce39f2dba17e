import Crypto
import Synchronization

/// Whose key: a subject of an org, or the org itself (`org`), and which of its keys.
package struct KeyName: Hashable, Sendable {
  package let org: UInt128
  /// 0: the org's own key.
  package let subject: UInt128
  /// A compromised key is followed by another one; old parts keep theirs, or their commitments would
  /// change.
  package let generation: UInt32

  package init(org: UInt128, subject: UInt128, generation: UInt32 = 0) {
    self.org = org
    self.subject = subject
    self.generation = generation
  }

  package static func org(_ org: UInt128) -> KeyName { KeyName(org: org, subject: 0) }

  /// Ids are random: both in one number tell names apart as well as one after the other, at half the price.
  package func hash(into hasher: inout Hasher) { hasher.combine(org ^ subject) }

  /// The key id of leaves and of the associated data: 16 bytes that do not tell the subject.
  package var keyID: KeyID {
    var hash = Self.labelled
    hash.update(bigEndian: org)
    hash.update(bigEndian: subject)
    hash.update(bigEndian: generation)
    return KeyID(hash.digest())
  }

  private static let label = Array("daybook/key-id/v1\0".utf8)
  private static let labelled: SHA256 = {
    var hash = SHA256()
    hash.update(label)
    return hash
  }()

  /// The key ids of many names, at less than one by one: hashed together, as many as a core's first cache holds.
  package static func keyIDs(of names: [KeyName]) -> [KeyID] {
    let label = label
    let byteCount = label.count + 16 + 16 + 4
    let width = min(names.count, 64)
    var ids: [KeyID] = []
    ids.reserveCapacity(names.count)
    var messages = SHA256.Messages(count: width, byteCount: byteCount)
    for index in 0..<width {
      let start = messages.offset(of: index)
      var span = messages.bytes.mutableSpan
      var target = unsafe span.mutableBytes
      for (offset, byte) in label.enumerated() {
        target.storeBytes(of: byte, toByteOffset: start + offset, as: UInt8.self)
      }
    }
    var chains: [SHA256.Chain] = []
    for first in stride(from: 0, to: names.count, by: max(width, 1)) {
      let count = min(width, names.count - first)
      for index in 0..<count {
        let (name, start) = (names[first + index], messages.offset(of: index) + label.count)
        var span = messages.bytes.mutableSpan
        var target = unsafe span.mutableBytes
        target.storeBytes(of: name.org.bigEndian, toByteOffset: start, as: UInt128.self)
        target.storeBytes(of: name.subject.bigEndian, toByteOffset: start + 16, as: UInt128.self)
        target.storeBytes(of: name.generation.bigEndian, toByteOffset: start + 32, as: UInt32.self)
      }
      chains.removeAll(keepingCapacity: true)
      chains.append(contentsOf: repeatElement(.start, count: count))
      SHA256.advance(&chains, over: messages)
      for chain in chains { ids.append(KeyID(chain.digest)) }
    }
    return ids
  }

  /// Reads what `bytes` wrote.
  init(_ bytes: [UInt8]) {
    precondition(bytes.count == 36, "a key's name has 36 bytes")
    self.init(
      org: bytes[..<16].reduce(0) { $0 << 8 | UInt128($1) },
      subject: bytes[16..<32].reduce(0) { $0 << 8 | UInt128($1) },
      generation: bytes[32...].reduce(0) { $0 << 8 | UInt32($1) })
  }

  /// Org, subject, generation: big-endian, 36 bytes.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    appendBig(org, to: &bytes)
    appendBig(subject, to: &bytes)
    appendBig(generation, to: &bytes)
    return bytes
  }
}

/// What a subject's 32 random bytes are used for, derived once. A class: it is handed around for every
/// part, and copying its hash states costs more than sealing.
package final class SubjectKey: Sendable {
  private final class Salt: Sendable {
    let keyed: HMACSHA256

    init(_ keyed: HMACSHA256) { self.keyed = keyed }
  }

  private static let encryptionInfo = Array("daybook/enc/v1".utf8)
  private static let saltInfo = Array("daybook/salt/v1".utf8)

  package let keyID: KeyID
  /// For AES-256-GCM.
  package let encryption: [UInt8]
  private let secret: [UInt8]
  private let derivedSalt = AtomicLazyReference<Salt>()

  /// For the salts of the commitments. Derived when it is asked for: whoever only reads does not, and it is half of
  /// what making a key ready costs.
  package var salt: HMACSHA256 {
    if let known = derivedSalt.load() { return known.keyed }
    let key = HKDF.expand(secret, info: Self.saltInfo, byteCount: 32)
    return derivedSalt.storeIfNil(Salt(HMACSHA256(key: key))).keyed
  }

  init(secret: [UInt8], id: KeyID) {
    keyID = id
    self.secret = secret
    encryption = HKDF.expand(secret, info: Self.encryptionInfo, byteCount: 32)
  }
}

/// 16 bytes that name a key and do not tell whose it is.
package struct KeyID: Hashable, Sendable, BitwiseCopyable {
  private let words: (UInt64, UInt64)

  /// The first half of `digest`.
  init(_ digest: SHA256.Digest) { words = digest.firstHalf }

  init(_ bytes: [UInt8]) {
    precondition(bytes.count == 16, "a key id has 16 bytes")
    func word(_ range: Range<Int>) -> UInt64 {
      bytes[range].reduce(0) { $0 << 8 | UInt64($1) }.bigEndian
    }
    words = (word(0..<8), word(8..<16))
  }

  package func append(to bytes: inout [UInt8]) {
    unsafe withUnsafeBytes(of: words) { unsafe bytes.append(contentsOf: $0) }
  }

  package var bytes: [UInt8] { unsafe withUnsafeBytes(of: words) { unsafe Array($0) } }

  package static func == (left: KeyID, right: KeyID) -> Bool { left.words == right.words }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
  }
}

/// That a subject was erased: outlives every key and every backup. Two of one subject are equal: an erasure that is
/// repeated has another moment, and says nothing new.
package struct Tombstone: Hashable, Sendable {
  package let org: UInt128
  package let subject: UInt128
  package let atMicros: Int64

  package init(org: UInt128, subject: UInt128, atMicros: Int64) {
    self.org = org
    self.subject = subject
    self.atMicros = atMicros
  }

  package static func == (left: Tombstone, right: Tombstone) -> Bool {
    left.org == right.org && left.subject == right.subject
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(org ^ subject) }
}

extension RawSpan {
  func load(at offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
}

/// What the vault knows of a key.
package enum KeyState: Sendable {
  case available(SubjectKey)
  /// Destroyed on purpose: the tombstone is there.
  case erased
  /// Neither key nor tombstone: the vault is incomplete.
  case missing
}

func appendBig<Number: FixedWidthInteger>(_ value: Number, to bytes: inout [UInt8]) {
  unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
}

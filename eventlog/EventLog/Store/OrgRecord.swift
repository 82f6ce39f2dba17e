import Crypto

/// A row of the table `orgs`: where an org's book stood at the last index flush.
/// Key: the org's id, big-endian. Byte layout: eventlog/README.md.
struct OrgRecord {
  static let formatVersion: UInt8 = 1

  let org: OrgID
  let nextSequence: UInt64

  init(org: OrgID, nextSequence: UInt64) {
    self.org = org
    self.nextSequence = nextSequence
  }

  init(_ value: RawSpan, key: [UInt8]) throws(EventLogError) {
    guard key.count == 16, value.byteCount >= 17, value.load8(at: 0) == Self.formatVersion else {
      throw .corrupted(position: 0, reason: "not a record of an org")
    }
    let end = value.byteCount - 8
    guard XXH64.hash(value.extracting(0..<end), seed: 0) == value.load64(at: end) else {
      throw .corrupted(position: 0, reason: "the record of an org fails its checksum")
    }
    org = OrgID(key.reduce(0) { $0 << 8 | UInt128($1) })
    nextSequence = value.load64(at: 1)
  }

  static func key(_ org: OrgID) -> [UInt8] {
    var key: [UInt8] = []
    key.appendBig(org.value)
    return key
  }

  var bytes: [UInt8] {
    var bytes = [Self.formatVersion]
    bytes.appendLittle(nextSequence)
    bytes.appendLittle(unsafe XXH64.hash(bytes.span.bytes, seed: 0))
    return bytes
  }
}

/// What the log keeps of an idempotency key's name: callers choose names, so the hash is one that
/// nobody can find collisions for.
enum RequestName {
  static func hash(org: OrgID, name: String) -> UInt128 {
    var input: [UInt8] = []
    input.reserveCapacity(16 + name.utf8.count)
    input.appendLittle(org.value)
    input.append(contentsOf: name.utf8)
    return SHA256.hash(input).prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }
}

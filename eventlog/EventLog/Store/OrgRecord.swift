import Crypto
import Merkle

/// A row of the table `orgs`: where an org's book stood at the last index flush.
/// Key: the org's id, big-endian. Byte layout: eventlog/README.md.
struct OrgRecord {
  static let formatVersion: UInt8 = 1

  let org: OrgID
  let frontier: Frontier
  var nextSequence: UInt64 { frontier.size }

  init(org: OrgID, frontier: Frontier) {
    self.org = org
    self.frontier = frontier
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
    let roots = stride(from: 9, to: end, by: SHA256.digestByteCount).map { offset in
      Digest((offset..<min(offset + SHA256.digestByteCount, end)).map { value.load8(at: $0) })
    }
    guard let frontier = Frontier(size: value.load64(at: 1), roots: roots.compactMap { $0 }) else {
      throw .corrupted(position: 0, reason: "the record of an org contradicts itself")
    }
    self.frontier = frontier
  }

  static func key(_ org: OrgID) -> [UInt8] {
    var key: [UInt8] = []
    key.appendBig(org.value)
    return key
  }

  var bytes: [UInt8] {
    var bytes = [Self.formatVersion]
    bytes.appendLittle(nextSequence)
    for root in frontier.subtreeRoots { root.append(to: &bytes) }
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

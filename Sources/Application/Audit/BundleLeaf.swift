import Crypto
import EventLog

/// A leaf read back from its bytes: eventlog/README.md, "Leaf". Apart from the code that makes leaves, so
/// that one checks the other.
struct BundleLeaf {
  struct Part {
    let keyID: [UInt8]
    let commitment: [UInt8]
  }

  private static let magic = Array("DAYB".utf8) + [1]
  private static let partBytes = 49

  let org: [UInt8]
  let sequence: UInt64
  let timeMicros: UInt64
  let stream: [UInt8]
  let version: UInt64
  let type: String
  let parts: [Part]
  /// Org ‖ sequence: what commitments are bound to.
  let place: [UInt8]

  /// Of the subject that the stream is.
  var keyIDOfStream: [UInt8]? {
    guard let org = UInt128(Hex.encode(org), radix: 16),
      let subject = UInt128(Hex.encode(stream), radix: 16)
    else { return nil }
    return SubjectID(subject).keyID(in: OrgID(org))
  }

  /// nil where `bytes` are not exactly one leaf.
  init?(_ bytes: [UInt8]) {
    guard bytes.count > 66, Array(bytes[0..<5]) == Self.magic else { return nil }
    org = Array(bytes[5..<21])
    sequence = Self.number(bytes[21..<29])
    timeMicros = Self.number(bytes[29..<37])
    stream = Array(bytes[37..<53])
    version = Self.number(bytes[53..<61])
    place = Array(bytes[5..<29])
    let typeEnd = 62 + Int(bytes[61])
    guard bytes.count > typeEnd + 4,
      let type = String(validating: bytes[62..<typeEnd], as: UTF8.self)
    else { return nil }
    self.type = type
    // Schema version (2), flags (2), parts (1).
    guard bytes[typeEnd + 2] == 0, bytes[typeEnd + 3] == 0,
      bytes.count == typeEnd + 5 + Int(bytes[typeEnd + 4]) * Self.partBytes
    else { return nil }
    var parts: [Part] = []
    for start in stride(from: typeEnd + 5, to: bytes.count, by: Self.partBytes) {
      guard bytes[start] == 1 else { return nil }
      parts.append(
        Part(
          keyID: Array(bytes[start + 1..<start + 17]),
          commitment: Array(bytes[start + 17..<start + Self.partBytes])))
    }
    self.parts = parts
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Whether `payload` is what part `index` committed to.
  func isOpened(part index: Int, salt: [UInt8], payload: [UInt8]) -> Bool {
    let message = Array("daybook/part/v1\0".utf8) + place + [UInt8(index)] + payload
    return salt.count == 32
      && HMACSHA256.authenticate(message, key: salt) == parts[index].commitment
  }
}

internal import Crypto
package import Domain
package import EventCodec
internal import Postgres

/// How far a projection is, and a digest of what it saw.
package struct Checkpoint: Sendable, Equatable {
  /// Everything up to here is in the rows (or was none of the projection's business, or is parked).
  package var position: UInt64
  package var root: HistoryRoot
  /// When the log took the event at `position`, as far as known.
  package var recordedAtMicros: Micros?

  package static let start = Checkpoint(position: 0, root: HistoryRoot(), recordedAtMicros: nil)

  package init(position: UInt64, root: HistoryRoot, recordedAtMicros: Micros?) {
    self.position = position
    self.root = root
    self.recordedAtMicros = recordedAtMicros
  }
}

/// The sum of the fingerprints of all consumed events: their places and names, positions included, so
/// that the order of adding does not matter (a parked event comes late) and equal roots mean the same
/// history. Payloads are left out: an erasure changes nothing. 15 ns an event where SHA-256 is 500:
/// the log's own trees are what stands against an adversary, see `decisions/0001-history-root.md`.
package struct HistoryRoot: Sendable, Equatable {
  private var high: UInt64 = 0
  private var low: UInt64 = 0

  package static let byteCount = 16

  package init() {}

  /// The bytes of `bytes` as they were stored.
  package init(bytes: [UInt8]) {
    precondition(bytes.count == Self.byteCount, "a root has 16 bytes")
    high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
  }

  package var bytes: [UInt8] {
    (0..<16).map { index in
      let word = index < 8 ? high : low
      return UInt8(truncatingIfNeeded: word >> UInt64(56 - index % 8 * 8))
    }
  }

  package mutating func add(_ event: RecordedDomainEvent) {
    var mixer = Mixer()
    mixer.take(event.position, event.orgSequence)
    mixer.take(event.org.value)
    mixer.take(event.stream.value)
    mixer.take(event.version, UInt64(bitPattern: event.recordedAtMicros))
    mixer.take(event.type)
    high &+= mixer.high
    low &+= mixer.low
  }

  /// What tells an event from every other at its position: a log that was restored and written on has
  /// another one there.
  package static func identity(of event: RecordedDomainEvent) -> [UInt8] {
    var bytes: [UInt8] = []
    func append(_ value: some FixedWidthInteger) {
      unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }
    append(event.position)
    append(event.org.value)
    append(event.orgSequence)
    append(event.stream.value)
    append(event.version)
    append(event.recordedAtMicros)
    bytes.append(contentsOf: event.type.utf8)
    return SHA256.hash(bytes)
  }
}

/// Two words stirred by 64×64→128-bit products. The constants are odd numbers with about as many ones
/// as zeros: the first digits of the square roots of 2 and 3 in binary.
private struct Mixer {
  private(set) var high: UInt64 = 0x6A09_E667_F3BC_C909
  private(set) var low: UInt64 = 0xBB67_AE85_84CA_A73B

  mutating func take(_ first: UInt64, _ second: UInt64) {
    let product = (high ^ first).multipliedFullWidth(by: low ^ second | 1)
    let turned = high << 23 | high >> 41
    high = product.high ^ (low &+ first &* 0x6A09_E667_F3BC_C909)
    low = product.low ^ (turned &+ second &* 0xBB67_AE85_84CA_A73B)
  }

  mutating func take(_ value: UInt128) {
    take(UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value))
  }

  mutating func take(_ text: String) {
    var word: UInt64 = UInt64(text.utf8.count)
    var count = 0
    for byte in text.utf8 {
      word = word << 8 ^ word >> 56 ^ UInt64(byte)
      count += 1
      if count & 7 == 0 { take(word, UInt64(count)) }
    }
    take(word, UInt64(count))
    take(0, 0)
  }
}

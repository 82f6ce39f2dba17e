internal import Crypto
package import Domain
package import EventCodec
internal import Postgres

/// How far a projection is, and the proof of what it saw: a hash chain over the events it consumed.
package struct Checkpoint: Sendable, Equatable {
  /// Everything up to here is in the rows (or was none of the projection's business).
  package var position: UInt64
  package var chain: EventChain
  /// When the log took the event at `position`, as far as known.
  package var recordedAtMicros: Micros?

  package static let start = Checkpoint(position: 0, chain: EventChain(), recordedAtMicros: nil)

  package init(position: UInt64, chain: EventChain, recordedAtMicros: Micros?) {
    self.position = position
    self.chain = chain
    self.recordedAtMicros = recordedAtMicros
  }
}

/// SHA-256 over the place and name of every consumed event in order. Payloads are left out, so that an
/// erasure does not change it. Equal chains: the same events in the same order.
package struct EventChain: Sendable, Equatable {
  package private(set) var digest: [UInt8]

  package init() { digest = [UInt8](repeating: 0, count: SHA256.digestByteCount) }

  package init(digest: [UInt8]) { self.digest = digest }

  package mutating func append(_ event: RecordedDomainEvent) {
    var bytes = digest
    bytes.reserveCapacity(128)
    Self.appendIdentity(of: event, to: &bytes)
    digest = SHA256.hash(bytes)
  }

  /// What tells an event from every other at its position: a log that was restored and written on has
  /// another one there.
  package static func identity(of event: RecordedDomainEvent) -> [UInt8] {
    var bytes: [UInt8] = []
    appendIdentity(of: event, to: &bytes)
    return SHA256.hash(bytes)
  }

  private static func appendIdentity(of event: RecordedDomainEvent, to bytes: inout [UInt8]) {
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
  }
}
